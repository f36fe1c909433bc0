import { Account, type Login } from "./Account.js";
import { fullJitter, type Backoff } from "./backoff.js";
import type { Channel, ChannelConfig } from "./Channel.js";
import type { ChannelSetOptions } from "./ChannelSetOptions.js";
import { createChannel, loadChannels, Unlisted } from "./config.js";
import { Deferred } from "./Deferred.js";
import { disconnectOf, lost, type Disconnect } from "./Disconnect.js";
import { Emitter } from "./Emitter.js";
import type { Events } from "./events.js";
import { Fault } from "./Fault.js";
import { FlexClient, type Host } from "./FlexClient.js";
import { Hunt, type Hunter } from "./Hunt.js";
import type { Outgoing } from "./message.js";
import type { MessageAgent } from "./MessageAgent.js";
import { Page } from "./Page.js";
import { newId, type Request } from "./Request.js";
import { whyRefused } from "./whyRefused.js";

/** A connection that has lived this long, in milliseconds, makes the pauses between attempts short again. */
const stableMillis = 10_000;

/**
 * One client of the server, over whichever channel works. Consumers and Producers use it; it connects when the first of them needs it, comes
 * back when a connection is lost, and leaves when its last agent does. All its methods may be called at any time.
 */
export class ChannelSet extends Emitter<Events> {
	readonly #options: ChannelSetOptions;
	readonly #backoff: Backoff;
	readonly #agents = new Set<MessageAgent>();
	readonly #waiting: Request[] = [];

	#client: FlexClient | undefined;
	#channel: Channel | undefined; // while up
	#last: Channel | undefined; // the one that was up last
	#hunt: Hunt | undefined;
	#run = 0; // counts searches, so that a late one is known
	#pause: ReturnType<typeof setTimeout> | undefined;
	#pausing: Disconnect | undefined;
	#active = false;
	#left = false; // the page was left
	#rejected: Disconnect | undefined;
	#attempt = 0;
	#since = 0;
	#connected: Deferred<void> | undefined;
	#before = false; // has been connected since `connect`

