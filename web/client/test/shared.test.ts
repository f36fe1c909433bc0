import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { Consumer, MultiTopicConsumer, Producer, type ChannelDisconnect } from "../src/index.js";
import { Hub, Scene } from "../src/shared/Hub.js";
import { SharedChannelSet } from "../src/shared/SharedChannelSet.js";
import { FakeLocks } from "./FakeLocks.js";
import { FakeServer } from "./FakeServer.js";
import { hide, reload, showAgain, stage, type Stage } from "./stage.js";

const until = (check: () => unknown): Promise<void> => vi.waitFor(() => expect(check()).toBeTruthy(), { timeout: 10_000, interval: 5 });
/** All that is on its way between tabs and worker has arrived. */
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));

interface Tab {
	readonly set: SharedChannelSet;
	readonly got: unknown[];
	readonly told: string[];
}

describe("tabs that share a ChannelSet", () => {
	let server: FakeServer;
	let locks: FakeLocks;
	let document: Stage["document"];
	let hubs: Hub[];
	let scene: Scene;
	let workers: MessagePort[]; // the workers' ends
	let tabs: Tab[];

	/** The browser's one worker. */
	class FakeWorker {
		onerror: unknown;
		readonly port: MessagePort;

		constructor() {
			const { port1, port2 } = new MessageChannel();
			this.port = port1 as unknown as MessagePort;
			workers.push(port2 as unknown as MessagePort);
			if (hubs.length === 0) hubs.push(new Hub((scene = new Scene())));
			(hubs[0] as Hub).connect(port2 as unknown as MessagePort);
		}
	}

	const make = (more: object = {}): Tab => {
		const set = new SharedChannelSet({ channels: server.channels("websocket"), baseUrl: server.base, worker: "/sluice-shared.mjs", webSocket: WebSocket as never, ...more });
		const tab: Tab = { set, got: [], told: [] };
		tabs.push(tab);
		set.on("channelConnect", ({ resumed }) => tab.told.push(resumed ? "resumed" : "connect"));
		set.on("channelDisconnect", ({ code, willReconnect }) => tab.told.push(`${code} ${willReconnect}`));
		set.on("propertyChange", ({ property, value }) => tab.told.push(`${property} ${value}`));
		set.on("fault", ({ fault }) => tab.told.push(`fault ${fault.code} ${fault instanceof Error}`));
		return tab;
	};
	const open = async (subtopic: string, more?: object): Promise<Tab & { consumer: Consumer }> => {
		const tab = make(more);
		const consumer = new Consumer({ channelSet: tab.set, destination: "chat", subtopic });
		consumer.on("message", ({ message }) => tab.got.push(message.body));
		await consumer.subscribe();
		return { ...tab, consumer };
	};
	const subtopics = (): string[] => server.living().flatMap(({ subscriptions }) => [...subscriptions.values()].flatMap((entry) => entry.subtopics));
	const tabLocks = (): string[] => [...locks.held].filter((name) => name.startsWith("sluice tab"));

	beforeEach(async () => {
		locks = new FakeLocks();
		hubs = [];
		workers = [];
		tabs = [];
		({ document } = stage({ onLine: true, locks }));
		vi.stubGlobal("WebSocket", WebSocket);
		vi.stubGlobal("SharedWorker", FakeWorker);
		server = await new FakeServer().start();
	});
	afterEach(async () => {
		await Promise.all(tabs.map(({ set }) => set.disconnectAll()));
		await until(() => tabLocks().length === 0);
		for (const port of workers) port.close();
		vi.unstubAllGlobals();
		await server.stop();
	});

	it("are one client, and each hears its own subscriptions only", async () => {
		const [one, two, three] = [await open("a"), await open("b"), await open("a")];
		expect(server.living()).toHaveLength(1);
		expect(server.sockets.size).toBe(1);
		server.publish("chat", "a", 1);
		server.publish("chat", "b", 2);
		await until(() => one.got.length + two.got.length + three.got.length === 3);
		expect([one.got, two.got, three.got]).toEqual([[1], [2], [1]]);
		expect(one.told).toEqual(["shared true", "connect", "connected true"]);
		expect(two.told).toEqual(["shared true", "connect", "connected true"]);
		expect([one.set.clientId, two.set.clientId, two.set.shared, two.set.held]).toEqual(["client1", "client1", true, true]);
	});

	it("are as many clients as they have different options", async () => {
		await open("a");
		await open("a", { maxWaiting: 5 });
		await open("a", { random: () => 0.5 });
		expect(server.living()).toHaveLength(2);
	});

	it("get their answers where they have asked: acknowledgements, and Faults that are Faults", async () => {
		const [one, two] = [await open("a"), await open("b")];
		const heard: string[] = [];
		for (const { set } of [one, two]) {
			const producer = new Producer({ channelSet: set, destination: "chat", subtopic: "b" });
			producer.on("acknowledge", () => heard.push(set === one.set ? "one" : "two"));
			if (set === two.set) expect((await producer.send({ text: "ö" })).type).toBe("acknowledge");
		}
		await expect(new Producer({ channelSet: one.set, destination: "nowhere" }).send(1)).rejects.toMatchObject({ name: "Fault", code: 4507, faultString: "There is no such destination." });
		await expect(new Consumer({ channelSet: two.set, destination: "nowhere" }).subscribe()).rejects.toMatchObject({ code: 4507 });
		expect(heard).toEqual(["two"]);
	});

	it("change what they have subscribed to, and take back only their own", async () => {
		const { set } = await open("a");
		const many = new MultiTopicConsumer({ channelSet: set, destination: "chat" });
		many.addSubscription("m");
		await many.subscribe();
		many.addSubscription("n");
		const other = await open("a");
		await until(() => subtopics().length === 4);
		expect(subtopics().sort()).toEqual(["a", "a", "m", "n"]);
		await other.consumer.unsubscribe();
		await until(() => subtopics().length === 3);
		expect(server.living()).toHaveLength(1);
	});

	it("take their subscriptions with them, and leave the connection to the others", async () => {
		const [one, two] = [await open("a"), await open("b")];
		await one.set.disconnectAll();
		expect(one.told.slice(-2)).toEqual(["connected false", "4000 false"]);
		expect(one.set.connected).toBe(false);
		await until(() => String(subtopics()) === "b");
		expect([two.set.connected, two.told.length]).toEqual([true, 3]);
		server.publish("chat", "b", 1);
		await until(() => two.got.length === 1);
		await one.consumer.subscribe(); // and come back
		server.publish("chat", "a", 2);
		await until(() => one.got.length === 1);
		expect(server.clients.size).toBe(1);
		await one.consumer.disconnect();
		await two.consumer.disconnect();
		await until(() => server.living().length === 0);
		expect(server.received("disconnect")).toHaveLength(1);
	});

	it("take them with them when they crash, also what is just being asked for", async () => {
		await open("a");
		const [mine] = tabLocks();
		await open("b");
		const second = tabLocks().find((name) => name !== mine);
		locks.kill(second as string);
		await until(() => String(subtopics()) === "a");
		const third = new Consumer({ channelSet: make().set, destination: "chat", subtopic: "c" });
		void third.subscribe();
		await until(() => server.received("subscribe").length === 3);
		locks.kill(tabLocks().find((name) => name !== mine && name !== second) as string);
		await until(() => server.received("unsubscribe").length === 2);
		expect(subtopics()).toEqual(["a"]);
		locks.kill(mine as string);
		await until(() => server.living().length === 0);
	});

	it("have one login", async () => {
		const [one, two] = [await open("a"), await open("b")];
		const faults: unknown[] = [];
		two.consumer.on("fault", (fault) => faults.push(fault));
		await expect(one.set.login("ann", "wrong")).rejects.toMatchObject({ name: "Fault" });
		await until(() => two.told.at(-1) === "fault 4517 true");
		expect(faults).toEqual([]); // which are for what the Consumer has asked
		expect(await one.set.login("ann", "secret")).toEqual({ user: "ann", roles: ["guest"] });
		await until(() => two.set.user === "ann");
		expect(two.told.at(-1)).toBe("authenticated true");
		const three = await open("c");
		expect([three.set.authenticated, three.told.at(-1)]).toEqual([true, "authenticated true"]);
		await two.set.logout();
		await until(() => tabs.every(({ set }) => !set.connected && !set.authenticated));
		expect(three.told.at(-1)).toBe("4011 false");
		await one.set.connect();
		await until(() => three.set.connected);
	});

	it("go on as one client over a lost connection, and subscribe again with a new one", async () => {
		const [one, two] = [await open("a", { maxWaiting: 9 }), await open("b", { maxWaiting: 9 })];
		server.cut();
		await until(() => one.told.includes("resumed") || one.told.filter((entry) => entry === "connect").length > 1);
		server.endAll({ code: 4007, name: "server-shutdown", retryAfterMillis: 1 });
		await until(() => server.clients.size > 1 && subtopics().length === 2);
		await until(() => one.consumer.subscribed && two.consumer.subscribed);
		server.publish("chat", "a", 1);
		server.publish("chat", "b", 2);
		await until(() => one.got.length === 1 && two.got.length === 1);
		expect(one.told.some((entry) => entry === "4007 true")).toBe(true);
		expect(server.living()).toHaveLength(1);
	});

	it("start another worker when theirs dies, with what they want and without what is in doubt", async () => {
		const [one, two] = [await open("a"), await open("b")];
		const ends: ChannelDisconnect[] = [];
		one.consumer.on("channelDisconnect", (end) => ends.push(end));
		const sent = new Producer({ channelSet: one.set, destination: "chat" });
		for (const port of workers.splice(0)) port.close();
		const open1 = sent.send(1);
		hubs = [];
		locks.kill([...locks.held].find((name) => name.startsWith("sluice hub")) as string);
		await expect(open1).rejects.toMatchObject({ faultCode: "Client.Error.DeliveryInDoubt" });
		await until(() => one.set.connected && two.set.connected && one.consumer.subscribed && two.consumer.subscribed);
		expect(ends).toMatchObject([{ code: 4008, willReconnect: true }]);
		const newest = [...server.clients.values()].at(-1);
		expect([...(newest?.subscriptions.values() ?? [])].flatMap((entry) => entry.subtopics).sort()).toEqual(["a", "b"]);
	});

	it("are seen while one of them is", async () => {
		await open("a");
		expect(scene.visibilityState).toBe("visible");
		const changes: string[] = [];
		scene.addEventListener("visibilitychange", () => changes.push(scene.visibilityState));
		for (const state of ["hidden", "visible"]) {
			document.visibilityState = state;
			document.dispatchEvent(new Event("visibilitychange"));
			await until(() => scene.visibilityState === state);
		}
		expect(changes).toEqual(["hidden", "visible"]);
		const { set } = await open("b");
		document.visibilityState = "hidden"; // of those that come from now on
		await open("c");
		await tabs[0]?.set.disconnectAll();
		expect(scene.visibilityState).toBe("visible");
		await set.disconnectAll();
		await until(() => scene.visibilityState === "hidden");
	});

	it("leave with their page, and come back with it", async () => {
		const { set, consumer, got, told } = await open("a");
		hide();
		expect([set.connected, consumer.subscribed, told.at(-1)]).toEqual([false, false, "4012 true"]);
		await until(() => server.living().length === 0);
		showAgain();
		await until(() => consumer.subscribed);
		server.publish("chat", "a", 1);
		await until(() => got.length === 1);
		reload();
		await until(() => server.living().length === 0);
	});

	it("are given up when they take nothing, and begin anew when they do", async () => {
		const [frozen, other] = [await open("a"), await open("b")];
		const client = server.living()[0] as never;
		// A tab that is frozen takes nothing of what is posted to it.
		const port = workers[0] as MessagePort;
		const post = vi.spyOn(port, "postMessage").mockImplementation(() => {});
		for (let i = 0; i <= 20_000; i += 100) {
			for (let j = 0; j < 100; j++) server.push(client, { type: "async", destination: "chat", headers: { DSSubtopic: "a" }, body: i + j }, { type: "control", operation: "for", clientIds: [frozen.consumer.clientId, other.consumer.clientId] });
			if (i % 2000 === 0) await settle();
		}
		await until(() => String(subtopics()) === "b");
		expect(JSON.parse(String(post.mock.calls.at(-1)?.[0]))).toEqual({ op: "over" });
		await until(() => other.got.length === 20_100); // who takes what comes gets all of it
		expect([other.set.connected, other.told.length]).toEqual([true, 3]);
		post.mockRestore();
		port.postMessage('{"op":"over"}'); // it thaws
		await until(() => subtopics().length === 2);
		expect(frozen.told).toContain("4008 true");
	});

	it.each<[string, () => void]>([
		["there is no SharedWorker", () => vi.stubGlobal("SharedWorker", undefined)],
		["there are no Web Locks", () => vi.stubGlobal("navigator", { onLine: true })],
		["the script is of another origin", () => vi.stubGlobal("SharedWorker", class { constructor() { throw new Error("SecurityError"); } })],
		["the worker cannot be loaded", () => vi.stubGlobal("SharedWorker", class { port = new MessageChannel().port1; set onerror(tell: () => void) { setTimeout(tell); } })],
	])("go alone where %s, and say so", async (_, take) => {
		take();
		const [one, two] = [await open("a"), await open("a")];
		expect([one.set.shared, two.set.shared]).toEqual([false, false]);
		expect(one.told).toEqual(["shared false", "connect", "connected true"]);
		expect(server.living()).toHaveLength(2);
		server.publish("chat", "a", 1);
		await until(() => one.got.length === 1 && two.got.length === 1);
		expect((await new Producer({ channelSet: one.set, destination: "chat" }).send(1)).type).toBe("acknowledge");
		await one.set.disconnectAll();
		expect(server.living()).toHaveLength(1);
	});
});
