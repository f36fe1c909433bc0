import { Deadline } from "./Deadline.js";
import { disconnectOf, lost } from "./Disconnect.js";
import { HttpChannel } from "./HttpChannel.js";
import type { Line } from "./message.js";

/** Receives by one long answer, sends by POST. */
export class StreamingChannel extends HttpChannel {
	#proved = false;
	#streamId: string | undefined; // of a stream that is not attached
	readonly #silence = new Deadline(() => this.fail(disconnectOf(4027, { message: `The stream was silent for ${this.link.silenceMillis} ms.` })));

	/** A stream that was not opened quietly is attached by the request that opens it. */
	attach(): void {
		const streamId = this.#streamId;
		this.#streamId = undefined;
		if (streamId !== undefined) this.send([this.link.attachLine("stream", { streamId })]);
	}

	override close(): void {
		super.close();
		this.#silence.clear();
	}

	/** @internal The request carries the attach line, unless it shall be quiet. Its first line, not its status, proves that nothing on the way holds the answer back. */
	protected override async prove(): Promise<void> {
		await this.hold();
		if (this.closed) return;
		if (!this.held) return this.fail(disconnectOf(4030));
		const response = await this.post(this.quietly ? "" : this.link.attachLine("stream") + "\n", { signal: this.abort.signal }, undefined, "command=open");
		await this.read(
			response,
			(line, size) => this.#line(line, size),
			() => this.#heard(),
		);
		this.fail(lost());
	}

	#line(line: Line, size: number): void {
		this.take(line, size);
		if (this.#proved || this.closed || line.type === "error") return;
		this.#proved = true;
		if (this.quietly && line.type === "control") this.#streamId = line.streamId;
		this.onopen();
	}

	/** Something has come, if only a heartbeat: the server has said how long it may be silent. */
	#heard(): void {
		if (this.link.silenceMillis > 0 && !this.closed) this.#silence.set(this.link.silenceMillis);
	}
}
