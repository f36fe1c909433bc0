import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
// @ts-expect-error a plain script without types
import { render } from "../scripts/codes.mjs";
import { fullJitter } from "../src/backoff.js";
import type { Link } from "../src/Channel.js";
import { channelsOf, resolve } from "../src/config.js";
import { codes } from "../src/codes.js";
import { Counter } from "../src/Counter.js";
import { disconnectOf, lastWord } from "../src/Disconnect.js";
import { Emitter } from "../src/Emitter.js";
import { Fault } from "../src/Fault.js";
import { Heartbeat } from "../src/Heartbeat.js";
import { LineParser } from "../src/LineParser.js";
import { base64, takeBatch, type AsyncMessage, type Line } from "../src/message.js";
import { Pause } from "../src/Pause.js";
import { Router } from "../src/Router.js";
import { sleep } from "../src/sleep.js";
import { WebSocketChannel, type WebSocketLike } from "../src/WebSocketChannel.js";

/** Random numbers that are the same in every run. */
function generator(seed: number): () => number {
	return () => (seed = (seed * 48271) % 0x7fffffff) / 0x7fffffff;
}

describe("codes", () => {
	it("are those of the server", () => {
		const table = JSON.parse(readFileSync(new URL("../../../channel/message/codes.json", import.meta.url), "utf8")) as Record<string, unknown>[];
		expect(readFileSync(new URL("../src/codes.ts", import.meta.url), "utf8")).toBe(render(table));
		expect(Object.values(codes)).toEqual(table.map(({ faultCode, httpStatus, client, ...row }) => ({ kind: "refused", over: false, ...row })));
	});
});

describe("LineParser", () => {
	it("gives the same lines wherever the chunks are cut", () => {
		const lines = ['{"type":"async","body":"plain"}', '{"type":"async","body":"Schöne Grüße 🌊 水門"}', "{}", `{"long":"${"x".repeat(500)}"}`];
		const bytes = new TextEncoder().encode("\0\0\0\n" + lines.map((line) => line + "\n\0\n\0").join("") + "never ended");
		const random = generator(7);
		for (let run = 0; run < 300; run++) {
			const parser = new LineParser();
			const got: string[] = [];
			for (let at = 0; at < bytes.length; ) {
				const size = 1 + Math.floor(random() * random() * 80);
				const chunk = bytes.slice(at, at + size);
				got.push(...parser.feed(chunk));
				chunk.fill(1); // readers may use the memory again
				at += size;
			}
			expect(got).toEqual(lines);
		}
	});

	it("refuses a line that is too long, and only that", () => {
		const parser = new LineParser(10);
		expect(parser.feed(new TextEncoder().encode("\0".repeat(50) + "0123456789\n"))).toEqual(["0123456789"]);
		expect(() => parser.feed(new TextEncoder().encode("01234567890"))).toThrow("longer than 10 bytes");
	});
});

describe("Counter", () => {
	beforeEach(() => void vi.useFakeTimers());
	afterEach(() => void vi.useRealTimers());

	it("confirms after a quarter of the window, by messages or by bytes", () => {
		let confirmed = 0;
		const counter = new Counter(
			() => 5000,
			() => (confirmed++, counter.told()),
		);
		counter.window({ messages: 40, bytes: 4000 });
		for (let i = 0; i < 9; i++) counter.count(1, 10);
		expect(confirmed).toBe(0);
		counter.count(1, 10);
		expect(confirmed).toBe(1);
		counter.count(1, 1000);
		expect(confirmed).toBe(2);
		expect(counter.have).toBe(11);
	});

	it("confirms some time after the first unconfirmed line, unless another line has told", () => {
		const confirm = vi.fn();
		const counter = new Counter(() => 5000, confirm);
		counter.count(1, 10);
		vi.advanceTimersByTime(4000);
		counter.count(1, 10);
		vi.advanceTimersByTime(1000);
		expect(confirm).toHaveBeenCalledTimes(1);
		counter.told();
		counter.count(3, 0);
		counter.told();
		vi.advanceTimersByTime(10_000);
		expect(confirm).toHaveBeenCalledTimes(1);
		expect(counter.have).toBe(5);
	});
});

