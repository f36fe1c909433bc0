import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { ChannelSet, Consumer, Fault, MultiTopicConsumer, Producer, type ChannelSetOptions, type ChannelType, type WebSocketClass } from "../src/index.js";
import { FakeServer } from "./FakeServer.js";

const until = (check: () => unknown): Promise<void> => vi.waitFor(() => expect(check()).toBeTruthy(), { timeout: 4000, interval: 5 });

describe.each(["websocket", "streaming", "longpoll"] as ChannelType[])("over %s", (type) => {
	let server: FakeServer;
	const sets: ChannelSet[] = [];

	const make = (options: ChannelSetOptions = {}): ChannelSet => {
		const set = new ChannelSet({ channels: server.channels(type), baseUrl: server.base, webSocket: WebSocket as unknown as WebSocketClass, random: () => 0.05, ...options });
		sets.push(set);
		return set;
	};
	const consume = (channelSet: ChannelSet, subtopic?: string): { consumer: Consumer; got: unknown[] } => {
		const consumer = new Consumer({ channelSet, destination: "chat", ...(subtopic !== undefined && { subtopic }) });
		const got: unknown[] = [];
		consumer.on("message", ({ message }) => got.push(message.body));
		return { consumer, got };
	};

	beforeEach(async () => void (server = await new FakeServer().start()));
	afterEach(async () => {
		await Promise.all(sets.splice(0).map((set) => set.disconnectAll()));
		await server.stop();
	});

	it("connects, logs in and subscribes in one frame or request, then sends", async () => {
		const set = make();
		const { consumer, got } = consume(set, "room.1");
		const ids: unknown[] = [];
		set.on("channelConnect", () => ids.push(set.clientId));
		const login = set.login("ann", "secret");
		const producer = new Producer({ channelSet: set, destination: "chat", subtopic: "room.1" });
		const subscribed = consumer.subscribe();
		const sent = producer.send({ text: "hello" });
		expect(await login).toEqual({ user: "ann", roles: ["guest"] });
		await subscribed;
		expect((await sent).type).toBe("acknowledge");
		await until(() => got.length === 1);
		expect(got).toEqual([{ text: "hello" }]);
		expect(ids).toEqual(["client1"]); // though the fake server pushes before it replies
		expect(set).toMatchObject({ connected: true, authenticated: true, user: "ann", currentChannel: { type } });
		expect(server.log[0]?.lines.map((line) => line["operation"])).toEqual(["client_ping", "login", "subscribe"]);
		expect(server.log[0]?.lines.every((line) => Object.keys(line)[0] === "type")).toBe(true);
		expect([...server.clients.values()][0]).toMatchObject({ seq: 3 });
	});

	it("keeps the order of a burst that is larger than the window and the open requests", async () => {
		const set = make();
		const { consumer, got } = consume(set);
		await consumer.subscribe();
		const producer = new Producer({ channelSet: set, destination: "chat" });
		await Promise.all(Array.from({ length: 100 }, (_, i) => producer.send(i)));
		await until(() => got.length === 100);
		expect(got).toEqual(Array.from({ length: 100 }, (_, i) => i));
		expect(server.received("error")).toEqual([]);
		const client = server.living()[0];
		await until(() => client?.have === 101);
		expect(server.living()).toHaveLength(1);
	});

	it("routes to several Consumers of one destination", async () => {
		const set = make();
		const [a, b, c] = [consume(set, "a"), consume(set, "b"), consume(set, "a")];
		await Promise.all([a.consumer.subscribe(), b.consumer.subscribe(), c.consumer.subscribe()]);
		server.publish("chat", "a", 1);
		server.publish("chat", "b", 2);
		await until(() => b.got.length === 1 && c.got.length === 1);
		await c.consumer.unsubscribe();
		server.publish("chat", "a", 3);
		await until(() => a.got.length === 2);
		expect([a.got, b.got, c.got]).toEqual([[1, 3], [2], [1]]);
		expect(c.consumer.subscribed).toBe(false);
	});

	it("sends only what changes of many subtopics", async () => {
		const set = make();
		const consumer = new MultiTopicConsumer({ channelSet: set, destination: "chat" });
		const got: unknown[] = [];
		consumer.on("message", ({ message }) => got.push(message.body));
		consumer.addSubscription("a");
		consumer.addSubscription("b");
		await consumer.subscribe();
		consumer.addSubscription("c");
		consumer.removeSubscription("a");
		await until(() => server.received("multi_subscribe").length === 3);
		const entry = [...(server.living()[0]?.subscriptions.values() ?? [])][0];
		await until(() => entry?.subtopics.join() === "b,c");
		expect(server.received("multi_subscribe").map((line) => line["headers"])).toEqual([{ DSAddSub: ["a_;_", "b_;_"] }, { DSAddSub: ["c_;_"] }, { DSRemSub: ["a_;_"] }]);
		for (const subtopic of ["a", "b", "c"]) server.publish("chat", subtopic, subtopic);
		await until(() => got.length === 2);
		expect(got).toEqual(["b", "c"]);
	});

	it("tells a refusal as a fault and goes on", async () => {
		const set = make();
		const producer = new Producer({ channelSet: set, destination: "nowhere" });
		const faults: Fault[] = [];
		producer.on("fault", ({ fault }) => faults.push(fault));
		await expect(producer.send(1)).rejects.toMatchObject({ code: 4507, faultCode: "Server.Processing" });
		await expect(new Producer({ channelSet: set, destination: "chat" }).send("x".repeat(5000))).rejects.toMatchObject({ faultCode: "Client.Error.TooLarge" });
		expect((await new Producer({ channelSet: set, destination: "chat" }).send(1)).type).toBe("acknowledge");
		expect(faults).toHaveLength(1);
		const consumer = new Consumer({ channelSet: set, destination: "nowhere" });
		await expect(consumer.subscribe()).rejects.toMatchObject({ code: 4507 });
		await expect(set.login("ann", "wrong")).rejects.toMatchObject({ code: 4517 });
		expect(set.authenticated).toBe(false);
	});

	it("disconnects with its last agent, and with a code", async () => {
		const set = make();
		const { consumer } = consume(set);
		const producer = new Producer({ channelSet: set, destination: "chat" });
		await consumer.subscribe();
		await producer.send(1);
		const ends: unknown[] = [];
		set.on("channelDisconnect", (event) => ends.push(event));
		await consumer.disconnect();
		expect(set.connected).toBe(true);
		expect(server.living()[0]?.subscriptions.size).toBe(0);
		await producer.disconnect();
		await until(() => server.living().length === 0);
		expect([...server.clients.values()][0]?.ended).toBe("client-disconnect");
		expect(ends).toMatchObject([{ code: 4000, name: "client-disconnect", willReconnect: false, rejected: false }]);
		expect(set.connected).toBe(false);
		await consumer.subscribe(); // coming back is allowed
		expect(server.living()).toHaveLength(1);
	});

	it("disconnectAll sends what is open and the goodbye in one go", async () => {
		const set = make();
		const { consumer } = consume(set);
		await consumer.subscribe();
		const before = server.log.length;
		const ends: unknown[] = [];
		consumer.on("channelDisconnect", ({ code }) => ends.push(code));
		const sent = new Producer({ channelSet: set, destination: "chat" }).send("last words");
		await set.disconnectAll();
		expect(server.log.slice(before).filter((entry) => entry.lines.some((line) => line["operation"] === "disconnect"))).toMatchObject([{ lines: [{ body: "last words" }, { operation: "disconnect" }] }]);
		expect((await sent).type).toBe("acknowledge");
		expect(ends).toEqual([4000]);
		expect(consumer.subscribed).toBe(false);
		await until(() => server.living().length === 0);
	});

	it("comes back after a loss without losing or doubling anything the server kept", async () => {
		const set = make();
		const { consumer, got } = consume(set);
		const connects: boolean[] = [];
		set.on("channelConnect", ({ resumed }) => connects.push(resumed));
		await consumer.subscribe();
		server.publish("chat", undefined, 1);
		await until(() => got.length === 1);
		server.cut();
		server.publish("chat", undefined, 2); // nobody is attached
		await until(() => connects.length === 2 || type === "longpoll");
		await until(() => server.living().length === 1 && server.living()[0]?.subscriptions.size === 1 && server.living()[0]?.place);
		server.publish("chat", undefined, 3);
		await until(() => got.includes(3));
		// Where the server keeps no client without a connection, one ends with its WebSocket; over HTTP the outbox still has the message.
		expect(got).toEqual(type === "websocket" ? [1, 3] : [1, 2, 3]);
		expect(consumer.subscribed).toBe(true);
	});

	it.each([1, 2, 3, 4, 5])("loses and doubles nothing, both ways, while connections are cut at random (%d)", async (seed) => {
		server.welcome = { ...server.welcome, reconnectMillis: 15_000 };
		let random = seed;
		const chance = (): number => (random = (random * 48271) % 0x7fffffff) / 0x7fffffff;
		const set = make();
		const { consumer, got } = consume(set);
		await consumer.subscribe();
		const producer = new Producer({ channelSet: set, destination: "chat" });
		const sent: Promise<unknown>[] = [];
		for (let i = 0; i < 60; i++) {
			sent.push(producer.send(i));
			if (chance() < 0.15) server.cut();
			await new Promise((resolve) => setTimeout(resolve, chance() * 8));
		}
		await Promise.all(sent);
		await until(() => got.length >= 60);
		expect(got).toEqual(Array.from({ length: 60 }, (_, i) => i));
		expect(server.clients.size).toBe(1);
	});

	it("begins anew when the server's client is gone", async () => {
		const set = make();
		const { consumer, got } = consume(set);
		await consumer.subscribe();
		const ends: unknown[] = [];
		set.on("channelDisconnect", (event) => ends.push(event));
		const first = server.living()[0];
		server.clients.clear();
		server.cut();
		first?.place?.end();
		await until(() => server.living().length === 1 && consumer.subscribed);
		server.publish("chat", undefined, "new");
		await until(() => got.length === 1);
		if (type !== "websocket") expect(ends).toContainEqual(expect.objectContaining({ gone: "unknown", code: 4522, willReconnect: true }));
	});

	it("stays away when it is told to, and waits when it is told how long", async () => {
		const set = make();
		const { consumer } = consume(set);
		await consumer.subscribe();
		const ends: { code: number; rejected: boolean; willReconnect: boolean }[] = [];
		set.on("channelDisconnect", (event) => ends.push(event));
		const began = Date.now();
		server.endAll({ code: 4007, name: "server-shutdown", reconnect: "after", retryAfterMillis: 300 });
		await until(() => set.connected && ends.length > 0);
		expect(Date.now() - began).toBeGreaterThanOrEqual(300);
		expect(ends[0]).toMatchObject({ code: 4007, willReconnect: true, rejected: false });
		await until(() => consumer.subscribed && server.living()[0]?.place);
		const clients = server.clients.size;
		server.endAll({ code: 4003, name: "administrator", reconnect: "no", message: "Please leave.", incident: "i1" });
		await until(() => ends.at(-1)?.code === 4003);
		expect(ends.at(-1)).toMatchObject({ message: "Please leave.", incident: "i1", willReconnect: false, rejected: true });
		await expect(new Producer({ channelSet: set, destination: "chat" }).send(1)).rejects.toMatchObject({ faultCode: "Client.Error.MessageSend", code: 4003 });
		expect(server.clients.size).toBe(clients);
		await set.connect();
		await until(() => consumer.subscribed);
	});

	it("logs out, and then is nobody", async () => {
		const set = make();
		const { consumer } = consume(set);
		await Promise.all([set.login("ann", "secret"), consumer.subscribe()]);
		const ends: unknown[] = [];
		set.on("channelDisconnect", (event) => ends.push(event));
		await set.logout();
		await until(() => ends.length > 0);
		expect(ends).toMatchObject([{ code: 4011, willReconnect: false }]);
		expect(set).toMatchObject({ authenticated: false, connected: false });
		await set.connect();
		expect(server.received("login")).toHaveLength(1);
	});

	it("fails a send whose client ended before the reply as in doubt, and keeps those not yet sent", async () => {
		const set = make();
		const producer = new Producer({ channelSet: set, destination: "chat" });
		await producer.send("first");
		server.welcome = { ...server.welcome, maxOpenRequests: 8 };
		const answers = server as unknown as { dropAnswers: number };
		answers.dropAnswers = 5;
		const sent = producer.send("in doubt");
		await Promise.resolve();
		await Promise.resolve();
		server.clients.clear(); // the server was restarted
		server.cut();
		await expect(sent).rejects.toMatchObject({ faultCode: "Client.Error.DeliveryInDoubt" });
		answers.dropAnswers = 0;
		expect((await producer.send("after")).type).toBe("acknowledge");
	});
});
