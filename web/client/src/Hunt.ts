import { patienceMillis, type Channel, type ChannelConfig } from "./Channel.js";
import { lost, weight, type Disconnect } from "./Disconnect.js";
import type { FlexClient } from "./FlexClient.js";
import type { Line } from "./message.js";

interface Attempt {
	readonly channel: Channel;
	readonly client: FlexClient;
	readonly began: number;
	readonly timer: ReturnType<typeof setTimeout>;
}

/** So many of these are told, the latest: the server reads no more. */
export const maxTried = 16;

/** A channel that was tried before the one that worked, as the server is told. */
export type Tried = {
	readonly channelId: string;
	/** How long it was tried. */
	readonly millis: number;
	/** How it failed. */
	readonly code: number;
	readonly detail: string;
};

/** What a Hunt needs of the ChannelSet. */
export interface Hunter {
	create(config: ChannelConfig): Channel;
	newClient(): FlexClient;
	/** A channel has failed, or was given up because one after it was quicker. */
	note(tried: Tried): void;
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
 * A client that exists is only attached by the winner, and a duplex channel has not won before that is answered. Without one, HTTP channels
 * share a new client, and a duplex channel makes its own, with connect, login and subscriptions in its first frame; the one that was not
 * chosen is ended.
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
		const client = this.existing ?? (channel.duplex ? this.hunter.newClient() : (this.#shared ??= this.hunter.newClient()));
		if (client === this.#shared) this.#sharedChannel = channel;
		const limit = patienceMillis(config);
		const attempt: Attempt = {
			channel,
			client,
			began: Date.now(),
			timer: setTimeout(() => this.#fail(attempt, lost(`No message of the server arrived within ${limit} ms.`)), limit),
		};
		this.#attempts.add(attempt);
		const won = (): void => {
			this.#finish(attempt);
			this.hunter.won(channel, client);
		};
		channel.onmessage = (line, size) => {
			if (attached(line) && !this.#over && channel.duplex && client === this.existing) won();
			client.receive(line, size);
		};
		channel.onclose = (why) => this.#fail(attempt, why);
		channel.onopen = () => {
			if (!channel.duplex || client !== this.existing) return won();
			this.#narrow(attempt);
			channel.attach();
		};
		this.#stagger = setTimeout(() => this.#try(), this.stagger);
		channel.open(client);
	}

	#fail(attempt: Attempt, why: Disconnect): void {
		if (this.#over || !this.#attempts.delete(attempt)) return;
		clearTimeout(attempt.timer);
		const gone = why.gone !== undefined && this.existing !== undefined; // no fault of the channel
		this.#giveUp(attempt, gone ? undefined : why);
		if (!this.#why || weight(why) >= weight(this.#why)) this.#why = why;
		if (!gone) {
			this.hunter.failed(attempt.channel.config, why);
			this.#try();
			if (this.#attempts.size > 0) return;
		}
		if (this.#over) return; // a listener has given up
		this.#finish(undefined);
		this.hunter.over(gone ? why : this.#why);
	}

	#finish(winner: Attempt | undefined): void {
		if (this.#over) return;
		this.#over = true;
		this.#narrow(winner);
		clearTimeout(winner?.timer);
		this.#attempts.clear();
		if (this.#shared && this.#shared !== winner?.client) this.#end(this.#shared, this.#sharedChannel);
	}

	/** Gives up all attempts but this one. */
	#narrow(chosen: Attempt | undefined): void {
		clearTimeout(this.#stagger);
		let before = chosen !== undefined; // in the order of the list
		for (const attempt of this.#attempts) {
			if (attempt === chosen) {
				before = false;
				continue;
			}
			clearTimeout(attempt.timer);
			this.#attempts.delete(attempt);
			this.#giveUp(attempt, before ? lost("A channel after it was quicker.") : undefined);
		}
	}

	/** Closes an attempt. A client that lived for it alone goes with it; the shared one may still serve the next. */
	#giveUp({ channel, client, began }: Attempt, why: Disconnect | undefined): void {
		if (why) this.hunter.note({ channelId: channel.config.id, millis: Date.now() - began, code: why.code, detail: why.message.slice(0, 200) });
		if (client === this.existing || client === this.#shared) channel.close();
		else this.#end(client, channel);
	}

	/** Ends a client nobody has chosen. If its connect is still under way, the goodbye follows it, or the channel says it when that is answered. */
	#end(client: FlexClient, channel: Channel | undefined): void {
		client.ended = true;
		if (client.id !== "" || channel?.duplex) void channel?.leave([client.farewell()]);
		else channel?.close();
	}
}

function attached(line: Line): boolean {
	return line.type === "control" && line.operation === "attached";
}
