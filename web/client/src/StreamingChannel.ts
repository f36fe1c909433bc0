import { lost } from "./Disconnect.js";
import { HttpChannel } from "./HttpChannel.js";
import type { Line } from "./message.js";

/** A stream that has shown it has heartbeats and then falls silent this long, in milliseconds, is dead, whatever the socket says. */
const silenceMillis = 30_000;

/** Receives by one long answer, sends by POST. */
export class StreamingChannel extends HttpChannel {
	#proved = false;
	#heartbeat = 0;
	#heard = 0;
	#silence: ReturnType<typeof setTimeout> | undefined;

	/** Nothing to do: the stream is attached by the request that opens it. */
	attach(): void {}

	override close(): void {
		super.close();
		clearTimeout(this.#silence);
	}

	/** @internal The request carries the attach line. Its first line, not its status, proves that nothing on the way holds the answer back. */
	protected override async prove(): Promise<void> {
		const response = await this.post(this.link.attachLine("stream") + "\n", { signal: this.abort.signal }, undefined, "command=open");
		await this.read(
			response,
			(line, size) => this.#line(line, size),
			(chunk) => this.#chunk(chunk),
		);
		this.fail(lost());
	}

	#line(line: Line, size: number): void {
		this.take(line, size);
		if (this.#proved || this.closed || line.type === "error") return;
		this.#proved = true;
		this.onopen();
	}

	/** Watches for silence, once the stream has shown how often its heartbeats come. */
	#chunk(chunk: Uint8Array): void {
		const now = Date.now();
		const beat = this.#proved && chunk.length === 1 && chunk[0] === 0;
		if (beat) this.#heartbeat = Math.max(this.#heartbeat, now - this.#heard);
		this.#heard = now;
		clearTimeout(this.#silence);
		if (this.#heartbeat > 0 && !this.closed) {
			this.#silence = setTimeout(() => this.fail(lost("The stream fell silent.")), Math.max(silenceMillis, 3 * this.#heartbeat));
		}
	}
}
