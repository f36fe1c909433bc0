import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Sluice } from "./Sluice.js";

const flags = ["--no-sandbox", "--headless=new", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic", "--no-first-run"];

/** What a page does that knows nothing but where the client is. `Sluice` is the library. */
const use = `
	const channelSet = new Sluice.ChannelSet(options);
	const consumer = new Sluice.Consumer({ channelSet, destination: "chat", subtopic: "room.x" });
	const told = [];
	const faults = [];
	channelSet.on("channelFault", ({ code, message }) => faults.push(code + " " + message));
	channelSet.on("channelDisconnect", ({ code, message, rejected }) => told.push({ code, message, rejected }));
	const heard = new Promise((resolve) => consumer.on("message", ({ message }) => resolve(message.body)));
	window.result = consumer.subscribe()
		.then(() => new Sluice.Producer({ channelSet, destination: "chat", subtopic: "room.x" }).send("from afar"))
		.then(() => heard)
		.then((body) => ({ body, over: channelSet.currentChannel.type }), ({ code, faultString }) => ({ code, faultString, told, faults: [...new Set(faults)] }));
`;

/** A page of its own origin, in two forms. */
const bodies = (server: string): Record<string, string> => ({
	module: `<!doctype html><title>x</title><script type="module">import * as Sluice from "${server}sluice.mjs"; const options = JSON.parse(decodeURIComponent(location.hash.slice(1))); ${use}</script>`,
	script: `<!doctype html><title>x</title><script src="${server}sluice.js"></script><script>{ const options = JSON.parse(decodeURIComponent(location.hash.slice(1))); ${use} }</script>`,
});

const forms = ["module", "script"];
let browser: Browser;
let page: Page;
let site: Server;
let origin: string;
let server: Sluice;

beforeAll(async () => {
	browser = await chromium.launch({ executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: flags });
	site = createServer((request, response) => {
		const body = bodies(server.url)[new URL(request.url ?? "", origin).pathname.slice(1)];
		response.writeHead(body ? 200 : 404, { "Content-Type": "text/html" }).end(body);
	});
	await new Promise<void>((resolve) => site.listen(0, "localhost", resolve));
	origin = `http://localhost:${(site.address() as AddressInfo).port}`;
}, 60_000);
afterAll(async () => {
	await browser.close();
	site.closeAllConnections();
	await new Promise((resolve) => site.close(resolve));
});
beforeEach(async () => void (page = await browser.newPage()));
afterEach(() => page.close());

/** Opens the page and returns what came of it. */
const result = async (form: string, options: object): Promise<unknown> => {
	await page.goto(`${origin}/${form}#${encodeURIComponent(JSON.stringify(options))}`);
	await page.waitForFunction("window.result");
	return page.evaluate("window.result");
};

describe("a page of another origin that is allowed", () => {
	beforeAll(async () => {
		server = await Sluice.start(undefined, (shipped) => shipped.replace(/(<endpoint url=.*\/>)/g, `$1<properties><allowed-origins><origin>${origin}</origin></allowed-origins></properties>`));
	}, 180_000);
	afterAll(() => server.stop());

	it.each(forms)("needs to know nothing but where the client is (%s)", async (form) => {
		expect(await result(form, {})).toEqual({ body: "from afar", over: "websocket" });
	});

	it.each(["websocket", "streaming", "longpoll"])("can use %s", async (type) => {
		const channels = [{ id: type, type, url: `http://{server.name}:{server.port}/${type}` }];
		expect(await result("module", { channels })).toEqual({ body: "from afar", over: type });
	});
});

describe("a page of another origin that is not allowed", () => {
	beforeAll(async () => void (server = await Sluice.start()), 180_000);
	afterAll(() => server.stop());

	const refused = { code: 4526, faultString: "Requests from that origin are not allowed.", told: [{ code: 4526, message: "Requests from that origin are not allowed.", rejected: true }], faults: ["4526 Requests from that origin are not allowed."] };
	it.each(forms)("is told so (%s)", async (form) => expect(await result(form, {})).toEqual(refused));

	it.each(["websocket", "streaming", "longpoll"])("is told so over %s", async (type) => {
		const channels = [{ id: type, type, url: `http://{server.name}:{server.port}/${type}` }];
		expect(await result("module", { channels })).toEqual(refused);
	});
});
