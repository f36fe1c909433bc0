import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { runInNewContext } from "node:vm";
import { describe, expect, it, vi } from "vitest";

const built = (name: string): string => readFileSync(new URL(`../../static/${name}`, import.meta.url), "utf8");

describe("what is built", () => {
	it.each(["sluice.js", "sluice.mjs"])("%s has all three transports in less than 21 KB", (name) => {
		expect(gzipSync(built(name), { level: 9 }).length).toBeLessThan(21_000);
	});

	it("sluice-shared.mjs is little more, and has the library from beside it", () => {
		const text = built("sluice-shared.mjs");
		expect(gzipSync(text, { level: 9 }).length).toBeLessThan(5000);
		expect([...text.matchAll(/\bfrom ?"([^"]*)"/g)].map(([, from]) => from)).toEqual(expect.arrayContaining(["./sluice.mjs"]));
		expect(text).not.toMatch(/\bfrom ?"(?!\.\/sluice\.mjs")/);
		expect(built("sluice-shared.d.ts")).toMatch(/export declare class SharedChannelSet extends ChannelSet\b/);
	});

	it("is a plain script that defines Sluice", () => {
		const names = runInNewContext(`${built("sluice.js")}; Object.keys(Sluice)`, { crypto: globalThis.crypto, TextEncoder, TextDecoder }) as string[];
		expect(names).toEqual(expect.arrayContaining(["ChannelSet", "Consumer", "MultiTopicConsumer", "Producer", "WebSocketChannel", "StreamingChannel", "LongPollChannel", "Fault", "codes"]));
	});

	it.each([
		["http://push.example.com:8080/sluice.js?v=2", "http://push.example.com:8080/config.json"],
		["https://cdn.example.com/lib/sluice.js", "http://page.example.com/config.json"],
		[undefined, "http://page.example.com/config.json"],
	])("asks the server it was loaded from, and without one the page's (%s)", async (src, address) => {
		const asked: string[] = [];
		const fetch = (url: string): Promise<never> => (asked.push(url), Promise.reject(new Error("no network")));
		const page = { crypto: globalThis.crypto, TextEncoder, TextDecoder, URL, AbortSignal, fetch, setTimeout: () => 0, clearTimeout, location: { href: "http://page.example.com/a/b" }, document: { currentScript: src === undefined ? null : { src } } };
		runInNewContext(`${built("sluice.js")}; new Sluice.ChannelSet().connect()`, page);
		await vi.waitFor(() => expect(asked.length).toBe(1));
		expect(asked).toEqual([address]);
	});

	it("declares what it defines, and imports nothing", () => {
		const text = built("sluice.d.ts");
		for (const name of ["ChannelSet", "Consumer", "MultiTopicConsumer", "Producer", "Fault"]) expect(text).toMatch(new RegExp(`export declare class ${name}\\b`));
		expect(text).not.toMatch(/^import/m);
	});
});
