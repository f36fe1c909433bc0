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
	/** So many older messages with the same key it stands for, which do not come, where the server merges. */
	readonly merged?: number;
}

/** The subscription has asked for the past: the messages that come next, up to `live`. */
export interface Recovered {
	/** All of it is there. False: some is gone for ever; a `loss` says what. */
	readonly recovered: boolean;
	/** The position it has asked to go on from; absent where it was none. */
	readonly from?: string;
}

/** Messages that the subscription should have had, here in the order, do not come. */
export interface Loss {
	readonly destination: string;
	/** `history`: the server does not keep them any more; `slow-consumer`, `expired` and others as the protocol names them. */
	readonly reason: string;
	/** How many, where that is known. */
	readonly count?: number;
	/** Missing is what came after this position, and up to that one, as far as they are known. */
	readonly from?: string;
	readonly to?: string;
}

/** The past has come: from here on messages arrive as they are published. */
export interface Live {
	/** Where the past ends. */
	readonly position?: string;
}

/** This client reads too slowly: so many messages wait for it at the server. At the limit the destination's `slow-consumer-policy` acts. */
export interface Slow {
	readonly destination: string;
	readonly waiting: number;
	readonly limit: number;
	readonly setting?: string;
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
	readonly property: "connected" | "authenticated" | "subscribed" | "clientId" | "shared";
	readonly value: boolean | string | undefined;
}

/** The events every object of the library has. A ChannelSet's channel events are told by its agents too. */
export interface Events {
	channelConnect: ChannelConnect;
	channelDisconnect: ChannelDisconnect;
	channelFault: ChannelFault;
	message: MessageEvent;
	recovered: Recovered;
	loss: Loss;
	live: Live;
	slow: Slow;
	acknowledge: AcknowledgeEvent;
	fault: FaultEvent;
	propertyChange: PropertyChange;
}
