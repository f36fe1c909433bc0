// Package flexsession knows who is connected and what each of them still has to get.
//
// Three objects, named as in LCDS:
//
//   - A Session (FlexSession) is what the server knows of one WebSocket connection, or of one cookie on HTTP. There is one subclass for
//     each kind of endpoint, owning what is its own: [WebSocketSession] the socket, with which it dies; [StreamingSession] the open
//     streams; [LongPollSession] the waiting polls. The last two are views of a [Record], the login record behind the cookie.
//   - A [FlexClient] is one running client application. It owns the outbox, the subscriptions and the user, and is attached to at most
//     one [Transport] at a time. It may use several sessions, one after the other.
//   - A [MessageClient] is one subscription of a FlexClient.
//
// The [Registry] is the table of all of them (LCDS: FlexSessionManager and FlexClientManager).
//
// What it promises. Order: the lines of a FlexClient leave its outbox in the order in which they entered, but for messages of higher
// priority, which pass others that wait, and for what expires there or makes room by a slow-consumer-policy. Each is numbered when it is
// first handed to a transport; from then on it keeps its place, until the client confirms it. Blocking: nothing here waits for a network; Deliver, Flush, Wake
// and End may be called under load from anywhere. Closing: each session, client and subscription ends once, with one [Cause], whoever
// wins, and its destroyed listener runs once.
package flexsession
