import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { ChannelSet, Consumer, Producer, type ChannelDisconnect, type ChannelFault, type ChannelSetOptions, type ChannelType, type WebSocketClass } from "../src/index.js";
import { disconnectOf, lost } from "../src/Disconnect.js";
import { Failures } from "../src/Failures.js";
import { homeOf } from "../src/home.js";
import { FakeServer } from "./FakeServer.js";

const until = (check: () => unknown): Promise<void> => vi.waitFor(() => expect(check()).toBeTruthy(), { timeout: 5000, interval: 5 });
const all: ChannelType[] = ["websocket", "streaming", "longpoll"];

let server: FakeServer;
let set: ChannelSet;
let faults: ChannelFault[];
let ends: ChannelDisconnect[];

const make = (options: ChannelSetOptions): ChannelSet => {
	set = new ChannelSet({ baseUrl: server.base, webSocket: WebSocket as unknown as WebSocketClass, random: () => 0.01, ...options });
	set.on("channelFault", (fault) => faults.push(fault));
	set.on("channelDisconnect", (end) => ends.push(end));
	return set;
};

beforeEach(async () => {
	server = await new FakeServer().start();
	faults = [];
	ends = [];
});
afterEach(async () => {
	await set.disconnectAll();
	await server.stop();
});

describe("a server that wants nothing of the page", () => {
	const foreign = { status: 403, code: 4526, name: "foreign-origin", faultString: "Requests from that origin are not allowed.", setting: "allowed-origins" };

	it.each([...all.map((type) => [type]), all])("is obeyed: %s %s %s", async (...types) => {
		server.refusal = foreign;
		make({ channels: server.channels(...(types as ChannelType[])) });
		const consumer = new Consumer({ channelSet: set, destination: "chat" });
		const sent = new Producer({ channelSet: set, destination: "chat" }).send(1);
		await expect(consumer.subscribe()).rejects.toMatchObject({ code: 4526, faultString: foreign.faultString });
		await expect(sent).rejects.toMatchObject({ code: 4526 });
		expect(ends).toMatchObject([{ code: 4526, message: foreign.faultString, setting: "allowed-origins", willReconnect: false, rejected: true }]);
		const round = faults.length;
		expect(faults).toHaveLength(types.length);
		for (const fault of faults) expect(fault).toMatchObject({ code: 4526, message: foreign.faultString, setting: "allowed-origins" }); // not that the connection was lost
		await expect(set.connect()).rejects.toMatchObject({ code: 4526 }); // asked to, it tries again, once
		expect(faults.length).toBe(2 * round);
		server.refusal = undefined;
		await set.connect();
	});

	it("is not taken for one that is only full", async () => {
		server.refusal = { status: 503, code: 4531, name: "limit-connections", retryAfterMillis: 10 };
		make({ channels: server.channels("websocket") });
		const connected = set.connect();
		await until(() => faults.length > 2);
		expect(ends).toEqual([]);
		server.refusal = undefined;
		await connected;
	});

	it("is not taken for a proxy that breaks WebSockets", async () => {
		server.refusal = { status: 400, code: 4537, name: "bad-request" }; // what the address answers to what is no handshake
		make({ channels: server.channels("websocket") });
		const connected = set.connect();
		await until(() => faults.length > 2);
		expect(ends).toEqual([]);
		server.refusal = undefined;
		await connected;
	});
});

describe("why a channel has failed", () => {
	const [config] = [{ id: "ws", type: "websocket", url: "ws://server/" }] as const;
	const answer = (line: object): Response => new Response(JSON.stringify({ type: "error", ...line }), { status: 403 });
	let told: [string, number][];
	let failures: Failures;
	let answered: (response: Response) => void;

	beforeEach(() => {
		make({});
		told = [];
		failures = new Failures(({ id }, { code }) => told.push([id, code]));
		vi.stubGlobal("fetch", () => new Promise((resolve) => (answered = resolve)));
	});
	afterEach(() => void vi.unstubAllGlobals());

	it("is told at once where the server has said so, else when it is asked", async () => {
		failures.add(config, lost());
		failures.add({ ...config, id: "other" }, { ...lost(), code: 4534, told: true });
		failures.add({ ...config, id: "third" }, disconnectOf(4030)); // no word of the server, but the reason all the same
		expect(told.splice(1)).toEqual([["third", 4030]]);
		expect(told).toEqual([["other", 4534]]);
		answered(answer({ code: 4526 }));
		await until(() => told.length === 2);
		expect(told[1]).toEqual(["ws", 4526]);
		expect(await failures.conclude(lost())).toMatchObject({ code: 4526, told: true });
	});

	it("is told once, without the answer where nobody waits for that", async () => {
		failures.add(config, lost());
		failures.flush();
		expect(told).toEqual([["ws", 4008]]);
		answered(answer({ code: 4526 }));
		await failures.conclude(lost());
		failures.flush();
		expect(told).toHaveLength(1);
	});

	it("is nothing the server has against the page, where another channel would be served", async () => {
		failures.add(config, lost());
		answered(answer({ code: 4526 }));
		failures.add({ ...config, id: "other" }, lost());
		answered(answer({ code: 4537 }));
		expect(await failures.conclude(lost("x"))).toMatchObject({ code: 4008, message: "x" });
		expect(told).toEqual([["ws", 4526], ["other", 4008]]);
	});
});

