import { chromium, type Browser, type Locator, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { ChannelSet, Producer, type WebSocketClass } from "../src/index.js";
import { HostileProxy, type Harm } from "./HostileProxy.js";
import { Sluice } from "./Sluice.js";

const flags = ["--no-sandbox", "--headless=new", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic", "--no-first-run"];
const names = { websocket: "WebSocket", streaming: "Streaming", longpoll: "Long-poll" } as const;
type Type = keyof typeof names;
const types = Object.keys(names) as Type[];

let server: Sluice;
let browser: Browser;
let page: Page;
let complaints: string[];

beforeAll(async () => {
	// A page that is left is over at once, so that the next test finds nobody.
	server = await Sluice.start(undefined, (shipped) => shipped.replace("<flex-client>", "<flex-client><reload-grace-millis>0</reload-grace-millis>"));
	browser = await chromium.launch({ executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: flags });
}, 180_000);
afterAll(async () => {
	await browser.close();
	await server.stop();
});
beforeEach(async () => {
	complaints = [];
	page = await browser.newPage();
	page.setDefaultTimeout(8000);
	page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
	page.on("pageerror", (error) => complaints.push(String(error)));
});
afterEach(async () => {
	await page.goto("about:blank");
	await nobody();
	await page.close();
});

/** A page that is left tells the server so. */
const nobody = (): Promise<void> => vi.waitFor(async () => expect(await server.metric("sluice_clients")).toBe(0), { timeout: 5000 });

const bank = (side: "left" | "right"): Locator => page.getByTestId(side);
const connected = (side: "left" | "right", type: Type): Promise<void> => bank(side).getByTestId("status").getByText(`Connected over ${names[type]}`).waitFor();
const choose = async (side: "left" | "right", type: Type): Promise<void> => {
	await bank(side).getByTestId(`channel-${type}`).check({ force: true });
	await connected(side, type);
	await bank(side).getByTestId("log").locator("li").filter({ hasText: "Subscribed" }).last().waitFor();
};
const say = async (side: "left" | "right", text: string): Promise<void> => {
	await bank(side).getByTestId("say-input").fill(text);
	await bank(side).getByTestId("say").click();
};
const seen = (side: "left" | "right", text: string): Promise<void> => bank(side).getByTestId("messages").getByText(text, { exact: true }).waitFor();

describe("the page", () => {
	for (const left of types) {
		for (const right of types) {
			it(`lets the left bank over ${left} and the right bank over ${right} talk`, async () => {
				await page.goto(server.url);
				await connected("left", "websocket");
				await choose("left", left);
				await choose("right", right);
				await say("left", `from ${left}`);
				await say("right", `to ${right}`);
				for (const side of ["left", "right"] as const) {
					await seen(side, `from ${left}`);
					await seen(side, `to ${right}`);
				}
				await bank("left").getByTestId("burst").click();
				await seen("right", "Burst: 100 of 100, in order");
				await seen("left", "Burst: 100 of 100, in order");
				expect(await bank("right").getByTestId("received").textContent()).toBe("102");
				expect(await bank("left").getByTestId("sent").textContent()).toBe("101");
				expect(Number(await bank("left").getByTestId("latency").textContent())).toBeGreaterThan(0);
				expect(await bank("left").getByTestId("sparkline").locator(".line").getAttribute("d")).toMatch(/^M/);
				expect(complaints).toEqual([]);
			});
		}
	}

	it("shows the code of a disconnect, and comes back when asked", async () => {
		await page.goto(server.url);
		for (const type of types) {
			await choose("left", type);
			await bank("left").getByTestId("disconnect").click();
			await bank("left").getByTestId("status").getByText("Disconnected: 4000 client-disconnect").waitFor();
			await bank("left").getByTestId("log").getByText("The client disconnected.").last().waitFor();
			expect(await bank("left").getByTestId("say").isDisabled()).toBe(true);
			await bank("left").getByTestId("reconnect").click();
			await connected("left", type);
		}
		expect(complaints).toEqual([]);
	});

	it("tells a change of channel in the order it happens, and once", async () => {
		await page.goto(server.url);
		for (const type of ["streaming", "longpoll", "websocket"] as const) {
			await choose("left", type);
			const marks = await bank("left").getByTestId("log").locator(".mark2").allTextContents();
			expect(marks.slice(-4)).toEqual(["4000", "try", "up", "sub"]);
		}
		await bank("left").getByTestId("disconnect").click(); // what the old clients had to say would be there by now
		await bank("left").getByTestId("log").getByText("The client disconnected.").waitFor();
		expect(await bank("left").getByTestId("log").getByText("The old client left.").count()).toBe(3);
		expect(complaints).toEqual([]);
	});

	it("says something only when there is something, and somebody to hear it", async () => {
		await page.goto(server.url);
		await connected("left", "websocket");
		const [input, say, burst] = (["say-input", "say", "burst"] as const).map((id) => bank("left").getByTestId(id)) as [Locator, Locator, Locator];
		expect([await say.isEnabled(), await burst.isEnabled()]).toEqual([false, true]);
		await input.fill("  ");
		expect(await say.isEnabled()).toBe(false);
		await input.fill("words");
		expect(await say.isEnabled()).toBe(true);
		expect(await input.getAttribute("placeholder")).toBe("To the lobby");
		await bank("left").getByTestId("room-room.*").check({ force: true });
		expect(await input.getAttribute("placeholder")).toBe("To the lobby (you hear all rooms)");
		await bank("left").getByTestId("disconnect").click();
		await bank("left").getByTestId("status").getByText("Disconnected").waitFor();
		expect([await say.isEnabled(), await burst.isEnabled(), await input.isEnabled()]).toEqual([false, false, false]);
		expect(complaints).toEqual([]);
	});

	it("says that there is no chat, and talks in what there is", async () => {
		const other = await Sluice.start(undefined, (shipped) => shipped.replace('<destination id="chat">', '<destination id="orders">').replace(/(id="news">\s*)<properties>.*<\/properties>/, "$1"));
		try {
			await page.goto(other.url);
			await connected("left", "websocket");
			await page.getByTestId("missing").getByText("This server has no destination chat").waitFor();
			for (const id of ["say", "burst", "say-input"]) expect(await bank("left").getByTestId(id).isEnabled()).toBe(false);
			expect(await page.getByTestId("curl").isVisible()).toBe(false);
			await page.getByTestId("destination-orders").check({ force: true });
			await bank("left").getByTestId("log").getByText("Subscribed to room.lobby.").waitFor();
			await bank("right").getByTestId("log").getByText("Subscribed to room.lobby.").waitFor();
			await say("left", "an order");
			await seen("right", "an order");
			expect(await page.getByTestId("curl").textContent()).toBe(`curl -N ${other.url}streaming/orders/room.lobby`);
			await page.getByTestId("destination-news").check({ force: true }); // it has no subtopics, so no rooms
			await bank("left").getByTestId("log").getByText("Subscribed to news.").waitFor();
			await bank("right").getByTestId("log").getByText("Subscribed to news.").waitFor();
			expect(await bank("left").getByTestId("room-room.tea").isEnabled()).toBe(false);
			await say("left", "a piece of news");
			await seen("right", "a piece of news");
			expect(complaints).toEqual([]);
		} finally {
			await page.goto("about:blank");
			await other.stop();
		}
	}, 60_000);

	it("says plainly that there is no list of channels, tries again, and then has them all", async () => {
		await page.route("**/config.json", (route) => route.abort());
		await page.goto(server.url);
		const { log, status } = { log: bank("left").getByTestId("log"), status: bank("left").getByTestId("status") };
		await log.getByText("The server's list of channels could not be had. Trying again.").waitFor();
		await status.getByText("No list of channels. Trying again").waitFor();
		expect(await log.getByText("config.json could not be reached").count()).toBe(1);
		expect(await bank("left").getByTestId("channel-streaming").isEnabled()).toBe(false);
		await page.unroute("**/config.json");
		await connected("left", "websocket");
		await choose("left", "streaming");
		expect(await page.getByTestId("curl").textContent()).toBe(`curl -N ${server.url}streaming/chat/room.lobby`);
	});

	it("tells in words what became of the server, keeps that in view while it waits, and comes back", async () => {
		let other: Sluice | undefined = await Sluice.start();
		const { url } = other;
		const stop = async (signal?: NodeJS.Signals): Promise<void> => {
			const running = other;
			other = undefined;
			await running?.stop(signal);
		};
		try {
			await page.goto(url);
			await connected("left", "websocket");
			const log = bank("left").getByTestId("log");
			await stop("SIGKILL");
			await page.waitForTimeout(5000); // several attempts
			expect(await log.getByText("config.json could not be reached").count()).toBe(1);
			const inView = (entry: Element): boolean => entry.getBoundingClientRect().top >= (entry.closest("ol") as Element).getBoundingClientRect().top;
			expect(await log.locator("li").filter({ hasText: "4008" }).first().evaluate(inView)).toBe(true);
			other = await Sluice.start(new URL(url).host);
			await log.getByText("The server was restarted, or is another; connecting anew.").waitFor({ timeout: 10_000 });
			await log.getByText("Connected over WebSocket again, as a new client.").waitFor({ timeout: 1000 });
			await stop();
			await log.getByText(/server-shutdown .* · back in \d s$/).waitFor();
			if (process.env["SCREENSHOT"]) await page.screenshot({ path: process.env["SCREENSHOT"], fullPage: true });
			other = await Sluice.start(new URL(url).host);
			await connected("left", "websocket");
		} finally {
			await page.goto("about:blank");
			await stop();
		}
	}, 60_000);

	it("separates rooms, and hears all of them in one", async () => {
		await page.goto(server.url);
		await connected("right", "websocket");
		await bank("right").getByTestId("room-room.*").check({ force: true });
		await bank("right").getByTestId("log").getByText("Subscribed to room.*.").waitFor();
		await bank("left").getByTestId("room-room.tea").check({ force: true });
		await bank("left").getByTestId("log").getByText("Subscribed to room.tea.").waitFor();
		await say("left", "green or black?");
		await seen("right", "green or black?");
		await say("right", "to the lobby"); // nobody of the tea house hears it
		await seen("right", "to the lobby");
		await say("left", "black");
		await seen("left", "black");
		expect(await bank("left").getByTestId("messages").getByText("to the lobby", { exact: true }).count()).toBe(0);
		expect(complaints).toEqual([]);
	});

	it("can be used by keyboard alone", async () => {
		await page.goto(server.url);
		await connected("left", "websocket");
		await bank("left").getByTestId("channel-auto").focus();
		await page.keyboard.press("ArrowRight");
		await page.keyboard.press("ArrowRight");
		await connected("left", "streaming");
		await page.keyboard.press("Tab"); // rooms
		await page.keyboard.press("Tab"); // messages
		await page.keyboard.press("Tab"); // the line to say
		await page.keyboard.type("by hand");
		await page.keyboard.press("Enter");
		await seen("right", "by hand");
		const unnamed = await page.evaluate(() => [...document.querySelectorAll<HTMLInputElement>("input")].filter((input) => !input.labels?.length).length);
		expect(unnamed).toBe(0);
		expect(complaints).toEqual([]);
	});

	it.each([320, 360])("fits a screen of %d pixels, with its times and whole words", async (width) => {
		await page.setViewportSize({ width, height: 640 });
		await page.goto(server.url);
		await connected("right", "websocket");
		expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
		expect(await bank("right").getByTestId("log").locator("time").first().isVisible()).toBe(true);
		const cut = await page.evaluate(() =>
			[...document.querySelectorAll("pre")].flatMap((pre) => {
				const words = [...pre.querySelector("code")!.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE);
				const range = document.createRange();
				return words.flatMap((node) =>
					[...(node.textContent ?? "").matchAll(/\S+/g)].filter((word) => {
						range.setStart(node, word.index);
						range.setEnd(node, word.index + word[0].length);
						const { left, right } = pre.getBoundingClientRect();
						return range.getClientRects().length > 1 || range.getBoundingClientRect().left < left || range.getBoundingClientRect().right > right + 1;
					}),
				);
			}).map(String),
		);
		expect(cut).toEqual([]);
		expect(complaints).toEqual([]);
	});

	it("is read by EventSource too", async () => {
		await page.goto(server.url);
		await connected("left", "websocket");
		await page.evaluate(() => {
			const source = new EventSource("/streaming/chat/room.lobby");
			const state = window as unknown as { open: boolean; heard: string[] };
			state.heard = [];
			source.onopen = () => (state.open = true);
			source.onmessage = (event) => state.heard.push((JSON.parse(String(event.data)) as { body: { text: string } }).body.text);
		});
		await page.waitForFunction(() => (window as unknown as { open: boolean }).open);
		await say("left", "for everyone");
		await page.waitForFunction(() => (window as unknown as { heard: string[] }).heard.includes("for everyone"));
		expect(complaints).toEqual([]);
	});
});

describe("behind a proxy that", () => {
	let proxy: HostileProxy;
	let speaker: ChannelSet;
	let chatter: ReturnType<typeof setInterval>;

	beforeEach(async () => {
		// Somebody talks all the time, so that the first thing heard shows when receiving began.
		speaker = new ChannelSet({ channels: `${server.url}config.json`, webSocket: WebSocket as unknown as WebSocketClass });
		const producer = new Producer({ channelSet: speaker, destination: "chat", subtopic: "room.lobby" });
		await producer.send({ text: "first" });
		chatter = setInterval(() => void producer.send({ text: "tick" }), 20);
	});
	afterEach(async () => {
		clearInterval(chatter);
		await speaker.disconnectAll();
		await page.goto("about:blank");
		await nobody();
		await proxy.stop();
	});

	// The page's clock stands still but where the test moves it: what is measured is what the client waits for, and not how fast the machine is.
	it.each<[Harm, Type, number]>([
		["refuses upgrades", "streaming", 0],
		["swallows frames", "streaming", 700],
		["swallows frames and buffers answers", "longpoll", 1400],
	])("%s the page receives over %s, having waited for %d ms", async (harm, type, waited) => {
		proxy = new HostileProxy(server.url, harm);
		const url = await proxy.start();
		await page.clock.install({ time: 0 });
		await page.clock.pauseAt(1000);
		await page.goto(url);
		for (let millis = 0, harmed = 2; millis < waited; millis += 700, harmed += 2) {
			await vi.waitFor(() => expect(proxy.harmed).toBe(harmed), { timeout: 30_000 }); // by both banks
			await page.clock.runFor(700);
		}
		for (const side of ["left", "right"] as const) await bank(side).getByTestId("messages").getByText("tick").first().waitFor({ timeout: 30_000 });
		await connected("left", type);
		await connected("right", type);
		expect(await page.evaluate(() => Date.now())).toBe(1000 + waited);
		await page.clock.resume();
		await say("left", "through");
		await seen("right", "through");
		// The browser itself complains of a refused WebSocket, and of the answer when the client has asked why; nothing else may be wrong.
		expect(complaints.filter((text) => !/WebSocket connection to .* failed|status of 400/.test(text))).toEqual([]);
		// Both banks have reported what they had tried.
		const from = type === "longpoll" ? ["websocket", "streaming"] : ["websocket"];
		for (const id of from) expect(await server.metric(`sluice_failovers_total{code="4008",from="${id}",to="${type}"}`)).toBeGreaterThanOrEqual(2);
	});
});
