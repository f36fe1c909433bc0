import type { ChannelSet } from "./ChannelSet.js";
import { Deferred } from "./Deferred.js";
import { Fault } from "./Fault.js";
import { MessageAgent } from "./MessageAgent.js";
import type { AcknowledgeMessage, Json, Outgoing } from "./message.js";
import { newId, type Request } from "./Request.js";
import type { Delivered, Holder, Subscriber } from "./Router.js";

/**
 * Where in the past of its destination a subscription begins, where that keeps history: behind the message with this position, with the last so
 * many messages, with the first since that time, or with the earliest that is kept.
 */
export type From = string | { readonly last: number } | { readonly since: Date } | "earliest";

/** How a subtopic is asked for, with its selector and the most messages a second. */
export function topic(subtopic = "", selector = "", maxFrequency = 0): string {
	return `${subtopic}_;_${selector}${maxFrequency > 0 ? `_;_${maxFrequency}` : ""}`;
}

/** What a Consumer and a MultiTopicConsumer share: the wish for a subscription, which outlives connections and clients. */
export abstract class Subscription extends MessageAgent {
	#wanted = false;
	#age = 0; // counts wishes, so that what belongs to an earlier one is known
	#clientId: string | undefined;
	#done: Deferred<void> | undefined;
	#timer: ReturnType<typeof setTimeout> | undefined;
	#position: string | undefined;
	#told: ReadonlySet<string> = new Set(); // the topics the server has, once the last request is answered
	#asking = false; // for other topics

	constructor(
		channelSet: ChannelSet,
		destination: string,
		/** Where the next `subscribe` begins. Undefined: with the next message. */
		public from: From | undefined,
	) {
		super(channelSet, destination);
	}

	/**
	 * Where the subscription stands, on a destination with history: behind the last message it has told. It is kept here by itself, over lost
	 * connections and clients; for longer, store it and hand it back as `from`.
	 */
	get position(): string | undefined {
		return this.#position;
	}

	/** The server holds the subscription. */
	get subscribed(): boolean {
		return this.#clientId !== undefined;
	}

	/** The server's id of the subscription. */
	get clientId(): string | undefined {
		return this.#clientId;
	}

	/**
	 * Subscribes, connecting if need be, and again with each new client of the server, until `unsubscribe` or `disconnect`. Resolves when the
	 * server holds the subscription, rejects with a Fault if it refuses.
	 */
	subscribe(): Promise<void> {
		if (!this.#wanted) {
			this.#wanted = true;
			this.#age++;
			this.#position = undefined;
		}
		if (!this.subscribed) this.#done ??= new Deferred();
		const promise = this.#done?.promise ?? Promise.resolve();
		this.channelSet.join(this);
		return promise;
	}

	/** Ends the subscription. From now on there are no messages; resolves when the server has ended it too, which may take until a lost connection is back. */
	unsubscribe(): Promise<void> {
		const id = this.#clientId;
		this.#forget();
		return id === undefined ? Promise.resolve() : this.#release(id);
	}

	/** @internal */
	override leaving(): Promise<void> {
		return this.unsubscribe();
	}

	/** @internal */
	override left(): void {
		this.#forget();
	}

	/** @internal */
	override stopped(fault: Fault): void {
		this.#done?.reject(fault);
		this.#done = undefined;
	}

	/** @internal The operation and headers that ask for the subscription. */
	protected abstract request(): { readonly operation: string; readonly headers: { readonly [name: string]: Json } };

	/** @internal The topics that are wanted now. */
	protected abstract topics(): ReadonlySet<string>;

	/** @internal The server does not change the topics like that. */
	protected abstract takeBack(added: readonly string[], removed: readonly string[]): void;

