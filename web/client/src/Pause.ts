import type { Backoff } from "./backoff.js";
import type { Disconnect } from "./Disconnect.js";
import { hidden, offline } from "./Page.js";

/** A browser that says there is no network is not believed for longer than this, in milliseconds. */
const disbeliefMillis = 30_000;

/** The pauses between attempts to connect. */
export class Pause {
	/** Counts the attempts that have failed, for the backoff. */
	attempt = 0;
	#timer: ReturnType<typeof setTimeout> | undefined;
	#waiting = false; // for a page that is seen, or a network
	#firm = false; // the server has named the time

	constructor(
		private readonly backoff: Backoff,
		/** The client lives on at the server: also a page that nobody sees goes on. */
		private readonly keen: () => boolean,
		private readonly over: () => void,
	) {}

	/**
	 * Pauses. Where the server has named a time, for that and some jitter, which is less than the time itself; else as long as the attempts so
	 * far make it, at most `most` milliseconds.
	 *
	 * @param answered the server is there, and this is no failed attempt: a first pause, which does not count
	 */
	begin({ told, retryAfterMillis = 0 }: Disconnect, most: number, answered: boolean): void {
		const attempt = answered ? 0 : this.attempt++;
		const jitter = this.backoff(attempt);
		this.#set(retryAfterMillis > 0 ? retryAfterMillis + (jitter % retryAfterMillis) : Math.min(most, jitter), () => this.#ripe());
		this.#firm = told === true;
		this.#waiting = true;
	}

	/** A good moment to connect: goes on within `jitter` milliseconds, unless the server wants the client to stay away longer. */
	wake(jitter: number): void {
		if (this.#waiting && !this.#firm && !this.#asleep() && !offline()) this.#set(jitter, this.over);
	}

	cancel(): void {
		clearTimeout(this.#timer);
		this.#waiting = this.#firm = false;
	}

	#ripe(): void {
		this.#firm = false;
		if (this.#asleep()) return; // until somebody sees the page
		if (offline()) this.#set(disbeliefMillis, this.over);
		else this.over();
	}

	#asleep(): boolean {
		return hidden() && !this.keen();
	}

	#set(millis: number, then: () => void): void {
		clearTimeout(this.#timer);
		this.#timer = setTimeout(then, millis);
	}
}
