// Package streaming is the StreamingEndpoint: requests by POST, and an answer that does not end for what the client gets. So there are two connections, as in LCDS: the one
// of the stream may end, by a failed heartbeat or a write that fails, and neither the session nor the client ends with it; the client opens another.
package streaming
