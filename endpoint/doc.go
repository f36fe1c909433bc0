// Package endpoint is what the three endpoints share: who may connect and from where, the cookie and the bearer token, the operations that a line can ask for,
// and the bounded, watched writing of what a client gets.
//
// The way of a request: an endpoint reads a frame or a body, an [Exchange] works on its lines one after the other, and each reply goes back where the
// request came from. The way of a message: the broker delivers into the outbox of a FlexClient, which wakes its [flexsession.Transport] once
// for each batch, and that takes and writes what there is.
//
// No lock is held while something is written. A connection has one writer at a time. Everything that waits has a limit: requests by size and time,
// replies and outboxes by size, connections, clients and sessions by number.
package endpoint
