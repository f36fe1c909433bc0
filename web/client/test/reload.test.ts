import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { ChannelSet, Consumer, MultiTopicConsumer, Producer, type ChannelConnect, type ChannelDisconnect, type ChannelType, type WebSocketClass } from "../src/index.js";
import { FakeServer } from "./FakeServer.js";
import { FakeLocks } from "./FakeLocks.js";
import { hide, reload, showAgain, stage } from "./stage.js";

const until = (check: () => unknown): Promise<void> => vi.waitFor(() => expect(check()).toBeTruthy(), { timeout: 4000, interval: 5 });
const all: ChannelType[] = ["websocket", "streaming", "longpoll"];

let server: FakeServer;
let storage: Map<string, string>;
const pages: Tab[] = [];

/** One page: a ChannelSet and what it has told. */
class Tab {
	readonly set: ChannelSet;
	readonly connects: ChannelConnect[] = [];
	readonly ends: ChannelDisconnect[] = [];
	constructor(types: ChannelType[], name = "app") {
		this.set = new ChannelSet({ name, channels: server.channels(...types), baseUrl: server.base, webSocket: WebSocket as unknown as WebSocketClass, random: () => 0.05 });
		this.set.on("channelConnect", (event) => this.connects.push(event));
		this.set.on("channelDisconnect", (event) => this.ends.push(event));
		pages.push(this);
	}
	consume(subtopic?: string): { consumer: Consumer; got: unknown[] } {
		const consumer = new Consumer({ channelSet: this.set, destination: "chat", ...(subtopic !== undefined && { subtopic }) });
		const got: unknown[] = [];
		consumer.on("message", ({ message }) => got.push(message.body));
		return { consumer, got };
	}
	producer(): Producer {
		return new Producer({ channelSet: this.set, destination: "chat" });
	}
}

beforeEach(async () => {
	({ storage } = stage());
	server = await new FakeServer().start();
	server.welcome = { ...server.welcome, reconnectMillis: 15_000, reloadGraceMillis: 3000 };
});
afterEach(async () => {
	await Promise.all(pages.splice(0).map(({ set }) => set.disconnectAll()));
	vi.unstubAllGlobals();
	await server.stop();
});

describe.each(all)("a page that was reloaded, over %s", (type) => {
	it("goes on with its client: subscriptions, what arrived meanwhile, what was not answered", async () => {
		const before = new Tab([type]);
		const [lobby, tea] = [before.consume("lobby"), before.consume("tea")];
		await Promise.all([lobby.consumer.subscribe(), tea.consumer.subscribe(), before.set.login("ann", "secret")]);
		server.publish("chat", "lobby", 1);
		await until(() => lobby.got.length === 1);
		await until(() => server.living()[0]?.have === 3);
		void before.producer().send("last words", { subtopic: "lobby" }); // not even numbered yet
		reload();
		expect(storage.size).toBe(1);
		expect(before.ends).toMatchObject([{ code: 4012, kind: "left" }]);
		await until(() => !server.living()[0]?.place);
		server.publish("chat", "tea", 2);

		const after = new Tab(all);
		await after.set.connect();
		expect(storage.size).toBe(0);
		expect(after.connects).toMatchObject([{ resumed: true, reconnecting: false }]);
		expect(after.set).toMatchObject({ clientId: "client1", user: "ann", authenticated: true });
		server.publish("chat", "lobby", 3);
		const [lobbyAgain, teaAgain] = [after.consume("lobby"), after.consume("tea")];
		await new Promise((resolve) => setTimeout(resolve, 30)); // they come late, and miss nothing
		const state: boolean[] = [];
		lobbyAgain.consumer.on("propertyChange", ({ property, value }) => property === "subscribed" && state.push(value as boolean));
		await Promise.all([lobbyAgain.consumer.subscribe(), teaAgain.consumer.subscribe()]);
		server.publish("chat", "lobby", 4);
		await until(() => lobbyAgain.got.length === 3 && teaAgain.got.length === 1);
		expect(lobbyAgain.got).toEqual(["last words", 3, 4]);
		expect(teaAgain.got).toEqual([2]);
		expect(state).toEqual([true]);
		expect(server.clients.size).toBe(1);
		expect([server.received("subscribe").filter((line, i, list) => list.findIndex(({ seq }) => seq === line["seq"]) === i).length, server.received("login").length]).toEqual([2, 1]);
		expect(server.living()[0]?.seq).toBe(4);
	});

	it("finishes what was asked for and not answered: a subscription is taken over before its reply", async () => {
		const before = new Tab([type]);
		await before.set.connect();
		void before.consume("lobby").consumer.subscribe().catch(() => {});
		reload();
		const after = new Tab([type]);
		const { consumer, got } = after.consume("lobby");
		await consumer.subscribe();
		expect(consumer.subscribed).toBe(true);
		server.publish("chat", "lobby", 1);
		await until(() => got.length === 1);
		expect(server.living()[0]?.subscriptions.size).toBe(1);
		expect(server.living()).toHaveLength(1);
	});

	it("resumes as the same object from the browser's memory", async () => {
		const page = new Tab([type]);
		const { consumer, got } = page.consume();
		await consumer.subscribe();
		hide();
		await until(() => !server.living()[0]?.place);
		server.publish("chat", undefined, 1);
		showAgain();
		await until(() => got.length === 1);
		server.publish("chat", undefined, 2);
		await until(() => got.length === 2);
		expect(page.connects).toMatchObject([{ resumed: false }, { resumed: true, reconnecting: true }]);
		expect(got).toEqual([1, 2]);
		expect(server.clients.size).toBe(1);
		expect(storage.size).toBe(0);
	});
});

