import { leaveMillis, type Channel, type ChannelConfig, type Link } from "./Channel.js";
import { lastWord, lost, refused, type Disconnect } from "./Disconnect.js";
import { HttpUplink, readAnswer, refusal } from "./HttpUplink.js";
import { byteLength, type AcknowledgeMessage, type Line } from "./message.js";
import { readLines } from "./readLines.js";
import { takeSlot } from "./Slot.js";

/** What StreamingChannel and LongPollChannel share: connecting and sending by POST. */
export abstract class HttpChannel implements Channel {
	readonly duplex = false;
	onopen: Channel["onopen"] = () => {};
	onmessage: Channel["onmessage"] = () => {};
	onclose: Channel["onclose"] = () => {};

	/** @internal */
	protected link!: Link;
	/** @internal */
	protected closed = false;
	/** @internal The client goes on elsewhere. */
	protected quietly = false;
	/** @internal Ends what waits for the server when the channel is closed. */
	protected readonly abort = new AbortController();
	readonly #uplink: HttpUplink;
	#release: (() => void) | undefined;

	constructor(readonly config: ChannelConfig) {
		this.#uplink = new HttpUplink(
			(body, signal) => this.post(body, { signal }),
			() => this.link.maxRequestSize,
			(line) => this.take(line),
			(why) => this.fail(why),
		);
	}

	open(link: Link, quietly = false): void {
		this.link = link;
		this.quietly = quietly;
		this.#start().catch((error: unknown) => this.fail(lost(String(error))));
	}

	/** What is received comes over a connection that the browser lets this tab hold. */
	get held(): boolean {
		return this.#release !== undefined;
	}

	abstract attach(): void;

	/** @internal Proves the way down, once the client is connected and the way up has proved itself; then calls `onopen`. */
	protected abstract prove(): Promise<void>;

	send(lines: readonly string[]): void {
		this.#uplink.send(lines);
	}

	async leave(lines: readonly string[]): Promise<void> {
		const link = this.link;
		this.onopen = this.onclose = () => {};
		this.close();
		try {
			const body = lines.join("\n") + "\n";
			// keepalive lets the request outlive the page; browsers allow it for bodies up to 64 KiB only.
			const response = await this.post(body, { keepalive: byteLength(body) < 60_000, signal: AbortSignal.timeout(leaveMillis) });
			for (const line of (await readAnswer(response)).lines) link.receive(line, 0);
		} catch {
			// the server ends the client by itself in the end
		}
	}

	close(): void {
		this.closed = true;
		this.#uplink.close();
		this.abort.abort();
		this.#release?.();
	}

	/** @internal Takes one of the connections that this browser's tabs may hold, if one is free. */
	protected async hold(): Promise<void> {
		this.#release ??= await takeSlot(this.config.url);
		if (this.closed) this.#release?.();
	}

	async #start(): Promise<void> {
		const { link } = this;
		// Only one of the client's channels connects it; the others wait, and take over if it fails.
		while (link.id === "" && link.connecting && !this.closed) await link.connecting;
		if (this.closed) return;
		if (link.id === "") {
			// When this channel is given up, the others need not wait for what became of its connect.
			const closed = new Promise<void>((resolve) => this.abort.signal.addEventListener("abort", () => resolve()));
			await (link.connecting = Promise.race([this.#connect(), closed]).finally(() => (link.connecting = undefined)));
		} else await this.#probe();
		if (!this.closed) await this.prove();
	}

	/** Connects the client. Not ended by `close`: the server's client would be forgotten and stay there. Never rejects. */
	async #connect(): Promise<void> {
		const { link } = this;
		try {
			const hello = link.hello(false);
			const answer = await readAnswer(await this.post(hello.join("\n") + "\n", { signal: AbortSignal.timeout(30_000) }, ""));
			const { headers } = (answer.lines.find((line) => line.type === "acknowledge" && line.headers?.["DSSecret"] !== undefined) ?? {}) as Partial<AcknowledgeMessage>;
			if (headers && (link.ended || link.id !== "")) {
				// Too late: another channel was chosen, or has connected the client already.
				await this.post(link.farewell() + "\n", { signal: AbortSignal.timeout(leaveMillis) }, `Bearer ${String(headers["DSId"])}.${String(headers["DSSecret"])}`);
				return;
			}
			if (headers) for (const line of answer.lines) link.receive(line, 0);
			else this.#refuse(answer.lines);
		} catch (error) {
			this.fail(lost(String(error)));
		}
	}

	async #probe(): Promise<void> {
		const answer = await readAnswer(await this.post(this.link.ping() + "\n", { signal: this.abort.signal }));
		if (answer.status >= 400 || answer.lines.length === 0) this.#refuse(answer.lines);
		else for (const line of answer.lines) this.take(line);
	}

	/** @internal Ends the channel with what an answer says that is not the one hoped for. */
	#refuse(lines: readonly Line[]): void {
		for (const line of lines) this.take(line);
		const error = lines.find((line) => line.type === "error");
		this.fail(error ? refused(error) : lost("What answered was not the server."));
	}

	/** @internal Takes one line that has arrived. */
	protected take(line: Line, size = 0): void {
		if (this.closed) return;
		const last = lastWord(line);
		if (last) this.fail(last);
		else this.onmessage(line, size);
	}

	/** @internal */
	protected fail(why: Disconnect): void {
		if (this.closed) return;
		this.close();
		this.onclose(why);
	}

	/** @internal */
	protected post(body: string, init: RequestInit, authorization = this.link.bearer(), query = ""): Promise<Response> {
		const url = query === "" ? this.config.url : this.config.url + (this.config.url.includes("?") ? "&" : "?") + query;
		const headers: Record<string, string> = { "Content-Type": "application/json" };
		if (authorization !== "") headers["Authorization"] = authorization;
		return fetch(url, { ...init, method: "POST", headers, body, cache: "no-store" });
	}

	/** @internal Hands on the lines of a body as they arrive. Rejects when it breaks off or is no answer of the server. */
	protected async read(response: Response, online: (line: Line, size: number) => void, onchunk: (chunk: Uint8Array) => void = () => {}): Promise<void> {
		if (!response.ok || !response.body) {
			const answer = await readAnswer(response);
			const error = refusal(answer);
			for (const line of answer.lines) online(line, 0);
			if (!this.closed) this.fail(error ? refused(error) : lost(`The server answered with status ${response.status}.`));
			return;
		}
		await readLines(response.body, this.abort.signal, online, onchunk);
	}
}
