import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { ChannelSet, Producer, type ChannelType, type WebSocketClass } from "../src/index.js";
import { AppServer } from "./AppServer.js";
import { Sluice } from "./Sluice.js";

const flags = ["--no-sandbox", "--headless=new", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic", "--no-first-run"];
const types: ChannelType[] = ["websocket", "streaming", "longpoll"];

/** An application: subscribes to `room` over the channels it is told, and writes down what it hears, over reloads too. */
const app = `<!doctype html><title>app</title><script type="module">
	import { ChannelSet, Consumer, Producer } from "/sluice.mjs";
	const asked = new URLSearchParams(location.search);
	const channels = asked.get("over").split(" ").map((type) => ({ id: type, type, url: "/" + type }));
	const note = (name, entry) => localStorage.setItem(name, JSON.stringify([...JSON.parse(localStorage.getItem(name) ?? "[]"), entry]));
	const tab = asked.get("tab") ?? "";
	const set = new ChannelSet({ channels });
	set.on("channelConnect", ({ channelId, resumed, held }) => note("connects" + tab, { channelId, resumed, held }));
	set.on("channelDisconnect", (end) => note("ends" + tab, end));
	set.on("channelFault", (fault) => note("faults" + tab, fault));
	const consumer = new Consumer({ channelSet: set, destination: "chat", subtopic: asked.get("room") });
	consumer.on("message", ({ message }) => note("got" + tab, message.body));
	addEventListener("pageshow", ({ persisted }) => persisted && note("persisted" + tab, performance.now()));
	window.set = set;
	window.producer = new Producer({ channelSet: set, destination: "chat", subtopic: asked.get("room") });
	await consumer.subscribe();
	window.ready = true;
</script>`;

let server: Sluice;
let site: AppServer;
let url: string;
let browser: Browser;
let context: BrowserContext;
let speaker: ChannelSet | undefined;
let rooms = 0;
let room: string;

const begin = async (change?: (shipped: string) => string): Promise<void> => {
	server = await Sluice.start(undefined, change);
	site = new AppServer(server.url, { "/app": app, "/other": "<!doctype html><title>other</title>" });
	url = await site.start();
};
const finish = async (): Promise<void> => {
	await site.stop();
	await server.stop();
};

beforeAll(async () => {
	browser = await chromium.launch({ executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: flags, ignoreDefaultArgs: ["--disable-back-forward-cache"] });
}, 60_000);
afterAll(() => browser.close());
beforeEach(async () => {
	context = await browser.newContext();
	context.setDefaultTimeout(8000);
	room = `room${++rooms}`;
});
afterEach(async () => {
	await context.close();
	await speaker?.disconnectAll();
	speaker = undefined;
});

const open = async (over: string, tab = ""): Promise<Page> => {
	const page = await context.newPage();
	await page.goto(`${url}app?over=${over}&room=${room}&tab=${tab}`);
	await page.waitForFunction("window.ready");
	return page;
};
const noted = <T>(page: Page, name: string): Promise<T[]> => page.evaluate((name) => JSON.parse(localStorage.getItem(name) ?? "[]") as unknown, name) as Promise<T[]>;
const wait = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));
const say = (body: number | string): Promise<unknown> => {
	speaker ??= new ChannelSet({ channels: `${server.url}config.json`, webSocket: WebSocket as unknown as WebSocketClass });
	return new Producer({ channelSet: speaker, destination: "chat", subtopic: room }).send(body);
};
const hears = (page: Page, body: unknown, tab = ""): Promise<void> => vi.waitFor(async () => expect(await noted(page, `got${tab}`)).toContainEqual(body), { timeout: 8000, interval: 20 });
interface End {
	readonly code: number;
	readonly kind: string;
	readonly gone?: string;
	readonly retryAfterMillis?: number;
	readonly rejected: boolean;
	readonly willReconnect: boolean;
}

