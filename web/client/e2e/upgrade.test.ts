import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { ChannelSet, Consumer, Producer, type ChannelType, type WebSocketClass } from "../src/index.js";
import { AppServer } from "./AppServer.js";
import { HostileProxy, type Harm } from "./HostileProxy.js";
import { Sluice } from "./Sluice.js";

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });
const until = (check: () => unknown): Promise<void> => vi.waitFor(async () => expect(await check()).toBeTruthy(), { timeout: 60_000, interval: 20 });
const flags = ["--no-sandbox", "--headless=new", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic", "--no-first-run"];

/** Counts what it hears and numbers what it says, over reloads too; tries to get back to a better channel often. */
const app = `<!doctype html><title>app</title><script type="module">
	import { ChannelSet, Consumer, Producer } from "/sluice.mjs";
	const count = (name, next) => {
		if (next !== undefined) localStorage.setItem(name, next);
		return Number(localStorage.getItem(name) ?? 0);
	};
	const set = new ChannelSet({ channels: ["websocket", "streaming", "longpoll"].map((type) => ({ id: type, type, url: "/" + type })), upgradeMillis: 200, maxUpgradeMillis: 400 });
	set.on("channelConnect", ({ resumed }) => resumed || count("anew", count("anew") + 1));
	const consumer = new Consumer({ channelSet: set, destination: "chat", subtopic: "down" });
	consumer.on("message", ({ message: { body } }) => {
		const expected = count("heard");
		if (body > expected) count("missing", count("missing") + body - expected);
		if (body < expected) count("again", count("again") + 1);
		count("heard", Math.max(expected, body + 1));
	});
	const producer = new Producer({ channelSet: set, destination: "chat", subtopic: "up" });
	consumer.subscribe();
	setInterval(() => {
		if (localStorage.getItem("quiet")) return;
		producer.send(count("said"));
		count("said", count("said") + 1);
	}, 10);
	window.over = () => set.currentChannel?.type;
</script>`;

describe("a page that receives a hundred messages a second", () => {
	let server: Sluice;
	let site: AppServer;
	let proxy: HostileProxy;
	let browser: Browser;
	let page: Page;
	let other: ChannelSet;
	let chatter: ReturnType<typeof setInterval>;
	let said = 0;
	const heard: unknown[] = [];

	beforeAll(async () => {
		server = await Sluice.start();
		site = new AppServer(server.url, { "/app": app });
		proxy = new HostileProxy(await site.start(), "does nothing");
		browser = await chromium.launch({ executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: flags });
		page = await browser.newPage();
		other = new ChannelSet({ channels: `${server.url}config.json`, webSocket: WebSocket as unknown as WebSocketClass });
		const consumer = new Consumer({ channelSet: other, destination: "chat", subtopic: "up" });
		consumer.on("message", ({ message }) => heard.push(message.body));
		await consumer.subscribe();
		await page.goto(`${await proxy.start()}app`);
		await over("websocket");
		const producer = new Producer({ channelSet: other, destination: "chat", subtopic: "down" });
		const began = Date.now();
		chatter = setInterval(() => {
			while (said < (Date.now() - began) / 10) void producer.send(said++); // a hundred, also when the timer is late
		}, 10);
	});
	afterAll(async () => {
		clearInterval(chatter);
		await browser.close();
		await other.disconnectAll();
		await proxy.stop();
		await site.stop();
		await server.stop();
	});

	const number = (name: string): Promise<number> => page.evaluate((name) => Number(localStorage.getItem(name) ?? 0), name);
	const over = async (type: ChannelType): Promise<void> => void (await page.waitForFunction((type) => (window as unknown as { over(): string }).over() === type, type, { timeout: 60_000 }));
	/** A second's messages pass. */
	const flow = async (): Promise<void> => {
		const [down, up] = [await number("heard"), heard.length];
		await until(async () => (await number("heard")) > down + 100 && heard.length > up + 30);
	};
	const whole = async (): Promise<void> => {
		expect([await number("missing"), await number("again"), await number("anew")]).toEqual([0, 0, 1]);
		expect(heard).toEqual([...heard.keys()]);
	};

	it.each<[string, boolean]>([["", false], [", and is reloaded on each", true]])("loses its WebSocket, goes on over streaming, then long-poll, then back up%s: no gap and no double", async (_, reloaded) => {
		const steps: [Harm, ChannelType][] = [
			["refuses upgrades", "streaming"],
			["swallows frames and buffers answers", "longpoll"],
			["refuses upgrades", "streaming"],
			["does nothing", "websocket"],
		];
		for (const [harm, type] of steps) {
			// On the way up nothing is broken: the page finds out by itself.
			if (type === "websocket" || (type === "streaming" && (await page.evaluate("over()")) === "longpoll")) proxy.allow(harm);
			else proxy.become(harm);
			await over(type);
			await flow();
			if (reloaded) {
				await page.reload();
				await over(type);
				await flow();
			}
			await whole();
		}
	});

	it("and nothing is missing at the end", async () => {
		clearInterval(chatter);
		await page.evaluate(() => localStorage.setItem("quiet", "yes"));
		await until(async () => (await number("heard")) === said && heard.length === (await number("said")));
		await whole();
		expect(said).toBeGreaterThan(1500);
	});
});
