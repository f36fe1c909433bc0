import type { Channel, Link } from "./Channel.js";
import { Counter } from "./Counter.js";
import { disconnectOf, lost, type Disconnect } from "./Disconnect.js";
import { Fault } from "./Fault.js";
import { Heartbeat } from "./Heartbeat.js";
import type { Tried } from "./Hunt.js";
import { byteLength, type AcknowledgeMessage, type ControlMessage, type ErrorMessage, type Line, type Outgoing } from "./message.js";
import { hidden } from "./Page.js";
import { newId, type Request } from "./Request.js";
import { Requests, type KeptRequests } from "./Requests.js";
import { Router, type Holder, type KeptSubscription } from "./Router.js";
import { amend, unsaid, type Terms } from "./Terms.js";

/** What a page that nobody sees promises at least, in milliseconds: browsers let its timers run once a minute. */
const hiddenPromiseMillis = 70_000;

/** How long subscriptions of the page before wait to be taken over, in milliseconds. */
const adoptionMillis = 5000;

/** What a FlexClient asks of the ChannelSet it works for. */
export interface Host {
	/** Requests that wait for a connection, oldest first. They outlive a client: they were never sent. */
	readonly waiting: Request[];
	/** Overrides what the server asks for, in milliseconds. */
	readonly heartbeatIntervalMillis: number | undefined;
	/** The channels that have failed since one was up, oldest first. */
	readonly tried: readonly Tried[];
	/** What a new client begins with: login and subscriptions. */
	hello(client: FlexClient): Request[];
	/** The server has warned that this client reads too slowly. */
	slow(line: ControlMessage): void;
	/** The client's connection is no good any more. */
	broken(client: FlexClient, why: Disconnect): void;
}

/** What another page needs to go on as a client. */
export interface KeptClient {
	readonly id: string;
	readonly secret: string;
	readonly user: string | undefined;
	readonly terms: Terms;
	readonly attach: number;
	readonly have: number;
	readonly requests: KeptRequests;
	/** Requests that have no number yet. */
	readonly waiting: readonly Request["line"][];
	readonly subscriptions: readonly KeptSubscription[];
}

/** One client of the server: its id and secret, what it has received, and what it has sent that is not answered yet. */
export class FlexClient implements Link, Holder {
	id = "";
	ended = false;
	connecting: Promise<void> | undefined;
	terms = unsaid;
	readonly router = new Router();
	readonly subscribers = new Set<object>();
	/** A login has been asked for. */
	loginAsked = false;
	/** Who the server says is logged in, at connect. */
	user: string | undefined;

	#secret = "";
	#requestTimeout = 0;

