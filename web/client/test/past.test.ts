import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { ChannelSet, Consumer, MultiTopicConsumer, type ConsumerOptions, type From, type WebSocketClass } from "../src/index.js";
import { FakeServer, type FakeClient } from "./FakeServer.js";
import { reload, stage } from "./stage.js";

vi.setConfig({ testTimeout: 60_000 });
const until = (check: () => unknown): Promise<void> => vi.waitFor(() => expect(check()).toBeTruthy(), { timeout: 30_000, interval: 5 });

let server: FakeServer;
const sets: ChannelSet[] = [];
const make = (): ChannelSet => {
	const set = new ChannelSet({ name: "app", channels: server.channels("websocket"), baseUrl: server.base, webSocket: WebSocket as unknown as WebSocketClass, random: () => 0.05 });
	sets.push(set);
	return set;
};
/** A Consumer and all it tells, in order. */
const consume = (options: Partial<ConsumerOptions> = {}, channelSet = make()): { consumer: Consumer; told: unknown[] } => {
	const consumer = new Consumer({ channelSet, destination: "chat", ...options });
	const told: unknown[] = [];
	for (const name of ["recovered", "loss", "live"] as const) consumer.on(name, (event) => told.push([name, event]));
	consumer.on("message", ({ message, merged }) => told.push(merged === undefined ? message.body : [message.body, merged]));
	return { consumer, told };
};
const client = (): FakeClient => server.living()[0] as FakeClient;
const push = (line: object): void => server.push(client(), { destination: "chat", ...line });
const say = (body: unknown, position?: string): void => push({ type: "async", body, position });
const state = (operation: string, clientId: string | undefined, more: object): void => push({ type: "subscription-state", operation, clientId, ...more });
/** The server forgets all its clients. */
const restart = (): void => {
	server.clients.clear();
	server.cut();
};
const asked = (): Record<string, unknown> => server.received("subscribe").at(-1) ?? {};

beforeEach(async () => {
	server = await new FakeServer().start();
	server.welcome = { ...server.welcome, reconnectMillis: 15_000, reloadGraceMillis: 3000 };
});
afterEach(async () => {
	await Promise.all(sets.splice(0).map((set) => set.disconnectAll()));
	vi.unstubAllGlobals();
	await server.stop();
});

describe("the position of a Consumer", () => {
	it("is that of the last message or state line, and is handed back when the server's client is gone", async () => {
		const { consumer, told } = consume();
		await consumer.subscribe();
		expect(consumer.position).toBeUndefined();
		state("subscribe", consumer.clientId, { position: "P0" });
		await until(() => consumer.position === "P0"); // it has received nothing, and can go on all the same
		restart();
		await until(() => server.received("subscribe").length === 2 && consumer.subscribed);
		expect(asked()).toMatchObject({ position: "P0", headers: {} });
		state("subscribe", consumer.clientId, { position: "P0", recovered: true });
		say(1, "P1");
		state("live", consumer.clientId, { position: "P7" });
		await until(() => consumer.position === "P7");
		say(2, "P8");
		await until(() => told.length === 4);
		restart();
		await until(() => server.received("subscribe").length === 3 && consumer.subscribed);
		expect(asked()).toMatchObject({ position: "P8" });
		state("subscribe", consumer.clientId, { position: "P8", recovered: false });
		push({ type: "loss", clientId: consumer.clientId, reason: "history", from: "P8", to: "P9", count: 3 });
		push({ type: "loss", clientId: "of another", reason: "history" });
		push({ type: "loss", reason: "slow-consumer", count: 2 });
		say(3);
		await until(() => told.includes(3));
		expect(told).toEqual([
			["recovered", { recovered: true, from: "P0" }],
			1,
			["live", { position: "P7" }],
			2,
			["recovered", { recovered: false, from: "P8" }],
			["loss", { destination: "chat", reason: "history", from: "P8", to: "P9", count: 3 }],
			["loss", { destination: "chat", reason: "slow-consumer", count: 2 }],
			3,
		]);
	});

	it.each<[From, object]>([
		["P5", { position: "P5", headers: {} }],
		["earliest", { headers: { DSSince: 0 } }],
		[{ last: 10 }, { headers: { DSLast: 10 } }],
		[{ since: new Date(1234) }, { headers: { DSSince: 1234 } }],
	])("begins where it is told (%o), until it has one of its own", async (from, line) => {
		const { consumer } = consume({ from });
		await consumer.subscribe();
		expect(asked()).toMatchObject(line);
		restart(); // before anything has come
		await until(() => server.received("subscribe").length === 2 && consumer.subscribed);
		expect(asked()).toMatchObject(line);
		say(1, "P6");
		await until(() => consumer.position === "P6");
		restart();
		await until(() => server.received("subscribe").length === 3 && consumer.subscribed);
		expect(asked()).toMatchObject({ position: "P6", headers: {} });
		await consumer.unsubscribe();
		expect(consumer.position).toBe("P6"); // it may be stored
		await consumer.subscribe(); // but this is another beginning
		expect(asked()).toMatchObject(line);
	});

	it("outlives a reload, also where nobody wants the subscription at once", async () => {
		stage();
		const before = consume();
		await before.consumer.subscribe();
		say(1, "P1");
		await until(() => before.told.length === 1);
		await until(() => client().have === 2);
		reload();
		const set = make();
		await set.connect();
		say(2, "P2");
		await until(() => client().have === 3);
		const after = consume({}, set);
		await after.consumer.subscribe();
		await until(() => after.told.length === 1);
		expect([server.received("subscribe").length, after.told, after.consumer.position]).toEqual([1, [2], "P2"]);
		restart();
		await until(() => server.received("subscribe").length === 2 && after.consumer.subscribed);
		expect(asked()).toMatchObject({ position: "P2" });
	});

	it("of one who has none yet is that of the page before", async () => {
		stage();
		const before = consume();
		await before.consumer.subscribe();
		say(1, "P1");
		await until(() => before.told.length === 1);
		reload();
		const after = consume();
		await after.consumer.subscribe();
		expect(after.consumer.position).toBe("P1");
	});

	it("is not what a page that wants the past goes on from: it asks anew", async () => {
		stage();
		const before = consume({ from: { last: 2 } });
		await before.consumer.subscribe();
		say(1, "P1");
		await until(() => before.told.length === 1);
		reload();
		const after = consume({ from: { last: 2 } });
		await after.consumer.subscribe();
		expect(server.received("subscribe")).toHaveLength(2);
		expect(asked()).toMatchObject({ headers: { DSLast: 2 } });
	});
});

