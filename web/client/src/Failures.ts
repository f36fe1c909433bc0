import type { ChannelConfig } from "./Channel.js";
import { weight, type Disconnect } from "./Disconnect.js";
import { whyRefused } from "./whyRefused.js";

/**
 * The channels that have failed in one search. One that failed without a word of the server is asked why, while the search goes on; its failure is
 * told with the answer, or without it once a channel is up.
 */
export class Failures {
	readonly #untold = new Set<() => void>();
	readonly #answers: ReturnType<typeof whyRefused>[] = [];

	constructor(private readonly tell: (config: ChannelConfig, why: Disconnect) => void) {}

	/** A channel has failed. */
	add(config: ChannelConfig, why: Disconnect): void {
		const tell = (known = why): void => {
			if (this.#untold.delete(tell)) this.tell(config, known);
		};
		this.#untold.add(tell);
		if (why.told || why.kind !== "vanished") return tell(); // it is known why
		const asked = whyRefused(config).then((answer) => {
			tell(typeof answer === "object" ? answer : why);
			return answer;
		});
		this.#answers.push(asked);
	}

	/** Tells what is not told yet, and waits for no answer any more. */
	flush(): void {
		for (const tell of this.#untold) tell();
	}

	/** All have failed, the search says why. Resolves with what the server says, if that is more. A channel that would be served is not refused. */
	async conclude(why: Disconnect): Promise<Disconnect> {
		const answers = await Promise.all(this.#answers);
		if (answers.includes("served")) return why;
		return answers.filter((answer) => typeof answer === "object").reduce((best, one) => (weight(one) > weight(best) ? one : best), why);
	}
}
