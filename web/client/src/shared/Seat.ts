import type { ChannelSet, Login } from "../index.js";
import { Fault } from "../index.js";
import { MessageAgent } from "../MessageAgent.js";
import { newId, type Request } from "../Request.js";
import type { Holder } from "../Router.js";
import { told, type Call, type Heard, type Outcome, type Said } from "./wire.js";

/** So many lines may be on their way to a tab: more pile up only at one that is frozen or stuck. */
const maxUntaken = 20_000;

/** The place of one tab in the worker: an agent of the worker's ChannelSet, which does what the tab asks for and tells it what comes of it. */
export class Seat extends MessageAgent {
	#age = 0; // counts the server's clients
	#untaken = 0; // lines on their way
	#left = false;
	readonly #held = new Map<string, string | undefined>(); // subscriptions: the messageId of their request, and their clientId once it is known
	readonly #undo: (() => void)[];

	/** @param vacated the tab has left, or is not waited for any more */
	constructor(
		readonly set: ChannelSet,
		private readonly post: (said: Heard) => void,
		private readonly vacated: () => void,
	) {
		super(set, "");
		this.#undo = told.map((name) => set.on(name, (event) => this.#tell(name, event)));
		set.join(this);
		const { currentChannel: channel, held, authenticated } = set;
		if (channel) {
			this.#tell("channelConnect", { channelId: channel.id, channel, reconnecting: false, resumed: false, held });
			this.#tell("propertyChange", { property: "connected", value: true });
		}
		if (authenticated) this.#tell("propertyChange", { property: "authenticated", value: true });
	}

	/** Does what the tab says. */
	hear(said: Said): void {
		if (this.#left) return this.post({ op: "over" }); // it does not know
		switch (said.op) {
			case "connect":
				return this.set.join(this);
			case "send":
				return this.set.send(this, this.#request(said.line));
			case "ask":
				return this.#ask(said.line, said.age);
			case "call":
				return void this.#call(said.call, said.args).then(
					(value) => this.post({ op: "done", id: said.id, value }),
					(fault: Fault) => this.post({ op: "done", id: said.id, fault }),
				);
			case "got":
				this.#untaken -= said.count;
		}
	}

	/** The tab is gone. With the last one the ChannelSet disconnects. */
	leave(): Promise<void> {
		if (this.#left) return Promise.resolve();
		this.#left = true;
		for (const undo of this.#undo) undo();
		this.vacated();
		return this.set.disconnect(this);
	}

	override ended(): void {
		this.#age++;
		this.#held.clear();
		this.post({ op: "ended" });
	}

	override stopped(fault: Fault): void {
		this.post({ op: "stopped", fault });
	}

	override leaving(): Promise<void> {
		for (const clientId of this.#held.values()) if (clientId !== undefined) this.#release(clientId);
		return Promise.resolve();
	}

	#tell(name: (typeof told)[number], event: Extract<Heard, { op: "event" }>["event"]): void {
		const { currentChannel: channel, held, clientId, user } = this.set;
		this.post({ op: "event", name, event, state: { channel, held, clientId, user } });
	}

	async #call(call: Call, [user = "", password = ""]: readonly string[]): Promise<Login | void> {
		if (call === "leave") return this.leave();
		this.set.join(this);
		return call === "login" ? this.set.login(user, password) : this.set.logout();
	}

	#request(line: Request["line"], settled: (outcome: Outcome) => void = () => {}): Request {
		const settle = (outcome: Outcome): void => {
			settled(outcome);
			this.post({ op: "reply", id: line.messageId, ...outcome });
		};
		return { line, settle: (reply) => settle(reply instanceof Fault ? { fault: reply } : { reply }), lost: () => settle({ lost: true }) };
	}

	#ask(line: Request["line"], age: number): void {
		const id = line.messageId;
		const [operation, clientId] = [line["operation"], line["clientId"] as string | undefined];
		const subscribes = clientId === undefined && (operation === "subscribe" || operation === "multi_subscribe");
		let client: Holder | undefined;
		const request = this.#request(line, ({ reply, fault }) => {
			const answer = reply ?? fault;
			if (!subscribes || !answer) return;
			client?.router.settle(id, answer);
			if (this.#left && reply?.clientId !== undefined) this.#release(reply.clientId);
			else if (reply && this.#held.has(id)) this.#held.set(id, reply.clientId);
			else if (fault && fault.faultCode !== "Client.Error.RequestTimeout") this.#held.delete(id);
		});
		client = age === this.#age ? this.set.ask(line, request.settle, request.lost) : undefined;
		if (!client) return request.lost();
		if (operation === "unsubscribe" && clientId !== undefined) {
			client.router.forget(clientId);
			for (const [id, own] of this.#held) if (own === clientId) this.#held.delete(id);
		}
		if (!subscribes) return;
		this.#held.set(id, undefined);
		client.router.asked(id, line["destination"] as string, {
			key: "", // no page takes it over
			deliver: (line, merged) => this.#deliver({ op: "line", id, line, merged }),
			resumed: () => {},
			invalidated: (line) => {
				this.#held.delete(id);
				this.#deliver({ op: "invalidated", id, line });
			},
			settle: () => {}, // the tab has its reply anyway
		});
	}

	#deliver(said: Heard): void {
		if (this.#left) return;
		this.post(said);
		if (++this.#untaken <= maxUntaken) return;
		void this.leave();
		this.post({ op: "over" });
	}

	#release(clientId: string): void {
		this.set.ask({ type: "command", operation: "unsubscribe", messageId: newId(), clientId }, () => {}, () => {})?.router.forget(clientId);
	}
}
