import { fullJitter } from "./backoff.js";
import { lost, refused, type Disconnect } from "./Disconnect.js";
import { parseLine, takeBatch, type ErrorMessage, type Line } from "./message.js";
import { sleep } from "./sleep.js";

/** How long one POST may take, and how often it is tried, before the way counts as lost. */
const postMillis = 30_000;
const tries = 5;

/** An answer: its status, and its lines as far as they were lines of the protocol. */
export interface Answer {
	readonly status: number;
	readonly lines: readonly Line[];
	/** The answer held something that is no line: something on the way has answered in the server's place. */
	readonly foreign: boolean;
}

/** Reads the whole of an answer. */
export async function readAnswer(response: Response): Promise<Answer> {
	const texts = (await response.text()).split("\n").map((text) => text.replaceAll("\0", "").trim());
	const lines = texts.filter((text) => text !== "").map(parseLine);
	const known = lines.filter((line) => line !== undefined);
	return { status: response.status, lines: known, foreign: known.length < lines.length };
}

/** The error by which an answer refuses the whole request, if it does. */
export function refusal(answer: Answer): ErrorMessage | undefined {
	return answer.status < 400 ? undefined : answer.lines.find((line) => line.type === "error" && line.correlationId === undefined) as ErrorMessage | undefined;
}

/**
 * What a client sends over HTTP: one POST at a time, which keeps the order; whatever comes meanwhile leaves together in the next. A POST whose
 * answer did not arrive whole is sent again unchanged: its lines have their `seq`, so the server runs none of them twice.
 */
export class HttpUplink {
	#queue: string[] = [];
	#busy = false;
	#closed = false;
	readonly #backoff = fullJitter();
	readonly #abort = new AbortController();

	constructor(
		private readonly post: (body: string, signal: AbortSignal) => Promise<Response>,
		private readonly limit: () => number,
		private readonly onanswer: (line: Line) => void,
		private readonly onfail: (why: Disconnect) => void,
	) {}

	send(lines: readonly string[]): void {
		this.#queue.push(...lines);
		if (!this.#busy && !this.#closed) void this.#run();
	}

	close(): void {
		this.#closed = true;
		this.#queue = [];
		this.#abort.abort();
	}

	async #run(): Promise<void> {
		this.#busy = true;
		await Promise.resolve(); // what the application sends in one go leaves in one POST
		while (this.#queue.length > 0 && !this.#closed) {
			const why = await this.#deliver(takeBatch(this.#queue, this.limit()));
			if (this.#closed) return;
			if (why) return this.onfail(why);
		}
		this.#busy = false;
	}

	/** Sends one body until it is answered. Returns why that is hopeless, if it is. */
	async #deliver(body: string): Promise<Disconnect | undefined> {
		for (let attempt = 0; ; attempt++) {
			let why = lost();
			try {
				const answer = await readAnswer(await this.post(body, AbortSignal.any([this.#abort.signal, AbortSignal.timeout(postMillis)])));
				if (this.#closed) return undefined;
				const error = refusal(answer);
				if (error) {
					why = refused(error);
					if (answer.status < 429 && answer.status !== 408) return answer.status === 401 ? { ...why, gone: "unknown" } : why;
				} else if (!answer.foreign && (answer.status < 300 || answer.lines.length > 0)) {
					for (const line of answer.lines) this.onanswer(line);
					return undefined;
				}
			} catch {
				// no answer, or half of one
			}
			if (this.#closed) return undefined;
			if (attempt + 1 >= tries) return why;
			await sleep((why.retryAfterMillis ?? 0) + this.#backoff(attempt), this.#abort.signal);
		}
	}
}
