import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ChannelSet, Consumer, MultiTopicConsumer, type ChannelConnect, type ChannelDisconnect, type ChannelFault } from "../src/index.js";
import { Script, type ScriptedChannel } from "./ScriptedChannel.js";
import { hide, showAgain, stage, type Stage } from "./stage.js";

// Time is faked, and so is the server; see ScriptedChannel.

let script: Script;
let set: ChannelSet;
let consumer: Consumer;
let connects: ChannelConnect[];
let ends: ChannelDisconnect[];
let faults: ChannelFault[];
let document: Stage["document"];
let navigator: { onLine: boolean };

const channel = (): ScriptedChannel => script.channels.at(-1) as ScriptedChannel;
const pings = (): number[] => script.received("client_ping").map((line) => line["heartbeat"] as number);
const pass = (millis: number): Promise<unknown> => vi.advanceTimersByTimeAsync(millis);
/** The machine sleeps: the clock goes on, timers do not, and fire late. */
const sleep = (millis: number): void => void vi.setSystemTime(Date.now() + millis);
const see = (state: "hidden" | "visible"): void => {
	document.visibilityState = state;
	document.dispatchEvent(new Event("visibilitychange"));
};
const network = (state: "online" | "offline"): void => {
	navigator.onLine = state === "online";
	dispatchEvent(new Event(state));
};

beforeEach(async () => {
	vi.useFakeTimers();
	navigator = { onLine: true };
	({ document } = stage(navigator));
	vi.stubGlobal("fetch", () => Promise.reject(new Error("no network")));
	script = new Script();
	connects = [];
	ends = [];
	faults = [];
	set = new ChannelSet({ channels: [{ id: "ws", type: "websocket", url: "ws://server/" }], random: () => 0.5, createChannel: script.create });
	set.on("channelConnect", (event) => connects.push(event));
	set.on("channelDisconnect", (event) => ends.push(event));
	set.on("channelFault", (event) => faults.push(event));
	consumer = new Consumer({ channelSet: set, destination: "chat" });
	void consumer.subscribe();
	await pass(0);
	expect(set.connected).toBe(true);
	script.lines.length = 0;
});
afterEach(async () => {
	script.alive = true;
	await set.disconnectAll();
	vi.useRealTimers();
	vi.unstubAllGlobals();
});

describe("heartbeats", () => {
	it("promise the next one, and find a server that vanished", async () => {
		await pass(30_000);
		expect(pings()).toEqual([10_000, 10_000, 10_000]);
		script.alive = false;
		await pass(29_999);
		expect(ends).toEqual([]);
		await pass(1);
		expect(ends).toMatchObject([{ code: 4027, name: "server-vanished", kind: "vanished", willReconnect: true, rejected: false }]);
		script.alive = true;
		await pass(3000);
		expect(connects).toMatchObject([{ resumed: false }, { resumed: true, reconnecting: true }]);
		expect(script.received("attach")).toMatchObject([{ DSId: "client1", secret: "s", attach: 2, have: 1, heartbeat: 10_000 }]);
	});

	it("wait as long as something arrives", async () => {
		await pass(10_000);
		script.alive = false;
		await pass(15_000);
		channel().bring({ type: "async", messageId: "m", destination: "chat" });
		await pass(19_000);
		expect(ends).toEqual([]);
		await pass(1000);
		expect(ends).toMatchObject([{ code: 4027 }]);
	});

	it("are not misled by a timer that runs late", async () => {
		await pass(10_000);
		script.alive = false; // the answer to this one takes its time
		await pass(10_000);
		sleep(20_000); // the page is held up, but not so long that it has slept
		await pass(21_000); // its time is over, but what has arrived is still to be read
		expect(ends).toEqual([]);
		channel().bring({ type: "acknowledge", correlationId: script.received("client_ping").at(-1)?.["messageId"] });
		script.alive = true;
		await pass(60_000);
		expect(ends).toEqual([]);
	});
});