describe("Heartbeat", () => {
	beforeEach(() => void vi.useFakeTimers());
	afterEach(() => void vi.useRealTimers());

	it("beats in silence only, and misses an answer after twice its interval", () => {
		const beat = vi.fn(() => heartbeat.sent());
		const lost = vi.fn();
		const heartbeat = new Heartbeat(1000, { beat, lost, hidden: () => false });
		vi.advanceTimersByTime(900);
		heartbeat.sent();
		heartbeat.answered(false);
		vi.advanceTimersByTime(900);
		expect(beat).not.toHaveBeenCalled();
		vi.advanceTimersByTime(100);
		expect(beat).toHaveBeenCalledTimes(1);
		vi.advanceTimersByTime(1999);
		expect(lost).not.toHaveBeenCalled();
		vi.advanceTimersByTime(1);
		expect(lost).toHaveBeenCalledTimes(1);
		heartbeat.stop();
	});

	it("notices that a client which never falls silent gets no replies", () => {
		const lost = vi.fn();
		const heartbeat = new Heartbeat(1000, { beat: () => {}, lost, hidden: () => false });
		for (let i = 0; i < 5; i++) {
			heartbeat.sent();
			vi.advanceTimersByTime(400);
		}
		expect(lost).toHaveBeenCalledTimes(1);
		heartbeat.stop();
	});
});

describe("sleep", () => {
	beforeEach(() => void vi.useFakeTimers());
	afterEach(() => void vi.useRealTimers());

	it("ends with its time or its signal, and leaves nothing behind", async () => {
		const abort = new AbortController();
		const added = vi.spyOn(abort.signal, "addEventListener");
		const removed = vi.spyOn(abort.signal, "removeEventListener");
		const over = vi.fn();
		const done = sleep(1000, abort.signal).then(over);
		await vi.advanceTimersByTimeAsync(999);
		expect(over).not.toHaveBeenCalled();
		await vi.advanceTimersByTimeAsync(1);
		await done;
		const cut = sleep(1000, abort.signal);
		abort.abort();
		await cut;
		await sleep(1000, abort.signal);
		expect(vi.getTimerCount()).toBe(0);
		expect(removed.mock.calls).toEqual(added.mock.calls);
	});
});

describe("a WebSocket that is left", () => {
	it("is over when it is closed, answered or not", async () => {
		vi.useFakeTimers();
		class Socket implements WebSocketLike {
			readonly readyState = 1;
			onopen = null;
			onmessage = null;
			onerror = null;
			onclose = null;
			send(): void {}
			close(): void {}
		}
		const channel = new WebSocketChannel({ id: "ws", type: "websocket", url: "ws://server/" }, Socket);
		channel.open({ maxRequestSize: 1000 } as Link);
		const left = channel.leave(["{}"]);
		channel.close();
		await left;
		expect(vi.getTimerCount()).toBe(0);
		vi.useRealTimers();
	});
});

describe("Router", () => {
	const state = (operation: string, clientId: string, correlationId: string): Line => ({ type: "subscription-state", operation, clientId, correlationId, destination: "chat" });
	const message = (messageId: string): AsyncMessage => ({ type: "async", messageId, destination: "chat" });

	it("hands a reply to whoever has just taken the subscription over", async () => {
		const router = new Router();
		router.restore([{ messageId: "m1", destination: "chat", active: false, key: "k" }]);
		const subscriber = { key: "k", deliver: vi.fn(), resumed: vi.fn(), invalidated: vi.fn(), settle: vi.fn() };
		expect(router.adopt(subscriber)).toBe(true);
		const refused = new Fault("Server.Processing", "no");
		router.settle("m1", refused);
		await Promise.resolve();
		expect(subscriber.settle.mock.calls).toEqual([[refused]]);
	});

	it("follows subscription-state and for lines", () => {
		const router = new Router();
		const got: string[] = [];
		const subscriber = (name: string) => ({ key: name, settle: () => {}, resumed: () => {}, deliver: (m: Line) => void (m.type === "async" && got.push(`${name}${m.messageId}`)), invalidated: () => void got.push(`${name}!`) });
		router.asked("a", "chat", subscriber("A"));
		router.asked("b", "chat", subscriber("B"));
		router.route(message("0")); // before the subscription: for nobody
		router.route(state("subscribe", "1", "a"));
		router.route(message("1"));
		router.route(state("subscribe", "2", "b"));
		router.next(["2"]);
		router.route(message("2"));
		router.next(["1", "2", "unknown"]);
		router.route(message("3"));
		router.route(state("unsubscribe", "1", "c"));
		router.route(message("4"));
		router.route({ type: "async", messageId: "5", destination: "elsewhere" });
		router.route({ type: "command", operation: "subscription_invalidate", clientId: "2" });
		router.route(message("6"));
		expect(got).toEqual(["A1", "B2", "A3", "B3", "B4", "B!"]);
	});
});

describe("fullJitter", () => {
	it("doubles its bound up to the cap", () => {
		const most = fullJitter(() => 1);
		expect([0, 1, 2, 6, 7, 500].map(most)).toEqual([250, 500, 1000, 16_000, 30_000, 30_000]);
		expect(fullJitter(() => 0.5, 100, 150)(3)).toBe(75);
	});
});

