/** Holds a lock that is nobody else's. Resolves with what gives it back, once it is held; rejects where there are none. */
export function hold(name: string): Promise<() => void> {
	return new Promise((resolve, reject) => {
		// The lock is held until the promise settles that its callback returns.
		navigator.locks.request(name, {}, () => new Promise<void>(resolve)).catch(reject);
	});
}

/** Calls `gone` once whoever holds that lock is not there any more: the browser takes the locks of the dead away. Returns what ends that. */
export function watch(name: string, gone: () => void): () => void {
	const stop = new AbortController();
	navigator.locks.request(name, { signal: stop.signal }, () => !stop.signal.aborted && gone()).catch(() => {}); // not watched any more
	return () => stop.abort();
}
