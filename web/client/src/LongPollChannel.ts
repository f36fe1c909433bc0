import { lost } from "./Disconnect.js";
import { HttpChannel } from "./HttpChannel.js";
import { sleep } from "./sleep.js";

/** A poll that has been held this long, in milliseconds, is ended and asked anew: no server holds one so long. */
const pollMillis = 120_000;

/** A poll that breaks after at least this long was cut by something on the way that is tired of waiting: the next one may well work. */
const patienceMillis = 1000;

/** Without a connection that may be held, polls are at least so far apart, in milliseconds. */
const sharingMillis = 1000;

/**
 * Receives by the answers to polls, sends by POST. While other tabs hold as many connections as may be held its polls are answered at once,
 * at the pace the server names; each looks whether one has become free.
 */
export class LongPollChannel extends HttpChannel {
	attach(): void {
		void this.#poll();
	}

	/** @internal The answered connect or heartbeat has proved all that a poll needs. */
	protected override async prove(): Promise<void> {
		await this.hold();
		if (!this.closed) this.onopen();
	}

	async #poll(): Promise<void> {
		while (!this.closed) {
			const began = Date.now();
			const pause = await this.#once();
			if (pause === undefined && Date.now() - began < patienceMillis) return this.fail(lost());
			const wait = Math.max(pause ?? 0, this.held ? 0 : sharingMillis);
			if (wait > 0) await sleep(wait, this.abort.signal);
		}
	}

	/** One poll. Returns the pause the server wants, undefined if its answer broke off: what it brought is counted, the next asks for the rest. */
	async #once(): Promise<number | undefined> {
		let pause: number | undefined;
		if (!this.held) await this.hold();
		if (this.closed) return undefined;
		const line = this.held ? this.link.attachLine("poll") : this.link.attachLine("poll", { wait: 0 });
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
}
