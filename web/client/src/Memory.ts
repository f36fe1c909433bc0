import type { ChannelConfig } from "./Channel.js";

/** What is remembered holds for so long, in milliseconds: a day. */
const holdsMillis = 86_400_000;

/** So many networks are remembered, those used last. */
const most = 8;

const key = "sluice ways";

type Ways = Record<string, { readonly id: string; readonly until: number }>;

/** The kind of network the browser is in (Network Information API), as far as it tells. */
export function network(): string {
	return (globalThis as { navigator?: { connection?: { type?: string } } }).navigator?.connection?.type ?? "";
}

/**
 * Remembers, in the browser's localStorage, which channel worked in which network with which server, where that was not the best one: the next
 * page begins with it. It is no secret, and no more than a hint.
 */
export class Memory {
	/** The channels in the order to try them, with the one first that worked here before. */
	order(configs: readonly ChannelConfig[]): ChannelConfig[] {
		const id = this.#read()[place(configs)]?.id;
		return [...configs.filter((config) => config.id === id), ...configs.filter((config) => config.id !== id)];
	}

	/** This channel works here. */
	keep(configs: readonly ChannelConfig[], { id }: ChannelConfig): void {
		const here = place(configs);
		const { [here]: was, ...others } = this.#read();
		if (id === configs[0]?.id && !was) return; // nothing to remember, nothing to forget
		const entries = Object.entries(id === configs[0]?.id ? others : { ...others, [here]: { id, until: Date.now() + holdsMillis } });
		try {
			localStorage.setItem(key, JSON.stringify(Object.fromEntries(entries.slice(-most))));
		} catch {
			// no storage, or no room in it
		}
	}

	#read(): Ways {
		try {
			const ways = Object.entries(JSON.parse(localStorage.getItem(key) ?? "{}") as Ways);
			return Object.fromEntries(ways.filter(([, { until }]) => until > Date.now()));
		} catch {
			return {};
		}
	}
}

function place(configs: readonly ChannelConfig[]): string {
	return `${network()} ${new URL(configs[0]?.url ?? "").host}`;
}
