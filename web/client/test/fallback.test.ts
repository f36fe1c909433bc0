import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { ChannelSet, Consumer, Producer, type ChannelSetOptions, type WebSocketClass } from "../src/index.js";
import { FakeServer } from "./FakeServer.js";
import { hide, showAgain, stage, type Stage } from "./stage.js";

const until = (check: () => unknown): Promise<void> => vi.waitFor(() => expect(check()).toBeTruthy(), { timeout: 5000, interval: 5 });

describe("what stands on the way", () => {
	let server: FakeServer;
	let set: ChannelSet;
	const make = (options: ChannelSetOptions = {}): ChannelSet => (set = new ChannelSet({ channels: server.channels(), baseUrl: server.base, webSocket: WebSocket as unknown as WebSocketClass, random: () => 0.05, ...options }));

	/** Subscribes, has a message published and returns over which channel it arrived, and after how long. */
	const receive = async (): Promise<{ over: string | undefined; millis: number }> => {
		const consumer = new Consumer({ channelSet: set, destination: "chat" });
		const began = Date.now();
		const arrived = new Promise<void>((resolve) => consumer.on("message", () => resolve()));
		void consumer.subscribe();
		void new Producer({ channelSet: set, destination: "chat" }).send("hello");
		await arrived;
		return { over: set.currentChannel?.type, millis: Date.now() - began };
	};

	beforeEach(async () => void (server = await new FakeServer().start()));
	afterEach(async () => {
		await set.disconnectAll();
		await until(() => server.living().length === 0 && server.sockets.size === 0); // nothing is left behind
		await server.stop();
	});

	it("nothing: the WebSocket is used, and nothing else is tried", async () => {
		make();
		expect((await receive()).over).toBe("websocket");
		expect(server.clients.size).toBe(1);
	});

	it("refused upgrades: streaming at once", async () => {
		server.webSocket = "refuse";
		make({ staggerMillis: 60_000 }); // it is not that one waits until the next is tried
		const faults: string[] = [];
		set.on("channelFault", ({ channelId }) => faults.push(channelId));
		expect((await receive()).over).toBe("streaming");
		expect(faults).toEqual(["my-websocket"]);
		expect(server.living()).toHaveLength(1);
	});

	it("swallowed frames: streaming, and the socket is given up", async () => {
		server.webSocket = "swallow";
		make();
		const { over, millis } = await receive();
		expect(over).toBe("streaming");
		expect(millis).toBeLessThan(3000);
		await until(() => server.sockets.size === 0);
	});

	it("buffered answers too: long-poll, with the same client", async () => {
		server.webSocket = "swallow";
		server.buffering = true;
		make();
		const { over, millis } = await receive();
		expect(over).toBe("longpoll");
		expect(millis).toBeLessThan(4000);
		expect(server.clients.size).toBe(1);
		const attaches = server.living()[0]?.attaches ?? [];
		expect(attaches).toEqual([...attaches].sort((a, b) => a - b));
		expect(new Set(attaches).size).toBe(attaches.length);
	});

	it("no WebSocket class at all: streaming", async () => {
		vi.stubGlobal("WebSocket", undefined);
		set = new ChannelSet({ channels: server.channels(), baseUrl: server.base });
		expect((await receive()).over).toBe("streaming");
		vi.unstubAllGlobals();
	});

	it("a WebSocket that proves itself while a slow connect over HTTP is under way: that client is ended when it comes", async () => {
		server.connectDelay = 300;
		make({ channels: server.channels("streaming", "websocket"), staggerMillis: 50 });
		expect((await receive()).over).toBe("websocket");
		await until(() => server.clients.size === 2);
		await until(() => server.living().length === 1);
		expect([...server.clients.values()].map((client) => client.ended)).toContain("client-disconnect");
	});

	it("a configuration that lists the channels of a destination", async () => {
		make({ channels: "config.json", destination: "special" });
		expect((await receive()).over).toBe("streaming");
	});

	it("answers that get lost: the same lines are sent again and run once", async () => {
		make({ channels: server.channels("longpoll") });
		await receive();
		const bodies: unknown[] = [];
		const consumer = new Consumer({ channelSet: set, destination: "chat" });
		consumer.on("message", ({ message }) => bodies.push(message.body));
		await consumer.subscribe();
		server.dropAnswers = 2;
		const producer = new Producer({ channelSet: set, destination: "chat" });
		const sent = ["a", "b"].map((body) => producer.send(body));
		await Promise.resolve();
		sent.push(producer.send("c"));
		await Promise.all(sent);
		await until(() => bodies.length === 3);
		expect(bodies).toEqual(["a", "b", "c"]);
		const posts = server.log.filter((entry) => entry.lines[0]?.["body"] === "a");
		expect(posts.length).toBe(3);
		expect(posts.map((post) => post.lines.map((line) => line["seq"]))).toEqual([posts[0]?.lines.map((line) => line["seq"]), posts[0]?.lines.map((line) => line["seq"]), posts[0]?.lines.map((line) => line["seq"])]);
	});

	it("a stream that falls silent, though its server has heartbeats: it is given up, and the next goes on", async () => {
		server.welcome = { ...server.welcome, serverHeartbeatMillis: 50, deadPeerMillis: 100 };
		make({ channels: server.channels("streaming") });
		const ends: unknown[] = [];
		set.on("channelDisconnect", (end) => ends.push(end));
		const connects: boolean[] = [];
		set.on("channelConnect", ({ resumed }) => connects.push(resumed));
		const beats = setInterval(() => server.beat(), 40);
		await receive();
		await new Promise((resolve) => setTimeout(resolve, 400));
		expect(ends).toEqual([]);
		clearInterval(beats);
		await until(() => connects.length === 2);
		expect(ends).toMatchObject([{ code: 4027, kind: "vanished", message: "The stream was silent for 150 ms." }]);
		expect(connects).toEqual([false, true]);
	});

	it("a server that answers no heartbeat: the connection is given up and made anew", async () => {
		make({ heartbeatIntervalMillis: 60, channels: server.channels("websocket") });
		await receive();
		const ends: number[] = [];
		set.on("channelDisconnect", ({ code }) => ends.push(code));
		await until(() => server.received("client_ping").length > 2);
		expect(ends).toEqual([]);
		server.webSocket = "swallow";
		await until(() => ends.length > 0);
		expect(ends).toEqual([4027]);
		server.webSocket = "ok";
		await until(() => set.connected);
	});
});