describe("Pause", () => {
	beforeEach(() => void vi.useFakeTimers());
	afterEach(() => void vi.useRealTimers());

	it.each([
		[{}, false, 8000, 16_000],
		[{ retryAfterMillis: 3000 }, false, 3000, 6000], // a full server turns away many, and says the same to all of them
		[{ retryAfterMillis: 3000 }, true, 3000, 3250],
		[{}, true, 100, 250],
	])("after six attempts, told %o (answered: %s), lasts from %d to %d ms", async (words, answered, least, most) => {
		for (let i = 0; i < 20; i++) {
			const over = vi.fn();
			const pause = new Pause(fullJitter(() => 0.5 + i / 40), () => true, over);
			pause.attempt = 6;
			pause.begin({ ...disconnectOf(4008), told: true, ...words }, Infinity, answered);
			await vi.advanceTimersByTimeAsync(least - 1);
			expect(over).not.toHaveBeenCalled();
			await vi.advanceTimersByTimeAsync(most - least + 1);
			expect(over).toHaveBeenCalledOnce();
			expect(pause.attempt).toBe(answered ? 6 : 7);
		}
	});
});

describe("Emitter", () => {
	it("contains what listeners throw, and ends with its undo", () => {
		const emitter = new Emitter<{ x: number }>();
		const log = vi.spyOn(console, "error").mockImplementation(() => {});
		const got: number[] = [];
		emitter.on("x", () => {
			throw new Error("bad listener");
		});
		const undo = emitter.on("x", (n) => got.push(n));
		emitter.emit("x", 1);
		undo();
		emitter.emit("x", 2);
		expect(got).toEqual([1]);
		expect(log).toHaveBeenCalledTimes(2);
		log.mockRestore();
	});
});

describe("disconnects", () => {
	it("take the table's words where the line has none", () => {
		expect(disconnectOf(4007)).toMatchObject({ name: "server-shutdown", reconnect: "after", retryAfterMillis: 1000 });
		expect(lastWord({ type: "control", operation: "disconnect", code: 4003, message: "Bye.", incident: "i7" })).toMatchObject({ name: "administrator", message: "Bye.", reconnect: "no", incident: "i7", told: true });
		expect(lastWord({ type: "control", operation: "disconnect", code: 4001, setting: "session-timeout-minutes", value: 1.5 })).toMatchObject({ kind: "timeout", setting: "session-timeout-minutes", value: 1.5, gone: "expired" });
		expect(lastWord({ type: "control", operation: "disconnect", code: 4020 })).not.toHaveProperty("gone");
		expect(disconnectOf(4522).kind).toBe("vanished");
		expect(disconnectOf(4531, { value: true })).not.toHaveProperty("value");
		expect(lastWord({ type: "control", operation: "gone", reason: "ahead" })).toMatchObject({ gone: "ahead", reconnect: "yes" });
		expect(lastWord({ type: "control", operation: "displaced" })).toMatchObject({ code: 4004, reconnect: "yes", gone: "displaced" });
		expect(lastWord({ type: "control", operation: "attached" })).toBeUndefined();
	});
});

describe("configuration", () => {
	it("orders the channels by destination, default or list", () => {
		const channels = (["websocket", "streaming"] as const).map((type) => ({ id: type, type, url: `/${type}` }));
		const config = { channels, destinations: [{ id: "chat", channels: ["streaming"] }], defaultChannels: ["streaming", "websocket"] };
		expect(channelsOf(config, "chat").map((c) => c.id)).toEqual(["streaming"]);
		expect(channelsOf(config, "other").map((c) => c.id)).toEqual(["streaming", "websocket"]);
		expect(channelsOf({ channels }, undefined).map((c) => c.id)).toEqual(["websocket", "streaming"]);
	});

	it("fills tokens and keeps a page over TLS on TLS", () => {
		const channel = { id: "a", type: "websocket", url: "ws://{server.name}:{server.port}/websocket" } as const;
		expect(resolve(channel, "http://example.com:8080/page").url).toBe("ws://example.com:8080/websocket");
		expect(resolve(channel, "https://example.com/page").url).toBe("wss://example.com/websocket");
		expect(resolve({ ...channel, type: "streaming", url: "/streaming" }, "https://example.com/deep/page").url).toBe("https://example.com/streaming");
	});
});

describe("text", () => {
	it("is Base64 of its UTF-8 form", () => {
		expect(base64("ann:pässword🌊")).toBe(Buffer.from("ann:pässword🌊").toString("base64"));
	});

	it("is batched by bytes, at least one line each", () => {
		const queue = ["aaaa", "öö", "c", "d".repeat(50), "e"];
		expect([takeBatch(queue, 10), takeBatch(queue, 10), takeBatch(queue, 10), takeBatch(queue, 10)]).toEqual(["aaaa\nöö\n", "c\n", "d".repeat(50) + "\n", "e\n"]);
	});
});
