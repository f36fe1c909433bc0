import type { Disconnect } from "./Disconnect.js";
import type { ChannelConfig } from "./Channel.js";
import type { Fault } from "./Fault.js";
import type { AcknowledgeMessage, AsyncMessage } from "./message.js";

/** A channel was connected. */
export interface ChannelConnect {
	readonly channelId: string;
	readonly channel: ChannelConfig;
	/** It was not the first since `connect`. */
	readonly reconnecting: boolean;
	/** The server's client is the one from before: nothing was lost. */
	readonly resumed: boolean;
	/** The id of the channel that this one has taken over from, where that was still up: a better one has proved itself. Nothing was interrupted. */
	readonly movedFrom?: string;
	/** False: messages come with a delay, because other tabs of this browser hold as many connections as may be held. See `ChannelSet.held`. */
	readonly held: boolean;
}

/** The connection has ended; every field of Disconnect says why. */
export interface ChannelDisconnect extends Disconnect {
	readonly channelId: string;
	/** The ChannelSet tries to come back by itself. */
	readonly willReconnect: boolean;
	/** The server does not want this client back; `connect` tries all the same. */
	readonly rejected: boolean;
}

/**
 * One channel did not work, and the next is tried; or the configuration that lists them could not be read, and is asked for again. Of a channel that
 * failed without a word the server is asked why, and this comes with the answer, or when another channel is up.
 */
export interface ChannelFault extends Disconnect {
	/** Empty: it was the configuration. */
	readonly channelId: string;
	readonly faultCode: "Channel.Connect.Failed";
}

/** A message has arrived. */
export interface MessageEvent {
	readonly message: AsyncMessage;
}

/** A request was acknowledged. */
export interface AcknowledgeEvent {
	readonly acknowledge: AcknowledgeMessage;
	/** The messageId of the request. */
	readonly correlationId: string;
}

/** A request has failed. */
export interface FaultEvent {
	readonly fault: Fault;
	/** The messageId of the request; absent where there is none. */
	readonly correlationId?: string;
}

/** A property has another value. */
export interface PropertyChange {
	readonly property: "connected" | "authenticated" | "subscribed" | "clientId";
	readonly value: boolean | string | undefined;
}

/** The events every object of the library has. A ChannelSet's channel events are told by its agents too. */
export interface Events {
	channelConnect: ChannelConnect;
	channelDisconnect: ChannelDisconnect;
	channelFault: ChannelFault;
	message: MessageEvent;
	acknowledge: AcknowledgeEvent;
	fault: FaultEvent;
	propertyChange: PropertyChange;
}