describe("a page that nobody sees", () => {
	it("promises less, as its timers come once a minute", async () => {
		await pass(5000);
		see("hidden");
		expect(pings()).toEqual([70_000]);
		for (let minute = 0; minute < 30; minute++) {
			sleep(55_000); // the timer was due long ago
			await pass(10_000);
		}
		expect(new Set(pings())).toEqual(new Set([70_000]));
		expect(pings().length).toBeGreaterThan(25);
		see("visible");
		expect(pings().at(-1)).toBe(10_000);
		await pass(60_000);
		expect(ends).toEqual([]);
	});

	it("has not slept when its timers are a minute late", async () => {
		see("hidden");
		sleep(80_000);
		channel().fail();
		expect(ends).toMatchObject([{ code: 4008 }]);
	});

	it("goes on while the server keeps its client, and begins no new one before it is seen", async () => {
		see("hidden");
		channel().fail();
		await pass(1000);
		expect(connects).toMatchObject([{}, { resumed: true }]);
		script.alive = false;
		channel().fail();
		await pass(120_000);
		const attempts = script.channels.length;
		expect(attempts).toBeGreaterThan(4);
		script.alive = true;
		await pass(600_000);
		expect(script.channels.length).toBe(attempts);
		see("visible");
		await pass(0);
		expect(set.connected).toBe(true);
	});
});

describe("after a sleep", () => {
	const minutes = 42 * 60_000;

	it("a connection that proves itself is kept, and nothing is told", async () => {
		sleep(minutes);
		await pass(10_000);
		await pass(60_000);
		expect(connects.length + ends.length + faults.length).toBe(1);
	});

	it.each([
		["answers nothing", () => void (script.alive = false)],
		["closes a moment later", () => ((script.alive = false), void setTimeout(() => channel().fail(), 8000))],
		["has closed at once", () => channel().fail()],
	])("one that %s is made anew, once, and says how long", async (_, happens) => {
		await pass(3000);
		script.gone = { reason: "expired", code: 4019, name: "client-vanished", reconnect: "yes" };
		sleep(minutes);
		happens();
		await pass(12_000);
		expect(ends[0]).toMatchObject({ code: 4028, name: "client-asleep", kind: "away", message: "You were away 42 min.", willReconnect: true });
		expect(ends[0]?.awayMillis).toBeGreaterThanOrEqual(minutes);
		script.alive = true;
		await pass(10_000);
		expect(connects).toMatchObject([{ resumed: false }, { resumed: false, reconnecting: true }]);
		expect(ends.slice(1)).toMatchObject([{ code: 4019, kind: "timeout", gone: "expired" }]);
		expect(consumer.subscribed).toBe(true);
		expect(script.clients).toBe(2);
	});

	it("tells it also with a reason that the server gives", async () => {
		sleep(minutes);
		channel().bring({ type: "control", operation: "disconnect", code: 4022, incident: "i1" });
		expect(ends).toMatchObject([{ code: 4022, name: "missed-heartbeats", kind: "timeout", incident: "i1" }]);
		expect(ends[0]?.awayMillis).toBeGreaterThanOrEqual(minutes);
	});

	it("is noticed too where there are no heartbeats, and where the application is quicker than a timer", async () => {
		await set.disconnectAll();
		script.terms = { heartbeatIntervalMillis: 0, reconnectMillis: 15_000 };
		ends = [];
		void consumer.subscribe();
		await pass(0);
		script.lines.length = 0;
		await pass(600_000);
		expect(pings()).toEqual([]);
		sleep(3 * 3_600_000);
		script.alive = false;
		void consumer.unsubscribe();
		await pass(5000);
		expect(ends).toMatchObject([{ code: 4028, message: "You were away 3 h." }]);
	});
});

describe("a network that goes", () => {
	it("is waited for, and the client comes back soon after it does, with jitter", async () => {
		script.alive = false;
		network("offline");
		await pass(4999);
		expect(ends).toEqual([]);
		await pass(1);
		expect(ends).toMatchObject([{ code: 4029, name: "offline", kind: "away", willReconnect: true }]);
		await pass(20_000);
		expect(script.channels.length).toBe(1); // nothing is tried
		script.alive = true;
		network("online");
		await pass(0);
		expect(set.connected).toBe(false);
		await pass(1000);
		expect(connects).toMatchObject([{}, { resumed: true }]);
	});

	it("is not believed to be gone while the server answers", async () => {
		network("offline");
		await pass(3_600_000);
		expect(ends).toEqual([]);
	});

	it("is tried in the end though it is said to be gone", async () => {
		network("offline");
		channel().fail();
		expect(ends).toMatchObject([{ code: 4029 }]);
		await pass(29_000);
		expect(set.connected).toBe(false);
		await pass(2000);
		expect(set.connected).toBe(true);
	});

	it("is another when it comes back: the connection is looked at", async () => {
		script.alive = false;
		network("online");
		await pass(5000);
		expect(ends).toMatchObject([{ code: 4027 }]);
	});
});

