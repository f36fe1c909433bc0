import { vi } from "vitest";

/** What a page has beside the network. */
export interface Stage {
	readonly document: EventTarget & { visibilityState: string };
	/** What the tab keeps over a reload. */
	readonly storage: Map<string, string>;
}

/** Puts a page around the client, which runs in Node. `vi.unstubAllGlobals` takes it away. */
export function stage(navigator: object = { onLine: true }): Stage {
	const document = Object.assign(new EventTarget(), { visibilityState: "visible" });
	const storage = new Map<string, string>();
	vi.stubGlobal("document", document);
	vi.stubGlobal("navigator", navigator);
	listen();
	vi.stubGlobal("sessionStorage", {
		getItem: (key: string) => storage.get(key) ?? null,
		setItem: (key: string, value: string) => void storage.set(key, value),
		removeItem: (key: string) => void storage.delete(key),
	});
	return { document, storage };
}

/** Makes globalThis what a window is: something with events of its own. */
function listen(): void {
	const events = new EventTarget();
	for (const name of ["addEventListener", "removeEventListener", "dispatchEvent"] as const) vi.stubGlobal(name, events[name].bind(events));
}

/** The page is left for good, and another takes its place. */
export function reload(): void {
	hide();
	listen();
}

/** The page is left. */
export function hide(): void {
	dispatchEvent(new Event("pagehide"));
}

/** The page is shown again, from the browser's memory. */
export function showAgain(): void {
	dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
}
