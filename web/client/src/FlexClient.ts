import type { Channel, Link } from "./Channel.js";
import { Counter } from "./Counter.js";
import { lost, type Disconnect } from "./Disconnect.js";
import { Fault } from "./Fault.js";
import { Heartbeat } from "./Heartbeat.js";
import { byteLength, type AcknowledgeMessage, type ControlMessage, type ErrorMessage, type Line, type Outgoing } from "./message.js";
import { newId, type Request } from "./Request.js";
import { Router } from "./Router.js";

/** What a FlexClient asks of the ChannelSet it works for. */
export interface Host {
	/** Requests that wait for a connection, oldest first. They outlive a client: they were never sent. */
	readonly waiting: Request[];
	/** Overrides what the server asks for, in milliseconds. */
	readonly heartbeatIntervalMillis: number | undefined;
	/** What a new client begins with: login and subscriptions. */
	hello(client: FlexClient): Request[];
	/** The connection is no good any more. */
	broken(why: Disconnect): void;
}

interface Open {
	readonly request: Request;
	readonly seq: number;
	timer?: ReturnType<typeof setTimeout>;
}

/** One client of the server: its id and secret, what it has received, and what it has sent that is not answered yet. */
export class FlexClient implements Link {
	id = "";
	ended = false;
	connecting: Promise<void> | undefined;
	maxRequestSize = 1 << 20;
	readonly router = new Router();
	/** Who has asked for a subscription of this client. */
	readonly subscribers = new Set<object>();
	/** A login has been asked for. */
	loginAsked = false;
	/** Who the server says is logged in, at connect. */
	user: string | undefined;

	#secret = "";
	#maxMessageSize = 1 << 20;
	#maxOpenRequests = 256;
	#confirmInterval = 5000;
	#heartbeatInterval = 0;
	#requestTimeout = 0;

