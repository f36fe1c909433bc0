import { Deferred } from "../Deferred.js";
import { Fault, type ChannelSetOptions, type Events } from "../index.js";
import { newId, type Request } from "../Request.js";
import type { Holder, Subscriber } from "../Router.js";
import { hold, watch } from "./locks.js";
import { revive, type Call, type Heard, type Outcome, type Said, type State, type Told } from "./wire.js";

/** How long the worker may take to say its first word, in milliseconds. */
const welcomeMillis = 5000;

/** After so many lines the worker learns that they have been taken. */
const confirmAfter = 256;

/** What a Tab tells. */
export interface TabEvents {
	event(name: Told, event: Events[Told]): void;
	/** The server's client is over, and its subscriptions. */
	ended(): void;
	/** What was promised does not come. */
	stopped(fault: Fault): void;
	/** The worker is gone, or this page is left, or was not waited for: nothing comes any more. */
	over(why: "worker" | "page"): void;
}

/** The tab's end of the way to the worker. */
export class Tab {
	/** How the worker's ChannelSet stood when it last said something. */
	state: State = {};
	#age = 0; // counts the server's clients
	#calls = 0;
	#taken = 0;
	#closed = false;
	readonly #open = new Map<string, Pick<Request, "settle" | "lost">>(); // by messageId
	readonly #called = new Map<number, Deferred<unknown>>();
	readonly #subscribers = new Map<string, Subscriber>(); // by the messageId of their request
	readonly #undo: (() => void)[] = [];
	#events: TabEvents | undefined; // until it leaves

	/** What this tab's subscriptions have of the server's client. */
	client: Holder = this.#newClient();

	/** Goes to the worker at that address. Resolves with undefined where there is none: no SharedWorker, no Web Locks, or not for this page. */
	static async open(url: string, options: ChannelSetOptions, events: TabEvents): Promise<Tab | undefined> {
		if (typeof SharedWorker === "undefined" || !(navigator as Partial<Navigator>).locks) return undefined;
		const lock = `sluice tab ${newId()}`;
		let letGo: (() => void) | undefined;
		try {
			letGo = await hold(lock);
			// Where extendedLifetime exists the worker outlives its last tab by a moment, and can tell the server that nobody is left.
			const worker = new SharedWorker(url, { type: "module", name: "sluice", extendedLifetime: true } as WorkerOptions);
			const tab = new Tab(worker.port, events, letGo);
			await new Promise<void>((resolve, reject) => {
				const timer = setTimeout(reject, welcomeMillis);
				worker.onerror = reject;
				worker.port.onmessage = ({ data }: { data: string }) => {
					const said = JSON.parse(data) as Heard;
					if (said.op !== "welcome") return tab.#hear(said);
					clearTimeout(timer);
					tab.#watchPage();
					tab.#undo.push(watch(said.lock, () => tab.#over("worker")));
					resolve();
				};
				tab.#say({ op: "hello", lock, options, seen: visible() });
			}).catch((error) => {
				tab.#close();
				throw error;
			});
			return tab.#closed ? undefined : tab;
		} catch {
			letGo?.();
			return undefined;
		}
	}

	private constructor(
		private readonly port: MessagePort,
		events: TabEvents,
		letGo: () => void,
	) {
		this.#events = events;
		this.#undo.push(letGo, () => port.close());
	}

	/** Connects, if the worker has not. */
	connect(): void {
		this.#say({ op: "connect" });
	}

	/** Sends a request for whichever client there is. */
	send(request: Request): void {
		this.#open.set(request.line.messageId, request);
		this.#say({ op: "send", line: request.line });
	}

	/** Sends a request for the client of now. */
	ask(request: Request): void {
		this.#open.set(request.line.messageId, request);
		this.#say({ op: "ask", line: request.line, age: this.#age });
	}

	call(call: Call, ...args: string[]): Promise<unknown> {
		const done = new Deferred<unknown>();
		this.#called.set(++this.#calls, done);
		this.#say({ op: "call", id: this.#calls, call, args });
		return done.promise;
	}

	/** Leaves the worker, which goes on for others. Resolves when it has let go. */
	async leave(): Promise<void> {
		this.#events = undefined;
		await this.call("leave").catch(() => {});
		this.#close();
	}

	#watchPage(): void {
		if (typeof document === "undefined") return;
		const listen = (target: EventTarget, name: string, listener: () => void): void => {
			target.addEventListener(name, listener);
			this.#undo.push(() => target.removeEventListener(name, listener));
		};
		listen(document, "visibilitychange", () => this.#say({ op: "seen", seen: visible() }));
		listen(globalThis as unknown as EventTarget, "pagehide", () => {
			this.#say({ op: "call", id: 0, call: "leave", args: [] });
			this.#over("page");
		});
	}

	#say(said: Said): void {
		if (!this.#closed) this.port.postMessage(JSON.stringify(said));
	}

	#hear(said: Heard): void {
		if (this.#closed) return;
		switch (said.op) {
			case "event":
				this.state = said.state;
				return this.#events?.event(said.name, "fault" in said.event ? { ...said.event, fault: revive(said.event.fault) } : said.event);
			case "ended":
				this.#age++;
				this.#subscribers.clear();
				this.client = this.#newClient();
				return this.#events?.ended();
			case "stopped":
				return this.#events?.stopped(revive(said.fault));
			case "reply":
				return this.#settle(said.id, said);
			case "done":
				return this.#finish(said.id, said);
			case "line":
				if (++this.#taken % confirmAfter === 0) this.#say({ op: "got", count: confirmAfter });
				return this.#subscribers.get(said.id)?.deliver(said.line, said.merged);
			case "invalidated": {
				const subscriber = this.#subscribers.get(said.id);
				this.#subscribers.delete(said.id);
				return subscriber?.invalidated(said.line);
			}
			case "over":
				return this.#over("worker");
		}
	}

	#settle(id: string, { reply, fault }: Outcome): void {
		const request = this.#open.get(id);
		if (!request) return;
		if (fault?.faultCode !== "Client.Error.RequestTimeout") this.#open.delete(id); // its reply may still come
		if (reply) request.settle(reply);
		else if (fault) request.settle(revive(fault));
		else request.lost();
	}

	#finish(id: number, { value, fault }: Outcome): void {
		const done = this.#called.get(id);
		this.#called.delete(id);
		if (fault) done?.reject(revive(fault));
		else done?.resolve(value);
	}

	#newClient(): Holder {
		const subscribers = this.#subscribers;
		return {
			subscribers: new Set(),
			router: {
				adopt: () => false,
				asked: (messageId, _, subscriber) => void subscribers.set(messageId, subscriber),
				settle: (messageId, reply) => {
					const subscriber = subscribers.get(messageId);
					if (reply instanceof Fault && reply.faultCode !== "Client.Error.RequestTimeout") subscribers.delete(messageId);
					subscriber?.settle(reply);
				},
				forget: () => {}, // the worker does
			},
		};
	}

	#over(why: "worker" | "page"): void {
		if (this.#closed) return;
		this.#close();
		this.#events?.over(why);
	}

	/** What is open stays in doubt. */
	#close(): void {
		if (this.#closed) return;
		this.#closed = true;
		this.state = {};
		for (const undo of this.#undo) undo();
		for (const done of this.#called.values()) done.reject(new Fault("Client.Error.DeliveryInDoubt", "The connection of all tabs has ended."));
		for (const { lost } of this.#open.values()) lost();
	}
}

function visible(): boolean {
	return typeof document === "undefined" || document.visibilityState !== "hidden";
}