	readonly #counter = new Counter(
		() => this.terms.confirmIntervalMillis,
		() => this.#confirm(),
	);
	#attach = 0;
	readonly #requests = new Requests();
	readonly #connectId = newId();
	#helloSeq = 0;
	#pingId = "";
	readonly #reported = new Set<Tried>();

	#channel: Channel | undefined;
	#heartbeat: Heartbeat | undefined;
	#early: Line[] | undefined = []; // what came before the client was chosen
	#flushing = false;
	#sweep: ReturnType<typeof setTimeout> | undefined;

	/** @param kept the client of the page before: to go on as that one */
	constructor(
		private readonly host: Host,
		kept?: KeptClient,
	) {
		if (kept) this.#restore(kept);
	}

	/** How long page or machine have slept, in milliseconds, if the connection has not proved itself since; else 0. */
	get awayMillis(): number {
		return this.#heartbeat?.awayMillis ?? 0;
	}

	// As a Link: what channels ask.

	get maxRequestSize(): number {
		return this.terms.maxRequestSize;
	}

	get silenceMillis(): number {
		const { serverHeartbeatMillis: beat, deadPeerMillis } = this.terms;
		return beat > 0 ? beat + (deadPeerMillis || 2 * beat) : 0;
	}

	bearer(): string {
		return this.id === "" ? "" : `Bearer ${this.id}.${this.#secret}`;
	}

	hello(attach: boolean): string[] {
		if (this.#helloSeq === 0) for (const request of this.host.hello(this)) this.#number(request);
		this.#helloSeq = this.#requests.seq;
		this.#reported.clear();
		const connect: Outgoing = {
			type: "command",
			operation: "client_ping",
			messageId: this.#connectId,
			headers: { DSId: "nil" },
			heartbeat: this.#promise(),
			...this.#report(),
			...(attach && { attach: ++this.#attach }),
		};
		return [JSON.stringify(connect), ...this.#unanswered()];
	}

	attachLine(how: "socket" | "stream" | "poll", more?: { readonly wait?: number; readonly streamId?: string }): string {
		const place = { attach: ++this.#attach, ...this.#progress(), heartbeat: this.#promise() };
		if (how === "poll") return JSON.stringify({ type: "command", operation: "poll", messageId: newId(), ...place, ...more });
		const credentials = how === "socket" ? { DSId: this.id, secret: this.#secret } : {};
		return JSON.stringify({ type: "control", operation: "attach", ...credentials, ...place, ...more });
	}

	/** The line that says that the page is left: not any more, once the next one has attached. */
	detachLine(): Outgoing {
		return { type: "control", operation: "detach", attach: this.#attach };
	}

	ping(): string {
		return JSON.stringify({ type: "command", operation: "client_ping", messageId: newId(), heartbeat: this.#promise() });
	}

	farewell(): string {
		return JSON.stringify({ type: "command", operation: "disconnect", messageId: newId(), seq: this.#helloSeq + 1 });
	}

	// Life.

	/** The client has been chosen, and `channel` with it: from now on it sends and receives there. */
	adopt(channel: Channel): void {
		this.#channel = channel;
		this.#requestTimeout = channel.config.requestTimeoutMillis ?? 0;
		this.#heartbeat = new Heartbeat(this.#interval, {
			beat: () => this.#beat(),
			lost: () => this.host.broken(this, disconnectOf(4027)),
			hidden,
		});
		channel.attach();
		const early = this.#early;
		this.#early = undefined;
		if (early) for (const line of early) this.receive(line, 0);
		// The same client on another connection: what was not answered is sent again under the same numbers and runs once.
		else this.#send(this.#unanswered());
		if (this.#requests.busy) this.#heartbeat.sent();
		if (this.host.tried.some((tried) => !this.#reported.has(tried))) this.#beat();
		this.#releaseOrphans();
		this.flush();
	}

	/** Nobody sees the page any more, or somebody does again: the next heartbeat is promised for another time. */
	seen(): void {
		if (this.#interval > 0) this.#beat();
	}

	/** Asks whether the server is still there. */
	probe(): void {
		this.#heartbeat?.probe();
	}

	/** The connection is gone, the client is not: it waits for the next. */
	release(): void {
		this.#channel = undefined;
		this.#heartbeat?.stop();
		this.#counter.told();
		clearTimeout(this.#sweep);
	}

	/** The client is over. What it has sent without an answer is in doubt. */
	end(): void {
		this.release();
		this.ended = true;
		const { waiting } = this.host;
		const own = waiting.filter((request) => request.client === this);
		waiting.splice(0, waiting.length, ...waiting.filter((request) => request.client !== this));
		for (const request of [...this.#requests.end(), ...own]) request.lost();
	}

	/** The lines that say goodbye: what is unanswered or still waiting, as much as the server takes, then `last`, all in one frame or body. */
	goodbye(last: Request | Outgoing): string[] {
		const lines = this.#unanswered();
		while (this.host.waiting[0] && this.#room > 1) lines.push(this.#number(this.host.waiting.shift() as Request));
		return [...lines, "settle" in last ? this.#number(last as Request) : JSON.stringify(last)];
	}

	/** What the next page needs to go on as this client; undefined: it cannot. A password that is under way is not written down. */
	keep(): KeptClient | undefined {
		const requests = this.#requests.keep();
		const waiting = this.host.waiting.map(({ line }) => line);
		const secret = [...requests.open.map(([, line]) => line), ...waiting].some(({ operation }) => operation === "login");
		if (this.id === "" || secret) return undefined;
		const { id, user, terms } = this;
		return { id, secret: this.#secret, user, terms, attach: this.#attach, have: this.#counter.have, requests, waiting, subscriptions: this.router.keep() };
	}

	#restore(kept: KeptClient): void {
		({ id: this.id, secret: this.#secret, user: this.user, attach: this.#attach } = kept);
		this.terms = amend(unsaid, kept.terms);
		this.#counter.have = kept.have;
		this.#early = undefined;
		const revive = (line: Request["line"]): Request => ({
			line,
			...(line.type !== "async" && { client: this }),
			settle: (reply) => this.router.settle(line.messageId, reply),
			lost: () => {}, // whoever has asked is gone
		});
		this.#requests.restore(kept.requests, revive);
		this.host.waiting.unshift(...kept.waiting.map(revive));
		this.router.restore(kept.subscriptions);
	}

	/** Ends the subscriptions of the page before that nobody has taken over in time. */
	#releaseOrphans(): void {
		const { held, open } = this.router.orphans();
		if (held.length + open === 0) return;
		this.#sweep = setTimeout(() => {
			for (const clientId of this.router.orphans().held) {
				this.router.forget(clientId);
				this.ask({ line: { type: "command", operation: "unsubscribe", messageId: newId(), clientId }, settle: () => {}, lost: () => {} });
			}
			this.#releaseOrphans();
		}, adoptionMillis);
	}

	// Sending.

	/** Sends a request that makes sense for this client only. Such requests wait behind the others and are lost with the client. */
	ask(request: Request): void {
		this.host.waiting.push({ ...request, client: this });
		this.flush();
	}

	/** Sends what is waiting, as much as the server takes without having answered. What one turn of the event loop brings leaves together. */
	flush(): void {
		if (this.#flushing) return;
		this.#flushing = true;
		queueMicrotask(() => {
			this.#flushing = false;
			if (!this.#channel) return;
			const { waiting } = this.host;
			const lines: string[] = [];
			while (waiting[0] && this.#room > 0) {
				const request = waiting.shift() as Request;
				const size = byteLength(JSON.stringify(request.line)) + 100; // seq, have and got come on top
				const limit = Math.min(this.terms.maxMessageSize, this.maxRequestSize);
				if (size > limit) request.settle(new Fault("Client.Error.TooLarge", `The message is larger than the ${limit} bytes the server takes.`));
				else lines.push(this.#number(request));
			}
			this.#send(lines);
		});
	}

	#send(lines: readonly string[]): void {
		if (lines.length === 0 || !this.#channel) return;
		this.#counter.told();
		this.#heartbeat?.sent();
		this.#channel.send(lines);
	}

	#beat(): void {
		this.#pingId = newId();
		this.#send([JSON.stringify({ type: "command", operation: "client_ping", messageId: this.#pingId, heartbeat: this.#promise(), ...this.#report() })]);
	}

	#confirm(): void {
		this.#counter.told();
		// A confirmation is not answered, so it says nothing of the connection's health.
		this.#channel?.send([JSON.stringify({ type: "control", operation: "confirm", ...this.#progress() })]);
	}

	#number(request: Request): string {
		return this.#text(this.#requests.number(request, this.#requestTimeout));
	}

	#unanswered(): string[] {
		return this.#requests.unanswered().map((line) => this.#text(line));
	}

	#text(line: object): string {
		return JSON.stringify({ ...line, ...this.#progress() });
	}

	/** So many more requests may be open. */
	get #room(): number {
		return this.terms.maxOpenRequests - this.#requests.size;
	}

	get #interval(): number {
		return this.host.heartbeatIntervalMillis ?? this.terms.heartbeatIntervalMillis;
	}

	/** The next sign of life comes within so many milliseconds; 0: that is not promised. */
	#promise(): number {
		return this.#interval > 0 && hidden() ? Math.max(this.#interval, hiddenPromiseMillis) : this.#interval;
	}

	/** Which channels have failed that the server does not know of yet. */
	#report(): { body?: { tried: readonly Tried[] } } {
		const tried = this.host.tried.filter((one) => !this.#reported.has(one));
		for (const one of this.host.tried) this.#reported.add(one);
		return tried.length > 0 ? { body: { tried } } : {};
	}

	#progress(): { have?: number; got?: number } {
		return this.#attach > 0 ? { have: this.#counter.have, got: this.#requests.got } : {};
	}

	// Receiving.

	receive(line: Line, size: number): void {
		if (line.type === "acknowledge" && line.correlationId === this.#connectId) return this.#welcome(line);
		if (this.#early) return void this.#early.push(line);
		if (this.#channel?.duplex) this.#heartbeat?.heard();
		switch (line.type) {
			case "acknowledge":
			case "error":
				return this.#reply(line);
			case "control":
				return this.#control(line);
			default:
				this.router.route(line);
				this.#counter.count(1, size);
		}
	}

	#welcome(line: AcknowledgeMessage): void {
		if (this.id !== "") return;
		const body = (line.body ?? {}) as { readonly user?: unknown };
		this.id = String(line.headers?.["DSId"]);
		this.#secret = String(line.headers?.["DSSecret"]);
		if (typeof body.user === "string") this.user = body.user;
		this.terms = amend(this.terms, body);
	}

	#reply(line: AcknowledgeMessage | ErrorMessage): void {
		if (line.correlationId === this.#pingId) return this.#heartbeat?.answered(this.#requests.busy);
		if (line.type === "error" && line.code === 4523) {
			// The server misses a request that this client has numbered: they cannot agree any more.
			return this.host.broken(this, { ...lost("A request got lost on the way."), gone: "gap" });
		}
		const request = this.#requests.answer(line);
		if (!request) return;
		this.#heartbeat?.answered(this.#requests.busy);
		request.settle(line.type === "error" ? Fault.of(line) : line);
		if (this.host.waiting.length > 0) this.flush();
	}

	#control(line: ControlMessage): void {
		switch (line.operation) {
			case "attached":
				this.terms = amend(this.terms, line);
				return this.#counter.window(line.window ?? {});
			case "for":
				return this.router.next(line.clientIds ?? []);
			case "merged":
				return this.router.merged(line.count ?? 0);
			case "slow":
				return this.host.slow(line);
			case "skip":
				return this.#counter.count(line.count ?? 0, 0);
		}
	}
}
