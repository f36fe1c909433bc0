import { lost } from "./Disconnect.js";
import { HttpChannel } from "./HttpChannel.js";

/** A poll that has been held this long, in milliseconds, is ended and asked anew: no server holds one so long. */
const pollMillis = 120_000;

/** A poll that breaks after at least this long was cut by something on the way that is tired of waiting: the next one may well work. */
const patienceMillis = 1000;

/** Receives by the answers to polls, sends by POST. */
export class LongPollChannel extends HttpChannel {
	attach(): void {
		void this.#poll();
	}

	/** @internal The answered connect or heartbeat has proved all that a poll needs. */
	protected override prove(): Promise<void> {
		this.onopen();
		return Promise.resolve();
	}

	async #poll(): Promise<void> {
		while (!this.closed) {
			const began = Date.now();
			const pause = await this.#once();
			if (pause === undefined && Date.now() - began < patienceMillis) return this.fail(lost());
			if (pause) await this.#sleep(pause);
		}
	}

	/** One poll. Returns the pause the server wants, undefined if its answer broke off: what it brought is counted, the next asks for the rest. */
	async #once(): Promise<number | undefined> {
		let pause: number | undefined;
		const line = this.link.attachLine("poll");
		const { messageId } = JSON.parse(line) as { messageId: string };
		try {
			const response = await this.post(line + "\n", { signal: AbortSignal.any([this.abort.signal, AbortSignal.timeout(pollMillis)]) });
			await this.read(response, (line, size) => {
				if (line.type === "acknowledge" && line.correlationId === messageId) pause = Number(line.headers?.["DSPollWait"] ?? 0);
				this.take(line, size);
			});
		} catch {
			// said by the result
		}
		return pause;
	}

	#sleep(millis: number): Promise<void> {
		return new Promise((resolve) => {
			const timer = setTimeout(resolve, millis);
			this.abort.signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
		});
	}
}
