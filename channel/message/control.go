package message

import (
	"strconv"
	"time"
)

// Attached answers an attach: from here on, lines after Have follow.
type Attached struct {
	Attach         uint64 // the number the client chose
	Have           uint64 // counted lines the client has, by its own word
	WindowMessages int    // how many lines may be unconfirmed
	WindowBytes    int    // and how many bytes
	Cookie         *bool  // HTTP: did the request bring the session's cookie; nil: not told

	Times *Times // the client has come to another channel, and these hold there; nil: those it knows
}

// Times are those of a channel which a client goes by.
type Times struct{ Reconnect, ReloadGrace, ServerHeartbeat, DeadPeer time.Duration }

// AppendAttached appends a control line.
func AppendAttached(b []byte, a Attached) []byte {
	b = append(b, `{"type":"control","operation":"attached"`...)
	b = appendUint(b, "attach", a.Attach)
	b = appendUint(b, "have", a.Have)
	b = append(b, `,"window":{"messages":`...)
	b = strconv.AppendInt(b, int64(a.WindowMessages), 10)
	b = appendInt(b, "bytes", a.WindowBytes)
	b = append(b, '}')
	if a.Cookie != nil {
		b = strconv.AppendBool(appendKey(b, "cookie"), *a.Cookie)
	}
	if a.Times != nil {
		b = appendMillis(b, "reconnectMillis", a.Times.Reconnect)
		b = appendMillis(b, "reloadGraceMillis", a.Times.ReloadGrace)
		b = appendMillis(b, "serverHeartbeatMillis", a.Times.ServerHeartbeat)
		b = appendMillis(b, "deadPeerMillis", a.Times.DeadPeer)
	}
	return appendEnd(b)
}

func appendMillis(b []byte, name string, d time.Duration) []byte {
	return appendUint(b, name, uint64(max(0, d.Milliseconds())))
}

// Displaced tells a connection that a newer one of the same client has taken over.
type Displaced struct {
	Attach uint64 // the highest attach that was there
}

// AppendDisplaced appends a control line.
func AppendDisplaced(b []byte, d Displaced) []byte {
	b = append(b, `{"type":"control","operation":"displaced"`...)
	return appendEnd(appendUint(b, "attach", d.Attach))
}

// The reasons of [Gone].
const (
	GoneExpired    = "expired"     // the client has ended; the code says why
	GoneUnknown    = "unknown"     // no such client, or a wrong secret
	GoneAhead      = "ahead"       // the client claims more than was sent
	GoneRolledBack = "rolled-back" // the server lost what it had numbered
	GoneOtherNode  = "other-node"  // the client lives at URL
)

// Gone tells a client that the server cannot go on with it.
type Gone struct {
	Reason string // one of the reasons above
	URL    string // other-node: where to go
	End           // why; code zero: not told
}

// AppendGone appends a control line. Whether to come back is told of a client that has ended; of another the reason says it.
func AppendGone(b []byte, g Gone) []byte {
	b = append(b, `{"type":"control","operation":"gone"`...)
	b = appendText(b, "reason", g.Reason)
	b = g.End.appendTo(b, g.Reason == GoneExpired)
	b = appendText(b, "url", g.URL)
	return appendEnd(b)
}

// Skip counts lines that may no longer be shown.
type Skip struct {
	Count uint64
}

// AppendSkip appends a control line.
func AppendSkip(b []byte, s Skip) []byte {
	b = append(b, `{"type":"control","operation":"skip"`...)
	return appendEnd(appendUint(b, "count", s.Count))
}

// For names the subscriptions that the next line is for.
type For struct {
	ClientIDs []string
}

// AppendFor appends a control line.
func AppendFor(b []byte, f For) []byte {
	b = append(b, `{"type":"control","operation":"for","clientIds":[`...)
	for i, id := range f.ClientIDs {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendString(b, id)
	}
	return appendEnd(append(b, ']'))
}

// Open is the first line of a stream.
type Open struct {
	StreamID string // by which the client attaches or closes this stream from another request
}

// AppendOpen appends a control line.
func AppendOpen(b []byte, o Open) []byte {
	b = append(b, `{"type":"control","operation":"open"`...)
	return appendEnd(appendText(b, "streamId", o.StreamID))
}