describe("what a page has kept", () => {
	it("is nobody's but its own: a page from memory whose client the next one has taken connects anew", async () => {
		const first = new Tab(["websocket"]);
		const { consumer } = first.consume();
		await consumer.subscribe();
		hide();
		const second = new Tab(["websocket"]);
		await second.set.connect();
		expect(second.set.clientId).toBe("client1");
		showAgain(); // both hear it, but only the first was left
		await until(() => first.set.connected && consumer.subscribed);
		expect(first.set.clientId).toBe("client2");
		expect(second.set.clientId).toBe("client1");
	});

	describe.each([
		["by Web Locks", () => ({ onLine: true, locks: new FakeLocks() })],
		["by asking the other pages", () => ({ onLine: true })],
	])("is one page's only (%s)", (_, browser) => {
		beforeEach(() => void ({ storage } = stage(browser())));

		/** A page was left while it had something to say, and its tab duplicated: what was kept is there twice. */
		const copied = async (): Promise<{ before: Tab; copy: Map<string, string> }> => {
			const before = new Tab(all);
			await before.consume().consumer.subscribe();
			void before.producer().send("last words");
			hide();
			return { before, copy: new Map(storage) };
		};
		const paste = (copy: Map<string, string>): void => {
			for (const [key, value] of copy) storage.set(key, value);
		};

		it("a copy of the tab begins anew, and uses none of its numbers", async () => {
			const { copy } = await copied();
			const one = new Tab(all);
			const { consumer, got } = one.consume();
			await consumer.subscribe();
			await one.producer().send("of the first");
			paste(copy);
			const two = new Tab(all);
			const other = two.consume();
			await other.consumer.subscribe();
			await two.producer().send("of the copy");
			await until(() => other.got.length === 1 && got.length === 3);
			expect(got).toEqual(["last words", "of the first", "of the copy"]);
			expect([one.set.clientId, two.set.clientId]).toEqual(["client1", "client2"]);
			expect([one.connects, two.connects, one.ends]).toMatchObject([[{ resumed: true }], [{ resumed: false }], []]);
			expect(storage.size).toBe(0);
		});

		it("of two copies that come at the same time one goes on, and one begins anew", async () => {
			const { copy } = await copied();
			const tabs = [new Tab(all), new Tab(all)];
			await Promise.all(tabs.map((tab) => (paste(copy), tab.set.connect())));
			expect(tabs.map(({ set }) => set.clientId).sort()).toEqual(["client1", "client2"]);
			expect(tabs.flatMap(({ ends }) => ends)).toEqual([]);
		});

		it("a page that comes back from the browser's memory finds that a copy has its client", async () => {
			const { before, copy } = await copied();
			const two = new Tab(all);
			await two.set.connect();
			paste(copy); // the original's storage is as it was
			showAgain();
			await until(() => before.set.connected);
			expect([before.set.clientId, two.set.clientId]).toEqual(["client2", "client1"]);
			expect(two.ends).toEqual([]);
		});

		it("and a page that was left lets go of it", async () => {
			await copied();
			await new Tab(all).set.connect();
			hide();
			const after = new Tab(all);
			await after.set.connect();
			expect(after.connects).toMatchObject([{ resumed: true }]);
			expect(after.set.clientId).toBe("client1");
		});
	});

	it("in a copy takes the client away from the other where pages cannot know of each other, and that connects anew", async () => {
		vi.stubGlobal("BroadcastChannel", undefined);
		const before = new Tab(["websocket"]);
		await before.consume().consumer.subscribe();
		reload();
		const copy = new Map(storage);
		const one = new Tab(["websocket"]);
		const { consumer, got } = one.consume();
		await consumer.subscribe();
		for (const [key, value] of copy) storage.set(key, value);
		const two = new Tab(["websocket"]);
		const other = two.consume();
		await other.consumer.subscribe();
		await until(() => one.connects.length === 2 && consumer.subscribed);
		expect(one.ends.at(-1)).toMatchObject({ code: 4004, gone: "displaced", willReconnect: true });
		expect([one.set.clientId, two.set.clientId].sort()).toEqual(["client1", "client2"]);
		server.publish("chat", undefined, "both");
		await until(() => got.length === 1 && other.got.length === 1);
		expect([one.connects.length, two.connects.length]).toEqual([2, 1]);
	});

	it.each([
		["the server does not keep it", () => void (server.welcome["reloadGraceMillis"] = 0)],
		["there is no storage", () => vi.stubGlobal("sessionStorage", undefined)],
		["storage is full", () => vi.stubGlobal("sessionStorage", { getItem: () => null, removeItem: () => {}, setItem: () => { throw new Error("quota"); } })],
	])("is nothing where %s", async (_, happens) => {
		happens();
		const before = new Tab(["websocket"]);
		await before.set.connect();
		reload();
		expect(storage.size).toBe(0);
		const after = new Tab(["websocket"]);
		const { consumer } = after.consume();
		await consumer.subscribe();
		expect(after.connects).toMatchObject([{ resumed: false }]);
		expect(after.ends).toEqual([]);
	});

	it.each([
		["is too old", (kept: Record<string, unknown>) => void (kept["until"] = Date.now() - 1)],
		["is of another server", (kept: Record<string, unknown>) => void (kept["url"] = "ws://elsewhere/")],
		["is of a client that has ended meanwhile", () => server.endAll({ code: 4012, name: "client-detached", reconnect: "yes" })],
		["is of a client the server does not know", () => server.clients.clear()],
		["is broken", (kept: Record<string, unknown>) => void (kept["id"] = undefined)],
	])("is dropped where it %s, without a word", async (_, happens) => {
		const before = new Tab(["websocket"]);
		await before.consume().consumer.subscribe();
		reload();
		const [[key, text] = ["", "{}"]] = storage;
		const kept = JSON.parse(text) as Record<string, unknown>;
		happens(kept);
		storage.set(key, JSON.stringify(kept));
		const after = new Tab(["websocket"]);
		const { consumer, got } = after.consume();
		await consumer.subscribe();
		server.publish("chat", undefined, 1);
		await until(() => got.length === 1);
		expect(after.connects).toMatchObject([{ resumed: false, reconnecting: false }]);
		expect(after.ends).toEqual([]);
		expect(storage.size).toBe(0);
	});

	it("is not there after disconnectAll, and each ChannelSet has its own", async () => {
		const [a, b] = [new Tab(["websocket"], "a"), new Tab(["websocket"], "b")];
		await Promise.all([a.set.connect(), b.set.connect()]);
		reload();
		expect(storage.size).toBe(2);
		const ids = [a.set.clientId, b.set.clientId];
		const again = new Tab(["websocket"], "b");
		await again.set.connect();
		expect(again.set.clientId).toBe(ids[1]);
		await again.set.disconnectAll();
		await new Tab(["websocket"], "a").set.disconnectAll();
		expect(storage.size).toBe(0);
	});

	it("holds no password", async () => {
		const before = new Tab(["websocket"]);
		await before.set.connect();
		void before.set.login("ann", "secret").catch(() => {});
		reload();
		expect(storage.size).toBe(0);
	});

	it("survives a second reload before the first has connected", async () => {
		const before = new Tab(["websocket"]);
		await before.consume().consumer.subscribe();
		reload();
		server.webSocket = "swallow";
		const between = new Tab(["websocket"]);
		void between.set.connect();
		await until(() => storage.size === 0);
		reload();
		expect(storage.size).toBe(1);
		server.webSocket = "ok";
		const after = new Tab(["websocket"]);
		await after.consume().consumer.subscribe();
		expect(after.set.clientId).toBe("client1");
	});
});