describe("the page", () => {
	let server: FakeServer;
	let document: Stage["document"];

	beforeEach(async () => {
		server = await new FakeServer().start();
		({ document } = stage());
	});
	afterEach(async () => {
		vi.unstubAllGlobals();
		await server.stop();
	});

	it.each(["websocket", "streaming", "longpoll"] as const)("tells the server when it is left over %s, and connects anew when it is back", async (type) => {
		const set = new ChannelSet({ channels: server.channels(type), baseUrl: server.base, webSocket: WebSocket as unknown as WebSocketClass, random: () => 0 });
		const consumer = new Consumer({ channelSet: set, destination: "chat" });
		await consumer.subscribe();
		hide();
		expect(set.connected).toBe(false);
		await until(() => server.living().length === 0);
		expect([...server.clients.values()][0]?.ended).toBe("client-detached");
		showAgain();
		await until(() => consumer.subscribed);
		await set.disconnectAll();
	});

	it("does not come back while nobody can see it", async () => {
		const set = new ChannelSet({ channels: server.channels("websocket"), baseUrl: server.base, webSocket: WebSocket as unknown as WebSocketClass, random: () => 0 });
		await set.connect();
		document.visibilityState = "hidden";
		server.cut();
		await until(() => !set.connected);
		const connects = server.received("client_ping").length;
		await new Promise((resolve) => setTimeout(resolve, 50));
		expect(server.received("client_ping").length).toBe(connects);
		document.visibilityState = "visible";
		document.dispatchEvent(new Event("visibilitychange"));
		await until(() => set.connected);
		await set.disconnectAll();
	});
});
