/**
 * Counts what a client has received, as the server does, and says when to confirm: after a quarter of the window, and at the latest some time
 * after the first unconfirmed line.
 */
export class Counter {
	/** So many counted lines have been handed to the application. */
	have = 0;
	#window = { messages: 1024, bytes: 1 << 20 };
	#messages = 0;
	#bytes = 0;
	#timer: ReturnType<typeof setTimeout> | undefined;

	constructor(
		private readonly interval: () => number,
		/** Asked to send a confirmation. */
		private readonly confirm: () => void,
	) {}

	/** The window the server has told in `attached`. */
	window(window: { readonly messages?: number; readonly bytes?: number }): void {
		this.#window = { ...this.#window, ...window };
	}

	/** `lines` more were received, which took `bytes`. */
	count(lines: number, bytes: number): void {
		this.have += lines;
		this.#messages += lines;
		this.#bytes += bytes;
		if (this.#messages * 4 >= this.#window.messages || this.#bytes * 4 >= this.#window.bytes) this.confirm();
		else this.#timer ??= setTimeout(this.confirm, this.interval());
	}

	/** `have` is on its way to the server. */
	told(): void {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		this.#messages = this.#bytes = 0;
	}
}
