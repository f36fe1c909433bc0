import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect, type AddressInfo } from "node:net";
import type { Duplex } from "node:stream";

/** A web server with pages of its own, and a Sluice behind it for all the rest: one origin, as an application has it. */
export class AppServer {
	readonly #http: Server;
	readonly #open = new Set<Duplex>();

	constructor(
		private readonly target: string,
		private readonly pages: Readonly<Record<string, string>>,
	) {
		this.#http = createServer((incoming, outgoing) => this.#answer(incoming, outgoing));
		this.#http.on("upgrade", (incoming, socket, head) => this.#upgrade(incoming, socket, head));
		this.#http.on("connection", (socket) => this.#keep(socket));
	}

	/** Starts it and returns where it is. */
	async start(): Promise<string> {
		await new Promise<void>((resolve) => this.#http.listen(0, "127.0.0.1", resolve));
		return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}/`;
	}

	async stop(): Promise<void> {
		for (const socket of this.#open) socket.destroy();
		await new Promise((resolve) => this.#http.close(resolve));
	}

	#keep(socket: Duplex): void {
		this.#open.add(socket);
		socket.on("close", () => this.#open.delete(socket));
		socket.on("error", () => {});
	}

	#answer(incoming: IncomingMessage, outgoing: ServerResponse): void {
		const page = this.pages[(incoming.url ?? "").split("?")[0] ?? ""];
		if (page !== undefined) return void outgoing.writeHead(200, { "Content-Type": "text/html" }).end(page);
		const { hostname, port } = new URL(this.target);
		const out = request({ host: hostname, port, path: incoming.url, method: incoming.method, headers: incoming.headers }, (answer) => {
			outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
			answer.on("error", () => outgoing.destroy());
			answer.pipe(outgoing);
			outgoing.flushHeaders();
		});
		out.on("error", () => outgoing.destroy());
		outgoing.on("close", () => out.destroy());
		incoming.pipe(out);
	}

	#upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
		const { hostname, port } = new URL(this.target);
		const out = connect(Number(port), hostname, () => {
			const headers = incoming.rawHeaders.flatMap((text, i, all) => (i % 2 === 0 ? `${text}: ${all[i + 1]}` : []));
			out.write([`GET ${incoming.url} HTTP/1.1`, ...headers, "", ""].join("\r\n"));
			out.write(head);
			out.pipe(socket);
			socket.pipe(out);
		});
		this.#keep(out);
		socket.on("error", () => {});
		out.on("close", () => socket.destroy());
		socket.on("close", () => out.destroy());
	}
}
