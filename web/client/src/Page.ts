/** What a Page tells. */
export interface PageEvents {
	/** The page is being left: it may come back, or not. */
	leave(): void;
	/** The page is back, from the browser's memory. */
	back(): void;
	/** A good moment to connect: the page can be seen again, or the network is back. */
	wake(): void;
}

/** The page the client runs in. Where there is none (Node, workers), it is always awake and nothing happens. */
export class Page {
	readonly #undo: (() => void)[] = [];

	constructor(events: PageEvents) {
		const listen = (target: EventTarget, name: string, listener: (event: Event) => void): void => {
			target.addEventListener(name, listener);
			this.#undo.push(() => target.removeEventListener(name, listener));
		};
		if (typeof document === "undefined" || typeof addEventListener !== "function") return;
		listen(globalThis as unknown as EventTarget, "pagehide", () => events.leave());
		listen(globalThis as unknown as EventTarget, "pageshow", (event) => (event as PageTransitionEvent).persisted && events.back());
		listen(globalThis as unknown as EventTarget, "online", () => events.wake());
		listen(document, "visibilitychange", () => document.visibilityState === "visible" && events.wake());
	}

	/** No use to connect now: nobody can see the page, or there is no network. */
	get asleep(): boolean {
		return (typeof document !== "undefined" && document.visibilityState === "hidden") || (typeof navigator !== "undefined" && navigator.onLine === false);
	}

	/** Stops listening. */
	stop(): void {
		for (const undo of this.#undo.splice(0)) undo();
	}
}
