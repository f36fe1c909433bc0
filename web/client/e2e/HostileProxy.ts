import { createHash } from "node:crypto";
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect, type AddressInfo } from "node:net";
import type { Duplex } from "node:stream";

/** How a proxy harms: not at all; no upgrade at all; an upgrade into nothing; that, and answers that are handed on only when they are complete. */
export type Harm = "does nothing" | "refuses upgrades" | "swallows frames" | "swallows frames and buffers answers";

/** A proxy in front of a server, as they stand in hotels and companies. */
export class HostileProxy {
	readonly #http: Server;
	readonly #open = new Set<Duplex>();
	/** So many sockets and streams it has harmed. */
	harmed = 0;

	constructor(
		private readonly target: string,
		private harm: Harm,
	) {
		this.#http = createServer((incoming, outgoing) => this.#forward(incoming, outgoing));
		this.#http.on("upgrade", (incoming, socket) => this.#upgrade(incoming, socket));
		this.#http.on("connection", (socket) => {
			this.#open.add(socket);
			socket.on("close", () => this.#open.delete(socket));
		});
	}

	/** Starts it and returns where the page is to be had through it. */
	async start(): Promise<string> {
		await new Promise<void>((resolve) => this.#http.listen(0, "127.0.0.1", resolve));
		return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}/`;
	}

	async stop(): Promise<void> {
		for (const socket of this.#open) socket.destroy();
		await new Promise((resolve) => this.#http.close(resolve));
	}

	/** Harms what comes from now on in another way. */
	allow(harm: Harm): void {
		this.harm = harm;
	}

	/** Breaks all connections, and harms in another way from now on. */
	become(harm: Harm): void {
		this.allow(harm);
		for (const socket of this.#open) socket.destroy();
	}

	#forward(incoming: IncomingMessage, outgoing: ServerResponse): void {
		const { host, port } = { host: new URL(this.target).hostname, port: new URL(this.target).port };
		if (this.harm === "swallows frames and buffers answers" && incoming.url?.includes("command=open")) this.harmed++;
		const out = request({ host, port, path: incoming.url, method: incoming.method, headers: incoming.headers }, (answer) => {
			if (this.harm !== "swallows frames and buffers answers") {
				outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
				answer.pipe(outgoing);
				return;
			}
			const parts: Buffer[] = [];
			answer.on("data", (part: Buffer) => parts.push(part));
			answer.on("end", () => outgoing.writeHead(answer.statusCode ?? 502, answer.headers).end(Buffer.concat(parts)));
		});
		out.on("error", () => outgoing.destroy());
		outgoing.on("close", () => out.destroy());
		incoming.pipe(out);
	}

	#upgrade(incoming: IncomingMessage, socket: Duplex): void {
		socket.on("error", () => {});
		if (this.harm === "does nothing") return this.#tunnel(incoming, socket);
		this.harmed++;
		if (this.harm === "refuses upgrades") return void socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
		// RFC 6455 section 4.2.2
		const accept = createHash("sha1").update(`${incoming.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
		const protocol = incoming.headers["sec-websocket-protocol"];
		socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${protocol ? `Sec-WebSocket-Protocol: ${protocol}\r\n` : ""}\r\n`);
		socket.resume();
	}

	#tunnel(incoming: IncomingMessage, socket: Duplex): void {
		const { hostname, port } = new URL(this.target);
		const out = connect(Number(port), hostname, () => {
			const headers = incoming.rawHeaders.flatMap((text, i, all) => (i % 2 === 0 ? `${text}: ${all[i + 1]}` : []));
			out.write([`GET ${incoming.url} HTTP/1.1`, ...headers, "", ""].join("\r\n"));
			out.pipe(socket);
			socket.pipe(out);
		});
		out.on("error", () => {});
		out.on("close", () => socket.destroy());
		socket.on("close", () => out.destroy());
	}
}
