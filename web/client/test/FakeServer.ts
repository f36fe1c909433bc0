import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer, type WebSocket } from "ws";
import type { ChannelConfig } from "../src/Channel.js";

type Row = Record<string, any>;

/** Where the server delivers what a client receives. */
interface Place {
	attach: number;
	/** Returns false once it takes no more. */
	write(lines: Row[]): boolean;
	end(): void;
}

/** A client as the server knows it. */
export interface FakeClient {
	id: string;
	secret: string;
	seq: number;
	replies: Map<number, Row>;
	sent: Row[]; // counted lines; for-lines ride along as `before`
	have: number;
	got: number;
	place: Place | undefined;
	attaches: number[];
	subscriptions: Map<string, { destination: string; subtopics: string[] }>;
	user: string | undefined;
	ended: string | undefined;
	lastLine?: Row;
}

/** A server that follows docs/protocol.md closely enough to show whether a client does, and breaks on demand. */
export class FakeServer {
	readonly clients = new Map<string, FakeClient>();
	/** All that was received: how (`ws`, or the path), which lines, and when. */
	readonly log: { how: string; lines: Row[]; at: number }[] = [];
	readonly sockets = new Set<WebSocket>();
	/** ok; refuse: no upgrade; swallow: upgrade, then nothing. */
	webSocket: "ok" | "refuse" | "swallow" = "ok";
	/** Streamed answers arrive only when they end. */
	buffering = false;
	/** Every request is refused by this error line, and every upgrade. */
	refusal: (Row & { status: number }) | undefined;
	/** What is answered in place of the configuration. */
	config: { status: number; body: string } | undefined;
	/** So many upgrades were asked for. */
	probes = 0;
	/** Counts steps: what arrives, and what is about to leave. */
	steps = 0;
	/** At this step every connection is cut, and what arrived or was about to leave with it. */
	cutAt = -1;
	/** Answers the next POSTs not at all, after having run them, and breaks the connection. */
	dropAnswers = 0;
	/** Wait this long before answering to a connect over HTTP. */
	connectDelay = 0;
	pollWait = 20_000;
	/** Changes of a subscription are refused with this code. */
	refuseChanges = 0;
	/** The pause after a poll that did not want to be held. */
	pollPause = 0;
	/** What an attached line has beside the window. */
	attachedWith: Row = {};
	window = { messages: 16, bytes: 1 << 20 };
	welcome: Row = { heartbeatIntervalMillis: 0, confirmIntervalMillis: 50, maxMessageSize: 4096, maxRequestSize: 8192, maxOpenRequests: 8, endpoint: "x" };

	readonly #streams = new Set<ServerResponse>();
	readonly #idle = new Map<string, Omit<Place, "attach">>(); // streams nothing is attached to
	#http: Server;
	#count = 0;

