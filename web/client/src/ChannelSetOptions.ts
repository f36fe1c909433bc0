import type { Channel, ChannelConfig } from "./Channel.js";
import type { WebSocketClass } from "./WebSocketChannel.js";

/** How a ChannelSet is made. */
export interface ChannelSetOptions {
	/** The channels in the order to try them, or the address of the server's configuration, which lists them. @default "/config.json" */
	readonly channels?: readonly ChannelConfig[] | string;
	/**
	 * What relative addresses are relative to, and what `{server.name}` and `{server.port}` stand for.
	 * @default the server that this script was loaded from as `/sluice.mjs` or `/sluice.js`; of a bundle or a copy, the page's address
	 */
	readonly baseUrl?: string;
	/** Take the channels that the configuration lists for this destination. @default its default channels, else all */
	readonly destination?: string;
	/** The WebSocket class, for environments without one. @default the global one */
	readonly webSocket?: WebSocketClass;
	/** Send a heartbeat after that long without sending, in milliseconds; 0: never. @default what the server asks for */
	readonly heartbeatIntervalMillis?: number;
	/** How long a channel may hesitate until the next one is tried beside it, in milliseconds. @default 700 */
	readonly staggerMillis?: number;
	/**
	 * While a channel is up that is not the first of the list, look for a better one after that long, in milliseconds, and then after twice as
	 * long each time, with jitter; at once when the network is another. 0: never. Moving there loses, doubles and reorders nothing.
	 * @default 5000
	 */
	readonly upgradeMillis?: number;
	/** At least that often, in milliseconds. @default 300000 */
	readonly maxUpgradeMillis?: number;
	/** How many messages may wait for a connection; more are refused with `Client.Error.MessageSend`. @default 1000 */
	readonly maxWaiting?: number;
	/**
	 * The name under which the tab keeps the client over a reload, in its sessionStorage: one for each ChannelSet that is used at the same time.
	 * The ChannelSet of that name in the next page goes on with it, if the server's `reload-grace-millis` lets it: unanswered requests are sent
	 * again, Consumers take over the subscriptions that are the same as theirs, with up to 1000 messages that came before them, and those nobody
	 * has taken over after five seconds are ended. `disconnectAll` leaves nothing there.
	 * @default its number, in the order in which the page makes them
	 */
	readonly name?: string;
	/** Random numbers from 0 up to 1, for the jitter. @default Math.random */
	readonly random?: () => number;
	/** Makes the channel for an entry of the list. @default by its type */
	readonly createChannel?: (config: ChannelConfig) => Channel;
}
