import type { Channel, ChannelConfig } from "./Channel.js";
import { lost, weight, type Disconnect } from "./Disconnect.js";
import type { FlexClient } from "./FlexClient.js";

interface Attempt {
	readonly channel: Channel;
	readonly client: FlexClient;
	readonly timer: ReturnType<typeof setTimeout>;
}

/** What a Hunt needs of the ChannelSet. */
export interface Hunter {
	create(config: ChannelConfig): Channel;
	newClient(): FlexClient;
	/** This channel has proved itself first. All others have been given up. */
	won(channel: Channel, client: FlexClient): void;
	/** This channel has not worked. */
	failed(config: ChannelConfig, why: Disconnect): void;
	/** None has worked, or the client that was to go on is gone. */
	over(why: Disconnect): void;
}

/**
 * One walk over the channels, in their order. A channel that fails makes room for the next at once; one that only hesitates gets the next beside
 * it after `stagger` milliseconds. The first over which a message arrives wins; it alone is attached, and what the others have begun is ended.
 *
 * A client that exists is only attached by the winner. Without one, HTTP channels share a new client, and a channel whose client does not
 * outlive it makes its own, with connect, login and subscriptions in its first frame; the one that was not chosen is ended.
 */
export class Hunt {
	readonly #attempts = new Set<Attempt>();
	#next = 0;
	#over = false;
	#stagger: ReturnType<typeof setTimeout> | undefined;
	#shared: FlexClient | undefined;
	#sharedChannel: Channel | undefined; // the last one made for it
	#why: Disconnect | undefined;

	/** @param existing the client that shall go on, if there is one */
	constructor(
		private readonly configs: readonly ChannelConfig[],
		private readonly hunter: Hunter,
		private readonly existing: FlexClient | undefined,
		private readonly stagger: number,
	) {}

	/** Begins with the first channel. */
	start(): void {
		this.#try();
	}

	/** Gives all attempts up. */
	cancel(): void {
		this.#finish(undefined);
	}

	#try(): void {
		clearTimeout(this.#stagger);
		const config = this.configs[this.#next++];
		if (!config || this.#over) return;
		const channel = this.hunter.create(config);
		const client = this.existing ?? (channel.outlives ? (this.#shared ??= this.hunter.newClient()) : this.hunter.newClient());
		if (client === this.#shared) this.#sharedChannel = channel;
		const limit = config.connectTimeoutMillis ?? (config.type === "longpoll" ? 5000 : 2000);
		const attempt: Attempt = {
			channel,
			client,
			timer: setTimeout(() => this.#fail(attempt, lost(`No message of the server arrived within ${limit} ms.`)), limit),
		};
		this.#attempts.add(attempt);
		channel.onmessage = (line, size) => client.receive(line, size);
		channel.onclose = (why) => this.#fail(attempt, why);
		channel.onopen = () => {
			this.#finish(attempt);
			this.hunter.won(channel, client);
		};
		this.#stagger = setTimeout(() => this.#try(), this.stagger);
		channel.open(client);
	}

	#fail(attempt: Attempt, why: Disconnect): void {
		if (this.#over || !this.#attempts.delete(attempt)) return;
		clearTimeout(attempt.timer);
		this.#giveUp(attempt);
		if (!this.#why || weight(why) >= weight(this.#why)) this.#why = why;
		this.hunter.failed(attempt.channel.config, why);
		if (this.#over) return; // a listener has given up
		const gone = why.gone !== undefined && this.existing !== undefined;
		if (!gone) this.#try();
		if (this.#attempts.size > 0 && !gone) return;
		this.#finish(undefined);
		this.hunter.over(gone ? why : this.#why);
	}

	#finish(winner: Attempt | undefined): void {
		if (this.#over) return;
		this.#over = true;
		clearTimeout(this.#stagger);
		for (const attempt of this.#attempts) {
			clearTimeout(attempt.timer);
			if (attempt !== winner) this.#giveUp(attempt);
		}
		this.#attempts.clear();
		if (this.#shared && this.#shared !== winner?.client) this.#end(this.#shared, this.#sharedChannel);
	}

	/** Closes an attempt. A client that lived for it alone goes with it; the shared one may still serve the next. */
	#giveUp({ channel, client }: Attempt): void {
		if (client === this.existing || client === this.#shared) channel.close();
		else this.#end(client, channel);
	}

	/** Ends a client nobody has chosen. If its connect is still under way, the channel does so when it is answered. */
	#end(client: FlexClient, channel: Channel | undefined): void {
		client.ended = true;
		if (client.id !== "") void channel?.leave([client.farewell()]);
		else channel?.close();
	}
}
