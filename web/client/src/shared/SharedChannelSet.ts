import { Deferred } from "../Deferred.js";
import { ChannelSet, codes, Fault, type ChannelConfig, type ChannelSetOptions, type Code, type Events, type Login } from "../index.js";
import type { MessageAgent } from "../MessageAgent.js";
import { newId, type Request } from "../Request.js";
import type { Holder } from "../Router.js";
import { Tab } from "./Tab.js";
import type { Told } from "./wire.js";

/** How a SharedChannelSet is made. Those with equal options are one; `webSocket`, `createChannel` and `random` are for the tab that goes alone. */
export interface SharedChannelSetOptions extends ChannelSetOptions {
	/** The address of `sluice-shared.mjs`, which has to be of the page's own origin. @default where this script was loaded from under that name */
	readonly worker?: string;
}

/** The pause before a worker that has died is started again, in milliseconds. */
const restartMillis = 500;

/**
 * A ChannelSet that all tabs of a browser have in common, for those pages of one origin that ask for one with equal options: a SharedWorker holds
 * the one client of the server, with one connection. Use it as any ChannelSet.
 *
 * - Each tab hears what its own Consumers have subscribed to, and its requests are answered in that tab. Its subscriptions end with the tab,
 *   however that ends; the client leaves the server with the last one.
 * - The login is one for all: `login` and `logout` of one tab are those of all, and each tells `propertyChange`.
 * - What happens to the client happens in all tabs: each gets the channel events. `slow` concerns all; a client the server ends is everybody's.
 * - `disconnect` and `disconnectAll` are for the tab that calls them; the others stay connected.
 * - A page that is reloaded subscribes anew, on the connection that stands as long as there is another tab. The worker ends with its last tab, so
 *   if the only tab is reloaded the client is a new one, logged out: unlike with a ChannelSet, what was published meanwhile it only gets where its
 *   destination has history (see `from` and `position` of Consumers), and what it had sent that was not answered is in doubt.
 * - A worker that dies is started anew by its tabs, which subscribe again; what was not answered fails with `Client.Error.DeliveryInDoubt`.
 *
 * Where there is no SharedWorker or there are no Web Locks (pages without TLS), or the script is of another origin, it is an ordinary ChannelSet of
 * this tab: `shared` says which.
 */
export class SharedChannelSet extends ChannelSet {
	readonly #options: SharedChannelSetOptions;
	readonly #agents = new Set<MessageAgent>();
	#tab: Tab | undefined;
	#opening: Promise<Tab | undefined> | undefined;
	#alone = false;
	#undecided = 0; // sends that wait for the worker
	#connected: Deferred<void> | undefined;

	constructor(options: SharedChannelSetOptions = {}) {
		super(options);
		this.#options = options;
	}

	/** One connection serves all tabs. False: this one has its own. Undefined: it has not tried yet; then `propertyChange` tells. */
	get shared(): boolean | undefined {
		return this.#alone ? false : this.#tab && true;
	}

	override get connected(): boolean {
		return this.currentChannel !== undefined;
	}

	override get user(): string | undefined {
		return this.#alone ? super.user : this.#tab?.state.user;
	}

	override get currentChannel(): ChannelConfig | undefined {
		return this.#alone ? super.currentChannel : this.#tab?.state.channel;
	}

	/** Messages come at once; see ChannelSet. As of the last event. */
	override get held(): boolean {
		return this.#alone ? super.held : (this.#tab?.state.held ?? false);
	}

	override get clientId(): string | undefined {
		return this.#alone ? super.clientId : this.#tab?.state.clientId;
	}

