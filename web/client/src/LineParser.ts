import { Fault } from "./Fault.js";

const LF = 10;
const NUL = 0;

/**
 * Cuts a stream of bytes into lines, wherever the chunks were cut: in the middle of a line or of a character. A line is given out once
 * its LF has arrived; NUL bytes and empty lines, which the server sends as padding and heartbeats, are dropped.
 */
export class LineParser {
	#parts: Uint8Array[] = [];
	#size = 0;
	readonly #decoder = new TextDecoder();

	/** @param limit the longest line in bytes that is taken. @default 16 MiB */
	constructor(private readonly limit = 16 << 20) {}

	/** The lines that `chunk` completes, without their LF. Throws a Fault when a line is longer than the limit. */
	feed(chunk: Uint8Array): string[] {
		const lines: string[] = [];
		let from = 0;
		while (from < chunk.length) {
			// Padding is dropped here and not buffered: a quiet stream may bring nothing else for days.
			if (this.#size === 0 && (chunk[from] === NUL || chunk[from] === LF)) {
				from++;
				continue;
			}
			const end = chunk.indexOf(LF, from);
			this.#keep(chunk.subarray(from, end < 0 ? chunk.length : end));
			if (end < 0) break;
			const line = this.#take().replaceAll("\0", "").trim();
			if (line !== "") lines.push(line);
			from = end + 1;
		}
		return lines;
	}

	#keep(part: Uint8Array): void {
		this.#size += part.length;
		if (this.#size > this.limit) throw new Fault("Client.Error.LineTooLong", `A line of the server is longer than ${this.limit} bytes.`);
		this.#parts.push(part.slice()); // a copy: the reader may use the chunk's memory again
	}

	#take(): string {
		const line = new Uint8Array(this.#size);
		let at = 0;
		for (const part of this.#parts) {
			line.set(part, at);
			at += part.length;
		}
		this.#parts = [];
		this.#size = 0;
		return this.#decoder.decode(line);
	}
}
