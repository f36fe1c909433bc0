/** A timer that is so late, in milliseconds, was held back: in a throttled or frozen tab, or on a machine that slept. */
const lateMillis = 1000;

/** How long what has arrived meanwhile may then take to be read. */
const turnMillis = 2000;

/** A time by which something must have arrived. A timer that comes late does not prove that nothing has: it gets one more turn. */
export class Deadline {
	#timer: ReturnType<typeof setTimeout> | undefined;

	constructor(private readonly expired: () => void) {}

	/** Somebody waits. */
	get running(): boolean {
		return this.#timer !== undefined;
	}

	/** Waits so many milliseconds from now, in place of what it has waited for. */
	set(millis: number): void {
		this.#arm(millis, true);
	}

	clear(): void {
		clearTimeout(this.#timer);
		this.#timer = undefined;
	}

	#arm(millis: number, patient: boolean): void {
		this.clear();
		const due = Date.now() + millis;
		this.#timer = setTimeout(() => {
			this.#timer = undefined;
			if (patient && Date.now() - due > lateMillis) this.#arm(turnMillis, false);
			else this.expired();
		}, millis);
	}
}