	/** @internal Tells the server which topics have changed since it was last told, one request at a time: those who stay miss nothing. */
	protected sync(): void {
		const clientId = this.#clientId;
		if (clientId === undefined || this.#asking) return;
		const wanted = new Set(this.topics());
		const add = [...wanted].filter((entry) => !this.#told.has(entry));
		const remove = [...this.#told].filter((entry) => !wanted.has(entry));
		if (add.length === 0 && remove.length === 0) return;
		const headers = { ...(add.length > 0 && { DSAddSub: add }), ...(remove.length > 0 && { DSRemSub: remove }) };
		const client = this.channelSet.ask(
			{ type: "command", operation: "multi_subscribe", destination: this.destination, clientId, headers, messageId: newId() },
			(reply) => {
				if (clientId !== this.#clientId) return; // of an earlier subscription
				this.#asking = false;
				if (reply instanceof Fault) {
					// Back to what the server has, or it would be asked the same again and again.
					this.takeBack(add, remove);
					this.emit("fault", { fault: reply });
				} else this.#told = wanted;
				this.sync();
			},
			() => {},
		);
		this.#asking = client !== undefined;
	}

	/** What is asked for, in one text: the next page that asks for the same takes the subscription over. Empty: nobody does. Who wants the past does not want what another has left of it. */
	get #key(): string {
		return this.#asking || this.from !== undefined ? "" : JSON.stringify([this.request().operation, this.destination, ...[...this.#told].sort()]);
	}

	/** Asks for what has come since, or as far back as was wanted first. */
	#past(): { readonly position?: string; readonly headers?: { readonly [name: string]: Json } } {
		const from = this.#position ?? this.from;
		if (from === undefined) return {};
		if (from === "earliest") return { headers: { DSSince: 0 } };
		if (typeof from === "string") return { position: from };
		return { headers: "last" in from ? { DSLast: from.last } : { DSSince: from.since.getTime() } };
	}

	#take(line: Delivered, merged: number | undefined, from: string | undefined): void {
		if (line.type === "loss") {
			const { reason = "unknown", count, to } = line;
			return this.emit("loss", { destination: this.destination, reason, ...(count !== undefined && { count }), ...(line.from !== undefined && { from: line.from }), ...(to !== undefined && { to }) });
		}
		const { position } = line;
		if (position !== undefined) this.#position = position;
		if (line.type === "async") this.emit("message", { message: line, ...(merged !== undefined && { merged }) });
		else if (line.operation === "live") this.emit("live", position === undefined ? {} : { position });
		else if (line.recovered !== undefined) this.emit("recovered", { recovered: line.recovered, ...(from !== undefined && { from }) });
	}

	/** @internal */
	override subscription(client: Holder): Request | undefined {
		if (!this.#wanted) return undefined;
		const age = this.#age;
		const { operation, headers } = this.request();
		const past = this.#past();
		const line: Outgoing = { type: "command", operation, destination: this.destination, ...past, headers: { ...headers, ...past.headers } };
		this.#told = new Set(this.topics());
		this.#asking = false;
		const key = (): string => this.#key;
		const subscriber: Subscriber = {
			get key() {
				return key();
			},
			deliver: (line, merged) => this.#wanted && age === this.#age && this.#take(line, merged, past.position),
			resumed: (position) => (this.#position = position),
			invalidated: (line) => {
				if (age !== this.#age) return;
				client.subscribers.delete(this);
				this.#forget();
				this.emit("fault", { fault: new Fault("Server.Processing.Invalidated", line.message ?? "The server has ended the subscription.", undefined, line.code === undefined ? {} : { code: line.code }) });
			},
			settle: (reply) => {
				if (age === this.#age) reply instanceof Fault ? this.#refused(client, reply) : this.#held(reply);
				else if (!(reply instanceof Fault) && reply.clientId !== undefined) void this.#release(reply.clientId);
			},
		};
		client.subscribers.add(this);
		if (client.router.adopt(subscriber)) return undefined;
		const messageId = newId();
		client.router.asked(messageId, this.destination, subscriber);
		return {
			line: { ...line, messageId } as Request["line"],
			settle: (reply) => client.router.settle(messageId, reply),
			lost: () => {}, // the next client asks again
		};
	}

	/** @internal */
	override ended(): void {
		clearTimeout(this.#timer); // the next client asks anyway, and there may be none
		this.#set(undefined);
	}

	#held(reply: AcknowledgeMessage): void {
		this.#done?.resolve();
		this.#done = undefined;
		this.#set(reply.clientId);
		this.#asking = false;
		this.sync();
	}

	#refused(client: Holder, fault: Fault): void {
		client.subscribers.delete(this);
		this.#age++; // a reply that comes late is for nobody
		this.emit("fault", { fault });
		if (fault.retryAfterMillis !== undefined) {
			this.#timer = setTimeout(() => this.#wanted && this.channelSet.join(this), fault.retryAfterMillis * (1 + Math.random()));
		} else if (this.#done) {
			this.#done.reject(fault);
			this.#forget();
		}
		// Refused after a reconnect, it stays wanted: the next channel may serve it.
	}

	#release(clientId: string): Promise<void> {
		const done = new Deferred<void>();
		const line = { type: "command", operation: "unsubscribe", messageId: newId(), clientId } as const;
		const client = this.channelSet.ask(line, () => done.resolve(), done.resolve);
		client?.router.forget(clientId);
		return client ? done.promise : Promise.resolve();
	}

	/** Wants nothing any more. */
	#forget(): void {
		this.#wanted = false;
		this.#age++;
		clearTimeout(this.#timer);
		this.#done?.reject(new Fault("Client.Error.Subscribe", "The subscription was given up."));
		this.#done = undefined;
		this.channelSet.unasked(this);
		this.#set(undefined);
	}

	#set(clientId: string | undefined): void {
		if (clientId === this.#clientId) return;
		const was = this.subscribed;
		this.#clientId = clientId;
		this.emit("propertyChange", { property: "clientId", value: clientId });
		if (was !== this.subscribed) this.emit("propertyChange", { property: "subscribed", value: this.subscribed });
	}
}
