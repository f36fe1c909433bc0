import { fullJitter } from "./backoff.js";
import type { Channel, ChannelConfig } from "./Channel.js";
import type { ChannelSetOptions } from "./ChannelSetOptions.js";
import { claim } from "./claim.js";
import { createChannel, loadChannels, type Unlisted } from "./config.js";
import { asleep, disconnectOf, type Disconnect } from "./Disconnect.js";
import type { ChannelDisconnect, Events } from "./events.js";
import { Failures } from "./Failures.js";
import { Fault } from "./Fault.js";
import { FlexClient, type Host } from "./FlexClient.js";
import { Hunt, maxTried, type Hunter, type Tried } from "./Hunt.js";
import { Keep } from "./Keep.js";
import { Memory } from "./Memory.js";
import { offline, Page } from "./Page.js";
import { Pause } from "./Pause.js";
import { newId, type Request } from "./Request.js";
import { Upgrade } from "./Upgrade.js";

/** A connection that has lived this long, in milliseconds, makes the pauses between attempts short again. */
const stableMillis = 10_000;

/** When a network is back its clients come within this time, in milliseconds, and not all at once. */
const networkMillis = 1000;

let count = 0; // names those that have no name

/** What a Connection asks of the ChannelSet it works for. */
export interface Owner {
	/** Tells an event. A listener may do anything meanwhile. */
	tell<Name extends keyof Events>(name: Name, event: Events[Name]): void;
	/** What a new client begins with: login and subscriptions. */
	hello(client: FlexClient): Request[];
	/** A channel is about to be up, with this client. */
	coming(client: FlexClient): void;
	/** A channel is up. What is still to be asked for can be. */
	ready(client: FlexClient): void;
	/** The server's client is over, and `config` is the channel it was on. */
	ended(config: ChannelConfig | undefined): void;
	/** What was promised does not come. */
	disappoint(fault: Fault): void;
}

/** @internal A ChannelSet's way to the server: finds a channel, keeps it up, comes back when it is lost, and goes when told to. */
export class Connection {
	readonly #keep: Keep;
	readonly #pause: Pause;
	readonly #memory = new Memory();
	readonly #upgrade: Upgrade;
	readonly #service: Host & Hunter & { readonly tried: Tried[] };

	#client: FlexClient | undefined;
	#channel: Channel | undefined; // while up
	#last: Channel | undefined; // the one that was up last
	#hunt: Hunt | undefined;
	#failures!: Failures; // of the last hunt
	#run = 0; // counts searches, so that a late one is known
	#active = false;
	#left = false; // the page was left
	#kept = false; // what the next page needs was written down
	#letGo: (() => void) | undefined; // of the client, which another page may have a copy of
	#rejected: Disconnect | undefined;
	#since = 0; // when a channel came up, or was lost
	#before = false; // has been up since `start`
	#dismissed = 0; // counts connections in a row that the server ended soon after they came up

	#configs: readonly ChannelConfig[] | undefined;
	#page: Page | undefined;

	constructor(
		private readonly options: ChannelSetOptions,
		private readonly owner: Owner,
	) {
		this.#keep = new Keep(options.name ?? String(count++));
		this.#pause = new Pause(fullJitter(options.random), () => this.#keen, () => void this.#search());
		this.#service = this.#serve();
		const { upgradeMillis: first = 5000, maxUpgradeMillis: most = 300_000, random = Math.random } = options;
		this.#upgrade = new Upgrade({ create: (config) => this.#service.create(config), proved: (channel) => this.#move(channel) }, { first, most, random });
	}

	/** The channel that is up. */
	get channel(): Channel | undefined {
		return this.#channel;
	}

	/** The server's client, also while no channel is up. */
	get client(): FlexClient | undefined {
		return this.#client;
	}

	/** Requests that wait for a channel. */
	get waiting(): Request[] {
		return this.#service.waiting;
	}

	/** Why the server does not want this client back. */
	get rejected(): Disconnect | undefined {
		return this.#rejected;
	}