describe("coming back", () => {
	it("tries several times within the time the server keeps the client", async () => {
		script.refusing = true;
		channel().fail();
		await pass(15_000);
		expect(script.channels.length).toBe(9); // without regard to that time it would be 7
		script.refusing = false;
		await pass(3000);
		expect(connects).toMatchObject([{}, { resumed: true }]);
	});

	it("does so too from the browser's memory", async () => {
		script.terms = { reconnectMillis: 15_000, reloadGraceMillis: 15_000 };
		channel().bring({ type: "control", operation: "disconnect", code: 4001 });
		await pass(60_000);
		script.refusing = true;
		const { length } = script.channels;
		hide();
		showAgain();
		await pass(15_000);
		expect(script.channels.length - length).toBe(8); // without regard to that time it would be 6
	});

	it("reports what was tried before, how long and how it failed", async () => {
		script.alive = false;
		channel().fail();
		await pass(5000);
		script.alive = true;
		await pass(3000);
		const body = script.received("client_ping").map((line) => line["body"] as object | undefined).find(Boolean);
		expect(body).toMatchObject({ tried: [{ channelId: "ws", millis: 2000, code: 4008, detail: "No message of the server arrived within 2000 ms." }, {}, {}] });
		expect(script.received("client_ping").filter((line) => line["body"]).length).toBe(1);
		channel().bring({ type: "control", operation: "displaced" });
		await pass(3000);
		expect(script.received("client_ping").filter((line) => line["headers"]).map((line) => "body" in line)).toEqual([false]); // a new client, and nothing new to tell
	});

	it("reports the first try and the latest ones, when there were many", async () => {
		script.alive = false;
		channel().fail();
		await pass(2500);
		script.refusing = true;
		await pass(600_000);
		script.alive = true;
		script.refusing = false;
		await pass(60_000);
		const { tried } = script.received("client_ping").map((line) => line["body"] as { tried: { millis: number }[] } | undefined).find(Boolean)!;
		expect(tried.map(({ millis }) => millis)).toEqual([2000, ...Array(15).fill(0)]);
	});

	it("reports with the connect what had been tried by then", async () => {
		await set.disconnectAll();
		script.refusing = true;
		void set.connect();
		await pass(100);
		script.refusing = false;
		await pass(1000);
		expect(script.received("client_ping").find((line) => line["headers"])).toMatchObject({ body: { tried: [{ channelId: "ws", millis: 0, code: 4008 }] } });
	});

	it("does not ask for a client that has ended with its connection", async () => {
		await set.disconnectAll();
		script.terms = { reconnectMillis: 0 };
		await set.connect();
		ends = [];
		channel().fail();
		await pass(1000);
		expect(script.received("attach")).toEqual([]);
		expect(ends).toMatchObject([{ code: 4008 }]);
		expect(set.connected).toBe(true);
	});

	it("is not made sooner by the page, where the server has named a time", async () => {
		channel().bring({ type: "control", operation: "disconnect", code: 4007, retryAfterMillis: 8000 });
		await pass(1000);
		see("visible");
		network("online");
		await pass(6000);
		expect(script.channels.length).toBe(1);
	});

	it.each([[undefined, true], [true, true], [false, false]])("logs in again, where the channel says %s: %s", async (loginAfterDisconnect, again) => {
		await set.disconnectAll();
		const channels = [{ id: "ws", type: "websocket", url: "ws://server/", ...(loginAfterDisconnect !== undefined && { loginAfterDisconnect }) } as const];
		set = new ChannelSet({ channels, random: () => 0.5, createChannel: script.create });
		const changes: unknown[] = [];
		set.on("propertyChange", ({ property, value }) => property === "authenticated" && changes.push(value));
		void set.login("ann", "secret");
		await pass(0);
		channel().fail(); // the client lives on, and with it its login
		await pass(1000);
		expect(changes).toEqual([true]);
		channel().bring({ type: "control", operation: "disconnect", code: 4001 });
		await pass(1000);
		expect(set.connected).toBe(true);
		expect(set.authenticated).toBe(again);
		expect(changes).toEqual(again ? [true, false, true] : [true, false]);
	});

	it.each([
		[{ code: 4007, retryAfterMillis: 8000 }, "shutdown", 8000],
		[{ code: 4001 }, "timeout", 0],
		[{ code: 4005 }, "refused", 0],
	])("waits as long as the server says: %o", async (line, kind, wait) => {
		script.gone = { reason: "expired", ...line };
		channel().bring({ type: "control", operation: "disconnect", ...line });
		expect(ends).toMatchObject([{ kind, willReconnect: true }]);
		await pass(wait);
		expect(script.channels.length).toBe(1);
		await pass(1000);
		expect(connects.at(-1)).toMatchObject({ reconnecting: true, resumed: false });
	});

	/** Nothing is there, for so long that the pauses between attempts are long. */
	const outage = async (): Promise<void> => {
		script.refusing = true;
		channel().fail();
		await pass(120_000);
		script.refusing = false;
		const { length } = script.channels;
		while (script.channels.length === length) await pass(100);
		await pass(0);
	};

	it("is at once when an answering server does not know the client, however often nobody answered before", async () => {
		script.gone = { reason: "unknown", code: 4522, reconnect: "yes" };
		await outage();
		expect(ends.at(-1)).toMatchObject({ code: 4522, kind: "vanished", gone: "unknown", willReconnect: true });
		expect(set.connected).toBe(false);
		await pass(250);
		expect(connects).toMatchObject([{}, { reconnecting: true, resumed: false }]);
		channel().fail(); // without a word, and soon: that is the outage again
		await pass(2500);
		expect(set.connected).toBe(false);
	});

	it.each([
		[{ code: 4007, retryAfterMillis: 1270 }, 1270],
		[{ code: 4015 }, 0],
	])("does not count an outage that is over, when the server ends the new connection: %o", async (line, wait) => {
		await outage();
		expect(connects.length).toBe(2);
		await pass(1000);
		script.gone = { reason: "expired", ...line };
		channel().bring({ type: "control", operation: "disconnect", ...line });
		await pass(wait);
		expect(set.connected).toBe(false);
		await pass(250);
		expect(set.connected).toBe(true);
	});

	it("is later and later to a server that ends every connection soon", async () => {
		const pauses: number[] = [];
		for (let i = 0; i < 4; i++) {
			channel().bring({ type: "control", operation: "disconnect", code: 4005 });
			const began = Date.now();
			while (!set.connected) await pass(25);
			pauses.push(Date.now() - began);
		}
		expect(pauses).toEqual([125, 250, 500, 1000]);
		await pass(11_000); // this one has lived
		channel().bring({ type: "control", operation: "disconnect", code: 4005 });
		await pass(250);
		expect(set.connected).toBe(true);
	});

	it("does not fight for a client that another page has", async () => {
		channel().bring({ type: "control", operation: "displaced", attach: 7 });
		expect(ends).toMatchObject([{ code: 4004, kind: "removed", willReconnect: true, rejected: false }]);
		await pass(1000);
		expect(script.received("attach")).toEqual([]);
		expect(connects).toMatchObject([{}, { resumed: false }]);
		expect(consumer.subscribed).toBe(true);
	});

	it("stays away where that is said", async () => {
		channel().bring({ type: "control", operation: "disconnect", code: 4002, incident: "i2" });
		expect(ends).toMatchObject([{ code: 4002, name: "session-invalidated", kind: "removed", incident: "i2", willReconnect: false, rejected: true }]);
		await pass(600_000);
		expect(script.channels.length).toBe(1);
	});
});

