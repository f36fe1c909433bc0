import type { Fault } from "./Fault.js";
import type { AcknowledgeMessage, AsyncMessage, CommandMessage, Line, SubscriptionState } from "./message.js";
import { Orphan } from "./Orphan.js";

/** What holds a subscription. */
export interface Subscriber {
	/** What it has asked for. Whoever asks for the same in the next page takes the subscription over; empty: nobody. */
	readonly key: string;
	/** Takes a message of the subscription. Errors must not leave it. */
	deliver(message: AsyncMessage): void;
	/** The server has ended the subscription. */
	invalidated(line: CommandMessage): void;
	/** Takes the reply to the request. */
	settle(reply: AcknowledgeMessage | Fault): void;
}

interface Entry {
	readonly messageId: string; // of the request
	readonly destination: string;
	clientId?: string; // known from what comes first, the reply or the state
	active: boolean; // its place in what is received has been reached
	subscriber: Subscriber;
}

/** A subscription as the next page learns of it. */
export type KeptSubscription = Omit<Entry, "subscriber"> & { readonly key: string };

/** Knows the subscriptions of one client, at the point reached in what it receives, and hands each message to those it is for. */
export class Router {
	readonly #entries = new Map<string, Entry>(); // by messageId
	readonly #active = new Map<string, Entry>(); // by clientId
	#next: readonly string[] | undefined;

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

	/** Takes the next counted line. Types it does not know mean nothing to it. */
	route(line: Line): void {
		const only = this.#next;
		this.#next = undefined;
		if (line.type === "subscription-state") this.#state(line);
		else if (line.type === "async") {
			for (const subscriber of new Set(this.#receivers(line, only))) subscriber.deliver(line);
		} else if (line.type === "command" && line.operation === "subscription_invalidate" && line.clientId !== undefined) {
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
		for (const entry of this.#entries.values()) {
			const orphan = entry.subscriber;
			if (!(orphan instanceof Orphan) || !orphan.free || orphan.full || orphan.key !== subscriber.key) continue;
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
		if (!entry) return; // another page's, or the change of one that is known
		Object.assign(entry, { clientId, active: true });
		this.#active.set(clientId, entry);
	}

	#receivers(message: AsyncMessage, only: readonly string[] | undefined): Subscriber[] {
		if (only) return only.flatMap((id) => this.#active.get(id)?.subscriber ?? []);
		return [...this.#active.values()].filter((entry) => entry.destination === message.destination).map((entry) => entry.subscriber);
	}

	#drop(entry: Entry): void {
		this.#entries.delete(entry.messageId);
		if (entry.clientId !== undefined) this.#active.delete(entry.clientId);
	}
}
