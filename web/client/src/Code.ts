/** May a client that was told this code come back: at once (with the usual jitter), never by itself, or after a pause. */
export type Reconnect = "yes" | "no" | "after";

/**
 * What kind of end it is, for an application that need not know every code:
 *
 * - `left`: this side went, or its user logged out.
 * - `timeout`: a configured time ran out while the server was there, such as the session's.
 * - `shutdown`: the server says that it goes down; `retryAfterMillis` says when to come back.
 * - `vanished`: the connection went, or fell silent, without a goodbye of the server; or the server is another and does not know the client.
 * - `away`: this machine or page was asleep (see `awayMillis`), or has no network.
 * - `removed`: somebody else ended it: an administrator, another tab of the session, a newer connection.
 * - `refused`: the server would not serve this: a limit, a right, a mistake, a failure of its own. Or the browser would not.
 */
export type Kind = "left" | "timeout" | "shutdown" | "vanished" | "away" | "removed" | "refused";

/** One row of the table of codes that server, client and documentation share: channel/message/codes.json. */
export interface Code {
	readonly code: number;
	readonly name: string;
	readonly sentence: string;
	readonly kind: Kind;
	/** The client is over with it, and not only a connection. */
	readonly over: boolean;
	readonly reconnect: Reconnect;
	/** How long to stay away where `reconnect` is "after", in milliseconds. */
	readonly retryAfterMillis?: number;
	/** The setting in services-config.xml behind the code. */
	readonly setting?: string;
}
