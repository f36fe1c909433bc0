import { leaveMillis, type Channel, type ChannelConfig, type Link } from "./Channel.js";
import { disconnectOf, lastWord, lost, refused, type Disconnect } from "./Disconnect.js";
import { parseLine, takeBatch, type Line } from "./message.js";

/** The WebSocket of browsers, or a class of the same shape such as that of the package `ws`. */
export type WebSocketClass = new (url: string, protocols?: string | string[]) => WebSocketLike;

/** What is used of a WebSocket. */
export interface WebSocketLike {
	readonly readyState: number;
	onopen: ((event: never) => void) | null;
	onmessage: ((event: never) => void) | null;
	onerror: ((event: never) => void) | null;
	onclose: ((event: never) => void) | null;
	send(text: string): void;
	close(code?: number): void;
}

/** A client over one WebSocket. */
export class WebSocketChannel implements Channel {
	readonly duplex = true;
	readonly held = true;
	onopen: Channel["onopen"] = () => {};
	onmessage: Channel["onmessage"] = () => {};
	onclose: Channel["onclose"] = () => {};

	#link!: Link;
	#socket: WebSocketLike | undefined;
	#proved = false;
	#attached = false;
	#closed = false;
	#left: (() => void) | undefined; // what waits for the end, once it is left

	/** @param webSocket absent: this environment has none, and opening fails at once */
	constructor(
		readonly config: ChannelConfig,
		private readonly webSocket: WebSocketClass | undefined,
	) {}

	open(link: Link): void {
		this.#link = link;
		try {
			if (!this.webSocket) throw new Error("This environment has no WebSocket.");
			this.#socket = new this.webSocket(this.config.url, "sluice");
		} catch (error) {
			queueMicrotask(() => this.#fail(lost(String(error))));
			return;
		}
		const socket = this.#socket;
		socket.onopen = () => {
			this.#attached = link.id === "";
			this.send(this.#attached ? link.hello(true) : [link.ping()]);
		};
		socket.onmessage = (event: { data: unknown }) => this.#frame(String(event.data));
		socket.onerror = () => {}; // close follows
		socket.onclose = (event: { code: number }) => this.#fail(event.code >= 4000 && event.code < 5000 ? { ...disconnectOf(event.code), told: true } : lost());
	}

	attach(): void {
		if (!this.#attached) this.send([this.#link.attachLine("socket")]);
		this.#attached = true;
	}

	send(lines: readonly string[]): void {
		if (this.#socket?.readyState !== 1) return; // the loss is about to be told by onclose
		const queue = [...lines];
		while (queue.length > 0) this.#socket.send(takeBatch(queue, this.#link.maxRequestSize));
	}

	leave(lines: readonly string[]): Promise<void> {
		if (this.#closed || this.#socket?.readyState !== 1) {
			this.close();
			return Promise.resolve();
		}
		this.send(lines);
		this.onopen = this.onclose = () => {};
		return new Promise((resolve) => {
			const timer = setTimeout(() => this.close(), leaveMillis);
			this.#left = () => {
				clearTimeout(timer);
				resolve();
			};
		});
	}

	close(): void {
		this.#closed = true;
		this.#left?.();
		const socket = this.#socket;
		if (!socket) return;
		socket.onmessage = socket.onclose = null;
		socket.close(1000);
	}

	#frame(data: string): void {
		for (const text of data.split("\n")) {
			if (this.#closed) return;
			const bare = text.replaceAll("\0", "").trim();
			if (bare === "") continue;
			const line = parseLine(bare);
			if (!line) return this.#fail(lost("What arrived was not a message of the server."));
			this.#line(line, bare.length);
		}
	}

	#line(line: Line, size: number): void {
		const last = lastWord(line);
		if (last) return this.#fail(last);
		if (!this.#proved && line.type === "error") return this.#fail(refused(line));
		this.onmessage(line, size);
		if (this.#proved || this.#closed) return;
		if (this.#link.id === "") return; // pushed lines and replies have no order: the client's id is still to come
		this.#proved = true;
		this.onopen();
	}

	#fail(why: Disconnect): void {
		if (this.#closed) return;
		this.close();
		this.onclose(why);
	}
}