	readonly #counter = new Counter(
		() => this.#confirmInterval,
		() => this.#confirm(),
	);
	#attach = 0;
	#seq = 0;
	#got = 0;
	readonly #answered = new Set<number>(); // above #got
	readonly #open = new Map<string, Open>(); // by messageId, in the order of seq
	readonly #connectId = newId();
	#helloSeq = 0;
	#pingId = "";

	#channel: Channel | undefined;
	#heartbeat: Heartbeat | undefined;
	#early: Line[] | undefined = []; // what came before the client was chosen
	#flushing = false;

	constructor(private readonly host: Host) {}

	/** Requests are under way that were not answered. */
	get busy(): boolean {
		return this.#open.size > 0;
	}

	// As a Link: what channels ask.

	bearer(): string {
		return this.id === "" ? "" : `Bearer ${this.id}.${this.#secret}`;
	}

	hello(attach: boolean): string[] {
		if (this.#helloSeq === 0) for (const request of this.host.hello(this)) this.#number(request);
		this.#helloSeq = this.#seq;
		const connect: Outgoing = {
			type: "command",
			operation: "client_ping",
			messageId: this.#connectId,
			headers: { DSId: "nil" },
			...(attach && { attach: ++this.#attach }),
		};
		return [JSON.stringify(connect), ...this.#unanswered()];
	}

	attachLine(how: "socket" | "stream" | "poll"): string {
		const place = { attach: ++this.#attach, ...this.#progress() };
		if (how === "poll") return JSON.stringify({ type: "command", operation: "poll", messageId: newId(), ...place });
		const credentials = how === "socket" ? { DSId: this.id, secret: this.#secret } : {};
		return JSON.stringify({ type: "control", operation: "attach", ...credentials, ...place });
	}

	ping(): string {
		this.#pingId = newId();
		return JSON.stringify({ type: "command", operation: "client_ping", messageId: this.#pingId });
	}

	farewell(): string {
		return JSON.stringify({ type: "command", operation: "disconnect", messageId: newId(), seq: this.#helloSeq + 1 });
	}

	// Life.

	/** The client has been chosen, and `channel` with it: from now on it sends and receives there. */
	adopt(channel: Channel): void {
		this.#channel = channel;
		this.#requestTimeout = channel.config.requestTimeoutMillis ?? 0;
		this.#heartbeat = new Heartbeat(
			this.host.heartbeatIntervalMillis ?? this.#heartbeatInterval,
			() => this.#send([this.ping()]),
			() => this.host.broken(lost("The server left a heartbeat or a request unanswered.")),
		);
		channel.attach();
		const early = this.#early;
		this.#early = undefined;
		if (early) for (const line of early) this.receive(line, 0);
		// The same client on another connection: what was not answered is sent again under the same numbers and runs once.
		else this.#send(this.#unanswered());
		if (this.busy) this.#heartbeat.sent();
		this.flush();
	}

	/** The connection is gone, the client is not: it waits for the next. */
	release(): void {
		this.#channel = undefined;
		this.#heartbeat?.stop();
		this.#counter.told();
	}

	/** The client is over. What it has sent without an answer is in doubt. */
	end(): void {
		this.release();
		this.ended = true;
		const { waiting } = this.host;
		const own = waiting.filter((request) => request.client === this);
		waiting.splice(0, waiting.length, ...waiting.filter((request) => request.client !== this));
		const open = [...this.#open.values()];
		this.#open.clear();
		for (const { timer } of open) clearTimeout(timer);
		for (const request of [...open.map((entry) => entry.request), ...own]) request.lost();
	}

	/** The lines that say goodbye: what is unanswered or still waiting, then `last`, all in one frame or body. */
	goodbye(last: Request | Outgoing): string[] {
		const lines = this.#unanswered();
		for (const request of this.host.waiting.splice(0)) lines.push(this.#number(request));
		return [...lines, "settle" in last ? this.#number(last as Request) : JSON.stringify(last)];
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
			while (waiting[0] && this.#seq - this.#got < this.#maxOpenRequests) {
				const request = waiting.shift() as Request;
				const size = byteLength(JSON.stringify(request.line)) + 100; // seq, have and got come on top
				const limit = Math.min(this.#maxMessageSize, this.maxRequestSize);
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

	#confirm(): void {
		this.#counter.told();
		// A confirmation is not answered, so it says nothing of the connection's health.
		this.#channel?.send([JSON.stringify({ type: "control", operation: "confirm", ...this.#progress() })]);
	}

	/** Gives a request its number. From here on it is sent until it is answered, always under that number. */
	#number(request: Request): string {
		const open: Open = { request, seq: ++this.#seq };
		this.#open.set(request.line.messageId, open);
		if (this.#requestTimeout > 0) {
			open.timer = setTimeout(() => {
				request.settle(new Fault("Client.Error.RequestTimeout", `No reply came within ${this.#requestTimeout} ms.`));
			}, this.#requestTimeout);
		}
		return this.#text(open);
	}

	#unanswered(): string[] {
		return Array.from(this.#open.values(), (open) => this.#text(open));
	}

	#text({ request, seq }: Open): string {
		return JSON.stringify({ ...request.line, seq, ...this.#progress() });
	}

	#progress(): { have?: number; got?: number } {
		return this.#attach > 0 ? { have: this.#counter.have, got: this.#got } : {};
	}

	// Receiving.

	receive(line: Line, size: number): void {
		if (line.type === "acknowledge" && line.correlationId === this.#connectId) return this.#welcome(line);
		if (this.#early) return void this.#early.push(line);
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
		const body = (line.body ?? {}) as Record<string, unknown>;
		const number = (name: string, otherwise: number): number => (typeof body[name] === "number" ? body[name] : otherwise);
		this.id = String(line.headers?.["DSId"]);
		this.#secret = String(line.headers?.["DSSecret"]);
		if (typeof body["user"] === "string") this.user = body["user"];
		this.#heartbeatInterval = number("heartbeatIntervalMillis", 0);
		this.#confirmInterval = number("confirmIntervalMillis", 5000);
		this.#maxMessageSize = number("maxMessageSize", this.#maxMessageSize);
		this.maxRequestSize = number("maxRequestSize", this.maxRequestSize);
		this.#maxOpenRequests = number("maxOpenRequests", this.#maxOpenRequests);
	}

	#reply(line: AcknowledgeMessage | ErrorMessage): void {
		const id = line.correlationId ?? "";
		if (id === this.#pingId) return this.#heartbeat?.answered(this.busy);
		const open = this.#open.get(id);
		if (!open) return;
		if (line.type === "error" && line.code === 4523) {
			// The server misses a request that this client has numbered: they cannot agree any more.
			return this.host.broken({ ...lost("A request got lost on the way."), gone: "gap" });
		}
		clearTimeout(open.timer);
		this.#open.delete(id);
		this.#answered.add(open.seq);
		while (this.#answered.delete(this.#got + 1)) this.#got++;
		this.#heartbeat?.answered(this.busy);
		open.request.settle(line.type === "error" ? Fault.of(line) : line);
		if (this.host.waiting.length > 0) this.flush();
	}

	#control(line: ControlMessage): void {
		switch (line.operation) {
			case "attached":
				return this.#counter.window(line.window ?? {});
			case "for":
				return this.router.next(line.clientIds ?? []);
			case "skip":
				return this.#counter.count(line.count ?? 0, 0);
		}
	}
}
