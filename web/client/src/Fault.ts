import type { ErrorMessage, Json } from "./message.js";

/**
 * Why a request failed. `faultCode` is what to decide on: one of the server's (with `code`, see the table), or one of the client's own:
 *
 * - `Client.Error.MessageSend`: it was never sent.
 * - `Client.Error.DeliveryInDoubt`: it was sent, and the server's client ended before it replied.
 * - `Client.Error.RequestTimeout`: no reply came within the time set; it may still have been done.
 * - `Channel.Connect.Failed`: the address of the server's configuration is wrong, so there is nothing to connect to yet.
 * - `Client.Error.TooLarge`: it is larger than the server takes; it was not sent.
 */
export class Fault extends Error {
	override readonly name = "Fault";
	/** The server's number for it; undefined for a fault of the client's own. */
	readonly code: number | undefined;
	/** The setting of the server behind it, and that setting's value. */
	readonly setting: string | undefined;
	readonly value: Json | undefined;
	/** When to try again, in milliseconds. */
	readonly retryAfterMillis: number | undefined;
	/** The key under which the server's log tells more. */
	readonly incident: string | undefined;

	constructor(
		readonly faultCode: string,
		/** One sentence for people. */
		readonly faultString: string,
		readonly faultDetail: string | undefined = undefined,
		line: Partial<ErrorMessage> = {},
	) {
		super(`${faultCode}: ${faultString}`);
		this.code = line.code;
		this.setting = line.setting;
		this.value = line.value;
		this.retryAfterMillis = line.retryAfterMillis;
		this.incident = line.incident;
	}

	/** The fault an `error` line tells. */
	static of(line: ErrorMessage): Fault {
		return new Fault(line.faultCode ?? "Server.Processing", line.faultString ?? line.name ?? "The server could not do this.", line.faultDetail, line);
	}
}