describe("a configuration that cannot be read", () => {
	it.each([
		["is not there", { status: 404, body: '{"type":"error","code":4536,"name":"unknown-endpoint","faultString":"There is nothing at this address."}\n' }, 4536],
		["is not there, and no Sluice says so", { status: 404, body: "<h1>Not Found</h1>" }, 4536],
		["may not be read", { status: 403, body: "" }, 4008],
		["is a page", { status: 200, body: "<!doctype html>" }, 4008],
		["is something else", { status: 200, body: '{"version":1}' }, 4008],
		["lists nothing", { status: 200, body: '{"channels":[]}' }, 4008],
	])("because it %s: those who wait are told, and then it is asked for again", async (_, config, code) => {
		server.config = config;
		make({});
		const consumer = new Consumer({ channelSet: set, destination: "chat" });
		const heard: number[] = [];
		consumer.on("channelFault", (fault) => heard.push(fault.code));
		const login = set.login("ann", "secret");
		await expect(consumer.subscribe()).rejects.toMatchObject({ faultCode: "Channel.Connect.Failed", code });
		await expect(login).rejects.toMatchObject({ code });
		await expect(set.connect()).rejects.toMatchObject({ code });
		await until(() => faults.length > 3);
		expect(faults[3]).toMatchObject({ channelId: "", code, reconnect: "yes", faultCode: "Channel.Connect.Failed" });
		if (config.body !== '{"channels":[]}') expect(faults[3]?.message).toContain(`${server.base}config.json`);
		expect(heard).toEqual(faults.map((fault) => fault.code));
		server.config = undefined;
		await until(() => consumer.subscribed); // the wish has outlived it
		expect(ends).toEqual([]);
	});

	it.each([
		["out of order", (): string => ((server.config = { status: 503, body: "" }), server.base), "503"],
		["not running", (): string => `http://127.0.0.1:${closedPort}/`, "failed"],
	])("because the server is %s: everybody waits", async (_, where, words) => {
		const baseUrl = where();
		make({ baseUrl });
		let settled = false;
		void set.connect().then(
			() => (settled = true),
			() => (settled = true),
		);
		await until(() => faults.length > 3);
		expect(faults[3]?.message).toContain(`${baseUrl}config.json`);
		expect(faults[3]?.message).toContain(words);
		expect(settled).toBe(false);
	});

	let closedPort = 0;
	beforeEach(async () => {
		const listener = createServer();
		await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
		closedPort = (listener.address() as AddressInfo).port;
		await new Promise((resolve) => listener.close(resolve));
	});

	it("stops being asked for when a listener leaves", async () => {
		server.config = { status: 404, body: "" };
		make({});
		set.on("channelFault", () => void set.disconnectAll());
		await expect(set.connect()).rejects.toMatchObject({ code: 4000 });
		expect(faults).toHaveLength(1);
	});
});

describe("home", () => {
	it.each([
		["https://push.example.com/sluice.mjs", "https://push.example.com/"],
		["http://push.example.com:8080/sluice.js?v=2#x", "http://push.example.com:8080/"],
		["https://cdn.example.com/lib/sluice.mjs", undefined],
		["https://app.example.com/assets/index-3f2a.js", undefined],
		["https://app.example.com/sluice.mjs.map", undefined],
		["file:///sluice.mjs", undefined],
		[undefined, undefined],
	])("of %s is %s", (script, home) => expect(homeOf(script)).toBe(home));
});
