import type { ChannelSet } from "./ChannelSet.js";
import { Deferred } from "./Deferred.js";
import { Fault } from "./Fault.js";
import type { FlexClient } from "./FlexClient.js";
import { MessageAgent } from "./MessageAgent.js";
import type { AcknowledgeMessage, Outgoing } from "./message.js";
import { newId, type Request } from "./Request.js";
import type { Subscriber } from "./Router.js";

/** What a Consumer and a MultiTopicConsumer share: the wish for a subscription, which outlives connections and clients. */
export abstract class Subscription extends MessageAgent {
	#wanted = false;
	#age = 0; // counts wishes, so that what belongs to an earlier one is known
	#clientId: string | undefined;
	#done: Deferred<void> | undefined;
	#timer: ReturnType<typeof setTimeout> | undefined;

	constructor(channelSet: ChannelSet, destination: string) {
		super(channelSet, destination);
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

	/** @internal The line that asks for the subscription, without its messageId. */
	protected abstract request(): Outgoing;

	/** @internal The server holds the subscription, as asked for by the last `request`. */
	protected accepted(): void {}

	/** @internal What is asked for, in one text: the next page that asks for the same takes the subscription over. Empty: nobody does. */
	protected key(line: Outgoing): string {
		return JSON.stringify(line);
	}

	/** @internal */
	override subscription(client: FlexClient): Request | undefined {
		if (!this.#wanted) return undefined;
		const age = this.#age;
		const line = this.request();
		const key = (): string => this.key(line);
		const subscriber: Subscriber = {
			get key() {
				return key();
			},
			deliver: (message) => this.#wanted && age === this.#age && this.emit("message", { message }),
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
		this.accepted();
	}

	#refused(client: FlexClient, fault: Fault): void {
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
