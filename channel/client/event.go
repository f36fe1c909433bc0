package client

import "time"

// EventKind says what happened to the connection.
type EventKind string

const (
	// Connected: a channel is attached. Calls and messages flow.
	Connected EventKind = "connected"
	// Moved: another channel is attached in place of Event.From, which was still up: a better one, or the one that MoveTo named. Nothing was interrupted.
	Moved EventKind = "moved"
	// Disconnected: the connection was lost; after Event.Delay the channels are tried again.
	Disconnected EventKind = "disconnected"
	// Unreachable: no channel could be attached; after Event.Delay they are tried again.
	Unreachable EventKind = "unreachable"
	// Slow: this program reads too slowly, and Event.Backlog waits for it at the server. At the limit the destination's slow-consumer-policy acts: it ends the client, or lets messages go ([Loss]) or
	// merges them. It is told once, until much less waits.
	Slow EventKind = "slow"
	// Ended: the set has ended and does not come back.
	Ended EventKind = "ended"
)

// Event tells what happened to the connection, and why.
type Event struct {
	Kind    EventKind
	Channel Kind // the channel it happened on; empty for Unreachable
	From    Kind // of Moved: the channel before
	// Resumed, of Connected: the server went on with the same client, so nothing was lost or doubled.
	// False at the first connect, and when a new client had to be made: what was published in between is then lost to its consumers.
	Resumed bool
	User    string        // of Connected: whom it logged in as; empty: nobody
	Backlog *Backlog      // of Slow
	Delay   time.Duration // of Disconnected and Unreachable: how long until the next try
	// Cause is why: the code, its name and sentence, the Kind that it is of, and the Incident by which the server's log knows it too. Of
	// Connected it is why the client before this one had ended, nil if there was none or it goes on. Of Slow it is nil, and of all
	// others never.
	Cause *Error
	// Err is all that went wrong, in words: each channel of an Unreachable, for one. Cause is inside. Nil for Connected, Moved and Slow, and for an end this side
	// asked for.
	Err error
}

// Backlog is what waits for a client at the server.
type Backlog struct {
	Destination    string // of the message that made it so much
	Waiting, Limit uint64 // how many messages, or bytes, wait, and may
	Setting        string // says which, and how many: max-waiting-messages or max-waiting-bytes
}
