import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ChannelSet, Consumer, type ChannelConnect, type ChannelFault, type ChannelType } from "../src/index.js";
import { FakeLocks } from "./FakeLocks.js";
import { FakeServer } from "./FakeServer.js";
import { stage } from "./stage.js";

// Nothing here is decided by who is quicker, so that a slow machine takes longer and finds the same.
const patienceMillis = 60_000;
vi.setConfig({ testTimeout: patienceMillis, hookTimeout: patienceMillis });

const until = (check: () => unknown): Promise<void> => vi.waitFor(() => expect(check()).toBeTruthy(), { timeout: patienceMillis, interval: 5 });

describe("the connections of one browser", () => {
	let server: FakeServer;
	let locks: FakeLocks;
	let timing: { name: string; nextHopProtocol: string }[];
	const tabs: { set: ChannelSet; got: unknown[]; connects: ChannelConnect[]; faults: ChannelFault[] }[] = [];

	const open = async (...types: ChannelType[]): Promise<(typeof tabs)[0]> => {
		const channels = server.channels(...types).map((channel) => ({ ...channel, connectTimeoutMillis: patienceMillis }));
		const set = new ChannelSet({ channels, baseUrl: server.base, random: () => 0.05, staggerMillis: patienceMillis });
		const tab = { set, got: [] as unknown[], connects: [] as ChannelConnect[], faults: [] as ChannelFault[] };
		tabs.push(tab);
		set.on("channelConnect", (event) => tab.connects.push(event));
		set.on("channelFault", (event) => tab.faults.push(event));
		const consumer = new Consumer({ channelSet: set, destination: "chat" });
		consumer.on("message", ({ message }) => tab.got.push(message.body));
		await consumer.subscribe();
		return tab;
	};

	beforeEach(async () => {
		locks = new FakeLocks();
		timing = [];
		stage({ onLine: true, locks });
		const local = new Map<string, string>();
		vi.stubGlobal("localStorage", { getItem: (name: string) => local.get(name) ?? null, setItem: (name: string, value: string) => void local.set(name, value) });
		vi.spyOn(performance, "getEntriesByType").mockImplementation(() => timing as unknown as PerformanceEntryList);
		server = await new FakeServer().start();
	});
	afterEach(async () => {
		await Promise.all(tabs.splice(0).map(({ set }) => set.disconnectAll()));
		await until(() => locks.held.size === 0);
		vi.restoreAllMocks();
		vi.unstubAllGlobals();
		await server.stop();
	});

	it("are held by four tabs; the others ask now and then, and all receive and say so", async () => {
		for (let i = 0; i < 8; i++) await open("streaming", "longpoll");
		expect(tabs.map(({ set }) => set.currentChannel?.type)).toEqual([...Array<string>(4).fill("streaming"), ...Array<string>(4).fill("longpoll")]);
		expect(tabs.map(({ set, connects }) => [set.held, connects[0]?.held])).toEqual([...Array<boolean[]>(4).fill([true, true]), ...Array<boolean[]>(4).fill([false, false])]);
		// Each of them tries: that there is no room now is not remembered of the network.
		for (const { faults } of tabs.slice(4)) expect(faults).toMatchObject([{ channelId: "my-streaming", code: 4030, name: "limit-browser-connections", kind: "refused" }]);
		server.publish("chat", undefined, "to all");
		await until(() => tabs.every(({ got }) => got.length === 1));
		expect(server.received("poll").every((poll) => poll["wait"] === 0)).toBe(true);
	});

	it("are asked for again: a poll is held once another tab has left", async () => {
		for (let i = 0; i < 4; i++) await open("longpoll");
		expect(server.received("poll").some((poll) => "wait" in poll)).toBe(false);
		server.pollPause = 20;
		const last = await open("longpoll");
		expect(last.set.held).toBe(false);
		await tabs.shift()?.set.disconnectAll();
		await until(() => last.set.held);
		await until(() => !("wait" in (server.received("poll").at(-1) ?? {})));
	});

	it("are not polled without a pause, even where the server names none", async () => {
		for (let i = 0; i < 4; i++) await open("streaming");
		await open("longpoll");
		const polls = (): number[] => server.log.filter(({ lines }) => lines[0]?.["operation"] === "poll").map(({ at }) => at);
		await until(() => polls().length === 3);
		const [first = 0, second = 0, third = 0] = polls();
		expect(Math.min(second - first, third - second)).toBeGreaterThan(990);
	});

	it("are tried for again by a tab that has nothing but streaming", async () => {
		for (let i = 0; i < 4; i++) await open("streaming");
		const waiting = open("streaming");
		await until(() => tabs[4] && tabs[4].faults.length > 1);
		await tabs[0]?.set.disconnectAll();
		expect((await waiting).set.held).toBe(true);
	});

	it("have no limit over HTTP/2, as far as this server has spoken it", async () => {
		timing = [{ name: "https://elsewhere.example/x", nextHopProtocol: "h2" }];
		for (let i = 0; i < 4; i++) await open("streaming");
		timing.push({ name: `${server.base}config.json`, nextHopProtocol: "h2" });
		expect((await open("streaming")).set.held).toBe(true);
		expect(locks.held.size).toBe(4);
	});

	it("have no limit where tabs cannot know of each other", async () => {
		stage({ onLine: true });
		for (let i = 0; i < 5; i++) expect((await open("streaming")).set.held).toBe(true);
	});
});