	override async connect(): Promise<void> {
		if (!(await this.#open())) return super.connect();
		if (this.connected) return;
		const { promise } = (this.#connected ??= new Deferred());
		this.#tab?.connect();
		return promise;
	}

	override async login(user: string, password: string): Promise<Login> {
		const tab = await this.#open();
		return tab ? (tab.call("login", user, password) as Promise<Login>) : super.login(user, password);
	}

	override async logout(): Promise<void> {
		const tab = await this.#open();
		if (!tab) return super.logout();
		await tab.call("logout");
	}

	override async disconnect(agent: MessageAgent): Promise<void> {
		await this.#opening;
		if (this.#alone) return super.disconnect(agent);
		if (!this.#agents.delete(agent)) return;
		return this.#agents.size > 0 ? agent.leaving() : this.#leave([agent]);
	}

	/** Lets all agents of this tab go, and leaves the connection to the other tabs; if there are none, disconnects. */
	override async disconnectAll(): Promise<void> {
		await this.#opening;
		if (this.#alone) return super.disconnectAll();
		const agents = [...this.#agents];
		this.#agents.clear();
		return this.#leave(agents);
	}

	/** @internal */
	override join(agent: MessageAgent): void {
		void this.#open().then((tab) => {
			if (!tab) return super.join(agent);
			this.#agents.add(agent);
			if (this.connected) this.#subscribe(tab, agent);
			else tab.connect();
		});
	}

	/** @internal */
	override send(agent: MessageAgent, request: Request): void {
		if (this.#undecided >= (this.#options.maxWaiting ?? 1000)) {
			return request.settle(new Fault("Client.Error.MessageSend", "Too many messages are waiting to be sent."));
		}
		this.#undecided++;
		void this.#open().then((tab) => {
			this.#undecided--;
			if (!tab) return super.send(agent, request);
			this.#agents.add(agent);
			tab.send(request);
		});
	}

	/** @internal */
	override ask(line: Request["line"], settle: Request["settle"], lost: () => void): Holder | undefined {
		if (this.#alone) return super.ask(line, settle, lost);
		if (!this.#tab?.state.clientId) return undefined;
		this.#tab.ask({ line, settle, lost });
		return this.#tab.client;
	}

	/** @internal */
	override unasked(agent: MessageAgent): void {
		super.unasked(agent);
		this.#tab?.client.subscribers.delete(agent);
	}

	/** The way to the worker. Undefined: there is none, and this tab goes alone. */
	#open(): Promise<Tab | undefined> {
		return (this.#opening ??= this.#enter());
	}

	async #enter(): Promise<Tab | undefined> {
		const { worker, options } = place(this.#options);
		const tab: Tab | undefined =
			worker === undefined
				? undefined
				: await Tab.open(worker, options, {
						event: (name, event) => this.#hear(name, event),
						ended: () => this.#ended(),
						stopped: (fault) => this.#stopped(fault),
						over: (why) => this.#over(why),
					});
		this.#tab = tab;
		this.#alone = !tab;
		this.emit("propertyChange", { property: "shared", value: this.#alone ? false : true });
		return tab;
	}

	#hear<Name extends Told>(name: Name, event: Events[Name]): void {
		const mine = name !== "fault" && !("property" in event && event.property !== "connected"); // the others are of the ChannelSet alone
		this.#tell(name, event, mine ? undefined : []);
		if (name !== "channelConnect" || !this.#tab) return;
		this.#connected?.resolve();
		this.#connected = undefined;
		for (const agent of this.#agents) this.#subscribe(this.#tab, agent);
	}

	#subscribe(tab: Tab, agent: MessageAgent): void {
		const request = tab.client.subscribers.has(agent) ? undefined : agent.subscription(tab.client);
		if (request) tab.ask(request);
	}

	#ended(): void {
		for (const agent of this.#agents) agent.ended();
	}

	#stopped(fault: Fault): void {
		this.#connected?.reject(fault);
		this.#connected = undefined;
		for (const agent of this.#agents) agent.stopped(fault);
	}

	/** The worker does not answer any more, or the page is left; the browser may bring it back. */
	#over(why: "worker" | "page"): void {
		this.#tab = this.#opening = undefined;
		this.#ended();
		this.#down(why === "worker" ? 4008 : 4012, true);
		if (why === "worker") setTimeout(() => this.#again(), restartMillis);
		else addEventListener("pageshow", (event) => event.persisted && this.#again(), { once: true });
	}

	#again(): void {
		for (const agent of this.#agents) this.join(agent);
		if (this.#connected) void this.connect();
	}

	async #leave(agents: readonly MessageAgent[]): Promise<void> {
		const tab = this.#tab;
		for (const agent of agents) agent.left();
		this.#connected?.reject(new Fault("Client.Error.MessageSend", codes[4000]?.sentence ?? ""));
		this.#tab = this.#opening = this.#connected = undefined;
		if (!tab) return;
		const wasUp = tab.state.channel;
		await tab.leave();
		if (wasUp) this.#down(4000, false, agents, wasUp.id);
	}

	#down(code: number, willReconnect: boolean, agents?: readonly MessageAgent[], channelId = ""): void {
		const { name, kind, sentence, reconnect } = codes[code] as Code;
		this.#tell("propertyChange", { property: "connected", value: false }, agents);
		this.#tell("channelDisconnect", { code, name, kind, message: sentence, reconnect, channelId, willReconnect, rejected: false }, agents);
	}

	#tell<Name extends keyof Events>(name: Name, event: Events[Name], agents: Iterable<MessageAgent> = [...this.#agents]): void {
		this.emit(name, event);
		for (const agent of agents) agent.emit(name, event);
	}
}

/** Where the worker is, and what it makes its ChannelSet of: what can be told it, in one order, so that equal options are equal texts. */
function place({ worker, channels, baseUrl, destination, heartbeatIntervalMillis, staggerMillis, upgradeMillis, maxUpgradeMillis, maxWaiting, name }: SharedChannelSetOptions): { worker: string | undefined; options: ChannelSetOptions } {
	const home = /^https?:.*\/sluice-shared\.mjs(?:[?#]|$)/.exec(import.meta.url) ? import.meta.url : undefined;
	const here = home ?? (typeof location === "undefined" ? undefined : new URL(".", location.href).href); // a bundle's server is the page's
	const base = baseUrl ?? here;
	return {
		worker: worker ?? home,
		options: JSON.parse(JSON.stringify({ channels, baseUrl: base, destination, heartbeatIntervalMillis, staggerMillis, upgradeMillis, maxUpgradeMillis, maxWaiting, name })) as ChannelSetOptions,
	};
}
