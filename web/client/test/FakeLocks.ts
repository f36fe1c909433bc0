/** The locks of one browser, which all its tabs share (Web Locks API). */
export class FakeLocks {
	readonly held = new Set<string>();
	readonly #waiting = new Map<string, (() => void)[]>();
	readonly #dead = new Map<string, () => void>(); // by the name of what is held

	async request(name: string, { ifAvailable, signal }: { ifAvailable?: boolean; signal?: AbortSignal }, callback: (lock: object | null) => unknown): Promise<unknown> {
		await Promise.resolve();
		if (this.held.has(name)) {
			if (ifAvailable) return callback(null);
			await new Promise<void>((resolve, reject) => {
				this.#waiting.set(name, [...(this.#waiting.get(name) ?? []), resolve]);
				signal?.addEventListener("abort", () => {
					this.#waiting.set(name, (this.#waiting.get(name) ?? []).filter((one) => one !== resolve));
					reject(signal.reason as Error);
				});
			});
			if (signal?.aborted) throw signal.reason;
		}
		this.held.add(name);
		try {
			return await Promise.race([callback({ name }), new Promise<void>((resolve) => this.#dead.set(name, resolve))]);
		} finally {
			this.held.delete(name);
			this.#waiting.get(name)?.shift()?.();
		}
	}

	/** Whoever holds that lock is dead. */
	kill(name: string): void {
		this.#dead.get(name)?.();
	}
}
