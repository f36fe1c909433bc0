import type { AcknowledgeMessage } from "./message.js";
import type { Delivered, Subscriber } from "./Router.js";

/** So many messages are kept for whoever takes a subscription over. */
const maxKept = 1000;

/** Holds a subscription of the page from before, with what arrives for it, until somebody wants the same. */
export class Orphan implements Subscriber {
	/** More has arrived than is kept: nobody may take the subscription over any more. */
	full = false;
	#reply: AcknowledgeMessage | undefined;
	#heir: Subscriber | undefined;
	readonly #lines: [line: Delivered, merged: number | undefined][] = [];

	constructor(
		readonly key: string,
		clientId: string | undefined,
	) {
		if (clientId !== undefined) this.#reply = { type: "acknowledge", clientId };
	}

	/** Nobody has taken the subscription over. */
	get free(): boolean {
		return this.#heir === undefined;
	}

	deliver(line: Delivered, merged?: number): void {
		if (this.free && this.#lines.length >= maxKept) this.full = true;
		if (!this.full) this.#lines.push([line, merged]);
	}

	resumed(): void {}

	invalidated(line: Parameters<Subscriber["invalidated"]>[0]): void {
		this.#heir?.invalidated(line);
	}

	settle(reply: Parameters<Subscriber["settle"]>[0]): void {
		if (this.#heir) this.#heir.settle(reply);
		else if (!(reply instanceof Error)) this.#reply = reply; // else whoever wants the same asks anew
	}

	/** Gives the subscription to somebody at once, and what has arrived a turn later, when there are listeners; `done` before anything else arrives. */
	bequeath(heir: Subscriber, done: () => void): void {
		this.#heir = heir;
		if (this.#reply) heir.settle(this.#reply);
		queueMicrotask(() => {
			done();
			for (const [line, merged] of this.#lines) heir.deliver(line, merged);
		});
	}
}
