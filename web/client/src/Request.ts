import type { Fault } from "./Fault.js";
import type { AcknowledgeMessage, Outgoing } from "./message.js";

/** Something the client asks of the server and that is answered by one reply. */
export interface Request {
	/** The line, without `seq`. */
	readonly line: Outgoing & { readonly messageId: string };
	/** The one client it is for; absent: any. */
	readonly client?: object;
	/** Takes the reply; once more, if it comes after the Fault that says that it did not come in time. */
	settle(reply: AcknowledgeMessage | Fault): void;
	/** The server's client ended before it replied. */
	lost(): void;
}

const prefix = Array.from(crypto.getRandomValues(new Uint8Array(9)), (byte) => byte.toString(36)).join("");
let count = 0;

/** A messageId that no other has: random for each page, counted within it. Works in pages without TLS, unlike `crypto.randomUUID`. */
export function newId(): string {
	return `${prefix}-${(++count).toString(36)}`;
}
