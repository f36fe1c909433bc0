import type { ChannelSet } from "./ChannelSet.js";
import { Emitter } from "./Emitter.js";
import type { Events } from "./events.js";
import type { Fault } from "./Fault.js";
import type { Request } from "./Request.js";
import type { Holder } from "./Router.js";

/** What Consumers and Producers share: a destination, and the ChannelSet they use. */
export abstract class MessageAgent extends Emitter<Events> {
	constructor(
		readonly channelSet: ChannelSet,
		/** The id of a destination that the server has configured. */
		readonly destination: string,
	) {
		super();
	}

	/** Ends the agent's subscription and leaves the ChannelSet, which disconnects when its last agent leaves. Using the agent again brings it back. */
	disconnect(): Promise<void> {
		return this.channelSet.disconnect(this);
	}

	/** @internal The request for what the agent wants to be subscribed to; undefined: nothing. */
	subscription(_client: Holder): Request | undefined {
		return undefined;
	}

	/** @internal The server's client, and with it the subscription, is over. */
	ended(): void {}

	/** @internal The agent has left the ChannelSet, which goes on for others. */
	leaving(): Promise<void> {
		return Promise.resolve();
	}

	/** @internal The agent has left the ChannelSet, which disconnects. */
	left(): void {}

	/** @internal The ChannelSet does not try to connect any more. */
	stopped(_fault: Fault): void {}
}
