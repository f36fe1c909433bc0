import type { ChannelSet } from "./ChannelSet.js";
import { Fault } from "./Fault.js";
import type { Outgoing } from "./message.js";
import { newId } from "./Request.js";
import { Subscription } from "./Subscription.js";

/** How a MultiTopicConsumer is made. */
export interface MultiTopicConsumerOptions {
	readonly channelSet: ChannelSet;
	readonly destination: string;
}

/** Receives the messages of any number of subtopics of one destination, under one subscription. Each message comes once. */
export class MultiTopicConsumer extends Subscription {
	readonly #wanted = new Set<string>();
	#told = new Set<string>(); // what the server has, once the last request is answered
	#asking = false;

	constructor(options: MultiTopicConsumerOptions) {
		super(options.channelSet, options.destination);
	}

	/** The subtopics asked for, each with its selector where it has one. */
	get subscriptions(): readonly { readonly subtopic: string; readonly selector: string }[] {
		return Array.from(this.#wanted, (entry) => {
			const [subtopic = "", selector = ""] = entry.split("_;_");
			return { subtopic, selector };
		});
	}

	/** Adds a subtopic. While subscribed only the difference travels. A refusal is told by the event `fault`. */
	addSubscription(subtopic: string, selector = ""): void {
		this.#wanted.add(`${subtopic}_;_${selector}`);
		this.#sync();
	}

	/** Takes a subtopic away again. */
	removeSubscription(subtopic: string, selector = ""): void {
		this.#wanted.delete(`${subtopic}_;_${selector}`);
		this.#sync();
	}

	/** @internal */
	protected override request(): Outgoing {
		this.#told = new Set([...this.#wanted].sort());
		return this.#line([...this.#told], []);
	}

	/** @internal */
	protected override key(): string {
		return this.#asking ? "" : JSON.stringify(this.#line([...this.#told].sort(), []));
	}

	/** @internal */
	protected override accepted(): void {
		this.#asking = false;
		this.#sync();
	}

	#line(add: string[], remove: string[], clientId?: string): Outgoing {
		return {
			type: "command",
			operation: "multi_subscribe",
			destination: this.destination,
			...(clientId !== undefined && { clientId }),
			headers: { ...(add.length > 0 && { DSAddSub: add }), ...(remove.length > 0 && { DSRemSub: remove }) },
		};
	}

	/** Tells the server what has changed since it was last told, one request at a time. */
	#sync(): void {
		const { clientId } = this;
		if (clientId === undefined || this.#asking) return;
		const add = [...this.#wanted].filter((entry) => !this.#told.has(entry));
		const remove = [...this.#told].filter((entry) => !this.#wanted.has(entry));
		if (add.length === 0 && remove.length === 0) return;
		const told = new Set(this.#wanted);
		const client = this.channelSet.ask(
			{ ...this.#line(add, remove, clientId), messageId: newId() },
			(reply) => {
				if (clientId !== this.clientId) return; // of an earlier subscription
				this.#asking = false;
				if (reply instanceof Fault) {
					// Back to what the server has, or it would be asked the same again and again.
					for (const entry of add) this.#wanted.delete(entry);
					for (const entry of remove) this.#wanted.add(entry);
					this.emit("fault", { fault: reply });
				} else this.#told = told;
				this.#sync();
			},
			() => {},
		);
		this.#asking = client !== undefined;
	}
}