describe("what is given up while the connection is lost", () => {
	/** The connection is lost; the server keeps the client. */
	const back = async (): Promise<void> => {
		await pass(1000);
		expect(connects.at(-1)).toMatchObject({ resumed: true });
	};

	it("is ended at the server when it is back: a subscription", async () => {
		const { clientId } = consumer;
		channel().fail();
		const over = consumer.unsubscribe();
		await back();
		expect(script.received("unsubscribe")).toMatchObject([{ clientId, seq: 2 }]);
		await over;
	});

	it("is ended at the server when it is back: a login", async () => {
		void set.login("ann", "secret");
		await pass(0);
		channel().fail();
		const out = set.logout();
		await back();
		expect(script.received("logout")).toHaveLength(1);
		await out;
		expect(ends.at(-1)).toMatchObject({ code: 4011, willReconnect: false });
	});

	it("is told when it is back: subtopics that come and go", async () => {
		const several = new MultiTopicConsumer({ channelSet: set, destination: "chat" });
		several.addSubscription("a");
		await several.subscribe();
		channel().fail();
		several.addSubscription("b");
		several.removeSubscription("a");
		await back();
		expect(script.received("multi_subscribe").slice(1).map(({ headers }) => headers)).toEqual([{ DSAddSub: ["b_;_"] }, { DSRemSub: ["a_;_"] }]);
	});

	it("is over with the client: nobody waits for ever", async () => {
		channel().fail();
		const over = consumer.unsubscribe();
		script.gone = { reason: "unknown", code: 4522, reconnect: "yes" };
		await pass(1000);
		await over;
		expect(script.received("unsubscribe")).toEqual([]);
	});
});

