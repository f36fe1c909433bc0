/** The locks of one browser, which all its tabs share (Web Locks API). */
export class FakeLocks {
	readonly held = new Set<string>();
	readonly #waiting = new Map<string, (() => void)[]>();

	async request(name: string, { ifAvailable, signal }: { ifAvailable?: boolean; signal?: AbortSignal }, callback: (lock: object | null) => unknown): Promise<unknown> {
		await Promise.resolve();
		if (this.held.has(name)) {
			if (ifAvailable) return callback(null);
			await new Promise<void>((resolve, reject) => {
				this.#waiting.set(name, [...(this.#waiting.get(name) ?? []), resolve]);
				signal?.addEventListener("abort", () => reject(signal.reason as Error));
			});
			if (signal?.aborted) throw signal.reason;
		}
		this.held.add(name);
		try {
			return await callback({ name });
		} finally {
			this.held.delete(name);
			this.#waiting.get(name)?.shift()?.();
		}
	}
}