	constructor() {
		this.#http = createServer((request, response) => void this.#request(request, response));
		const upgrader = new WebSocketServer({ noServer: true });
		this.#http.on("upgrade", (request, socket, head) => {
			this.probes++;
			socket.on("error", () => {});
			if (this.webSocket === "refuse" || this.refusal) return socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
			upgrader.handleUpgrade(request, socket, head, (ws) => this.#socket(ws));
		});
	}

	async start(): Promise<this> {
		await new Promise<void>((resolve) => this.#http.listen(0, "127.0.0.1", resolve));
		return this;
	}

	get port(): number {
		return (this.#http.address() as AddressInfo).port;
	}

	get base(): string {
		return `http://127.0.0.1:${this.port}/`;
	}

	/** All three channels, or those named. */
	channels(...types: ChannelConfig["type"][]): ChannelConfig[] {
		const all = types.length > 0 ? types : (["websocket", "streaming", "longpoll"] as const);
		return all.map((type) => ({ id: `my-${type}`, type, url: `http://{server.name}:{server.port}/${type}` }));
	}

	/** Clients that have not ended. */
	living(): FakeClient[] {
		return [...this.clients.values()].filter((client) => client.ended === undefined);
	}

	/** What was received of one kind, over all requests. */
	received(operation: string): Row[] {
		return this.log.flatMap((entry) => entry.lines).filter((line) => (line["operation"] ?? line["type"]) === operation);
	}

	async stop(): Promise<void> {
		for (const ws of this.sockets) ws.terminate();
		this.#http.closeAllConnections();
		await new Promise((resolve) => this.#http.close(resolve));
	}

	/** Cuts every connection without a word. */
	cut(): void {
		for (const ws of this.sockets) ws.terminate();
		this.#http.closeAllConnections();
		for (const client of this.clients.values()) client.place = undefined;
	}

	#cutHere(): boolean {
		if (++this.steps !== this.cutAt) return false;
		this.cut();
		return true;
	}

	/** Ends all clients with a code. */
	endAll(line: Row): void {
		for (const client of this.living()) this.#end(client, { type: "control", operation: "disconnect", ...line });
	}

	publish(destination: string, subtopic: string | undefined, body: unknown, messageId = `p${++this.#count}`): void {
		for (const client of this.living()) this.#deliver(client, destination, subtopic, { type: "async", messageId, destination, ...(subtopic && { headers: { DSSubtopic: subtopic } }), body });
	}

	#deliver(client: FakeClient, destination: string, subtopic: string | undefined, line: Row): void {
		const on = [...client.subscriptions].filter(([, entry]) => entry.destination === destination);
		const ids = on.filter(([, entry]) => entry.subtopics.some((item) => item === (subtopic ?? "") || (item.endsWith(".*") && subtopic?.startsWith(item.slice(0, -1))))).map(([id]) => id);
		if (ids.length > 0) this.push(client, line, on.length > 1 ? { type: "control", operation: "for", clientIds: ids } : undefined);
	}

	/** Writes a NUL on every stream. */
	beat(): void {
		for (const stream of this.#streams) stream.write("\0");
	}

	/** Sends a counted line to one client. */
	push(client: FakeClient, line: Row, before?: Row): void {
		client.sent.push({ line, before });
		this.#write(client, client.sent.length - 1);
	}

	#write(client: FakeClient, from: number): void {
		const lines = client.sent.slice(from).flatMap(({ line, before }) => (before ? [before, line] : [line]));
		if (lines.length > 0 && client.place && !client.place.write(lines)) client.place = undefined;
	}

	#end(client: FakeClient, line: Row): void {
		client.ended = line["name"];
		client.lastLine = line;
		client.place?.write([line]);
		client.place?.end();
		client.place = undefined;
	}

	#attach(client: FakeClient, line: Row, place: Omit<Place, "attach">): void {
		if (line["attach"] < Math.max(0, ...client.attaches)) return void place.write([{ type: "control", operation: "displaced" }]);
		client.place?.write([{ type: "control", operation: "displaced" }]);
		client.place?.end();
		client.attaches.push(line["attach"]);
		client.have = line["have"] ?? 0;
		client.place = { ...place, attach: line["attach"] };
		place.write([{ type: "control", operation: "attached", attach: line["attach"], have: client.have, window: this.window, ...this.attachedWith }]);
		this.#write(client, client.have);
	}

	/** Runs the lines of one frame or body. Returns the replies. */
	#run(lines: Row[], client: FakeClient | undefined, place?: Omit<Place, "attach">): { replies: Row[]; client: FakeClient | undefined } {
		const replies: Row[] = [];
		for (const line of lines) {
			if (client && line["have"] > client.have) client.have = line["have"];
			if (client && line["got"] > client.got) client.got = line["got"];
			if (line["operation"] === "client_ping" && line["headers"]?.DSId === "nil") {
				const id = `client${this.clients.size + 1}`;
				client = { id, secret: `secret-${id}`, seq: 0, replies: new Map(), sent: [], have: 0, got: 0, place: undefined, attaches: [], subscriptions: new Map(), user: undefined, ended: undefined };
				this.clients.set(id, client);
				replies.push({ type: "acknowledge", correlationId: line["messageId"], headers: { DSId: id, DSSecret: client.secret }, body: this.welcome });
				if (place && line["attach"]) this.#attach(client, line, { ...place, write: (late) => (replies.push(...late), true) });
				if (client.place && place) client.place = Object.assign(client.place, place);
			} else if (line["operation"] === "attach" && line["streamId"]) {
				const stream = this.#idle.get(line["streamId"]);
				if (client && stream) this.#attach(client, line, stream);
			} else if (line["operation"] === "attach" && place) {
				client = this.clients.get(line["DSId"]);
				if (client?.lastLine) replies.push({ ...client.lastLine, operation: "gone", reason: "expired" });
				else if (!client || client.ended || client.secret !== line["secret"]) replies.push({ type: "control", operation: "gone", reason: "unknown", code: 4522, name: "unknown-client" });
				else this.#attach(client, line, place);
			} else if (line["operation"] === "client_ping") replies.push({ type: "acknowledge", correlationId: line["messageId"] });
			else if (line["operation"] === "detach" && client) {
				const last = { type: "control", operation: "disconnect", code: 4012, name: "client-detached" };
				if (!this.welcome["reloadGraceMillis"]) this.#end(client, last);
				client.place?.write([last]);
				client.place?.end();
				client.place = undefined;
			}
			else if (line["type"] !== "control" && client) replies.push(this.#request1(client, line));
		}
		return { replies, client };
	}

	/** Runs one numbered request, or gives its kept reply again. */
	#request1(client: FakeClient, line: Row): Row {
		const seq = line["seq"] as number;
		const kept = client.replies.get(seq);
		if (kept) return kept;
		if (seq !== client.seq + 1) return { type: "error", correlationId: line["messageId"], code: 4523, name: "uplink-gap", expect: client.seq + 1 };
		client.seq = seq;
		const reply = { correlationId: line["messageId"], ...this.#serve(client, line) };
		client.replies.set(seq, reply);
		return reply;
	}

	#serve(client: FakeClient, line: Row): Row {
		const { destination } = line;
		const state = (operation: string, clientId: string): void => this.push(client, { type: "subscription-state", operation, destination, clientId, correlationId: line["messageId"] });
		if (destination === "nowhere") return { type: "error", code: 4507, name: "unknown-destination", faultCode: "Server.Processing", faultString: "There is no such destination." };
		const subtopic = line["headers"]?.DSSubtopic as string | undefined;
		switch (line["operation"] ?? line["type"]) {
			case "login":
				if (atob(line["body"]) !== "ann:secret") return { type: "error", code: 4517, name: "bad-credentials", faultCode: "Client.Authentication", faultString: "no" };
				client.user = "ann";
				return { type: "acknowledge", body: { user: "ann", roles: ["guest"] } };
			case "subscribe":
			case "multi_subscribe": {
				if (line["clientId"] && this.refuseChanges) return { type: "error", code: this.refuseChanges, faultCode: "Client.Processing", faultString: "no" };
				const clientId = line["clientId"] ?? `sub${++this.#count}`;
				const entry = client.subscriptions.get(clientId) ?? { destination, subtopics: line["operation"] === "subscribe" ? [subtopic ?? ""] : [] };
				const names = (list: string[] = []): string[] => list.map((item) => item.split("_;_")[0] as string);
				entry.subtopics = [...entry.subtopics, ...names(line["headers"]?.DSAddSub)].filter((item) => !names(line["headers"]?.DSRemSub).includes(item));
				client.subscriptions.set(clientId, entry);
				state("subscribe", clientId);
				return { type: "acknowledge", clientId };
			}
			case "unsubscribe":
				client.subscriptions.delete(line["clientId"]);
				state("unsubscribe", line["clientId"]);
				return { type: "acknowledge", clientId: line["clientId"] };
			case "logout":
			case "disconnect":
				setTimeout(() => this.#end(client, { type: "control", operation: "disconnect", ...(line["operation"] === "logout" ? { code: 4011, name: "logout", reconnect: "no" } : { code: 4000, name: "client-disconnect", reconnect: "no" }) }));
				return { type: "acknowledge" };
			default:
				this.publish(destination, subtopic, line["body"], line["messageId"]);
				return { type: "acknowledge" };
		}
	}

	#socket(ws: WebSocket): void {
		this.sockets.add(ws);
		let client: FakeClient | undefined;
		const write = (lines: Row[]): boolean => {
			if (this.#cutHere()) return false;
			if (ws.readyState === ws.OPEN) ws.send(lines.map((line) => JSON.stringify(line)).join("\n"));
			return ws.readyState === ws.OPEN;
		};
		ws.on("close", () => {
			this.sockets.delete(ws);
			if (client && !this.welcome["reconnectMillis"]) client.ended ??= "connection-lost";
			if (client?.place?.write === write) client.place = undefined;
		});
		ws.on("message", (data) => {
			if (this.webSocket === "swallow" || this.#cutHere()) return;
			const lines = parse(String(data));
			this.log.push({ how: "ws", lines, at: Date.now() });
			const result = this.#run(lines, client, { write, end: () => ws.close(1000) });
			client = result.client;
			if (result.replies.length > 0) write(result.replies);
		});
	}

	async #request(request: IncomingMessage, response: ServerResponse): Promise<void> {
		let body = "";
		for await (const chunk of request) body += String(chunk);
		const url = new URL(request.url ?? "", this.base);
		if (url.pathname === "/config.json" && this.config) return void response.writeHead(this.config.status).end(this.config.body);
		if (url.pathname === "/config.json") return void response.end(JSON.stringify({ channels: this.channels(), defaultChannels: ["my-longpoll", "my-streaming"], destinations: [{ id: "special", channels: ["my-streaming"] }] }));
		if (this.refusal) return void response.writeHead(this.refusal.status).end(JSON.stringify({ type: "error", ...this.refusal }) + "\n");
		const lines = parse(body);
		const line = lines[0] ?? {};
		if (this.#cutHere()) return void response.destroy();
		this.log.push({ how: url.pathname + url.search, lines, at: Date.now() });
		const [id = "", secret] = (request.headers.authorization ?? "").replace("Bearer ", "").split(".");
		const client = this.clients.get(id);
		const connecting = line["headers"]?.DSId === "nil";
		if (connecting && this.connectDelay > 0) await new Promise((resolve) => setTimeout(resolve, this.connectDelay));
		const finish = (rows: Row[], status = 200): void => void response.writeHead(status, { "Content-Type": "application/x-ndjson" }).end(rows.map((row) => JSON.stringify(row) + "\n").join(""));
		if (!connecting && (!client || client.secret !== secret || client.ended)) {
			const why = client?.lastLine ? { ...client.lastLine, reason: "expired" } : { type: "control", reason: "unknown", code: 4522, name: "unknown-client" };
			return finish([{ ...why, operation: "gone" }], 401);
		}
		const command = url.searchParams.get("command");
		if (command === "open" && client) return this.#stream(client, line, response);
		if (line["operation"] === "poll" && client) return this.#poll(client, line, response);
		const { replies } = this.#run(lines, client);
		if (this.#cutHere()) return void response.destroy();
		if (this.dropAnswers > 0) {
			this.dropAnswers--;
			return void response.destroy();
		}
		finish(replies);
	}

	#stream(client: FakeClient, line: Row, response: ServerResponse): void {
		response.writeHead(200, { "Content-Type": "application/x-ndjson" });
		this.#streams.add(response);
		response.on("close", () => this.#streams.delete(response));
		let held = "";
		const write = (lines: Row[]): boolean => {
			const text = lines.map((row) => JSON.stringify(row) + "\n").join("");
			if (this.#cutHere()) return false;
			if (this.buffering) held += text;
			else response.write(text);
			return !response.destroyed;
		};
		if (!this.buffering) response.write("\0\0\0");
		const streamId = `stream${++this.#count}`;
		const stream = { write, end: () => response.end(held) };
		write([{ type: "control", operation: "open", streamId }]);
		if (line["operation"] === "attach") this.#attach(client, line, stream);
		else this.#idle.set(streamId, stream);
	}

	#poll(client: FakeClient, line: Row, response: ServerResponse): void {
		const rows: Row[] = [];
		const finish = (pause: number): void => {
			clearTimeout(timer);
			if (this.#cutHere()) return void response.destroy();
			if (client.place?.write === write) client.place = undefined;
			rows.push({ type: "acknowledge", correlationId: line["messageId"], headers: { DSPollWait: pause } });
			if (!response.writableEnded) response.writeHead(200, { "Content-Type": "application/x-ndjson" }).end(rows.map((row) => JSON.stringify(row) + "\n").join(""));
		};
		const timer = setTimeout(() => finish(line["wait"] === 0 ? this.pollPause : 0), Math.min(this.pollWait, line["wait"] ?? Infinity));
		let soon = false;
		const write = (lines: Row[]): boolean => {
			rows.push(...lines);
			if (!soon && lines.some((row) => row["operation"] !== "attached")) {
				soon = true;
				setImmediate(() => finish(0));
			}
			return true;
		};
		this.#attach(client, line, { write, end: () => finish(0) });
	}
}

function parse(text: string): Row[] {
	return text
		.split("\n")
		.filter((line) => line.trim() !== "")
		.map((line) => JSON.parse(line) as Row);
}