it("a subscription that is to be tried again brings nobody back whom the server has sent away", async () => {
	const other = new Consumer({ channelSet: set, destination: "full" });
	void other.subscribe();
	await pass(0);
	channel().bring({ type: "error", correlationId: script.received("subscribe").at(-1)?.["messageId"], code: 4524, retryAfterMillis: 1000 });
	channel().bring({ type: "control", operation: "disconnect", code: 4002 });
	await pass(60_000);
	expect(ends).toMatchObject([{ code: 4002, willReconnect: false }]);
	expect(script.channels.length).toBe(1);
});

describe("what is none of the connection's business", () => {
	it("a logout is one, also where the browser says that there is no network", async () => {
		void set.login("ann", "secret");
		await pass(0);
		navigator.onLine = false;
		await set.logout();
		expect(ends).toMatchObject([{ code: 4011, kind: "left" }]);
	});

	it("what the client before has heard too late does not end the connection of the next", async () => {
		const old = channel();
		void set.disconnectAll();
		void set.connect();
		await pass(0);
		old.onmessage({ type: "error", code: 4523, expect: 2 }, 10);
		await pass(0);
		expect(set.connected).toBe(true);
		expect(ends).toMatchObject([{ code: 4000 }]);
	});

	it("a subscription that came about too late is ended", async () => {
		await set.disconnectAll();
		set = new ChannelSet({ channels: [{ id: "ws", type: "websocket", url: "ws://server/", requestTimeoutMillis: 5000 }], createChannel: script.create });
		await set.connect();
		const other = new Consumer({ channelSet: set, destination: "full" });
		const heard: unknown[] = [];
		other.on("message", ({ message }) => heard.push(message.body));
		const subscribed = other.subscribe();
		await pass(5000);
		await expect(subscribed).rejects.toMatchObject({ faultCode: "Client.Error.RequestTimeout" });
		const again = other.subscribe();
		await pass(0);
		for (const [i, { messageId }] of script.received("subscribe").slice(-2).entries()) {
			channel().bring({ type: "subscription-state", operation: "subscribe", clientId: `full${i}`, destination: "full", correlationId: messageId }, { type: "acknowledge", correlationId: messageId, clientId: `full${i}` });
		}
		await again;
		channel().bring({ type: "async", messageId: "m", destination: "full", body: 1 });
		await pass(0);
		expect(heard).toEqual([1]);
		expect(other.clientId).toBe("full1");
		expect(script.received("unsubscribe")).toMatchObject([{ clientId: "full0" }]);
	});
});
