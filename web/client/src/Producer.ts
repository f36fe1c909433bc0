import type { ChannelSet } from "./ChannelSet.js";
import { Deferred } from "./Deferred.js";
import { Fault } from "./Fault.js";
import type { AcknowledgeMessage, Headers, Json } from "./message.js";
import { MessageAgent } from "./MessageAgent.js";
import { newId } from "./Request.js";

/** How a Producer is made. */
export interface ProducerOptions {
	readonly channelSet: ChannelSet;
	readonly destination: string;
	/** Where messages go unless `send` says otherwise. */
	readonly subtopic?: string;
	/** Headers of every message. */
	readonly defaultHeaders?: Headers;
}

/** What may be said of one message. */
export interface SendOptions {
	/** One subtopic, or several: each subscriber still gets the message once. */
	readonly subtopic?: string | readonly string[];
	readonly headers?: Headers;
	/** The message's id, of at most 256 bytes; it must be unique. @default made by the client */
	readonly messageId?: string;
}

/** Publishes messages of one destination. */
export class Producer extends MessageAgent {
	/** Where messages go unless `send` says otherwise. */
	subtopic: string | undefined;
	/** Headers of every message. */
	defaultHeaders: Headers;

	constructor(options: ProducerOptions) {
		super(options.channelSet, options.destination);
		this.subtopic = options.subtopic;
		this.defaultHeaders = options.defaultHeaders ?? {};
	}

	/**
	 * Publishes a message, now or once connected. Resolves when the server has given it its place in the order; rejects with a Fault, which
	 * says whether it may have arrived. To fire and forget, ignore the promise: the events `acknowledge` and `fault` tell the same.
	 */
	send(body: Json, options: SendOptions = {}): Promise<AcknowledgeMessage> {
		const subtopic = options.subtopic ?? this.subtopic;
		const messageId = options.messageId ?? newId();
		const headers = { ...(subtopic !== undefined && { DSSubtopic: subtopic }), ...this.defaultHeaders, ...options.headers };
		const done = new Deferred<AcknowledgeMessage>();
		let open = true;
		const settle = (reply: AcknowledgeMessage | Fault): void => {
			if (!open) return; // the reply came after its time
			open = false;
			if (reply instanceof Fault) {
				done.reject(reply);
				this.emit("fault", { fault: reply, correlationId: messageId });
			} else {
				done.resolve(reply);
				this.emit("acknowledge", { acknowledge: reply, correlationId: messageId });
			}
		};
		this.channelSet.send(this, {
			line: { type: "async", messageId, destination: this.destination, headers, body },
			settle,
			lost: () => settle(new Fault("Client.Error.DeliveryInDoubt", "The connection ended before the server replied.")),
		});
		return done.promise;
	}
}