describe("a page", () => {
	beforeAll(() => begin(), 180_000);
	afterAll(finish);

	it.each(types)("that is reloaded again and again over %s hears everything, once and in order", async (type) => {
		const page = await open(type);
		let said = 0;
		const chatter = setInterval(() => void say(said++), 10);
		for (let i = 0; i < 4; i++) {
			await wait(100 + 50 * i);
			await page.reload();
			await page.waitForFunction("window.ready");
		}
		clearInterval(chatter);
		await say("end");
		await hears(page, "end");
		expect(await noted(page, "got")).toEqual([...Array(said).keys(), "end"]);
		expect(await noted(page, "connects")).toEqual([false, true, true, true, true].map((resumed) => ({ channelId: type, resumed, held: true })));
		expect(await noted<End>(page, "ends")).toMatchObject(Array<object>(4).fill({ code: 4012, kind: "left" }));
	});

	it("may change its channel with a reload", async () => {
		const page = await open("streaming");
		await page.goto(`${url}other`);
		await say("meanwhile");
		await page.goto(`${url}app?over=websocket+streaming&room=${room}&tab=`);
		await hears(page, "meanwhile");
		expect(await noted(page, "connects")).toMatchObject([{ channelId: "streaming" }, { channelId: "websocket", resumed: true }]);
	});

	it.each(types)("that returns from the browser's memory goes on over %s", async (type) => {
		const page = await open(type);
		await say("before");
		await hears(page, "before");
		await page.goto(`${url}other`);
		await say("meanwhile");
		await page.evaluate("history.back()");
		await page.waitForFunction("window.ready");
		await say("after");
		await hears(page, "after");
		expect(await noted(page, "got")).toEqual(["before", "meanwhile", "after"]);
		expect(await noted(page, "persisted")).toHaveLength(1);
		expect(await noted(page, "connects")).toMatchObject([{ resumed: false }, { resumed: true }]);
	});

	it.each(types)("loses its network over %s and comes back with it", async (type) => {
		const page = await open(type);
		await context.setOffline(true);
		await say("meanwhile");
		await vi.waitFor(async () => expect(await noted<End>(page, "ends")).toMatchObject([{ code: 4029, kind: "away", willReconnect: true }]), { timeout: 8000 });
		await context.setOffline(false);
		await vi.waitFor(async () => expect(await noted(page, "connects")).toMatchObject([{ resumed: false }, { resumed: true }]), { timeout: 8000 });
		await say("after");
		await hears(page, "after");
		expect(await noted(page, "got")).toEqual(["meanwhile", "after"]);
	});

	it("that is frozen and hidden keeps its connection", async () => {
		const sent: string[] = [];
		const page = await context.newPage();
		page.on("websocket", (socket) => socket.on("framesent", ({ payload }) => sent.push(String(payload))));
		await page.goto(`${url}app?over=websocket&room=${room}&tab=`);
		await page.waitForFunction("window.ready");
		await page.evaluate(() => {
			Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
			document.dispatchEvent(new Event("visibilitychange"));
		});
		await vi.waitFor(() => expect(sent.some((frame) => frame.includes('"heartbeat":70000'))).toBe(true));
		const devtools = await context.newCDPSession(page);
		await devtools.send("Page.setWebLifecycleState", { state: "frozen" });
		for (let i = 0; i < 20; i++) await say(i);
		await wait(3000);
		await devtools.send("Page.setWebLifecycleState", { state: "active" });
		await hears(page, 19);
		expect(await noted(page, "got")).toEqual([...Array(20).keys()]);
		expect(await noted(page, "ends")).toEqual([]);
	});

	it("in eight tabs of one browser: all hear, all speak, and four say that they ask now and then", async () => {
		const pages: Page[] = [];
		for (let i = 0; i < 8; i++) pages.push(await open("streaming+longpoll", String(i)));
		const held = await Promise.all(pages.map((page) => page.evaluate("[set.currentChannel.type, set.held]")));
		expect(held).toEqual([...Array<unknown>(4).fill(["streaming", true]), ...Array<unknown>(4).fill(["longpoll", false])]);
		expect(await noted<End>(pages[7] as Page, "faults7")).toMatchObject([{ code: 4030 }]);
		await Promise.all(pages.map((page, i) => page.evaluate(`producer.send(${i})`)));
		for (const [i, page] of pages.entries()) {
			await vi.waitFor(async () => expect((await noted<number>(page, `got${i}`)).sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]), { timeout: 8000 });
			expect(await noted(page, `ends${i}`)).toEqual([]);
		}
	}, 30_000);

	it.each([["websocket", "streaming"], ["streaming", "longpoll"]])("is independent of another tab with the same cookie (%s, %s)", async (one, two) => {
		const [a, b] = [await open(one, "a"), await open(two, "b")];
		await a.evaluate("set.disconnectAll()");
		await say("still there?");
		await hears(b, "still there?", "b");
		expect(await noted<End>(a, "endsa")).toMatchObject([{ code: 4000, kind: "left", willReconnect: false }]);
		expect(await noted(b, "endsb")).toEqual([]);
	});
});

describe("where a disconnect ends the session", () => {
	beforeAll(
		() => begin((shipped) => shipped.replace(/(<endpoint url="http.*\/>)/g, "$1<properties><invalidate-session-on-disconnect>true</invalidate-session-on-disconnect></properties>")),
		180_000,
	);
	afterAll(finish);

	it.each(["streaming", "longpoll"])("the other tab is told over %s, and stays away", async (type) => {
		const [a, b] = [await open(type, "a"), await open(type, "b")];
		await a.evaluate("set.disconnectAll()");
		await vi.waitFor(async () => expect(await noted<End>(b, "endsb")).toMatchObject([{ code: 4002, kind: "removed", rejected: true, willReconnect: false, incident: expect.any(String) as string }]), { timeout: 5000 });
		expect(await noted<End>(a, "endsa")).toMatchObject([{ code: 4000 }]);
	});
});

describe("a server", () => {
	beforeEach(() => begin(), 180_000);
	afterEach(finish);

	it.each<[ChannelType, NodeJS.Signals, object]>([
		...types.map((type): [ChannelType, NodeJS.Signals, object] => [type, "SIGKILL", { code: 4008, kind: "vanished", willReconnect: true }]),
		...types.map((type): [ChannelType, NodeJS.Signals, object] => [type, "SIGTERM", { code: 4007, kind: "shutdown", retryAfterMillis: expect.any(Number) as number, willReconnect: true }]),
	])("is missed over %s after %s, told as what it is, and found again", async (type, signal, end) => {
		room = "lost";
		const page = await open(type);
		await say("before");
		await hears(page, "before");
		await server.stop(signal);
		await vi.waitFor(async () => expect((await noted<End>(page, "ends"))[0]).toMatchObject(end), { timeout: 8000 });
		server = await Sluice.start(new URL(server.url).host);
		await vi.waitFor(async () => expect(await noted(page, "connects")).toMatchObject([{ resumed: false }, { resumed: false }]), { timeout: 8000 });
		await vi.waitFor(async () => (await say("after"), expect(await noted(page, "got")).toContain("after")), { timeout: 8000, interval: 200 });
	}, 30_000);
});
