import { Deadline } from "./Deadline.js";

/** How long the answer to a probe may take, in milliseconds. */
const probeMillis = 5000;

/** How often the clock is looked at where there are no heartbeats, in milliseconds. */
const watchMillis = 30_000;

/** A timer that is later than this, in milliseconds, has slept; that of a hidden page may come once a minute only. */
const asleepMillis = 30_000;
const throttledMillis = 90_000;

/** What a Heartbeat asks of its client. */
export interface Patient {
	/** Sends a heartbeat. */
	beat(): void;
	/** The server has left something unanswered. */
	lost(): void;
	/** Nobody can see the page, so its timers may be late. */
	hidden(): boolean;
}

/**
 * Sends a heartbeat after a time of not sending anything, and tells when the server has left something unanswered for twice that time.
 * It also notices by the clock that the page or the machine has slept, and then asks at once whether the server is still there.
 */
export class Heartbeat {
	#idle: ReturnType<typeof setTimeout> | undefined;
	#armed = 0;
	#due = Infinity;
	#tolerance = 0;
	#slept = 0;
	readonly #deadline: Deadline;

	constructor(
		/** In milliseconds; 0: no heartbeats. */
		private readonly interval: number,
		private readonly patient: Patient,
	) {
		this.#deadline = new Deadline(() => patient.lost());
		this.#rest();
	}

	/** How long page or machine have slept, in milliseconds, if they have and nothing was answered since; else 0. */
	get awayMillis(): number {
		const now = Date.now();
		return now - this.#due > this.#tolerance ? now - this.#armed : this.#slept;
	}

	/** Something was sent that will be answered. */
	sent(): void {
		if (this.#rest()) this.#deadline.set(probeMillis);
		else if (this.interval > 0 && !this.#deadline.running) this.#deadline.set(2 * this.interval);
	}

	/** A reply has arrived; `more` says that others are still to come. */
	answered(more: boolean): void {
		this.#slept = 0;
		this.#deadline.clear();
		if (more && this.interval > 0) this.#deadline.set(2 * this.interval);
	}

	/** Something else has arrived the way that replies come: they may be behind it. */
	heard(): void {
		if (this.#deadline.running && this.#slept === 0 && this.interval > 0) this.#deadline.set(2 * this.interval);
	}

	/** Asks whether the server is still there. */
	probe(): void {
		this.patient.beat();
		this.#deadline.set(probeMillis);
	}

	stop(): void {
		this.#slept = this.awayMillis;
		this.#due = Infinity;
		clearTimeout(this.#idle);
		this.#deadline.clear();
	}

	/** Begins a time of not sending anything. True: the one before was slept through. */
	#rest(): boolean {
		const slept = this.awayMillis;
		const woke = slept > this.#slept;
		this.#slept = slept;
		clearTimeout(this.#idle);
		const period = this.interval || watchMillis;
		this.#armed = Date.now();
		this.#due = this.#armed + period;
		this.#tolerance = this.patient.hidden() ? throttledMillis : asleepMillis;
		this.#idle = setTimeout(() => this.#tick(), period);
		return woke;
	}

	#tick(): void {
		if (this.#rest()) this.probe();
		else if (this.interval > 0) this.patient.beat();
	}
}
