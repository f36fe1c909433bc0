/** May a client that was told this code come back: at once (with the usual jitter), never by itself, or after a pause. */
export type Reconnect = "yes" | "no" | "after";

/** One row of the table of codes that server, client and documentation share: channel/message/codes.json. */
export interface Code {
	readonly code: number;
	readonly name: string;
	readonly sentence: string;
	readonly reconnect: Reconnect;
	/** How long to stay away where `reconnect` is "after", in milliseconds. */
	readonly retryAfterMillis?: number;
	/** The setting in services-config.xml behind the code. */
	readonly setting?: string;
	/** Only clients conclude it; the server never says so. */
	readonly client?: boolean;
}
