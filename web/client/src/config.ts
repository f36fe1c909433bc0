import type { Channel, ChannelConfig } from "./Channel.js";
import type { ChannelSetOptions } from "./ChannelSetOptions.js";
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

/** The channels a ChannelSet shall try, in order and with absolute addresses. Reads the server's configuration where the options name one. */
export async function loadChannels({ channels = "/config.json", baseUrl, destination }: ChannelSetOptions): Promise<readonly ChannelConfig[]> {
	const base = baseUrl ?? (typeof location === "undefined" ? undefined : location.href);
	if (typeof channels !== "string") return channels.map((channel) => resolve(channel, base));
	const url = new URL(channels, base).href;
	const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
	if (!response.ok) throw new Error(`status ${response.status}`);
	return channelsOf((await response.json()) as ServerConfig, destination).map((channel) => resolve(channel, url));
}

/** The channel for an entry of the list. */
export function createChannel(config: ChannelConfig, options: ChannelSetOptions): Channel {
	if (options.createChannel) return options.createChannel(config);
	if (config.type === "streaming") return new StreamingChannel(config);
	if (config.type === "longpoll") return new LongPollChannel(config);
	return new WebSocketChannel(config, options.webSocket ?? (globalThis as { WebSocket?: WebSocketClass }).WebSocket);
}
