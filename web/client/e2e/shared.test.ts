import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { ChannelSet, Producer, type WebSocketClass } from "../src/index.js";
import { AppServer } from "./AppServer.js";
import { Sluice } from "./Sluice.js";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 180_000 });
const until = (check: () => unknown): Promise<void> => vi.waitFor(async () => expect(await check()).toBeTruthy(), { timeout: 30_000, interval: 20 });
const flags = ["--no-sandbox", "--headless=new", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic", "--no-first-run"];

/** Hears what is said to all and what is said to itself, and numbers what it says. */
const app = `<!doctype html><title>app</title><script type="module">
	import { Consumer, Producer } from "/sluice.mjs";
	import { SharedChannelSet } from "/sluice-shared.mjs";
	const tab = new URLSearchParams(location.search).get("tab");
	const set = new SharedChannelSet({ channels: [{ id: "ws", type: "websocket", url: "/websocket" }] });
	window.told = [];
	set.on("channelDisconnect", ({ code }) => told.push(code));
	const hear = async (subtopic, got) => {
		const consumer = new Consumer({ channelSet: set, destination: "chat", subtopic });
		consumer.on("message", ({ message }) => got.push(message.body));
		await consumer.subscribe();
	};
	window.all = [];
	window.own = [];
	await Promise.all([hear("all", all), hear("to." + tab, own)]);
	window.say = (subtopic, body) => new Producer({ channelSet: set, destination: "chat", subtopic }).send(body).then(({ type }) => type);
	window.set = set;
</script>`;

/** A page that has the script from a server which is not its own. */
const foreign = (server: string): string => `<!doctype html><title>foreign</title><script type="module">
	import { SharedChannelSet } from "${server}sluice-shared.mjs";
	const set = new SharedChannelSet();
	set.on("propertyChange", ({ property, value }) => property === "shared" && (window.shared = value));
	set.connect();
</script>`;

describe("eight tabs of a browser", () => {
	let server: Sluice;
	let site: AppServer;
	let url: string;
	let browser: Browser;
	let context: BrowserContext;
	let other: ChannelSet;
	let producer: Producer;
	let pages: Page[];

	const open = async (tab: number): Promise<Page> => {
		const page = await context.newPage();
		await page.goto(`${url}app?tab=${tab}`);
		await page.waitForFunction("window.set");
		return page;
	};
	const figures = async (): Promise<number[]> => {
		const names = ['sluice_connections{endpoint="websocket"}', "sluice_clients", "sluice_subscriptions"];
		return Promise.all(names.map((name) => server.metric(name)));
	};
	const get = <T>(page: Page, what: string): Promise<T> => page.evaluate(what) as Promise<T>;

	beforeAll(async () => {
		server = await Sluice.start();
		site = new AppServer(server.url, { "/app": app, "/foreign": foreign(server.url) });
		url = await site.start();
		browser = await chromium.launch({ executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: flags });
		other = new ChannelSet({ channels: `${server.url}config.json`, webSocket: WebSocket as unknown as WebSocketClass });
		producer = new Producer({ channelSet: other, destination: "chat", subtopic: "all" });
		await producer.send("somebody is here");
	});
	beforeEach(async () => {
		context = await browser.newContext();
		pages = [];
		for (let tab = 0; tab < 8; tab++) pages.push(await open(tab));
	});
	afterEach(async () => {
		await context.close();
		await until(async () => (await figures())[2] === 0);
	});
	afterAll(async () => {
		await browser.close();
		await other.disconnectAll();
		await site.stop();
		await server.stop();
	});

	it("have one connection, hear all that is for all and only their own, and are answered", async () => {
		expect(await figures()).toEqual([2, 2, 16]); // with the other's
		for (const page of pages) expect(await get(page, "set.shared")).toBe(true);
		for (let tab = 0; tab < 8; tab++) expect(await get(pages[tab] as Page, `say("to.${(tab + 1) % 8}", ${tab})`)).toBe("acknowledge");
		await producer.send("to all");
		for (let tab = 0; tab < 8; tab++) {
			await (pages[tab] as Page).waitForFunction("all.length === 1 && own.length === 1");
			expect(await get(pages[tab] as Page, "[all, own]")).toEqual([["to all"], [(tab + 7) % 8]]);
		}
	});

	it("go on with no gap and no double when the first of them, and then others, close, crash or are reloaded", async () => {
		let said = 0;
		const chatter = setInterval(() => void producer.send(said++), 10);
		const flow = async (): Promise<void> => {
			const goal = said + 50;
			for (const page of pages) await page.waitForFunction((goal) => (window as unknown as { all: number[] }).all.at(-1) as number > goal, goal);
		};
		await flow();
		await pages.shift()?.close();
		await flow();
		expect(await figures()).toEqual([2, 2, 14]);
		const victim = pages.pop() as Page;
		const crashed = victim.waitForEvent("crash");
		void victim.goto("chrome://crash").catch(() => {});
		await crashed;
		await until(async () => (await figures())[2] === 12);
		await flow();
		await pages[0]?.reload();
		await pages[0]?.waitForFunction("window.set");
		await flow();
		clearInterval(chatter);
		expect(await figures()).toEqual([2, 2, 12]);
		for (const page of pages) {
			await page.waitForFunction((last) => (window as unknown as { all: number[] }).all.at(-1) === last, said - 1);
			const all = await get<number[]>(page, "all");
			const first = all[0] as number;
			expect(all).toEqual(Array.from({ length: said - first }, (_, i) => first + i));
			expect(await get(page, "told")).toEqual([]);
		}
		expect((await get<number[]>(pages[1] as Page, "all"))[0]).toBe(0);
	});

	it("go alone with a script of another origin", async () => {
		const page = pages[0] as Page;
		await page.goto(`${url}foreign`);
		await page.waitForFunction("window.shared !== undefined");
		expect(await get(page, "shared")).toBe(false);
	});

	it("leave the others what they have when one disconnects, and the server when all have", async () => {
		await get(pages[0] as Page, "set.disconnectAll()");
		expect(await get(pages[0] as Page, "[set.connected, told]")).toEqual([false, [4000]]);
		expect(await figures()).toEqual([2, 2, 14]);
		expect(await get(pages[1] as Page, "[set.connected, told]")).toEqual([true, []]);
		for (const page of pages.slice(1)) await get(page, "set.disconnectAll()");
		await until(async () => String(await figures()) === "1,1,0");
	});
});
