/**
 * Sends a heartbeat after a time of not sending anything, and tells when the server has left something unanswered for twice that time.
 */
export class Heartbeat {
	#idle: ReturnType<typeof setTimeout> | undefined;
	#deadline: ReturnType<typeof setTimeout> | undefined;

	constructor(
		/** In milliseconds; 0: no heartbeats. */
		private readonly interval: number,
		private readonly beat: () => void,
		private readonly lost: () => void,
	) {
		this.#rest();
	}

	/** Something was sent that will be answered. */
	sent(): void {
		if (this.interval <= 0) return;
		this.#rest();
		this.#deadline ??= setTimeout(this.lost, 2 * this.interval);
	}

	/** A reply has arrived; `more` says that others are still to come. */
	answered(more: boolean): void {
		clearTimeout(this.#deadline);
		this.#deadline = more && this.interval > 0 ? setTimeout(this.lost, 2 * this.interval) : undefined;
	}

	stop(): void {
		clearTimeout(this.#idle);
		clearTimeout(this.#deadline);
	}

	#rest(): void {
		clearTimeout(this.#idle);
		if (this.interval > 0) this.#idle = setTimeout(this.beat, this.interval);
	}
}
