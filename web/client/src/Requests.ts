import { Fault } from "./Fault.js";
import type { AcknowledgeMessage, ErrorMessage } from "./message.js";
import type { Request } from "./Request.js";

interface Open {
	readonly request: Request;
	readonly seq: number;
	timer?: ReturnType<typeof setTimeout>;
}

/** The requests of a client as another page learns of them. */
export interface KeptRequests {
	readonly seq: number;
	readonly got: number;
	/** Those above `got` that are answered. */
	readonly answered: readonly number[];
	/** Those that are not, by their `seq`. */
	readonly open: readonly (readonly [seq: number, line: Request["line"]])[];
}

/** The requests that a client has numbered, until they are answered: each is sent until then, always under its number. */
export class Requests {
	/** Every reply up to this `seq` has come. */
	got = 0;
	#seq = 0;
	readonly #answered = new Set<number>(); // above `got`
	readonly #open = new Map<string, Open>(); // by messageId, in the order of seq

	/** The last number given. */
	get seq(): number {
		return this.#seq;
	}

	/** Some are not answered. */
	get busy(): boolean {
		return this.#open.size > 0;
	}

	/** So many count as open for the server. */
	get size(): number {
		return this.#seq - this.got;
	}

	/**
	 * Gives a request its number and returns its line.
	 *
	 * @param timeout a reply that takes longer than so many milliseconds comes too late; 0: it may take for ever
	 */
	number(request: Request, timeout: number): object {
		const open: Open = { request, seq: ++this.#seq };
		this.#open.set(request.line.messageId, open);
		if (timeout > 0) open.timer = setTimeout(() => request.settle(new Fault("Client.Error.RequestTimeout", `No reply came within ${timeout} ms.`)), timeout);
		return { ...request.line, seq: open.seq };
	}

	/** The lines that are not answered. */
	unanswered(): object[] {
		return Array.from(this.#open.values(), ({ request, seq }) => ({ ...request.line, seq }));
	}

	/** The request that this replies to, if it was open: it is not any more. */
	answer({ correlationId = "" }: AcknowledgeMessage | ErrorMessage): Request | undefined {
		const open = this.#open.get(correlationId);
		if (!open) return undefined;
		clearTimeout(open.timer);
		this.#open.delete(correlationId);
		this.#answered.add(open.seq);
		while (this.#answered.delete(this.got + 1)) this.got++;
		return open.request;
	}

	/** No reply comes any more. Returns those that were open. */
	end(): Request[] {
		const open = [...this.#open.values()];
		this.#open.clear();
		for (const { timer } of open) clearTimeout(timer);
		return open.map(({ request }) => request);
	}

	keep(): KeptRequests {
		return { seq: this.#seq, got: this.got, answered: [...this.#answered], open: Array.from(this.#open.values(), ({ request, seq }) => [seq, request.line]) };
	}

	/** @param revive makes a request of a line whose page is gone */
	restore(kept: KeptRequests, revive: (line: Request["line"]) => Request): void {
		({ seq: this.#seq, got: this.got } = kept);
		for (const seq of kept.answered) this.#answered.add(seq);
		for (const [seq, line] of kept.open) this.#open.set(line.messageId, { request: revive(line), seq });
	}
}
