import type { ChannelSet } from "./ChannelSet.js";
import type { Json } from "./message.js";
import { Subscription, topic, type From } from "./Subscription.js";

/** How a MultiTopicConsumer is made. */
export interface MultiTopicConsumerOptions {
	readonly channelSet: ChannelSet;
	readonly destination: string;
	/** Where in the past of its destination it begins, see From. A destination without history refuses it. @default with the next message */
	readonly from?: From;
}

/** Receives the messages of any number of subtopics of one destination, under one subscription. Each message comes once. */
export class MultiTopicConsumer extends Subscription {
	readonly #wanted = new Set<string>();

	constructor(options: MultiTopicConsumerOptions) {
		super(options.channelSet, options.destination, options.from);
	}

	/** The subtopics asked for, each with its selector and frequency where it has them. */
	get subscriptions(): readonly { readonly subtopic: string; readonly selector: string; readonly maxFrequency: number }[] {
		return Array.from(this.#wanted, (entry) => {
			const [subtopic = "", selector = "", maxFrequency = "0"] = entry.split("_;_");
			return { subtopic, selector, maxFrequency: Number(maxFrequency) };
		});
	}

	/** Adds a subtopic. While subscribed only the difference travels. A refusal is told by the event `fault`. */
	addSubscription(subtopic: string, selector = "", maxFrequency = 0): void {
		this.#wanted.add(topic(subtopic, selector, maxFrequency));
		this.sync();
	}

	/** Takes a subtopic away again. */
	removeSubscription(subtopic: string, selector = "", maxFrequency = 0): void {
		this.#wanted.delete(topic(subtopic, selector, maxFrequency));
		this.sync();
	}

	/** @internal */
	protected override request(): { operation: string; headers: { [name: string]: Json } } {
		return { operation: "multi_subscribe", headers: this.#wanted.size > 0 ? { DSAddSub: [...this.#wanted].sort() } : {} };
	}

	/** @internal */
	protected override topics(): ReadonlySet<string> {
		return this.#wanted;
	}

	/** @internal */
	protected override takeBack(added: readonly string[], removed: readonly string[]): void {
		for (const entry of added) this.#wanted.delete(entry);
		for (const entry of removed) this.#wanted.add(entry);
	}
}
