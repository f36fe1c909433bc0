import { patienceMillis, type Channel, type ChannelConfig } from "./Channel.js";
import type { FlexClient } from "./FlexClient.js";
import { hidden, offline } from "./Page.js";

/** What an Upgrade needs of the Connection. */
export interface Climber {
	create(config: ChannelConfig): Channel;
	/** This channel has proved itself, with control lines only: the client may move there. */
	proved(channel: Channel): void;
}

/** The pauses between attempts, in milliseconds. */
export interface Pace {
	/** The first; 0: there are no attempts. It doubles with each. */
	readonly first: number;
	readonly most: number;
	readonly random: () => number;
}

/**
 * Looks for a better channel while one is up. Each attempt probes those that are better, in their order, beside the one in use, with control
 * lines only: nothing of what the client receives comes that way before the Connection has moved it there. The pauses between attempts become
 * longer, also after one that has worked, until the best channel has lasted: a way that lets itself be proved and then breaks is not taken again
 * and again.
 */
export class Upgrade {
	/** Counts the attempts, for the pauses. */
	attempt = 0;
	#better: readonly ChannelConfig[] = [];
	#client: FlexClient | undefined;
	#channel: Channel | undefined; // being probed
	#timer: ReturnType<typeof setTimeout> | undefined;
	#waiting = false; // for the next attempt
	#due = false; // but nobody sees the page, or there is no network

	constructor(
		private readonly climber: Climber,
		private readonly pace: Pace,
	) {}

	/** `client` is connected, and these channels would be better, the best first. */
	start(client: FlexClient, better: readonly ChannelConfig[]): void {
		this.stop();
		if (better.length === 0 || this.pace.first <= 0) return;
		this.#client = client;
		this.#better = better;
		this.#wait();
	}

	/** The channel that was up is not any more, or needs no better one. */
	stop(): void {
		clearTimeout(this.#timer);
		this.#waiting = this.#due = false;
		this.#channel?.close();
		this.#channel = undefined;
	}

	/** The network is another: what did not work may work now. Tries within `jitter` milliseconds. */
	hurry(jitter: number): void {
		this.attempt = 0;
		if (this.#waiting) this.#set(jitter);
	}

	/** Somebody sees the page again. */
	seen(): void {
		if (this.#due) this.#ripe();
	}

	#wait(least = 0): void {
		const bound = Math.min(this.pace.most, this.pace.first * 2 ** Math.min(this.attempt++, 30));
		this.#set(Math.max(least, bound * (0.5 + this.pace.random() / 2)));
	}

	#set(millis: number): void {
		clearTimeout(this.#timer);
		this.#waiting = true;
		this.#due = false;
		this.#timer = setTimeout(() => this.#ripe(), millis);
	}

	#ripe(): void {
		this.#due = hidden() || offline();
		if (!this.#due) this.#probe(0, 0);
	}

	/** @param least the server wants no attempt before so many milliseconds */
	#probe(at: number, least: number): void {
		const config = this.#better[at];
		const client = this.#client;
		this.#waiting = false;
		if (!config || !client) return this.#wait(least);
		const channel = this.climber.create(config);
		this.#channel = channel;
		const next = (millis = 0): void => {
			if (this.#channel !== channel) return;
			clearTimeout(this.#timer);
			this.#channel = undefined;
			channel.close();
			this.#probe(at + 1, Math.max(least, millis));
		};
		this.#timer = setTimeout(next, patienceMillis(config));
		channel.onmessage = () => {}; // control lines, which prove the way and say nothing more
		channel.onclose = ({ retryAfterMillis }) => next(retryAfterMillis);
		channel.onopen = () => {
			if (this.#channel !== channel) return;
			clearTimeout(this.#timer);
			this.#channel = undefined;
			this.climber.proved(channel);
		};
		channel.open(client, true);
	}
}