describe("a live Consumer", () => {
	const changes = (): unknown[] => server.received("multi_subscribe").map(({ headers, clientId }) => [headers as unknown, clientId as unknown]);

	it("changes subtopic, selector and frequency by what is added and removed, in one request, and loses nothing", async () => {
		const { consumer, told } = consume({ subtopic: "a" });
		await consumer.subscribe();
		const { clientId } = consumer;
		consumer.subtopic = "b";
		consumer.selector = "x > 1";
		server.publish("chat", "a", "before the change");
		await until(() => changes().length === 1 && told.length === 1);
		server.publish("chat", "b", "after it");
		await until(() => told.length === 2);
		consumer.maxFrequency = 5;
		await until(() => changes().length === 2);
		consumer.selector = undefined;
		consumer.maxFrequency = undefined;
		await until(() => changes().length === 3);
		expect(changes()).toEqual([
			[{ DSAddSub: ["b_;_x > 1"], DSRemSub: ["a_;_"] }, clientId],
			[{ DSAddSub: ["b_;_x > 1_;_5"], DSRemSub: ["b_;_x > 1"] }, clientId],
			[{ DSAddSub: ["b_;_"], DSRemSub: ["b_;_x > 1_;_5"] }, clientId],
		]);
		expect(told).toEqual(["before the change", "after it"]);
		expect(server.received("subscribe")).toHaveLength(1);
		restart();
		await until(() => server.received("subscribe").length === 2 && consumer.subscribed);
		expect(asked()["headers"]).toEqual({ DSSubtopic: "b" });
	});

	it("asks once for what is changed before it is subscribed, and not again for what it has", async () => {
		const { consumer } = consume({ subtopic: "a" });
		const done = consumer.subscribe();
		consumer.subtopic = "b";
		await done;
		consumer.subtopic = "b";
		await until(() => [...client().subscriptions.values()][0]?.subtopics.join() === "b");
		expect(changes().length).toBeLessThan(2);
	});

	it("goes on as before where the change is refused, and says so", async () => {
		const { consumer } = consume({ subtopic: "a" });
		await consumer.subscribe();
		const faults: unknown[] = [];
		consumer.on("fault", ({ fault }) => faults.push(fault.code));
		server.refuseChanges = 4553;
		consumer.selector = "x >";
		await until(() => faults.length === 1);
		expect(faults).toEqual([4553]);
		expect([consumer.subtopic, consumer.selector, consumer.subscribed]).toEqual(["a", undefined, true]);
		expect(changes()).toHaveLength(1);
	});
});

it("a message tells how many it stands for", async () => {
	const { consumer, told } = consume();
	await consumer.subscribe();
	client().place?.write([{ type: "control", operation: "merged", count: 4 }]);
	say("one");
	say("two");
	await until(() => told.length === 2);
	expect(told).toEqual([["one", 4], "two"]);
});

it("a ChannelSet is warned before the server acts on a slow consumer", async () => {
	const set = make();
	const slow: unknown[] = [];
	set.on("slow", (event) => slow.push(event));
	await consume({}, set).consumer.subscribe();
	client().place?.write([{ type: "control", operation: "slow", destination: "chat", waiting: 75, limit: 100, setting: "max-waiting-messages" }]);
	await until(() => slow.length === 1);
	expect(slow).toEqual([{ destination: "chat", waiting: 75, limit: 100, setting: "max-waiting-messages" }]);
});

it("a MultiTopicConsumer begins in the past too, and has a frequency for each subtopic", async () => {
	const consumer = new MultiTopicConsumer({ channelSet: make(), destination: "chat", from: { last: 3 } });
	consumer.addSubscription("a", "", 2);
	await consumer.subscribe();
	expect(server.received("multi_subscribe").at(-1)?.["headers"]).toEqual({ DSAddSub: ["a_;__;_2"], DSLast: 3 });
	expect(consumer.subscriptions).toEqual([{ subtopic: "a", selector: "", maxFrequency: 2 }]);
});
