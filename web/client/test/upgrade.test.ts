import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { ChannelSet, Consumer, Producer, type ChannelConnect, type ChannelDisconnect, type ChannelSetOptions, type ChannelType, type WebSocketClass } from "../src/index.js";
import { FakeServer } from "./FakeServer.js";
import { stage } from "./stage.js";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });
const until = (check: () => unknown): Promise<void> => vi.waitFor(() => expect(check()).toBeTruthy(), { timeout: 60_000, interval: 5 });

let server: FakeServer;
const sets: ChannelSet[] = [];
const make = (options: ChannelSetOptions = {}): ChannelSet => {
	const channels = server.channels().map((channel) => ({ ...channel, connectTimeoutMillis: 60_000 }));
	const set = new ChannelSet({ channels, baseUrl: server.base, webSocket: WebSocket as unknown as WebSocketClass, random: () => 0.05, staggerMillis: 60_000, upgradeMillis: 20, maxUpgradeMillis: 40, ...options });
	sets.push(set);
	return set;
};
const over = (set: ChannelSet): ChannelType | undefined => set.currentChannel?.type;

beforeEach(async () => {
	server = await new FakeServer().start();
	server.welcome = { ...server.welcome, reconnectMillis: 60_000 };
});
afterEach(async () => {
	server.cutAt = -1;
	await Promise.all(sets.splice(0).map((set) => set.disconnectAll()));
	vi.unstubAllGlobals();
	await server.stop();
});

