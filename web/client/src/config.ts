import type { Channel, ChannelConfig } from "./Channel.js";
import type { ChannelSetOptions } from "./ChannelSetOptions.js";
import { disconnectOf, lost, refused, type Disconnect } from "./Disconnect.js";
import { home } from "./home.js";
import { readAnswer, refusal } from "./HttpUplink.js";
import { LongPollChannel } from "./LongPollChannel.js";
import { StreamingChannel } from "./StreamingChannel.js";
import { WebSocketChannel, type WebSocketClass } from "./WebSocketChannel.js";

/** What clients read at `/config.json`. */
export interface ServerConfig {
	readonly channels: readonly ChannelConfig[];
	readonly destinations?: readonly { readonly id: string; readonly channels?: readonly string[] }[];
	readonly defaultChannels?: readonly string[];
}

/**
 * The channels of a configuration in the order to try them: those of the destination, else the default ones, else all.
 *
 * @param destination its id, if the ChannelSet is for one
 */
export function channelsOf(config: ServerConfig, destination: string | undefined): ChannelConfig[] {
	const own = config.destinations?.find((entry) => entry.id === destination)?.channels ?? [];
	const ids = own.length > 0 ? own : (config.defaultChannels ?? []);
	if (ids.length === 0) return [...config.channels];
	return ids.flatMap((id) => config.channels.find((channel) => channel.id === id) ?? []);
}

/** The channel with its address made absolute: `base` is where the page or the configuration came from, and stands for the tokens. */
export function resolve(channel: ChannelConfig, base: string | undefined): ChannelConfig {
	const origin = base === undefined ? undefined : new URL(base);
	const secure = origin?.protocol === "https:";
	const text = channel.url.replaceAll("{server.name}", origin?.hostname ?? "localhost").replaceAll("{server.port}", origin?.port || (secure ? "443" : "80"));
	const url = new URL(text, origin);
	// A page over TLS may only use channels over TLS; and the schemes of the two families stand for each other.
	const tls = secure || url.protocol === "https:" || url.protocol === "wss:";
	url.protocol = (channel.type === "websocket" ? "ws" : "http") + (tls ? "s:" : ":");
	return { ...channel, url: url.href };
}

/** Which channels there are could not be found out. */
export class Unlisted extends Error {
	constructor(
		readonly why: Disconnect,
		/** To ask again will hardly help: the address is wrong, not out of reach. */
		readonly final: boolean,
	) {
		super(why.message);
	}
}

/** The channels a ChannelSet shall try, in order and with absolute addresses. Reads the server's configuration where the options name one. Rejects with Unlisted. */
export async function loadChannels({ channels = "/config.json", baseUrl, destination }: ChannelSetOptions): Promise<readonly ChannelConfig[]> {
	let base = baseUrl ?? home ?? (typeof location === "undefined" ? undefined : location.href);
	try {
		if (typeof channels === "string") {
			base = new URL(channels, base).href;
			channels = channelsOf(await readConfig(base), destination);
		}
		if (channels.length === 0) throw new Error("There is no channel to try.");
		return channels.map((channel) => resolve(channel, base));
	} catch (error) {
		throw error instanceof Unlisted ? error : new Unlisted(lost(String(error)), true); // no list, or no addresses
	}
}

async function readConfig(url: string): Promise<ServerConfig> {
	const unread = (why: Disconnect, final: boolean, done = "read"): Unlisted => new Unlisted({ ...why, message: `${url} could not be ${done}: ${why.message}`, reconnect: "yes", told: false }, final);
	let response: Response;
	let text: string;
	try {
		response = await fetch(url, { signal: AbortSignal.timeout(5000) });
		text = await response.text();
	} catch (error) {
		throw unread(lost(String(error)), false, "reached");
	}
	const { status } = response;
	if (!response.ok) {
		const error = refusal(await readAnswer(new Response(text, { status })));
		const why = error ? refused(error) : { ...disconnectOf(status === 404 ? 4536 : 4008), message: `Status ${status}.` };
		throw unread(why, status >= 400 && status < 500 && status !== 408 && status !== 429);
	}
	try {
		const config = JSON.parse(text) as ServerConfig;
		if (Array.isArray(config.channels)) return config;
	} catch {
		// said below
	}
	throw unread(lost("It is no configuration of a Sluice server."), true);
}

/** The channel for an entry of the list. */
export function createChannel(config: ChannelConfig, options: ChannelSetOptions): Channel {
	if (options.createChannel) return options.createChannel(config);
	if (config.type === "streaming") return new StreamingChannel(config);
	if (config.type === "longpoll") return new LongPollChannel(config);
	return new WebSocketChannel(config, options.webSocket ?? (globalThis as { WebSocket?: WebSocketClass }).WebSocket);
}
