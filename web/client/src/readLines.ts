import { LineParser } from "./LineParser.js";
import { parseLine, type Line } from "./message.js";

/**
 * Reads a body to its end and hands on each line as it arrives; `onchunk` hears of every piece, padding too. Rejects when the body breaks
 * off, is ended by `signal`, or holds something that is no line of the protocol.
 */
export async function readLines(body: ReadableStream<Uint8Array>, signal: AbortSignal, online: (line: Line, size: number) => void, onchunk: (chunk: Uint8Array) => void): Promise<void> {
	const reader = body.getReader();
	const parser = new LineParser();
	try {
		for (;;) {
			const { done, value } = await reader.read();
			if (done || signal.aborted) return;
			onchunk(value);
			for (const text of parser.feed(value)) {
				const line = parseLine(text);
				if (!line) throw new Error("What arrived was not a message of the server.");
				online(line, text.length);
				if (signal.aborted) return;
			}
		}
	} finally {
		reader.cancel().catch(() => {});
	}
}
