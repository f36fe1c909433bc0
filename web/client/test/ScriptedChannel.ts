import type { Channel, ChannelConfig, Link } from "../src/Channel.js";
import { lastWord, lost, type Disconnect } from "../src/Disconnect.js";
import type { Line } from "../src/message.js";

type Row = Record<string, any>;

/** A server without a network: its channels answer within a turn of the event loop, so that time can be faked. */
export class Script {
	/** False: nothing is answered. */
	alive = true;
	/** No channel opens. */
	refusing = false;
	/** The client is over: an attach is answered by this. */
	gone: Row | undefined;
	terms: Row = { heartbeatIntervalMillis: 10_000, reconnectMillis: 15_000 };
	readonly channels: ScriptedChannel[] = [];
	/** All that was received, in order. */
	readonly lines: Row[] = [];
	clients = 0;
	#subscriptions = 0;

	readonly create = (config: ChannelConfig): Channel => {
		const channel = new ScriptedChannel(config, this);
		this.channels.push(channel);
		return channel;
	};

	/** What was received of one operation. */
	received(operation: string): Row[] {
		return this.lines.filter((line) => (line["operation"] ?? line["type"]) === operation);
	}

	/** The answer to one line. */
	answer(line: Row): Row[] {
		const correlationId = line["messageId"] as string;
		if (line["operation"] === "attach") return this.gone ? [{ type: "control", operation: "gone", ...this.gone }] : [{ type: "control", operation: "attached", attach: line["attach"] }];
		if (line["type"] === "control") return [];
		if (line["operation"] === "client_ping" && line["headers"]?.DSId === "nil") {
			const id = `client${++this.clients}`;
			return [{ type: "acknowledge", correlationId, headers: { DSId: id, DSSecret: "s" }, body: this.terms }, { type: "control", operation: "attached", attach: 1 }];
		}
		if (line["destination"] === "full") return []; // the test answers
		if (!/subscribe$/.test(line["operation"]) || line["operation"] === "unsubscribe" || line["clientId"]) return [{ type: "acknowledge", correlationId }];
		const clientId = `sub${++this.#subscriptions}`;
		return [{ type: "subscription-state", operation: "subscribe", clientId, destination: line["destination"], correlationId }, { type: "acknowledge", correlationId, clientId }];
	}
}

/** A channel to a Script, as a WebSocket would be. */
export class ScriptedChannel implements Channel {
	readonly duplex = true;
	readonly held = true;
	onopen: Channel["onopen"] = () => {};
	onmessage: Channel["onmessage"] = () => {};
	onclose: Channel["onclose"] = () => {};
	closed = false;
	#proved = false;
	#attached = false;
	#link!: Link;

	constructor(
		readonly config: ChannelConfig,
		private readonly script: Script,
	) {}

	open(link: Link): void {
		this.#link = link;
		if (this.script.refusing) queueMicrotask(() => this.fail());
		else queueMicrotask(() => this.send(link.id === "" ? link.hello(true) : [link.ping()]));
	}

	attach(): void {
		if (!this.#attached) this.send([this.#link.attachLine("socket")]);
		this.#attached = true;
	}

	send(lines: readonly string[]): void {
		if (this.closed) return;
		const rows = lines.map((text) => JSON.parse(text) as Row);
		this.script.lines.push(...rows);
		if (!this.script.alive) return;
		if (rows[0]?.["headers"]?.DSId === "nil") this.#attached = true;
		const answers = rows.flatMap((row) => this.script.answer(row));
		queueMicrotask(() => this.bring(...answers));
	}

	/** Lets lines arrive. */
	bring(...rows: Row[]): void {
		for (const row of rows) {
			if (this.closed) return;
			const last = lastWord(row as Line);
			if (last) return this.fail(last);
			this.onmessage(row as Line, 10);
			if (this.#proved || this.#link.id === "") continue;
			this.#proved = true;
			this.onopen();
		}
	}

	/** Ends the connection. */
	fail(why: Disconnect = lost()): void {
		if (this.closed) return;
		this.close();
		this.onclose(why);
	}

	leave(lines: readonly string[]): Promise<void> {
		this.send(lines);
		this.close();
		return Promise.resolve();
	}

	close(): void {
		this.closed = true;
	}
}
