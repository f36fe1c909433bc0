import type { Kind, Reconnect } from "./Code.js";
import { codes } from "./codes.js";
import type { ErrorMessage, Line } from "./message.js";

/** Why a connection ended, or why one could not be made. */
export interface Disconnect {
	readonly code: number;
	readonly name: string;
	readonly kind: Kind;
	/** One sentence for people. */
	readonly message: string;
	readonly reconnect: Reconnect;
	/** With `reconnect` "after": how long the server wants the client to stay away, in milliseconds. */
	readonly retryAfterMillis?: number;
	/** The setting of the server behind it, and what that is set to, in the unit its name says. */
	readonly setting?: string;
	readonly value?: number;
	/** The key under which the server's log tells more. */
	readonly incident?: string;
	/** How long this machine or page was asleep before, in milliseconds, where that was noticed. */
	readonly awayMillis?: number;
	/** The server cannot go on with this client: why. The client connects anew and subscribes again. */
	readonly gone?: string;
	/** The server said so; else the client concluded it. */
	readonly told?: boolean;
}

/** What a line may say of an end. */
interface Words {
	readonly name?: string;
	readonly message?: string;
	readonly faultString?: string;
	readonly reconnect?: Reconnect;
	readonly retryAfterMillis?: number;
	readonly setting?: string;
	readonly value?: unknown;
	readonly incident?: string;
}

/** The end with that code, in the table's words where `line` has none of its own. */
export function disconnectOf(code: number, line: Words = {}): Disconnect {
	const row = codes[code];
	const retryAfterMillis = line.retryAfterMillis ?? row?.retryAfterMillis;
	const setting = line.setting ?? row?.setting;
	return {
		code,
		name: line.name ?? row?.name ?? "unknown",
		kind: row?.kind ?? "refused",
		message: line.message ?? line.faultString ?? row?.sentence ?? "The connection ended.",
		reconnect: line.reconnect ?? row?.reconnect ?? "yes",
		...(retryAfterMillis !== undefined && { retryAfterMillis }),
		...(setting !== undefined && { setting }),
		...(typeof line.value === "number" && { value: line.value }),
		...(line.incident !== undefined && { incident: line.incident }),
	};
}

/** The connection did not outlive the sleep of this machine or page. */
export function asleep(awayMillis: number): Disconnect {
	const [amount, unit] = awayMillis < 90_000 ? [1000, "s"] : awayMillis < 5_400_000 ? [60_000, "min"] : [3_600_000, "h"];
	return { ...disconnectOf(4028, { message: `You were away ${Math.round(awayMillis / (amount as number))} ${unit}.` }), awayMillis };
}

/** The connection broke: nobody said why. */
export function lost(message?: string): Disconnect {
	return disconnectOf(4008, message === undefined ? {} : { message });
}

/** What the last line of a connection says, if this is one: `disconnect`, `gone` or `displaced`. */
export function lastWord(line: Line): Disconnect | undefined {
	if (line.type !== "control") return undefined;
	switch (line.operation) {
		case "disconnect": {
			const { code = 4017 } = line;
			if (code === 4004) return lastWord({ ...line, operation: "displaced" });
			return { ...disconnectOf(code, line), ...(codes[code]?.over && { gone: "expired" }), told: true };
		}
		case "gone":
			return { ...disconnectOf(line.code ?? 4522, line), gone: line.reason ?? "unknown", told: true };
		case "displaced":
			// A channel that the client has left is not listened to, so this was another page, which has a copy of what was kept over a
			// reload: a duplicated tab. It has the client now; this one does not fight for it, and connects anew.
			return { ...disconnectOf(4004, { ...line, reconnect: "yes" }), gone: "displaced", told: true };
		default:
			return undefined;
	}
}

/** The request as a whole was refused: the code of its one `error` line. */
export function refused(line: ErrorMessage): Disconnect {
	return { ...disconnectOf(line.code ?? 4550, line), told: true };
}

/**
 * How much a reason counts among those of several channels: what the server said, more than that some channel could not reach it; and that one
 * channel may be tried again, more than that another may not.
 */
export function weight({ told, reconnect }: Disconnect): number {
	if (!told) return 0;
	return reconnect === "no" ? 1 : 2;
}
