import type { KeptClient } from "./FlexClient.js";

/** What a page that is left keeps for the one that follows it in the same tab. */
export interface Kept extends KeptClient {
	/** The channel it was received over: what is kept is for a ChannelSet with the same one. */
	readonly url: string;
	/** Until when the server is thought to keep the client, in milliseconds since 1970. */
	readonly until: number;
}

/**
 * The place of one ChannelSet in the tab's sessionStorage. What is kept there is deleted as soon as it is used: it holds the client's secret, and
 * a tab that is duplicated gets a copy.
 */
export class Keep {
	readonly #key: string;

	constructor(name: string) {
		this.#key = `sluice ${name}`;
	}

	/** False: this page has no storage, or no room in it. */
	save(kept: Kept): boolean {
		try {
			sessionStorage.setItem(this.#key, JSON.stringify(kept));
			return true;
		} catch {
			return false;
		}
	}

	/** Reads what is kept, and deletes it. */
	take(): Kept | undefined {
		const kept = this.read();
		try {
			sessionStorage.removeItem(this.#key);
		} catch {
			// no storage
		}
		return kept;
	}

	/** Reads what is kept, and leaves it there. */
	read(): Kept | undefined {
		try {
			const kept = JSON.parse(sessionStorage.getItem(this.#key) ?? "{}") as Kept;
			return kept.until > Date.now() ? kept : undefined;
		} catch {
			return undefined;
		}
	}
}
