import { Account, type Login } from "./Account.js";
import type { ChannelConfig } from "./Channel.js";
import type { ChannelSetOptions } from "./ChannelSetOptions.js";
import { Connection } from "./Connection.js";
import { Deferred } from "./Deferred.js";
import { disconnectOf } from "./Disconnect.js";
import { Emitter } from "./Emitter.js";
import type { Events } from "./events.js";
import { Fault } from "./Fault.js";
import type { FlexClient } from "./FlexClient.js";
import type { MessageAgent } from "./MessageAgent.js";
import { newId, type Request } from "./Request.js";
import type { Holder } from "./Router.js";

/**
 * One client of the server, over whichever channel works. Consumers and Producers use it; it connects when the first of them needs it, comes
 * back when a connection is lost, and leaves when its last agent does. All its methods may be called at any time.
 *
 * It survives what happens to pages: throttled timers, sleep of the machine, a network that comes and goes, the browser's back/forward cache,
 * and a reload, after which the ChannelSet of the same name (see `ChannelSetOptions.name`) goes on with the client of the page before. As long
 * as the server keeps the client, nothing is lost and nothing comes twice (`channelConnect` has `resumed`). Where it does not, the ChannelSet
 * connects anew, and its Consumers subscribe again.
 */
export class ChannelSet extends Emitter<Events> {
	readonly #options: ChannelSetOptions;
	readonly #agents = new Set<MessageAgent>();
	readonly #connection: Connection;
	#connected: Deferred<void> | undefined;
	readonly #account = new Account({
		changed: (value) => this.emit("propertyChange", { property: "authenticated", value }),
		refused: (fault) => this.emit("fault", { fault }),
	});

	constructor(options: ChannelSetOptions = {}) {
		super();
		this.#options = options;
		this.#connection = new Connection(options, {
			tell: (name, event) => this.#tell(name, event),
			hello: (client) => {
				const agents = [...this.#agents].map((agent) => agent.subscription(client));
				return [this.#account.request(client), ...agents].filter((request) => request !== undefined);
			},
			coming: ({ user }) => (this.#account.user ??= user),
			ready: (client) => this.#ready(client),
			ended: (config) => this.#ended(config),
			disappoint: (fault) => this.#disappoint(fault),
		});
	}

	/** A channel is up. */
	get connected(): boolean {
		return this.#connection.channel !== undefined;
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
		return this.#connection.channel?.config;
	}

	/** Messages come at once. False while other tabs of this browser hold as many connections as may be held: then this one asks now and then. */
	get held(): boolean {
		return this.#connection.channel?.held ?? false;
	}

	/** The server's name for this client (DSId), for logs; it authorises nothing. */
	get clientId(): string | undefined {
		return this.#connection.client?.id || undefined;
	}

	/** Connects, if it has not; a Consumer or Producer does so by itself. Rejects with a Fault when the server refuses, or `disconnectAll` comes first. */
	connect(): Promise<void> {
		if (this.connected) return Promise.resolve();
		const { promise } = (this.#connected ??= new Deferred());
		this.#connection.start();
		return promise;
	}

	/**
	 * Logs in, connecting if need be, and again with each new client of the server, until `logout`; only once where the channel has
	 * `loginAfterDisconnect` false. Rejects with a Fault if the server refuses. The password is kept in memory for that.
	 */
	login(user: string, password: string): Promise<Login> {
		const login = this.#account.want(user, password);
		const { channel, client } = this.#connection;
		if (channel && client) this.#logIn(client);
		else void this.connect();
		return login;
	}

	/** Logs out, once there is a connection if the server keeps the client. The server ends the client with it (code 4011); `connect` begins anew, as nobody. */
	logout(): Promise<void> {
		this.#account.forget();
		const { client } = this.#connection;
		if (!client) return Promise.resolve();
		const done = new Deferred<void>();
		const over = (): void => {
			if (client === this.#connection.client) this.#connection.down(disconnectOf(4011), false);
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

	/** Lets all agents go and disconnects at once; over HTTP by one request that outlives the page. The next page does not go on with the client. */
	disconnectAll(): Promise<void> {
		const agents = [...this.#agents];
		this.#agents.clear();
		this.#connection.forget();
		return this.#leave(agents);
	}

	/** @internal Adds an agent and sees to it that it gets what it wants: a connection, a subscription. */
	join(agent: MessageAgent): void {
		this.#agents.add(agent);
		const { channel, client } = this.#connection;
		if (channel && client) this.#subscribe(client, agent);
		else void this.connect();
	}

	/** @internal Sends a request now or once connected. A client that was sent away does not come back for that: see `connect`. */
	send(agent: MessageAgent, request: Request): void {
		const { rejected, waiting, client } = this.#connection;
		if (rejected) return request.settle(new Fault("Client.Error.MessageSend", rejected.message, undefined, { code: rejected.code }));
		if (waiting.length >= (this.#options.maxWaiting ?? 1000)) {
			return request.settle(new Fault("Client.Error.MessageSend", "Too many messages are waiting to be sent."));
		}
		waiting.push(request);
		this.join(agent);
		client?.flush();
	}

	/** @internal Sends a request that only makes sense for the client of now, once that has a channel, and returns that client. Undefined: there is none. */
	ask(line: Request["line"], settle: Request["settle"], lost: () => void): Holder | undefined {
		const { client } = this.#connection;
		client?.ask({ line, settle, lost });
		return client;
	}

	/** @internal The agent does not want the subscription it has asked for any more, and may ask for another. */
	unasked(agent: MessageAgent): void {
		this.#connection.client?.subscribers.delete(agent);
	}

	#ready(client: FlexClient): void {
		this.#connected?.resolve();
		this.#connected = undefined;
		if (!client.loginAsked) this.#logIn(client);
		for (const agent of this.#agents) this.#subscribe(client, agent);
	}

	#logIn(client: FlexClient): void {
		const request = this.#account.request(client);
		if (request) client.ask(request);
	}

	#subscribe(client: FlexClient, agent: MessageAgent): void {
		const request = client.subscribers.has(agent) ? undefined : agent.subscription(client);
		if (request) client.ask(request);
	}

	#ended(config: ChannelConfig | undefined): void {
		for (const agent of this.#agents) agent.ended();
		if (config?.loginAfterDisconnect === false) this.#account.lapse();
		this.#account.user = undefined;
	}

	/** What `connect`, `login` and `subscribe` have promised does not come. */
	#disappoint(fault: Fault): void {
		this.#connected?.reject(fault);
		this.#connected = undefined;
		this.#account.fail(fault);
		for (const agent of this.#agents) agent.stopped(fault);
	}

	/** Disconnects for good, with the agents that have left. */
	async #leave(agents: readonly MessageAgent[]): Promise<void> {
		const over = this.#connection.leave();
		for (const agent of agents) agent.left();
		if (!over) return;
		this.#account.user = undefined;
		const { wasUp, ...end } = await over;
		if (wasUp) this.#tell("propertyChange", { property: "connected", value: false }, agents);
		this.#tell("channelDisconnect", end, agents);
	}

	/** Tells an event of the channel to the listeners of the ChannelSet and of its agents. */
	#tell<Name extends keyof Events>(name: Name, event: Events[Name], agents: Iterable<MessageAgent> = [...this.#agents]): void {
		this.emit(name, event);
		for (const agent of agents) agent.emit(name, event);
	}
}
