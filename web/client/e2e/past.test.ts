import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { ChannelSet, Consumer, Producer, type ChannelConfig, type ChannelType, type From, type WebSocketClass } from "../src/index.js";
import { Sluice } from "./Sluice.js";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 180_000 });
const until = (check: () => unknown): Promise<void> => vi.waitFor(() => expect(check()).toBeTruthy(), { timeout: 30_000, interval: 10 });
const types: ChannelType[] = ["websocket", "streaming", "longpoll"];

let server: Sluice;
const keeping = (shipped: string): string => shipped.replace(/(<destination id="chat">\s*<properties><server>)/, "$1<history/>");
const sets: ChannelSet[] = [];

const make = async (type: ChannelType): Promise<ChannelSet> => {
	const { channels } = (await (await fetch(server.url + "config.json")).json()) as { channels: ChannelConfig[] };
	const set = new ChannelSet({ channels: channels.filter((channel) => channel.type === type), baseUrl: server.url, webSocket: WebSocket as unknown as WebSocketClass });
	sets.push(set);
	return set;
};
const consume = (channelSet: ChannelSet, subtopic: string, from?: From): { consumer: Consumer; told: unknown[] } => {
	const consumer = new Consumer({ channelSet, destination: "chat", subtopic, ...(from !== undefined && { from }) });
	const told: unknown[] = [];
	consumer.on("recovered", ({ recovered }) => told.push(`recovered ${recovered}`));
	consumer.on("loss", ({ reason }) => told.push(`loss ${reason}`));
	consumer.on("live", () => told.push("live"));
	consumer.on("message", ({ message }) => told.push(message.body));
	return { consumer, told };
};

beforeAll(async () => void (server = await Sluice.start(undefined, keeping)));
afterEach(() => Promise.all(sets.splice(0).map((set) => set.disconnectAll())));
afterAll(() => server.stop());

describe.each(types)("a Consumer over %s", (type) => {
	it("hears the past, then what comes, with no gap and no double, and goes on from its position", async () => {
		const set = await make(type);
		const producer = new Producer({ channelSet: await make("websocket"), destination: "chat", subtopic: `past.${type}` });
		for (let i = 0; i < 5; i++) await producer.send(i);
		const first = consume(set, `past.${type}`, { last: 3 });
		await first.consumer.subscribe();
		await producer.send(5);
		await until(() => first.told.includes(5) && first.told.includes("live"));
		expect(first.told.filter((entry) => entry !== "live")).toEqual(["recovered true", 2, 3, 4, 5]);
		const { position } = first.consumer;
		await first.consumer.unsubscribe();
		for (let i = 6; i < 300; i++) void producer.send(i);
		const second = consume(await make(type), "past.*", position as string);
		void second.consumer.subscribe();
		for (let i = 300; i < 600; i++) void producer.send(i);
		await until(() => second.told.includes(599) && second.told.includes("live"));
		expect(second.told.filter((entry) => entry !== "live")).toEqual(["recovered true", ...Array.from({ length: 594 }, (_, i) => 6 + i)]);
	});
});

it("a Consumer is told plainly that the past is gone with the server", async () => {
	const set = await make("websocket");
	const { consumer, told } = consume(set, "lost");
	await consumer.subscribe();
	await until(() => consumer.position !== undefined); // though it has received nothing
	const { host } = new URL(server.url);
	await server.stop();
	server = await Sluice.start(host, keeping);
	await until(() => consumer.subscribed && told.includes("live"));
	expect(told.slice(0, 2)).toEqual(["recovered false", "loss history"]);
});
