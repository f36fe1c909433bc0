import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";

const built = (name: string): string => readFileSync(new URL(`../../static/${name}`, import.meta.url), "utf8");

describe("what is built", () => {
	it.each(["sluice.js", "sluice.mjs"])("%s has all three transports in less than 15 KB", (name) => {
		expect(gzipSync(built(name), { level: 9 }).length).toBeLessThan(15_000);
	});

	it("is a plain script that defines Sluice", () => {
		const names = runInNewContext(`${built("sluice.js")}; Object.keys(Sluice)`, { crypto: globalThis.crypto, TextEncoder, TextDecoder }) as string[];
		expect(names).toEqual(expect.arrayContaining(["ChannelSet", "Consumer", "MultiTopicConsumer", "Producer", "WebSocketChannel", "StreamingChannel", "LongPollChannel", "Fault", "codes"]));
	});

	it("declares what it defines, and imports nothing", () => {
		const text = built("sluice.d.ts");
		for (const name of ["ChannelSet", "Consumer", "MultiTopicConsumer", "Producer", "Fault"]) expect(text).toMatch(new RegExp(`export declare class ${name}\\b`));
		expect(text).not.toMatch(/^import/m);
	});
});
