import { ChannelSet } from "../index.js";
import { newId } from "../Request.js";
import { hold, watch } from "./locks.js";
import { Seat } from "./Seat.js";
import type { Heard, Said } from "./wire.js";

/** What stands for the document in a worker, which has none: it can be seen while one of the tabs can. */
export class Scene extends EventTarget {
	visibilityState: "visible" | "hidden" = "hidden";
}

interface Room {
	readonly set: ChannelSet;
	seats: number;
}

/** The worker: holds one ChannelSet for all tabs that ask for one with the same options. */
export class Hub {
	readonly #lock = `sluice hub ${newId()}`;
	readonly #held = hold(this.#lock);
	readonly #rooms = new Map<string, Room>(); // by the options
	readonly #seen = new Set<MessagePort>(); // tabs that somebody sees

	/** @param scene the worker's document */
	constructor(private readonly scene: { visibilityState: string } & EventTarget) {}

	/** A tab has come. */
	connect(port: MessagePort): void {
		let seat: Seat | undefined;
		let unwatch = (): void => {};
		const post = (said: Heard): void => port.postMessage(JSON.stringify(said));
		port.onmessage = async ({ data }: { data: string }) => {
			const said = JSON.parse(data) as Said;
			if (said.op === "seen") return this.#see(port, said.seen);
			if (said.op !== "hello") return seat?.hear(said);
			await this.#held;
			const room = this.#room(JSON.stringify(said.options), said.options);
			post({ op: "welcome", lock: this.#lock });
			seat = new Seat(room.set, post, () => {
				unwatch();
				this.#see(port, false);
				room.seats--;
			});
			this.#see(port, said.seen);
			unwatch = watch(said.lock, () => void seat?.leave());
		};
	}

	#room(key: string, options: ConstructorParameters<typeof ChannelSet>[0]): Room {
		for (const [key, { seats }] of this.#rooms) if (seats === 0) this.#rooms.delete(key); // what leaves the server goes on doing so
		let room = this.#rooms.get(key);
		if (!room) this.#rooms.set(key, (room = { set: new ChannelSet(options), seats: 0 }));
		room.seats++;
		return room;
	}

	#see(port: MessagePort, seen: boolean): void {
		seen ? this.#seen.add(port) : this.#seen.delete(port);
		const state = this.#seen.size > 0 ? "visible" : "hidden";
		if (state === this.scene.visibilityState) return;
		this.scene.visibilityState = state;
		this.scene.dispatchEvent(new Event("visibilitychange"));
	}
}
