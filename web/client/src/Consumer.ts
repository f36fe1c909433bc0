import type { ChannelSet } from "./ChannelSet.js";
import type { Outgoing } from "./message.js";
import { Subscription } from "./Subscription.js";

/** How a Consumer is made. */
export interface ConsumerOptions {
	readonly channelSet: ChannelSet;
	readonly destination: string;
	/** Names joined by the destination's separator; `*` stands for one name, at the end for one or more. @default messages without a subtopic */
	readonly subtopic?: string;
	/** @default none */
	readonly selector?: string;
}

/** Receives the messages of one destination and subtopic, by its event `message`. */
export class Consumer extends Subscription {
	/** What the next `subscribe` is for. */
	subtopic: string | undefined;
	/** A condition on headers that the next `subscribe` asks for. A server that does not serve selectors refuses it by name. */
	selector: string | undefined;

	constructor(options: ConsumerOptions) {
		super(options.channelSet, options.destination);
		this.subtopic = options.subtopic;
		this.selector = options.selector;
	}

	/** @internal */
	protected override request(): Outgoing {
		const headers = {
			...(this.subtopic !== undefined && { DSSubtopic: this.subtopic }),
			...(this.selector !== undefined && { DSSelector: this.selector }),
		};
		return { type: "command", operation: "subscribe", destination: this.destination, headers };
	}
}
