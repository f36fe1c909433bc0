/** What JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** Headers of a message, by name. Those that begin with "DS" belong to the protocol. */
export interface Headers {
	readonly [name: string]: Json | undefined;
}

/** Fields that any line may have, named as in the Flex message model. */
interface Common {
	readonly messageId?: string;
	readonly correlationId?: string;
	/** The subscription a line is about. */
	readonly clientId?: string;
	readonly destination?: string;
	readonly headers?: Headers;
	readonly body?: Json;
	/** Milliseconds since 1970, by the server's clock. */
	readonly timestamp?: number;
}

/** A published message. */
export interface AsyncMessage extends Common {
	readonly type: "async";
	/** Its place in its destination, where that keeps history: opaque text to store and hand back, see `Consumer`'s `from`. */
	readonly position?: string;
}

/** The good reply to one request. */
export interface AcknowledgeMessage extends Common {
	readonly type: "acknowledge";
	readonly code?: number;
}

/** The reply to a request that was not served. */
export interface ErrorMessage extends Common {
	readonly type: "error";
	readonly code?: number;
	readonly name?: string;
	readonly faultCode?: string;
	readonly faultString?: string;
	readonly faultDetail?: string;
	readonly setting?: string;
	readonly value?: Json;
	readonly retryAfterMillis?: number;
	readonly incident?: string;
	/** With code 4523: the `seq` the server waits for. */
	readonly expect?: number;
}

/** A request of a client, or the server's word that a subscription is no longer valid. */
export interface CommandMessage extends Common {
	readonly type: "command";
	readonly operation: string;
	readonly code?: number;
	readonly message?: string;
}

/** Says where in the order of what is received a subscription begins or ends. */
export interface SubscriptionState extends Common {
	readonly type: "subscription-state";
	readonly operation: string;
	/** Where the subscription stands, on a destination with history. */
	readonly position?: string;
	/** All of the past that was asked for is there. */
	readonly recovered?: boolean;
}

/** Says that messages which a subscription should have had are missing here in the order. */
export interface LossMessage extends Common {
	readonly type: "loss";
	readonly reason?: string;
	readonly count?: number;
	readonly from?: string;
	readonly to?: string;
}

/** A line about the connection itself. */
export interface ControlMessage {
	readonly type: "control";
	readonly operation: string;
	readonly attach?: number;
	readonly have?: number;
	readonly window?: { readonly messages?: number; readonly bytes?: number };
	readonly clientIds?: readonly string[];
	readonly count?: number;
	readonly destination?: string;
	readonly waiting?: number;
	readonly limit?: number;
	readonly streamId?: string;
	readonly code?: number;
	readonly name?: string;
	readonly message?: string;
	readonly reason?: string;
	readonly url?: string;
	readonly reconnect?: "yes" | "no" | "after";
	readonly retryAfterMillis?: number;
	readonly setting?: string;
	readonly value?: number;
	readonly incident?: string;
}

/** One line of the protocol. */
export type Line = AsyncMessage | AcknowledgeMessage | ErrorMessage | CommandMessage | SubscriptionState | LossMessage | ControlMessage;

/** A line the client sends: its first key is `type`. */
export type Outgoing = { readonly type: "command" | "async" | "control" } & { readonly [field: string]: Json | undefined };

/** Reads one line. Undefined: it is no line of the protocol. */
export function parseLine(text: string): Line | undefined {
	try {
		const line: unknown = JSON.parse(text);
		if (typeof line === "object" && line !== null && typeof (line as Line).type === "string") return line as Line;
	} catch {
		// said by the result
	}
	return undefined;
}

const utf8 = new TextEncoder();

/** How many bytes a text takes on the wire. */
export function byteLength(text: string): number {
	return utf8.encode(text).length;
}

/** Base64 of the UTF-8 form, as `login` wants it. */
export function base64(text: string): string {
	return btoa(Array.from(utf8.encode(text), (byte) => String.fromCharCode(byte)).join(""));
}

/** Takes as many lines from the front of `queue` as fit into `limit` bytes, at least one, and returns them as one frame or body. */
export function takeBatch(queue: string[], limit: number): string {
	let size = 0;
	let count = 0;
	for (const line of queue) {
		size += byteLength(line) + 1;
		if (count > 0 && size > limit) break;
		count++;
	}
	return queue.splice(0, count).join("\n") + "\n";
}