describe("subscriptions of the page before", () => {
	beforeEach(() => void ({ storage } = stage({ onLine: true, locks: new FakeLocks() })));
	afterEach(() => void vi.useRealTimers());

	const reloaded = async (...subtopics: (string | undefined)[]): Promise<Tab> => {
		const before = new Tab(["websocket"]);
		await Promise.all(subtopics.map((subtopic) => before.consume(subtopic).consumer.subscribe()));
		reload();
		const after = new Tab(["websocket"]);
		await after.set.connect();
		return after;
	};

	it("that nobody takes over are ended after five seconds", async () => {
		vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
		const after = await reloaded("a", "b");
		await after.consume("a").consumer.subscribe();
		vi.advanceTimersByTime(4999);
		expect(server.living()[0]?.subscriptions.size).toBe(2);
		vi.advanceTimersByTime(1);
		vi.useRealTimers();
		await until(() => server.living()[0]?.subscriptions.size === 1);
		const { consumer, got } = after.consume("b"); // too late, so anew
		await consumer.subscribe();
		server.publish("chat", "b", 1);
		await until(() => got.length === 1);
		expect(server.living()[0]?.subscriptions.size).toBe(2);
	});

	it("are taken over by whoever wants the same, and by one only", async () => {
		const after = await reloaded("a");
		const [one, two, none] = [after.consume("a"), after.consume("a"), after.consume("c")];
		await Promise.all([one, two, none].map(({ consumer }) => consumer.subscribe()));
		expect(server.living()[0]?.subscriptions.size).toBe(3);
		expect(one.consumer.clientId).not.toBe(two.consumer.clientId);
		await one.consumer.unsubscribe();
		server.publish("chat", "a", 1);
		await until(() => two.got.length === 1);
		expect(one.got).toEqual([]);
	});

	it("keep a thousand messages; of more nobody gets a part", async () => {
		const after = await reloaded("a", "b");
		server.window = { messages: 5000, bytes: 1 << 24 };
		for (let i = 0; i < 1000; i++) server.publish("chat", "a", i);
		for (let i = 0; i < 1001; i++) server.publish("chat", "b", i);
		await until(() => server.living()[0]?.have === 2003);
		const [a, b] = [after.consume("a"), after.consume("b")];
		await Promise.all([a.consumer.subscribe(), b.consumer.subscribe()]);
		server.publish("chat", "b", "new");
		await until(() => b.got.length === 1);
		expect(a.got).toEqual(Array.from({ length: 1000 }, (_, i) => i));
		expect(b.got).toEqual(["new"]);
	});

	it("that were given up, or were being changed, are nobody's", async () => {
		const before = new Tab(["websocket"]);
		const [one, many] = [before.consume("a").consumer, new MultiTopicConsumer({ channelSet: before.set, destination: "chat" })];
		many.addSubscription("b");
		await Promise.all([one.subscribe(), many.subscribe()]);
		const old = [one.clientId, many.clientId];
		void one.unsubscribe();
		many.addSubscription("c");
		reload();
		const after = new Tab(["websocket"]);
		const [again, same] = [after.consume("a"), new MultiTopicConsumer({ channelSet: after.set, destination: "chat" })];
		same.addSubscription("b");
		await Promise.all([again.consumer.subscribe(), same.subscribe()]);
		expect(after.connects).toMatchObject([{ resumed: true }]);
		expect(old).not.toContain(again.consumer.clientId);
		expect(old).not.toContain(same.clientId);
		server.publish("chat", "a", 1);
		await until(() => again.got.length === 1);
	});

	it("of several subtopics are taken over, and changed afterwards", async () => {
		const many = (tab: Tab, ...subtopics: string[]): { consumer: MultiTopicConsumer; got: unknown[] } => {
			const consumer = new MultiTopicConsumer({ channelSet: tab.set, destination: "chat" });
			const got: unknown[] = [];
			consumer.on("message", ({ message }) => got.push(message.body));
			for (const subtopic of subtopics) consumer.addSubscription(subtopic);
			return { consumer, got };
		};
		const before = new Tab(["websocket"]);
		const first = many(before, "b");
		await first.consumer.subscribe();
		first.consumer.addSubscription("a");
		await until(() => [...(server.living()[0]?.subscriptions.values() ?? [])][0]?.subtopics.length === 2);
		await until(() => server.living()[0]?.have === 2); // and the reply, which came with the second, is there
		reload();
		const after = new Tab(["websocket"]);
		const second = many(after, "a", "b");
		await second.consumer.subscribe();
		expect(server.living()[0]?.subscriptions.size).toBe(1);
		second.consumer.addSubscription("c");
		await until(() => [...(server.living()[0]?.subscriptions.values() ?? [])][0]?.subtopics.length === 3);
		server.publish("chat", "c", 1);
		await until(() => second.got.length === 1);
	});
});
