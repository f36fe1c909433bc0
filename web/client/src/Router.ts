import type { AsyncMessage, CommandMessage, Line, SubscriptionState } from "./message.js";

/** What holds a subscription. */
export interface Subscriber {
	/** Takes a message of the subscription. Errors must not leave it. */
	deliver(message: AsyncMessage): void;
	/** The server has ended the subscription. */
	invalidated(line: CommandMessage): void;
}

/** Knows the subscriptions of one client, at the point reached in what it receives, and hands each message to those it is for. */
export class Router {
	readonly #asked = new Map<string, Subscriber>(); // by the messageId of the request
	readonly #active = new Map<string, { readonly subscriber: Subscriber; readonly destination: string }>(); // by clientId
	#next: readonly string[] | undefined;

	/** `subscriber` is asking for a subscription with the request `messageId`. */
	asked(messageId: string, subscriber: Subscriber): void {
		this.#asked.set(messageId, subscriber);
	}

	/** That request was refused. */
	refused(messageId: string): void {
		this.#asked.delete(messageId);
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
			this.#active.delete(line.clientId);
			entry?.subscriber.invalidated(line);
		}
	}

	#state(line: SubscriptionState): void {
		const { clientId = "", correlationId = "" } = line;
		const subscriber = this.#asked.get(correlationId);
		if (line.operation === "unsubscribe") this.#active.delete(clientId);
		else if (subscriber) this.#active.set(clientId, { subscriber, destination: line.destination ?? "" });
		this.#asked.delete(correlationId);
	}

	#receivers(message: AsyncMessage, only: readonly string[] | undefined): Subscriber[] {
		if (only) return only.flatMap((id) => this.#active.get(id)?.subscriber ?? []);
		return [...this.#active.values()].filter((entry) => entry.destination === message.destination).map((entry) => entry.subscriber);
	}
}
