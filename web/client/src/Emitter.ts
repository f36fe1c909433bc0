/** A table of listeners. `Events` names each event and the object its listeners get. */
export class Emitter<Events> {
	readonly #listeners = new Map<keyof Events, Set<(event: never) => void>>();

	/** Calls `listener` for each event of that name from now on. Returns what ends that. */
	on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): () => void {
		const own = (event: Events[Name]): void => listener(event); // the same function twice is two listeners
		let set = this.#listeners.get(name);
		if (!set) this.#listeners.set(name, (set = new Set()));
		set.add(own);
		return () => set.delete(own);
	}

	/** @internal Tells all listeners. One that throws stops neither the others nor the connection: the error is reported as uncaught ones are. */
	emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
		for (const listener of [...(this.#listeners.get(name) ?? [])]) {
			try {
				(listener as (event: Events[Name]) => void)(event);
			} catch (error) {
				if (typeof reportError === "function") reportError(error);
				else console.error(error);
			}
		}
	}
}