/** A page that hears and speaks all the time: everything it sends it must hear once, in order. */
class Traffic {
	readonly got: unknown[] = [];
	readonly ends: ChannelDisconnect[] = [];
	readonly connects: ChannelConnect[] = [];
	readonly sent: Promise<unknown>[] = [];
	readonly #timer: ReturnType<typeof setInterval>;
	constructor(readonly set: ChannelSet) {
		const consumer = new Consumer({ channelSet: set, destination: "chat" });
		const producer = new Producer({ channelSet: set, destination: "chat" });
		consumer.on("message", ({ message }) => this.got.push(message.body));
		set.on("channelDisconnect", (event) => this.ends.push(event));
		set.on("channelConnect", (event) => this.connects.push(event));
		void consumer.subscribe();
		this.#timer = setInterval(() => this.sent.push(producer.send(this.sent.length)), 3);
	}
	/** Goes on until everything has come, and checks it. */
	async end(): Promise<void> {
		const before = this.sent.length;
		await until(() => this.sent.length > before + 5);
		clearInterval(this.#timer);
		await Promise.all(this.sent); // nothing is in doubt
		await until(() => this.got.length >= this.sent.length);
		expect(this.got).toEqual([...this.sent.keys()]);
		expect(server.living()).toHaveLength(1);
		expect(this.connects.map(({ resumed }) => resumed)).toEqual([false, ...Array<boolean>(this.connects.length - 1).fill(true)]);
	}
}

describe("a client that has fallen back", () => {
	it.each<[ChannelType, ChannelType]>([["streaming", "websocket"], ["longpoll", "websocket"], ["longpoll", "streaming"]])("from %s goes back to %s by itself, in full traffic, and is not interrupted", async (from, to) => {
		server.webSocket = "refuse";
		server.buffering = from === "longpoll";
		const channels = server.channels().map((channel) => ({ ...channel, connectTimeoutMillis: channel.type === "streaming" ? 300 : 60_000 }));
		const traffic = new Traffic(make({ channels }));
		await until(() => over(traffic.set) === from && traffic.got.length > 10);
		server.buffering = false;
		if (to === "websocket") server.webSocket = "ok";
		await until(() => over(traffic.set) === to);
		await traffic.end();
		expect(traffic.ends).toEqual([]);
		expect(traffic.connects.at(-1)).toMatchObject({ channelId: `my-${to}`, movedFrom: expect.any(String) as string, resumed: true, reconnecting: true });
	});

	it("tries again and again, with control lines only, and not when it has the best", async () => {
		server.webSocket = "swallow";
		const channels = server.channels("websocket", "longpoll").map((channel) => ({ ...channel, connectTimeoutMillis: channel.type === "websocket" ? 30 : 60_000 }));
		const set = make({ channels });
		await set.connect();
		await until(() => server.probes > 3);
		expect(server.living()[0]?.attaches.length).toBe(1); // the poll is never disturbed
		server.webSocket = "ok";
		await until(() => over(set) === "websocket");
		const frames = (): unknown[] => server.log.filter(({ how }) => how === "ws").map(({ lines }) => lines[0]?.["operation"] as unknown);
		await until(() => frames().length > 1);
		expect(frames().slice(0, 2)).toEqual(["client_ping", "attach"]);
		const { probes } = server;
		await new Producer({ channelSet: set, destination: "chat" }).send(1);
		expect(server.probes).toBe(probes);
	});

	it("never does so where it shall not", async () => {
		vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
		server.webSocket = "refuse";
		const set = make({ upgradeMillis: 0 });
		await set.connect();
		server.webSocket = "ok";
		vi.advanceTimersByTime(3_600_000);
		vi.useRealTimers();
		await new Producer({ channelSet: set, destination: "chat" }).send(1);
		expect(over(set)).toBe("streaming");
	});

	it("comes to the server at once when the network is back", async () => {
		const { document } = stage();
		server.webSocket = "refuse";
		const set = make({ upgradeMillis: 3_600_000 });
		await set.connect();
		server.webSocket = "ok";
		document.visibilityState = "hidden"; // but not while nobody sees the page
		dispatchEvent(new Event("online"));
		await new Producer({ channelSet: set, destination: "chat" }).send(1);
		document.visibilityState = "visible";
		document.dispatchEvent(new Event("visibilitychange"));
		await until(() => over(set) === "websocket");
	});

	it("and when it is another, as far as the browser tells", async () => {
		const connection = Object.assign(new EventTarget(), { type: "wifi" });
		stage({ onLine: true, connection });
		server.webSocket = "refuse";
		const set = make({ upgradeMillis: 3_600_000 });
		await set.connect();
		server.webSocket = "ok";
		const before = server.received("client_ping").length;
		connection.dispatchEvent(new Event("change")); // only faster
		await new Producer({ channelSet: set, destination: "chat" }).send(1);
		expect(server.received("client_ping").length).toBe(before);
		connection.type = "cellular";
		connection.dispatchEvent(new Event("change"));
		await until(() => over(set) === "websocket");
	});

	// The server cuts everything at one step after the other: what arrives there, and what is about to leave.
	it.each<[string, ChannelType[]]>([["down and up again", ["websocket", "longpoll"]], ["down and up again by way of streams", ["websocket", "streaming"]], ["from a poll to a stream", ["streaming", "longpoll"]]])("loses, doubles and reorders nothing wherever it is cut: %s", async (_, types) => {
		let cuts = 0;
		for (let step = 1; step <= 20; step++) {
			server.webSocket = "ok";
			server.buffering = false;
			const channels = server.channels(...types).map((channel) => ({ ...channel, connectTimeoutMillis: channel.type === types[0] ? 150 : 60_000 }));
			const traffic = new Traffic(make({ channels }));
			await until(() => over(traffic.set) === types[0] && traffic.got.length > 2);
			server.webSocket = "refuse";
			server.buffering = types[0] === "streaming";
			const down = step % 2 === 0; // cut while it falls back, or while it goes up again
			if (down) server.cutAt = server.steps + step / 2;
			server.cut();
			await until(() => over(traffic.set) === types[1] && traffic.set.connected);
			if (!down) server.cutAt = server.steps + (step + 1) / 2;
			server.webSocket = "ok";
			server.buffering = false;
			await until(() => server.steps > server.cutAt);
			await until(() => over(traffic.set) === types[0] && traffic.set.connected);
			await traffic.end();
			cuts++;
			await sets.pop()?.disconnectAll();
			server.clients.clear();
		}
		expect(cuts).toBe(20);
	});
});

describe("what worked", () => {
	const page = (options: ChannelSetOptions = {}): ChannelSet => make({ upgradeMillis: 3_600_000, ...options });
	let local: Map<string, string>;
	let connection: { type: string } & EventTarget;

	beforeEach(() => {
		local = new Map();
		connection = Object.assign(new EventTarget(), { type: "wifi" });
		stage({ onLine: true, connection });
		vi.stubGlobal("sessionStorage", undefined);
		vi.stubGlobal("localStorage", { getItem: (name: string) => local.get(name) ?? null, setItem: (name: string, value: string) => void local.set(name, value) });
		server.webSocket = "refuse";
	});
	const connect = async (options?: ChannelSetOptions): Promise<string[]> => {
		const set = page(options);
		const faults: string[] = [];
		set.on("channelFault", ({ channelId }) => faults.push(channelId));
		await set.connect();
		return [...faults, over(set) as string];
	};

	it("is what the next page in this network begins with, which tries the better one in the background, and then forgets it", async () => {
		expect(await connect()).toEqual(["my-websocket", "streaming"]);
		expect(await connect()).toEqual(["streaming"]);
		server.webSocket = "ok";
		const set = page({ upgradeMillis: 20 });
		await set.connect();
		expect(over(set)).toBe("streaming");
		await until(() => over(set) === "websocket");
		expect(await connect()).toEqual(["websocket"]);
		expect([...local.values()]).toEqual(["{}"]);
	});

	it("says nothing of another network, and nothing after a day", async () => {
		await connect();
		connection.type = "cellular";
		expect(await connect()).toEqual(["my-websocket", "streaming"]);
		expect(await connect()).toEqual(["streaming"]);
		vi.setSystemTime(Date.now() + 86_400_001);
		expect(await connect()).toEqual(["my-websocket", "streaming"]);
		vi.useRealTimers();
	});

	it("is remembered of eight networks", async () => {
		for (let i = 0; i < 12; i++) {
			connection.type = `network ${i}`;
			await connect();
		}
		expect(Object.keys(JSON.parse([...local.values()][0] ?? "") as object).map((name) => name.split(" ")[1])).toEqual(["4", "5", "6", "7", "8", "9", "10", "11"]);
	});

	it.each([["there is no storage", undefined], ["it is broken", { getItem: () => "{ broken", setItem: () => { throw new Error("full"); } }]])("is not known where %s", async (_, storage) => {
		vi.stubGlobal("localStorage", storage);
		expect(await connect()).toEqual(["my-websocket", "streaming"]);
		expect(await connect()).toEqual(["my-websocket", "streaming"]);
	});
});