// Disconnect is the last line of a connection that the server ends.
type Disconnect struct{ End }

// AppendDisconnect appends a control line.
func AppendDisconnect(b []byte, d Disconnect) []byte {
	b = append(b, `{"type":"control","operation":"disconnect"`...)
	return appendEnd(d.End.appendTo(b, true))
}

// SubscriptionState stands among the pushed lines where a subscription begins or ends. It is counted.
type SubscriptionState struct {
	Operation     string // "subscribe" or "unsubscribe"; "multi_subscribe" where its topics change; "live" where the past that it asked for ends
	Destination   string
	ClientID      string
	CorrelationID string // messageId of the request that asked for it; empty: nobody did
	Code          Code   // why it ended unasked; zero: it was asked for
	Standing             // "subscribe": where it begins; "live": where the past ends
}

// AppendSubscriptionState appends a counted line.
func AppendSubscriptionState(b []byte, s SubscriptionState) []byte {
	b = append(b, `{"type":"subscription-state"`...)
	b = appendText(b, "operation", s.Operation)
	b = appendText(b, "destination", s.Destination)
	b = appendText(b, "clientId", s.ClientID)
	b = appendText(b, "correlationId", s.CorrelationID)
	b = s.Standing.appendTo(b)
	b = (End{Code: s.Code}).appendReason(b)
	return appendEnd(b)
}

// SubscriptionInvalidate tells the client that the server has ended one of its subscriptions. It is counted.
type SubscriptionInvalidate struct {
	Destination string
	ClientID    string
	End         // why; code zero: not told
}

// AppendSubscriptionInvalidate appends a counted line. It does not tell whether to come back: the client is still there.
func AppendSubscriptionInvalidate(b []byte, s SubscriptionInvalidate) []byte {
	b = append(b, `{"type":"command","operation":"subscription_invalidate"`...)
	b = appendText(b, "destination", s.Destination)
	b = appendText(b, "clientId", s.ClientID)
	return appendEnd(s.End.appendTo(b, false))
}

// The reasons of a [Loss].
const (
	LossHistory      = "history"       // the past that was asked for is gone
	LossSlowConsumer = "slow-consumer" // slow-consumer-policy drop-oldest, or conflate
)

// Loss stands where messages are missing that the client's subscriptions on a destination, or one of them, should have had and will not get. It is counted.
type Loss struct {
	Destination string
	ClientID    string // the subscription; empty: all of the client's on the destination
	Reason      string // one of the reasons above
	Count       uint64 // how many are missing; zero: not known
	From, To    string // positions: missing is what came after From and up to To; empty: not known
}

// AppendLoss appends a counted line.
func AppendLoss(b []byte, l Loss) []byte {
	b = append(b, `{"type":"loss"`...)
	b = appendText(b, "destination", l.Destination)
	b = appendText(b, "clientId", l.ClientID)
	b = appendText(b, "reason", l.Reason)
	if l.Count > 0 {
		b = appendUint(b, "count", l.Count)
	}
	b = appendText(b, "from", l.From)
	b = appendText(b, "to", l.To)
	return appendEnd(b)
}

// Merged tells of the next message that it stands for older ones with the same key.
type Merged struct {
	Count uint64 // how many older ones
}

// AppendMerged appends a control line.
func AppendMerged(b []byte, m Merged) []byte {
	b = append(b, `{"type":"control","operation":"merged"`...)
	return appendEnd(appendUint(b, "count", m.Count))
}

// Slow warns a client that reads too slowly, before messages are lost to it or it ends.
type Slow struct {
	Destination string // of the message that made it so many
	Waiting     int    // how many messages, or bytes, wait for the client
	Limit       int    // and how many may
	Setting     string // which says so: max-waiting-messages or max-waiting-bytes
}

// AppendSlow appends a control line.
func AppendSlow(b []byte, s Slow) []byte {
	b = append(b, `{"type":"control","operation":"slow"`...)
	b = appendText(b, "destination", s.Destination)
	b = appendInt(b, "waiting", s.Waiting)
	b = appendInt(b, "limit", s.Limit)
	return appendEnd(appendText(b, "setting", s.Setting))
}
