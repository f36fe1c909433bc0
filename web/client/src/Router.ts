import type { Fault } from "./Fault.js";
import type { AcknowledgeMessage, AsyncMessage, CommandMessage, Line, LossMessage, SubscriptionState } from "./message.js";
import { Orphan } from "./Orphan.js";

/** What a subscription brings, in the order that counts. */
export type Delivered = AsyncMessage | SubscriptionState | LossMessage;

/** What holds a subscription. */
export interface Subscriber {
	/** What it has asked for. Whoever asks for the same in the next page takes the subscription over; empty: nobody. */
	readonly key: string;
	/** Takes what the subscription brings; a message may stand for so many merged ones. Errors must not leave it. */
	deliver(line: Delivered, merged?: number): void;
	/** It takes a subscription over that stands there. */
	resumed(position: string | undefined): void;
	/** The server has ended the subscription. */
	invalidated(line: CommandMessage): void;
	/** Takes the reply to the request. */
	settle(reply: AcknowledgeMessage | Fault): void;
}

/** What subscriptions need of the server's client. */
export interface Holder {
	/** Who has asked for a subscription of this client. */
	readonly subscribers: Set<object>;
	readonly router: Pick<Router, "adopt" | "asked" | "settle" | "forget">;
}

interface Entry {
	readonly messageId: string; // of the request
	readonly destination: string;
	clientId?: string; // known from what comes first, the reply or the state
	active: boolean; // its place in what is received has been reached
	position?: string; // of the last line that had one
	subscriber: Subscriber;
}

/** A subscription as the next page learns of it. */
export type KeptSubscription = Omit<Entry, "subscriber"> & { readonly key: string };

/** Knows the subscriptions of one client, at the point reached in what it receives, and hands each message to those it is for. */
export class Router {
	readonly #entries = new Map<string, Entry>(); // by messageId
	readonly #active = new Map<string, Entry>(); // by clientId
	#next: readonly string[] | undefined;
	#merged: number | undefined;

	/** `subscriber` is asking for a subscription with the request `messageId`. */
	asked(messageId: string, destination: string, subscriber: Subscriber): void {
		this.#entries.set(messageId, { messageId, destination, active: false, subscriber });
	}

	/** The reply to that request. One that takes too long is told as a Fault first. */
	settle(messageId: string, reply: AcknowledgeMessage | Fault): void {
		const entry = this.#entries.get(messageId);
		if (!entry) return;
		if (!(reply instanceof Error)) {
			if (reply.clientId !== undefined) entry.clientId = reply.clientId;
		} else if (reply.faultCode !== "Client.Error.RequestTimeout") this.#drop(entry);
		entry.subscriber.settle(reply);
	}

	/** Nobody wants that subscription any more, and the server is told so. */
	forget(clientId: string): void {
		for (const entry of this.#entries.values()) if (entry.clientId === clientId) this.#drop(entry);
	}

	/** The message that comes next is for these subscriptions only. */
	next(clientIds: readonly string[]): void {
		this.#next = clientIds;
	}

	/** The message that comes next stands for so many older ones. */
	merged(count: number): void {
		this.#merged = count;
	}

	/** Takes the next counted line. Types it does not know mean nothing to it. */
	route(line: Line): void {
		const [only, merged] = [this.#next, this.#merged];
		this.#next = this.#merged = undefined;
		if (line.type === "subscription-state") this.#state(line);
		else if (line.type === "async") this.#hand(line, only, merged);
		else if (line.type === "loss") this.#hand(line, line.clientId === undefined ? undefined : [line.clientId]);
		else if (line.type === "command" && line.operation === "subscription_invalidate" && line.clientId !== undefined) {
			const entry = this.#active.get(line.clientId);
			if (!entry) return;
			this.#drop(entry);
			entry.subscriber.invalidated(line);
		}
	}

	// Over a reload.

	/** What the next page needs to know. */
	keep(): KeptSubscription[] {
		return Array.from(this.#entries.values(), ({ subscriber: { key }, ...entry }) => ({ ...entry, key }));
	}

	/** Goes on with what the page before has kept, for those who will ask for the same. */
	restore(kept: readonly KeptSubscription[]): void {
		for (const { key, ...entry } of kept) {
			const restored = { ...entry, subscriber: new Orphan(key, entry.clientId) };
			this.#entries.set(entry.messageId, restored);
			if (entry.active && entry.clientId !== undefined) this.#active.set(entry.clientId, restored);
		}
	}

	/** `subscriber` takes over what the page before has asked for, if it is the same. False: it is not, and has to be asked for. */
	adopt(subscriber: Subscriber): boolean {
		if (subscriber.key === "") return false;
		for (const entry of this.#entries.values()) {
			const orphan = entry.subscriber;
			if (!(orphan instanceof Orphan) || !orphan.free || orphan.full || orphan.key !== subscriber.key) continue;
			subscriber.resumed(entry.position);
			orphan.bequeath(subscriber, () => (entry.subscriber = subscriber));
			return true;
		}
		return false;
	}

	/** The subscriptions nobody has taken over: those the server holds, by their id, and how many are still to be answered. */
	orphans(): { readonly held: readonly string[]; readonly open: number } {
		const entries = [...this.#entries.values()].filter(({ subscriber }) => subscriber instanceof Orphan && subscriber.free);
		const held = entries.flatMap(({ clientId }) => clientId ?? []);
		return { held, open: entries.length - held.length };
	}

	#state(line: SubscriptionState): void {
		const { clientId = "", correlationId = "" } = line;
		if (line.operation === "unsubscribe") return this.forget(clientId);
		const entry = this.#entries.get(correlationId);
		if (entry) this.#active.set(clientId, Object.assign(entry, { clientId, active: true }));
		this.#hand(line, [clientId]); // to nobody, if it is another page's
	}

	/** Hands a line to the subscriptions named, or to all of its destination. A subscriber gets it once. */
	#hand(line: Delivered, only: readonly string[] | undefined, merged?: number): void {
		const named = only?.flatMap((id) => this.#active.get(id) ?? []);
		const entries = named ?? [...this.#active.values()].filter(({ destination }) => destination === line.destination);
		for (const entry of entries) if (line.type !== "loss" && line.position !== undefined) entry.position = line.position;
		for (const subscriber of new Set(entries.map((entry) => entry.subscriber))) subscriber.deliver(line, merged);
	}

	#drop(entry: Entry): void {
		this.#entries.delete(entry.messageId);
		if (entry.clientId !== undefined) this.#active.delete(entry.clientId);
	}
}
