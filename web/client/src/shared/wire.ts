import type { ChannelSetOptions, ChannelConfig, Events } from "../index.js";
import { Fault } from "../index.js";
import type { AcknowledgeMessage, CommandMessage } from "../message.js";
import type { Request } from "../Request.js";
import type { Delivered } from "../Router.js";

// What tabs and the worker say to each other, as JSON: what a body holds that JSON cannot is left out, as it is on the way to the server.

/** What a tab may ask of the worker's ChannelSet. */
export type Call = "login" | "logout" | "leave";

/** What a tab says. */
export type Said =
	/** Its first word: it wants to be connected. It holds `lock` for as long as it lives. */
	| { readonly op: "hello"; readonly lock: string; readonly options: ChannelSetOptions; readonly seen: boolean }
	/** The ChannelSet shall connect again, where it has given up. */
	| { readonly op: "connect" }
	/** A request for whichever client there is. */
	| { readonly op: "send"; readonly line: Request["line"] }
	/** A request for the client that is the `age`th this tab knows. */
	| { readonly op: "ask"; readonly line: Request["line"]; readonly age: number }
	| { readonly op: "call"; readonly id: number; readonly call: Call; readonly args: readonly string[] }
	| { readonly op: "seen"; readonly seen: boolean }
	/** So many lines have been taken since it last said so. */
	| { readonly op: "got"; readonly count: number };

/** How the worker's ChannelSet stands. */
export interface State {
	readonly channel?: ChannelConfig | undefined;
	readonly held?: boolean;
	readonly clientId?: string | undefined;
	readonly user?: string | undefined;
}

/** How something has ended. */
export interface Outcome {
	readonly reply?: AcknowledgeMessage;
	readonly value?: unknown;
	readonly fault?: Fault;
	/** The server's client has ended before it replied. */
	readonly lost?: true;
}

/** The events of the worker's ChannelSet that all tabs tell. */
export const told = ["channelConnect", "channelDisconnect", "channelFault", "slow", "fault", "propertyChange"] as const;
export type Told = (typeof told)[number];

/** What the worker says. */
export type Heard =
	/** Its first word. It holds `lock` for as long as it lives. */
	| { readonly op: "welcome"; readonly lock: string }
	| { readonly op: "event"; readonly name: Told; readonly event: Events[Told]; readonly state: State }
	/** The server's client is over, and its subscriptions. */
	| { readonly op: "ended" }
	/** What was promised does not come. */
	| { readonly op: "stopped"; readonly fault: Fault }
	/** To the request with that messageId. */
	| ({ readonly op: "reply"; readonly id: string } & Outcome)
	| ({ readonly op: "done"; readonly id: number } & Outcome)
	/** For the subscription that the request with that messageId has asked for. */
	| { readonly op: "line"; readonly id: string; readonly line: Delivered; readonly merged?: number | undefined }
	| { readonly op: "invalidated"; readonly id: string; readonly line: CommandMessage }
	/** The tab has no seat any more: it was taken for dead, or has left too much untaken. */
	| { readonly op: "over" };

/** The fault that has become JSON. */
export function revive({ faultCode, faultString, faultDetail, ...line }: Fault): Fault {
	return new Fault(faultCode, faultString, faultDetail, line as ConstructorParameters<typeof Fault>[3]);
}
