/** What the server tells a client of itself, at connect and where it attaches. Sizes are in bytes, times in milliseconds. */
export interface Terms {
	/** The client shows that it is alive after so long without sending; 0: it need not. */
	readonly heartbeatIntervalMillis: number;
	/** A received line is confirmed within this time. */
	readonly confirmIntervalMillis: number;
	readonly maxMessageSize: number;
	readonly maxRequestSize: number;
	readonly maxOpenRequests: number;
	/** A client whose connection is lost is kept so long; 0: it ends with its WebSocket, and over HTTP with its session. */
	readonly reconnectMillis: number;
	/** A client whose page was left is kept so long; 0: not at all. */
	readonly reloadGraceMillis: number;
	/** The server writes something after so long without; 0: it does not. */
	readonly serverHeartbeatMillis: number;
	/** A peer that does not answer for so long is dead; 0: that is not looked at. */
	readonly deadPeerMillis: number;
}

/** What holds until the server has said something. */
export const unsaid: Terms = {
	heartbeatIntervalMillis: 0,
	confirmIntervalMillis: 5000,
	maxMessageSize: 1 << 20,
	maxRequestSize: 1 << 20,
	maxOpenRequests: 256,
	reconnectMillis: 0,
	reloadGraceMillis: 0,
	serverHeartbeatMillis: 0,
	deadPeerMillis: 0,
};

/** The terms, with those that `told` has in their place. */
export function amend(terms: Terms, told: object): Terms {
	return { ...terms, ...Object.fromEntries(Object.entries(told).filter(([name, value]) => name in terms && typeof value === "number")) };
}
