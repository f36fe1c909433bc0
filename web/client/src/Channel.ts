import type { Disconnect } from "./Disconnect.js";
import type { Line } from "./message.js";

/** The kinds of transport. */
export type ChannelType = "websocket" | "streaming" | "longpoll";

/** One channel of the server, as `/config.json` lists it. */
export interface ChannelConfig {
	readonly id: string;
	readonly type: ChannelType;
	/** Absolute, or relative to the ChannelSet's `baseUrl`; may hold `{server.name}` and `{server.port}`. */
	readonly url: string;
	/** How long the channel may take to prove itself. @default 2000 (longpoll: 5000) */
	readonly connectTimeoutMillis?: number;
	/** How long a reply may take; 0: for ever. @default 0 */
	readonly requestTimeoutMillis?: number;
	/** After a client of this channel is over, log the user in again with the next one. @default true */
	readonly loginAfterDisconnect?: boolean;
}

/** What a channel asks the client it works for. Lines are without their LF. */
export interface Link {
	/** The client's DSId, empty until it is connected. */
	readonly id: string;
	/** Nobody wants this client any more. */
	readonly ended: boolean;
	/** The largest frame or body in bytes that the server takes. */
	readonly maxRequestSize: number;
	/** A stream that has been silent for so long, in milliseconds, is dead; 0: it may be silent. */
	readonly silenceMillis: number;
	/** An HTTP connect under way, which other HTTP channels of the same client wait for. */
	connecting: Promise<void> | undefined;
	/** The value of `Authorization`. */
	bearer(): string;
	/** The lines that connect the client, log it in and subscribe; with `attach`, what is received shall come the same way. */
	hello(attach: boolean): string[];
	/**
	 * The line that makes the server deliver here from now on. Each call counts `attach` up and fixes `have`.
	 *
	 * @param more a poll's `wait` in milliseconds, or the `streamId` of a stream that has proved itself
	 */
	attachLine(how: "socket" | "stream" | "poll", more?: { readonly wait?: number; readonly streamId?: string }): string;
	/** A probe. Its answer proves the way and says nothing more. */
	ping(): string;
	/** The line that ends the client with this id, after nothing but its hello. */
	farewell(): string;
	/** Takes a line that has arrived, and its length. */
	receive(line: Line, size: number): void;
}

/**
 * One way to the server. All kinds have this one shape, so that a ChannelSet falls back from one to the next without knowing which it holds:
 * `open` it, wait for `onopen`, then `attach`, `send` and listen, until `onclose`. After `close` or `onclose` it calls nothing any more.
 */
export interface Channel {
	readonly config: ChannelConfig;
	/** It carries both ways over one connection, which also connects the client: WebSocket. */
	readonly duplex: boolean;
	/** What is received comes at once. False: other tabs hold as many connections as may be held, so this one asks now and then. */
	readonly held: boolean;
	/** A message of the server has arrived: the way has proved itself. An open socket alone proves nothing, proxies open sockets too. */
	onopen: () => void;
	/** A line has arrived; `size` is its length. */
	onmessage: (line: Line, size: number) => void;
	/** The channel has ended by itself. Not called after `close`. */
	onclose: (why: Disconnect) => void;

	/**
	 * Connects the client, or proves the way for one that is connected.
	 *
	 * @param quietly the client goes on elsewhere: nothing but control lines, until `attach`. @default false: over HTTP the proof may attach
	 */
	open(link: Link, quietly?: boolean): void;
	/** Makes the server deliver here, once the channel has been chosen. */
	attach(): void;
	/** Sends lines in this order. What cannot leave at once waits. */
	send(lines: readonly string[]): void;
	/** Sends last lines and closes. Resolves once they are answered, or after two seconds; never rejects. Also works on a closed HTTP channel. */
	leave(lines: readonly string[]): Promise<void>;
	/** Closes at once. */
	close(): void;
}

/** How long a channel may take to prove itself, in milliseconds. */
export function patienceMillis({ type, connectTimeoutMillis }: ChannelConfig): number {
	return connectTimeoutMillis ?? (type === "longpoll" ? 5000 : 2000);
}

/** How long `leave` waits for the answer, in milliseconds. */
export const leaveMillis = 2000;
