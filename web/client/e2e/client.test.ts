import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { ChannelSet, Consumer, MultiTopicConsumer, Producer, type ChannelConfig, type ChannelSetOptions, type ChannelType, type WebSocketClass } from "../src/index.js";
import { Sluice } from "./Sluice.js";

const until = (check: () => unknown): Promise<void> => vi.waitFor(() => expect(check()).toBeTruthy(), { timeout: 8000, interval: 10 });

let server: Sluice;
let channels: ChannelConfig[];
beforeAll(async () => {
	server = await Sluice.start();
	channels = ((await (await fetch(server.url + "config.json")).json()) as { channels: ChannelConfig[] }).channels;
}, 180_000);
afterAll(() => server.stop());

describe.each(["websocket", "streaming", "longpoll"] as ChannelType[])("the client and the server over %s", (type) => {
	const sets: ChannelSet[] = [];
	const make = (options: ChannelSetOptions = {}): ChannelSet => {
		const set = new ChannelSet({ channels: channels.filter((channel) => channel.type === type), baseUrl: server.url, webSocket: WebSocket as unknown as WebSocketClass, ...options });
		sets.push(set);
		return set;
	};
	const consume = (channelSet: ChannelSet, subtopic: string): { consumer: Consumer; got: unknown[] } => {
		const consumer = new Consumer({ channelSet, destination: "chat", subtopic });
		const got: unknown[] = [];
		consumer.on("message", ({ message }) => got.push(message.body));
		return { consumer, got };
	};
	afterEach(() => Promise.all(sets.splice(0).map((set) => set.disconnectAll())));

	it("carries a thousand messages, once and in order, through the window and the limit of open requests", async () => {
		const set = make();
		const { consumer, got } = consume(set, `burst.${type}`);
		await consumer.subscribe();
		const other = make();
		const producer = new Producer({ channelSet: other, destination: "chat", subtopic: `burst.${type}` });
		const replies = await Promise.all(Array.from({ length: 1000 }, (_, i) => producer.send({ i, text: "ö".repeat(20) })));
		expect(replies.every((reply) => reply.type === "acknowledge")).toBe(true);
		await until(() => got.length === 1000);
		expect(got.map((body) => (body as { i: number }).i)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
	});

	it("goes on beyond its window, and then beyond it again", async () => {
		const set = make();
		const { consumer, got } = consume(set, `long.${type}`);
		await consumer.subscribe();
		const producer = new Producer({ channelSet: set, destination: "chat", subtopic: `long.${type}` });
		for (let round = 0; round < 6; round++) await Promise.all(Array.from({ length: 500 }, (_, i) => producer.send(round * 500 + i)));
		await until(() => got.length === 3000);
		expect(got).toEqual(Array.from({ length: 3000 }, (_, i) => i));
	});

	it("routes by subscription, with wildcards and several subtopics", async () => {
		const set = make();
		const one = consume(set, `rooms.${type}.a`);
		const all = consume(set, `rooms.${type}.*`);
		const many = new MultiTopicConsumer({ channelSet: set, destination: "chat" });
		const heard: unknown[] = [];
		many.on("message", ({ message }) => heard.push(message.body));
		many.addSubscription(`rooms.${type}.b`);
		await Promise.all([one.consumer.subscribe(), all.consumer.subscribe(), many.subscribe()]);
		many.addSubscription(`rooms.${type}.c`);
		many.removeSubscription(`rooms.${type}.b`);
		const producer = new Producer({ channelSet: set, destination: "chat" });
		for (const room of ["a", "b", "c"]) await producer.send(room, { subtopic: `rooms.${type}.${room}` });
		await until(() => heard.length === 1 && all.got.length === 3 && one.got.length === 1);
		expect([one.got, all.got, heard]).toEqual([["a"], ["a", "b", "c"], ["c"]]);
		await all.consumer.unsubscribe();
		await producer.send("again", { subtopic: `rooms.${type}.a` });
		await until(() => one.got.length === 2);
		expect(all.got).toHaveLength(3);
	});

	it("says by name what is refused", async () => {
		const set = make();
		await expect(new Producer({ channelSet: set, destination: "nowhere" }).send(1)).rejects.toMatchObject({ code: 4507 });
		await expect(new Producer({ channelSet: set, destination: "chat", subtopic: "a.*" }).send(1)).rejects.toMatchObject({ code: 4511 });
		await expect(new Consumer({ channelSet: set, destination: "chat", subtopic: "a", selector: "x =" }).subscribe()).rejects.toMatchObject({ code: 4553 });
		await expect(set.login("nobody", "wrong")).rejects.toMatchObject({ faultCode: "Client.Authentication" });
		expect(set.connected).toBe(true);
	});

	it("disconnects with the code, at once", async () => {
		const set = make();
		const { consumer } = consume(set, "x");
		await consumer.subscribe();
		const ends: unknown[] = [];
		set.on("channelDisconnect", (end) => ends.push(end));
		const began = Date.now();
		await consumer.disconnect();
		expect(ends).toMatchObject([{ code: 4000, name: "client-disconnect", willReconnect: false }]);
		expect(Date.now() - began).toBeLessThan(1000);
	});

	it("comes back to a server that was restarted", async () => {
		let own = await Sluice.start();
		const list = ((await (await fetch(own.url + "config.json")).json()) as { channels: ChannelConfig[] }).channels.filter((channel) => channel.type === type);
		const set = make({ channels: list, baseUrl: own.url });
		const { consumer, got } = consume(set, "x");
		await consumer.subscribe();
		// The poll after the subscription has confirmed it and is held: only what is held hears of a shutdown.
		if (type === "longpoll") await vi.waitFor(async () => expect(await own.metric("sluice_unconfirmed_lines")).toBe(0));
		const ends: { code: number; willReconnect: boolean }[] = [];
		set.on("channelDisconnect", (end) => ends.push(end));
		await own.stop();
		await until(() => ends.length > 0);
		expect(ends[0]).toMatchObject({ code: 4007, name: "server-shutdown", willReconnect: true });
		own = await Sluice.start(new URL(own.url).host);
		await until(() => consumer.subscribed && set.connected);
		await new Producer({ channelSet: set, destination: "chat", subtopic: "x" }).send("after");
		await until(() => got.length === 1);
		await set.disconnectAll();
		await own.stop();
	}, 120_000);

	it("leaves nothing behind", async () => {
		await vi.waitFor(async () => expect([await server.metric("sluice_clients"), await server.metric("sluice_subscriptions")]).toEqual([0, 0]), { timeout: 5000 });
	});
});

it("leaves nothing behind, whichever channel wins the race and whenever it is called off", async () => {
	const winners = new Set<string | undefined>();
	for (let round = 0; round < 60; round++) {
		const channelSet = new ChannelSet({ channels: `${server.url}config.json`, webSocket: WebSocket as unknown as WebSocketClass, staggerMillis: round % 8 });
		const subscribed = new Consumer({ channelSet, destination: "chat", subtopic: "race" }).subscribe();
		if (round % 3 > 0) await subscribed;
		else await Promise.race([subscribed, new Promise((resolve) => setTimeout(resolve, round % 13))]);
		winners.add(channelSet.currentChannel?.type);
		await channelSet.disconnectAll();
	}
	expect(winners.size).toBeGreaterThan(1);
	await vi.waitFor(async () => expect([await server.metric("sluice_clients"), await server.metric("sluice_subscriptions")]).toEqual([0, 0]), { timeout: 5000 });
}, 60_000);
