import type { ChannelSet } from "./ChannelSet.js";
import type { Json } from "./message.js";
import { Subscription, topic, type From } from "./Subscription.js";

/** How a Consumer is made. */
export interface ConsumerOptions {
	readonly channelSet: ChannelSet;
	readonly destination: string;
	/** Names joined by the destination's separator; `*` stands for one name, at the end for one or more. @default messages without a subtopic */
	readonly subtopic?: string;
	/** A condition on the headers of messages, in the grammar of JMS: of the others none comes. @default none */
	readonly selector?: string;
	/** At most so many messages a second. What is above that goes by the destination's policy. @default as many as there are */
	readonly maxFrequency?: number;
	/** Where in the past of its destination it begins, see From. A destination without history refuses it. @default with the next message */
	readonly from?: From;
}

/** What may be changed of a Consumer. */
interface Wish {
	readonly subtopic: string | undefined;
	readonly selector: string | undefined;
	readonly maxFrequency: number | undefined;
}

/**
 * Receives the messages of one destination and subtopic, by its event `message`. Subtopic, selector and frequency may be changed while it is
 * subscribed: what both the old and the new wish ask for is not interrupted. A refusal is told by the event `fault`, and takes the change back.
 */
export class Consumer extends Subscription {
	#wish: Wish;

	constructor(options: ConsumerOptions) {
		super(options.channelSet, options.destination, options.from);
		const { subtopic, selector, maxFrequency } = options;
		this.#wish = { subtopic, selector, maxFrequency };
	}

	get subtopic(): string | undefined {
		return this.#wish.subtopic;
	}

	set subtopic(subtopic: string | undefined) {
		this.#change({ subtopic });
	}

	/** A condition on the headers of messages. */
	get selector(): string | undefined {
		return this.#wish.selector;
	}

	set selector(selector: string | undefined) {
		this.#change({ selector });
	}

	/** At most so many messages a second. */
	get maxFrequency(): number | undefined {
		return this.#wish.maxFrequency;
	}

	set maxFrequency(maxFrequency: number | undefined) {
		this.#change({ maxFrequency });
	}

	/** @internal */
	protected override request(): { operation: string; headers: { [name: string]: Json } } {
		const { subtopic, selector, maxFrequency } = this.#wish;
		const headers = { ...(subtopic !== undefined && { DSSubtopic: subtopic }), ...(selector !== undefined && { DSSelector: selector }), ...(maxFrequency !== undefined && { DSMaxFrequency: maxFrequency }) };
		return { operation: "subscribe", headers };
	}

	/** @internal */
	protected override topics(): ReadonlySet<string> {
		const { subtopic, selector, maxFrequency } = this.#wish;
		return new Set([topic(subtopic, selector, maxFrequency)]);
	}

	/** @internal */
	protected override takeBack([refused = ""]: readonly string[], [before = ""]: readonly string[]): void {
		if (!this.topics().has(refused)) return; // changed again meanwhile
		const [subtopic, selector, maxFrequency] = before.split("_;_");
		this.#wish = { subtopic: subtopic || undefined, selector: selector || undefined, maxFrequency: maxFrequency ? Number(maxFrequency) : undefined };
	}

	/** What is changed in one go is asked for in one request. */
	#change(some: Partial<Wish>): void {
		this.#wish = { ...this.#wish, ...some };
		queueMicrotask(() => this.sync());
	}
}
