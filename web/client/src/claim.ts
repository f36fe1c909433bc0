/** How long a page that has just been left may take to let go, in milliseconds. */
const lettingGoMillis = 500;

/** How long other pages may take to say that a client is theirs, in milliseconds, where there are no Web Locks: in pages without TLS. */
const answerMillis = 100;

/**
 * Makes the client with this id this page's own, before the page goes on with what another has kept: a tab that is duplicated has a copy of that,
 * and two pages must not number their requests as one client. Resolves with what lets go, or undefined: another page has the client, and this one
 * has to begin anew. Where pages cannot know of each other the client is taken; then the server's `displaced` decides.
 */
export function claim(id: string): Promise<(() => void) | undefined> {
	const name = `sluice client ${id}`;
	const { locks } = navigator as Partial<Navigator>;
	if (locks) return lock(locks, name);
	if (typeof BroadcastChannel === "function") return ask(new BroadcastChannel(name));
	return Promise.resolve(() => {});
}

function lock(locks: LockManager, name: string): Promise<(() => void) | undefined> {
	return new Promise((resolve) => {
		const signal = AbortSignal.timeout(lettingGoMillis);
		// The lock is held until the promise settles that its callback returns.
		const held = locks.request(name, { signal }, () => new Promise<void>(resolve));
		held.catch(() => resolve(signal.aborted ? undefined : () => {})); // an opaque origin has no locks
	});
}

/** Asks all pages. Of those that ask at the same time the one with the lowest number gets it. */
function ask(pages: BroadcastChannel): Promise<(() => void) | undefined> {
	return new Promise((resolve) => {
		const number = Math.random();
		let mine = false;
		const done = setTimeout(() => {
			mine = true;
			resolve(() => pages.close());
		}, answerMillis);
		pages.onmessage = ({ data }: { data: number | "mine" }) => {
			if (data !== "mine" && (mine || number < data)) return pages.postMessage("mine");
			if (mine) return; // others still ask
			clearTimeout(done);
			pages.close();
			resolve(undefined);
		};
		pages.postMessage(number);
	});
}
