/**
 * So many of the connections to one server may be held by streams and polls, over all tabs of the browser. Browsers open six over HTTP/1.1;
 * what is left is for sending, and for the page's own requests.
 */
const slots = 4;

/**
 * Takes one of the connections that may be held. Resolves with what gives it back, or undefined: other tabs have them all. There is no limit
 * over HTTP/2 and 3, outside pages, and where tabs cannot know of each other (no Web Locks, as in pages without TLS).
 */
export async function takeSlot(url: string): Promise<(() => void) | undefined> {
	const { origin } = new URL(url);
	const locks = typeof document === "undefined" ? undefined : (globalThis.navigator as Partial<Navigator> | undefined)?.locks;
	if (!locks || multiplexed(origin)) return () => {};
	for (let i = 0; i < slots; i++) {
		const release = await take(locks, `sluice ${origin} ${i}`);
		if (release) return release;
	}
	return undefined;
}

/** Requests to this origin share one connection, as far as the page's timing tells. */
function multiplexed(origin: string): boolean {
	const seen = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")] as PerformanceResourceTiming[];
	return seen.some(({ name, nextHopProtocol }) => name.startsWith(origin + "/") && /^h[23]/.test(nextHopProtocol));
}

function take(locks: LockManager, name: string): Promise<(() => void) | undefined> {
	return new Promise((resolve) => {
		// The lock is held until the promise settles that its callback returns.
		const held = locks.request(name, { ifAvailable: true }, (lock) => (lock ? new Promise<void>(resolve) : resolve(undefined)));
		held.catch(() => resolve(() => {})); // an opaque origin has no locks
	});
}