	#configs: readonly ChannelConfig[] | undefined;
	#page: Page | undefined;
	readonly #account = new Account({
		changed: (value) => this.emit("propertyChange", { property: "authenticated", value }),
		refused: (fault) => this.emit("fault", { fault }),
	});

	constructor(options: ChannelSetOptions = {}) {
		super();
		this.#options = options;
		this.#backoff = fullJitter(options.random);
	}

	/** A channel is up. */
	get connected(): boolean {
		return this.#channel !== undefined;
	}

	/** Somebody is logged in. */
	get authenticated(): boolean {
		return this.user !== undefined;
	}

	/** Who is logged in. */
	get user(): string | undefined {
		return this.#account.user;
	}

	/** The channel that is up. */
	get currentChannel(): ChannelConfig | undefined {
		return this.#channel?.config;
	}

	/** The server's name for this client (DSId), for logs; it authorises nothing. */
	get clientId(): string | undefined {
		return this.#client?.id || undefined;
	}

	/** Connects, if it has not; a Consumer or Producer does so by itself. Rejects with a Fault when the server refuses, or `disconnectAll` comes first. */
	connect(): Promise<void> {
		if (this.#channel) return Promise.resolve();
		this.#connected ??= new Deferred();
		if (!this.#active) {
			this.#active = true;
			this.#rejected = undefined;
			this.#before = false;
			this.#attempt = 0;
			this.#page = new Page({ leave: () => this.#pageLeft(), back: () => this.#pageBack(), wake: () => this.#wake() });
			void this.#search();
		}
		return this.#connected.promise;
	}

	/**
	 * Logs in, connecting if need be, and again after each reconnect, until `logout`. Rejects with a Fault if the server refuses.
	 * The password is kept in memory for that.
	 */
	login(user: string, password: string): Promise<Login> {
		const login = this.#account.want(user, password);
		if (this.#channel && this.#client) this.#logIn(this.#client);
		else void this.connect();
		return login;
	}

	/** Logs out. The server ends the client with it (code 4011); `connect` begins anew, as nobody. */
	logout(): Promise<void> {
		this.#account.forget();
		const client = this.#client;
		if (!client || !this.#channel) return Promise.resolve();
		const done = new Deferred<void>();
		const over = (): void => {
			if (client === this.#client) this.#down(disconnectOf(4011), false);
			done.resolve();
		};
		const line = { type: "command", operation: "logout", messageId: newId() } as const;
		client.ask({ line, settle: (reply) => (reply instanceof Fault ? done.reject(reply) : over()), lost: done.resolve });
		return done.promise;
	}

	/** Lets one agent go. With the last one the ChannelSet disconnects. */
	disconnect(agent: MessageAgent): Promise<void> {
		if (!this.#agents.delete(agent)) return Promise.resolve();
		if (this.#agents.size === 0) return this.#leave([agent]);
		return agent.leaving();
	}

	/** Lets all agents go and disconnects at once; over HTTP by one request that outlives the page. */
	disconnectAll(): Promise<void> {
		const agents = [...this.#agents];
		this.#agents.clear();
		return this.#leave(agents);
	}

	/** @internal Adds an agent and sees to it that it gets what it wants: a connection, a subscription. */
	join(agent: MessageAgent): void {
		this.#agents.add(agent);
		if (this.#channel && this.#client) this.#subscribe(this.#client, agent);
		else void this.connect();
	}

	/** @internal Sends a request now or once connected. A client that was sent away does not come back for that: see `connect`. */
	send(agent: MessageAgent, request: Request): void {
		if (this.#rejected) return request.settle(new Fault("Client.Error.MessageSend", this.#rejected.message, undefined, { code: this.#rejected.code }));
		if (this.#waiting.length >= (this.#options.maxWaiting ?? 1000)) {
			return request.settle(new Fault("Client.Error.MessageSend", "Too many messages are waiting to be sent."));
		}
		this.#waiting.push(request);
		this.join(agent);
		this.#client?.flush();
	}

	/** @internal Sends a request that only makes sense for the client of now. False: there is none. */
	ask(line: Outgoing & { readonly messageId: string }, settle: Request["settle"], lost: () => void): boolean {
		if (!this.#channel || !this.#client) return false;
		this.#client.ask({ line, settle, lost });
		return true;
	}

	/** @internal The agent does not want the subscription it has asked for any more, and may ask for another. */
	unasked(agent: MessageAgent): void {
		this.#client?.subscribers.delete(agent);
	}

	#subscribe(client: FlexClient, agent: MessageAgent): void {
		const request = client.subscribers.has(agent) ? undefined : agent.subscription(client);
		if (request) client.ask(request);
	}

	// Coming.

	async #search(): Promise<void> {
		const run = ++this.#run;
		this.#pausing = undefined;
		try {
			this.#configs ??= await loadChannels(this.#options);
		} catch (error) {
			if (run === this.#run) this.#unlisted(error as Unlisted);
			return;
		}
		if (run !== this.#run) return;
		// A client that lives on is first looked for where it was: that is quickest, and as a rule only the connection broke.
		const configs = [...this.#configs];
		const last = configs.findIndex((config) => config.id === this.#last?.config.id);
		if (this.#client && this.#attempt <= 1 && last > 0) configs.unshift(...configs.splice(last, 1));
		this.#hunt = new Hunt(configs, this.#service(), this.#client, this.#options.staggerMillis ?? 700);
		this.#hunt.start();
	}

	/** What its clients and its searches ask of it. */
	#service(): Host & Hunter {
		return {
			waiting: this.#waiting,
			heartbeatIntervalMillis: this.#options.heartbeatIntervalMillis,
			hello: (client) => {
				const agents = [...this.#agents].map((agent) => agent.subscription(client));
				return [this.#account.request(client), ...agents].filter((request) => request !== undefined);
			},
			broken: (why) => this.#down(why),
			create: (config) => createChannel(config, this.#options),
			newClient: () => new FlexClient(this.#service()),
			won: (channel, client) => this.#up(channel, client),
			failed: (config, why) => this.#tell("channelFault", { ...why, channelId: config.id, faultCode: "Channel.Connect.Failed" }),
			over: (why) => void this.#lost(why),
		};
	}

	#up(channel: Channel, client: FlexClient): void {
		const resumed = client === this.#client;
		const reconnecting = this.#before;
		this.#hunt = undefined;
		this.#before = true;
		this.#since = Date.now();
		this.#client = client;
		this.#channel = this.#last = channel;
		channel.onclose = (why) => this.#down(why);
		if (!resumed && client.user !== undefined) this.#account.user = client.user;
		this.#tell("channelConnect", { channelId: channel.config.id, channel: channel.config, reconnecting, resumed });
		this.#tell("propertyChange", { property: "connected", value: true });
		if (this.#channel !== channel) return; // a listener has left
		this.#connected?.resolve();
		this.#connected = undefined;
		client.adopt(channel);
		if (this.#channel !== channel) return; // so has one that was told what came early
		if (!client.loginAsked) this.#logIn(client);
		for (const agent of this.#agents) this.#subscribe(client, agent);
	}

	/** Which channels there are is not known. Where the address is wrong those who wait are told, but the search goes on: it may be put right. */
	#unlisted({ why, final }: Unlisted): void {
		const run = this.#run;
		this.#tell("channelFault", { ...why, channelId: "", faultCode: "Channel.Connect.Failed" });
		if (run !== this.#run) return; // a listener has left
		if (final) this.#disappoint(new Fault("Channel.Connect.Failed", why.message, undefined, { code: why.code }));
		this.#retry(why);
	}

	// Going.

	/** The channel that was up is not any more. */
	#down(why: Disconnect, comeBack = why.reconnect !== "no"): void {
		const channel = this.#channel;
		const client = this.#client;
		if (!channel || !client) return;
		channel.onclose = () => {};
		if (why.gone === "gap") void channel.leave([JSON.stringify({ type: "control", operation: "detach" })]);
		channel.close();
		this.#channel = undefined;
		client.release();
		if (Date.now() - this.#since > stableMillis) this.#attempt = 0;
		if (why.gone !== undefined || !channel.outlives || !comeBack) this.#end();
		this.#tell("propertyChange", { property: "connected", value: false });
		this.#finish(why, comeBack);
	}

	/** No channel worked, or the client that was to go on is gone. */
	async #lost(why: Disconnect): Promise<void> {
		this.#hunt = undefined;
		const run = this.#run;
		if (!why.told) why = (await whyRefused(this.#configs ?? [])) ?? why;
		if (run !== this.#run) return; // left meanwhile
		if (why.gone === undefined) this.#configs = undefined; // read them again: the server may have moved
		const comeBack = why.reconnect !== "no";
		if (why.gone !== undefined || !comeBack) {
			this.#end();
			this.#finish(why, comeBack);
		} else this.#retry(why);
	}

	/** Tells the end of a connection, and what comes of it. Not to come back is the server's wish (told) or our own. */
	#finish(why: Disconnect, willReconnect: boolean): void {
		const run = this.#run;
		const rejected = !willReconnect && why.told === true;
		this.#tell("channelDisconnect", { ...why, channelId: this.#last?.config.id ?? "", willReconnect, rejected });
		if (run !== this.#run || this.#channel) return; // a listener has decided otherwise
		if (willReconnect) return this.#retry(why);
		if (rejected) this.#rejected = why;
		this.#stop(why);
	}

	#retry(why: Disconnect): void {
		if (!this.#active) return;
		this.#pausing = why;
		clearTimeout(this.#pause);
		this.#pause = setTimeout(() => this.#ripe(), (why.retryAfterMillis ?? 0) + this.#backoff(this.#attempt++));
	}

	#ripe(): void {
		if (this.#page?.asleep) this.#pausing = lost();
		else void this.#search();
	}

	#wake(): void {
		if (this.#pausing && !this.#pausing.told && !this.#page?.asleep) {
			clearTimeout(this.#pause);
			void this.#search();
		}
	}

	/** The server's client is over. */
	#end(): void {
		const client = this.#client;
		this.#client = undefined;
		client?.end();
		for (const agent of this.#agents) agent.ended();
		this.#account.user = undefined;
	}

	/** Nothing is tried any more. What waits fails. */
	#stop(why: Disconnect): void {
		this.#active = this.#left = false;
		this.#halt();
		this.#page?.stop();
		const fault = new Fault("Client.Error.MessageSend", why.message, undefined, { code: why.code });
		for (const request of this.#waiting.splice(0)) request.settle(fault);
		this.#disappoint(fault);
	}

	/** What `connect`, `login` and `subscribe` have promised does not come. */
	#disappoint(fault: Fault): void {
		this.#connected?.reject(fault);
		this.#connected = undefined;
		this.#account.fail(fault);
		for (const agent of this.#agents) agent.stopped(fault);
	}

	/** Stops looking for a channel. */
	#halt(): void {
		this.#run++;
		this.#hunt?.cancel();
		this.#hunt = this.#pausing = undefined;
		clearTimeout(this.#pause);
	}

	/** Disconnects for good, with the agents that have left: says so to the server, if it has a client of ours. */
	async #leave(agents: readonly MessageAgent[]): Promise<void> {
		if (!this.#active) return;
		const client = this.#client;
		const channel = this.#channel ?? this.#last;
		const wasUp = this.#channel !== undefined;
		this.#halt();
		let over = Promise.resolve();
		if (client && channel) {
			const line = { type: "command", operation: "disconnect", messageId: newId() } as const;
			over = channel.leave(client.goodbye({ line, settle: () => {}, lost: () => {} }));
		}
		client?.release();
		this.#channel = this.#client = undefined;
		const why = disconnectOf(4000);
		this.#stop(why);
		this.#account.user = undefined;
		for (const agent of agents) agent.left();
		await over;
		client?.end();
		if (wasUp) this.#tell("propertyChange", { property: "connected", value: false }, agents);
		this.#tell("channelDisconnect", { ...why, channelId: channel?.config.id ?? "", willReconnect: false, rejected: false }, agents);
	}

	/** The page is left: the server ends the client unless the page comes back, which then connects anew. */
	#pageLeft(): void {
		const client = this.#client;
		const channel = this.#channel ?? this.#last;
		const wasUp = this.#channel !== undefined;
		this.#halt();
		this.#left = true;
		if (!client || !channel) return;
		void channel.leave(client.goodbye({ type: "control", operation: "detach" }));
		channel.close(); // an open connection would keep the page out of the browser's memory
		this.#channel = undefined;
		this.#end();
		if (wasUp) this.#tell("propertyChange", { property: "connected", value: false });
		this.#tell("channelDisconnect", { ...disconnectOf(4012), channelId: channel.config.id, willReconnect: true, rejected: false });
	}

	#pageBack(): void {
		if (this.#left) void this.#search();
		this.#left = false;
	}

	#logIn(client: FlexClient): void {
		const request = this.#account.request(client);
		if (request) client.ask(request);
	}

	/** Tells an event of the channel to the listeners of the ChannelSet and of its agents. */
	#tell<Name extends keyof Events>(name: Name, event: Events[Name], agents: Iterable<MessageAgent> = [...this.#agents]): void {
		this.emit(name, event);
		for (const agent of agents) agent.emit(name, event);
	}
}
