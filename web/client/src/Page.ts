import { network } from "./Memory.js";

/** What a Page tells. */
export interface PageEvents {
	/** The page is being left: it may come back, or not. */
	leave(): void;
	/** The page is back, from the browser's memory. */
	back(): void;
	/** The page can be seen again, or not any more. */
	seen(): void;
	/** The network is back, or gone, or another, as far as the browser knows. */
	network(): void;
}

/** Nobody can see the page: its timers are throttled. Where there is no page (Node, workers), it is always seen. */
export function hidden(): boolean {
	return typeof document !== "undefined" && document.visibilityState === "hidden";
}

/** The browser believes that there is no network. */
export function offline(): boolean {
	return typeof navigator !== "undefined" && navigator.onLine === false;
}

/** The page the client runs in. Where there is none nothing happens. */
export class Page {
	readonly #undo: (() => void)[] = [];

	constructor(events: PageEvents) {
		const listen = (target: EventTarget, name: string, listener: (event: Event) => void): void => {
			target.addEventListener(name, listener);
			this.#undo.push(() => target.removeEventListener(name, listener));
		};
		if (typeof document === "undefined" || typeof addEventListener !== "function") return;
		const window = globalThis as unknown as EventTarget;
		listen(window, "pagehide", () => events.leave());
		listen(window, "pageshow", (event) => (event as PageTransitionEvent).persisted && events.back());
		listen(window, "online", () => events.network());
		listen(window, "offline", () => events.network());
		listen(document, "visibilitychange", () => events.seen());
		// Its change event also tells each new guess of how fast the network is.
		const { connection } = navigator as { readonly connection?: EventTarget }; // where there is a page there is this
		let was = network();
		if (connection) listen(connection, "change", () => network() !== was && ((was = network()), events.network()));
	}

	/** Stops listening. */
	stop(): void {
		for (const undo of this.#undo.splice(0)) undo();
	}
}