	/** Connects, and stays connected until `leave`, if it does not do so already. */
	start(): void {
		if (this.#active) return;
		this.#active = true;
		this.#rejected = undefined;
		this.#before = false;
		this.#pause.attempt = this.#dismissed = this.#upgrade.attempt = this.#service.tried.length = 0;
		this.#page = new Page({
			leave: () => this.#pageLeft(),
			back: () => void this.#pageBack(),
			seen: () => {
				if (!this.#channel) return this.#pause.wake(0);
				this.#client?.seen();
				this.#upgrade.seen();
			},
			network: () => {
				const jitter = Math.random() * networkMillis;
				if (!this.#channel) this.#pause.wake(jitter);
				this.#client?.probe();
				this.#upgrade.hurry(jitter);
			},
		});
		void this.#search();
	}

	// Coming.

	async #search(): Promise<void> {
		const run = ++this.#run;
		this.#pause.cancel();
		try {
			this.#configs ??= await loadChannels(this.options);
		} catch (error) {
			if (run === this.#run) this.#unlisted(error as Unlisted);
			return;
		}
		if (run !== this.#run) return;
		const configs = this.#memory.order(this.#configs);
		if (!this.#before && !this.#client) {
			const restored = await this.#restored(configs);
			if (run !== this.#run) return;
			this.#client = restored;
		}
		// A client that lives on is first looked for where it was: that is quickest, and as a rule only the connection broke.
		const last = configs.findIndex((config) => config.id === this.#last?.config.id);
		if (this.#client && this.#pause.attempt <= 1 && last > 0) configs.unshift(...configs.splice(last, 1));
		this.#failures = new Failures((config, why) => {
			if (run === this.#run) this.owner.tell("channelFault", { ...why, channelId: config.id, faultCode: "Channel.Connect.Failed" });
		});
		this.#hunt = new Hunt(configs, this.#service, this.#client, this.options.staggerMillis ?? 700);
		this.#hunt.start();
	}

	/** What its clients and its searches ask of it. */
	#serve(): Host & Hunter & { readonly tried: Tried[] } {
		const tried: Tried[] = [];
		return {
			waiting: [],
			tried,
			heartbeatIntervalMillis: this.options.heartbeatIntervalMillis,
			hello: (client) => this.owner.hello(client),
			slow: ({ destination = "", waiting = 0, limit = 0, setting }) => this.owner.tell("slow", { destination, waiting, limit, ...(setting !== undefined && { setting }) }),
			broken: (client, why) => void (client === this.#client && this.down(why)), // one that is being left may still hear
			create: (config) => createChannel(config, this.options),
			newClient: () => new FlexClient(this.#service),
			note: (one) => void tried.splice(1, tried.push(one) - maxTried),
			won: (channel, client) => this.#up(channel, client),
			failed: (config, why) => this.#failures.add(config, why),
			over: (why) => void this.#lost(why),
		};
	}

	/** The client of the page before, if that has kept one under the same name and no other page has it. */
	async #restored(configs: readonly ChannelConfig[]): Promise<FlexClient | undefined> {
		const kept = this.#keep.read();
		const mine = kept?.id !== undefined && configs.some(({ url }) => url === kept.url) && (await this.#claim(kept.id, this.#run));
		if (mine === undefined) return undefined; // it stays there for the next page
		this.#keep.take();
		return mine ? new FlexClient(this.#service, kept) : undefined;
	}

	/** Makes sure that no other page goes on as the same client. Undefined: this page has been left meanwhile. */
	async #claim(id: string, run: number): Promise<boolean | undefined> {
		const letGo = await claim(id);
		if (run === this.#run) return (this.#letGo = letGo) !== undefined;
		letGo?.();
		return undefined;
	}

	/** A better channel has proved itself. What the one before still brings is not counted any more, so the server sends it again over this one. */
	#move(channel: Channel): void {
		const before = this.#channel;
		const client = this.#client;
		if (!before || !client) return channel.close();
		before.onclose = () => {};
		before.close();
		client.release();
		channel.onmessage = (line, size) => client.receive(line, size);
		channel.attach();
		this.#up(channel, client, before.config.id);
		if (this.#channel === channel) client.probe(); // that it is attached should be known soon
	}

	/** @param movedFrom the id of the channel that was up until now */
	#up(channel: Channel, client: FlexClient, movedFrom?: string): void {
		const resumed = client === this.#client;
		const reconnecting = this.#before;
		this.#hunt = undefined;
		this.#before = true;
		this.#since = Date.now();
		this.#client = client;
		this.#channel = this.#last = channel;
		channel.onclose = (why) => this.down(why);
		this.#failures.flush();
		if (this.#channel !== channel) return; // a listener has left
		this.owner.coming(client);
		this.owner.tell("channelConnect", { channelId: channel.config.id, channel: channel.config, reconnecting, resumed, held: channel.held, ...(movedFrom !== undefined && { movedFrom }) });
		if (movedFrom === undefined) this.owner.tell("propertyChange", { property: "connected", value: true });
		if (this.#channel !== channel) return; // a listener has left
		client.adopt(channel);
		this.#service.tried.length = 0; // the server knows
		if (this.#channel !== channel) return; // a listener has left that was told what came early
		const configs = this.#configs ?? [];
		if (channel.held) this.#memory.keep(configs, channel.config); // else it is this browser that has no room for better
		this.#upgrade.start(client, configs.slice(0, Math.max(0, configs.findIndex(({ id }) => id === channel.config.id))));
		this.owner.ready(client);
	}

	/** Which channels there are is not known. Where the address is wrong those who wait are told, but the search goes on: it may be put right. */
	#unlisted({ why, final }: Unlisted): void {
		const run = this.#run;
		this.owner.tell("channelFault", { ...why, channelId: "", faultCode: "Channel.Connect.Failed" });
		if (run !== this.#run) return; // a listener has left
		if (final) this.owner.disappoint(new Fault("Channel.Connect.Failed", why.message, undefined, { code: why.code }));
		this.#retry(why);
	}

	// Going.

	/** The channel that was up is not any more. */
	down(why: Disconnect, comeBack = why.reconnect !== "no"): void {
		const channel = this.#channel;
		const client = this.#client;
		if (!channel || !client) return;
		why = conclude(why, client);
		channel.onclose = () => {};
		if (why.gone === "gap") void channel.leave([JSON.stringify({ type: "control", operation: "detach" })]);
		channel.close();
		this.#channel = undefined;
		client.release();
		this.#upgrade.stop();
		if (Date.now() - this.#since > stableMillis) {
			this.#pause.attempt = this.#dismissed = 0;
			if (channel.config.id === this.#configs?.[0]?.id) this.#upgrade.attempt = 0;
		} else if (why.told) this.#pause.attempt = this.#dismissed++; // the outage before is over: what counts is only how often this happens
		this.#since = Date.now();
		if (why.gone !== undefined || (channel.duplex && client.terms.reconnectMillis === 0) || !comeBack) this.#end();
		this.owner.tell("propertyChange", { property: "connected", value: false });
		this.#finish(why, comeBack);
	}

	/** No channel worked, or the client that was to go on is gone. */
	async #lost(why: Disconnect): Promise<void> {
		this.#hunt = undefined;
		const run = this.#run;
		if (why.gone !== undefined) this.#failures.flush();
		else why = await this.#failures.conclude(why);
		if (run !== this.#run) return; // left meanwhile
		if (why.gone === undefined) this.#configs = undefined; // read them again: the server may have moved
		const comeBack = why.reconnect !== "no";
		if (why.gone === undefined && comeBack) return this.#retry(why);
		this.#end();
		if (this.#before || !comeBack) this.#finish(why, comeBack, why.gone !== undefined);
		else void this.#search(); // it was the page before that has lost it
	}

	/** Tells the end of a connection, and what comes of it. Not to come back is the server's wish (told) or our own. `answered`: the server is there. */
	#finish(why: Disconnect, willReconnect: boolean, answered = false): void {
		const run = this.#run;
		const rejected = !willReconnect && why.told === true;
		this.owner.tell("channelDisconnect", { ...why, channelId: this.#last?.config.id ?? "", willReconnect, rejected });
		if (run !== this.#run || this.#channel) return; // a listener has decided otherwise
		if (willReconnect) return this.#retry(why, answered);
		if (rejected) this.#rejected = why;
		this.#stop(why);
	}

	#retry(why: Disconnect, answered = false): void {
		// While the server keeps the client, several attempts shall fit into that time.
		if (this.#active) this.#pause.begin(why, this.#keen && this.#client ? this.#client.terms.reconnectMillis / 5 : Infinity, answered);
	}

	/** The server keeps the client that has lost its connection. */
	get #keen(): boolean {
		return this.#client !== undefined && Date.now() - this.#since < this.#client.terms.reconnectMillis;
	}

	/** The server's client is over. */
	#end(): void {
		const client = this.#client;
		this.#client = undefined;
		this.#letGo?.();
		client?.end();
		this.owner.ended(this.#last?.config);
	}

	/** Nothing is tried any more. What waits fails. */
	#stop(why: Disconnect): void {
		this.#active = this.#left = false;
		this.#halt();
		this.#page?.stop();
		this.#letGo?.();
		const fault = new Fault("Client.Error.MessageSend", why.message, undefined, { code: why.code });
		for (const request of this.waiting.splice(0)) request.settle(fault);
		this.owner.disappoint(fault);
	}

	/** Stops looking for a channel. */
	#halt(): void {
		this.#run++;
		this.#hunt?.cancel();
		this.#hunt = undefined;
		this.#pause.cancel();
		this.#upgrade.stop();
	}

	/** The next page shall not go on with the client. */
	forget(): void {
		this.#keep.take();
	}

	/** Disconnects for good: says so to the server, if it has a client of ours. Resolves when that is answered, with what is to be told. Undefined: there is nothing to leave. */
	leave(): Promise<ChannelDisconnect & { readonly wasUp: boolean }> | undefined {
		if (!this.#active) return undefined;
		const client = this.#client;
		const channel = this.#channel ?? this.#last;
		const wasUp = this.#channel !== undefined;
		this.#halt();
		const line = { type: "command", operation: "disconnect", messageId: newId() } as const;
		const over = client && channel?.leave(client.goodbye({ line, settle: () => {}, lost: () => {} }));
		client?.release();
		this.#channel = this.#client = undefined;
		const why = disconnectOf(4000);
		this.#stop(why);
		return Promise.resolve(over).then(() => {
			client?.end();
			return { ...why, channelId: channel?.config.id ?? "", willReconnect: false, rejected: false, wasUp };
		});
	}

	/** The page is left. The server keeps the client for a while: for this page, should the browser bring it back, or for the next one. */
	#pageLeft(): void {
		const client = this.#client;
		const channel = this.#channel ?? this.#last;
		const wasUp = this.#channel !== undefined;
		this.#halt();
		this.#left = true;
		this.#letGo?.(); // a lock would keep the page out of the browser's memory
		if (!client) return;
		const { reloadGraceMillis, reconnectMillis } = client.terms;
		void channel?.leave(client.goodbye(client.detachLine()));
		channel?.close(); // an open connection would keep the page out of the browser's memory
		this.#channel = undefined;
		if (wasUp) this.#since = Date.now();
		client.release();
		const kept = reloadGraceMillis > 0 ? client.keep() : undefined;
		const { url = "" } = channel?.config ?? this.#configs?.[0] ?? {};
		this.#kept = kept !== undefined && this.#keep.save({ ...kept, url, until: Date.now() + Math.max(reloadGraceMillis, reconnectMillis) });
		if (reloadGraceMillis === 0) this.#end();
		if (wasUp) this.owner.tell("propertyChange", { property: "connected", value: false });
		this.owner.tell("channelDisconnect", { ...disconnectOf(4012), channelId: channel?.config.id ?? "", willReconnect: true, rejected: false });
	}

	async #pageBack(): Promise<void> {
		if (!this.#left) return;
		this.#left = false;
		if (this.#kept && this.#client) {
			// If somebody has read what was kept, or a copy of it, the client is theirs; if it is too old, the server's is over.
			const { id } = this.#client;
			const mine = this.#keep.read()?.id === id && (await this.#claim(id, this.#run));
			if (mine === undefined) return;
			this.#keep.take();
			if (!mine) this.#end();
		}
		void this.#search();
	}
}

/** Why a connection ended, where nobody has said so. */
function conclude(why: Disconnect, { awayMillis }: FlexClient): Disconnect {
	if (why.told) return awayMillis > 0 ? { ...why, awayMillis } : why;
	if (why.gone !== undefined || why.kind === "left") return why;
	if (awayMillis > 0) return asleep(awayMillis);
	return offline() ? disconnectOf(4029) : why;
}
