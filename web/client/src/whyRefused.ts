import type { ChannelConfig } from "./Channel.js";
import { refused, type Disconnect } from "./Disconnect.js";
import { readAnswer, refusal } from "./HttpUplink.js";

/** How long the answer may take, in milliseconds. */
const patienceMillis = 2000;

/** What an address that would serve the channel answers to a question that is none: bad-content-type, bad-request. */
const served: readonly (number | undefined)[] = [4527, 4537];

/**
 * Asks a channel that could not be opened, and did not say why, for the reason. Of a WebSocket's handshake that is refused browsers tell a page
 * nothing (WHATWG WebSockets section 3), and of a request only what CORS lets through, from the preflight on. So this asks without preflight
 * (Fetch, "CORS-safelisted") and without cookies, what the server refuses in any case, and whose answer says why. "served": the channel would be
 * served and is only hard to reach; undefined: nothing was to be heard. Never rejects.
 */
export async function whyRefused({ type, url }: ChannelConfig): Promise<Disconnect | "served" | undefined> {
	try {
		const signal = AbortSignal.timeout(patienceMillis);
		const how: RequestInit = type === "websocket" ? {} : { method: "POST", body: "", headers: { "Content-Type": "text/plain" } };
		const error = refusal(await readAnswer(await fetch(url.replace(/^ws/, "http"), { ...how, signal, cache: "no-store", credentials: "omit" })));
		return error && (served.includes(error.code) ? "served" : refused(error));
	} catch {
		return undefined;
	}
}
