package flexsession

import (
	"slices"
	"sync"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/heartbeat"
)

// Window bounds what a client may leave unconfirmed.
type Window struct {
	Messages int // max-unconfirmed-messages
	Bytes    int // max-unconfirmed-bytes; one line alone may be longer
}

// Transport is a connection that a FlexClient's lines leave by: a WebSocket, a stream or a poll. Its methods are called without any lock
// held, from any goroutine, and must not block.
type Transport interface {
	Wake()                               // Take has something
	Displace(attach uint64)              // a newer connection took over; Take yields nothing any more
	End(cause Cause)                     // the client has ended; say so and close
	Session() Session                    // the session it runs under
	Channel() *channel.ChannelDefinition // the channel it belongs to, whose times hold for the client
	EndsClient() bool                    // it serves a simple client, which ends with it
	Retime()                             // Channel is another definition now: go by its times
}

// FlexClient is one running client application: a ChannelSet in one browser tab, or a service. All methods may be called from any goroutine; none blocks on a network.
type FlexClient struct {
	id         string
	secret     secretHash
	unreliable bool
	created    time.Time
	registry   *Registry
	life       lifetime

	Attributes // in memory

	serial sync.Mutex // held while a frame or body of this client is worked on: requests begin in their order

	mu         sync.Mutex // guards the following
	principal  *channel.Principal
	fromRecord bool // the user came from the record, so logging out concerns the record
	record     *Record
	sessions   []Session // few: one for each endpoint it has used
	transport  Transport
	attach     uint64
	epoch      uint64 // of the transport that may take: grows with every attach
	presence   presence
	expiry     *heartbeat.Timer // of the login; nil: it lasts
	owed       bool             // a Flush is owed: something entered the outbox since the last one
	slow       bool             // a slow consumer, about to end
	window     Window           // as it was told at the last attach
	out        outbox
	up         uplink
	subs       map[string]*MessageClient
	topics     int         // of all subscriptions
	member     string      // by which others know it (presence); empty: nobody does
	dests      []*interest // few: one for each destination it has subscriptions on
	replays    []*replay   // of the subscriptions that are not live yet: the next to read a page first
	reading    bool        // the registry's readers have the client in their hands
	failovers  *failovers  // its newest reports; nil: it gave none
	peer       Peer        // where it connected, or its last WebSocket did
	last       *Facts      // at its end
	ended      *Cause
	done       chan struct{} // closed by End; nil: nobody has asked for it
}

// interest is what a client has on one destination.
type interest struct {
	dest    *channel.Destination
	members []*MessageClient
	gate    *gate // nil: nothing holds it to a frequency
	account
}

// ID is the client's DSId.
func (c *FlexClient) ID() string { return c.id }

// Created is when the client connected.
func (c *FlexClient) Created() time.Time { return c.created }

// Serially runs f while no other frame or body of this client is worked on.
func (c *FlexClient) Serially(f func()) {
	c.serial.Lock()
	defer c.serial.Unlock()
	f()
}

// Ended is why the client ended, or nil while it lives.
func (c *FlexClient) Ended() *Cause {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// Done is closed when the client has ended.
func (c *FlexClient) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.ended != nil {
			close(c.done)
		}
	}
	return c.done
}

// Unreliable says whether it is a simple client: nothing is kept for it, and its lost connection is its end.
func (c *FlexClient) Unreliable() bool { return c.unreliable }

// Attached says what became of an attach.
type Attached struct {
	Have      uint64 // where delivery goes on
	Epoch     uint64 // what Take and Ready want to see
	Window    Window
	Moved     bool   // it was on another channel before, or its channel's definition has changed
	Displaced uint64 // not zero: a higher attach has been here, and this one has no effect
	Gone      bool   // the client has ended, or confirmed what it never got
	Reason    string // with Gone: "expired" or "ahead"
	Cause     Cause  // with Gone and "expired"
}

// Attach makes t the transport of the client, unless a higher attach has been here. An equal one is the same request once more and takes over. The older transport is
// told that it is displaced. The caller writes the answer before it takes lines.
func (c *FlexClient) Attach(t Transport, attach, have uint64) Attached {
	c.mu.Lock()
	if c.ended != nil {
		defer c.mu.Unlock()
		return Attached{Gone: true, Reason: "expired", Cause: *c.ended}
	}
	if attach < c.attach {
		defer c.mu.Unlock()
		return Attached{Displaced: c.attach}
	}
	// A have below what is confirmed is an old request that comes late: what it asks for again was handed to the application already.
	if err := c.out.confirm(max(have, c.out.confirmed)); err != nil {
		defer c.mu.Unlock()
		return Attached{Gone: true, Reason: "ahead"}
	}
	old := c.transport
	c.transport, c.attach = t, attach
	c.epoch++
	c.out.rewind()
	answer := Attached{Have: c.out.confirmed, Epoch: c.epoch, Window: c.registry.options().Window, Moved: c.presence.told != t.Channel()}
	c.window = answer.Window
	c.presence.def, c.presence.told, c.presence.left, c.presence.pause = c.registry.definition(t.Channel()), t.Channel(), false, 0
	c.watch()
	c.mu.Unlock()

	c.Use(t.Session())
	if old != nil && old != t {
		old.Displace(attach)
	}
	return answer
}

// Detach takes t off the client: the connection has ended, for that cause. The client has reliable-reconnect-duration-millis to come back. Without that, one whose WebSocket is lost ends with it, unless
// flex-client/timeout-minutes lets it live on, and one that used HTTP lives as long as its record.
func (c *FlexClient) Detach(t Transport, cause Cause) {
	c.mu.Lock()
	mine := c.transport == t
	if mine {
		c.transport = nil
	}
	concerned := mine || c.attach == 0 && !c.presence.left // connected there, and never attached anywhere
	if !concerned || c.ended != nil {
		c.mu.Unlock()
		return
	}
	def := t.Channel()
	ends := t.EndsClient() || final(cause.Code) || def.Kind == channel.WebSocket && (c.unreliable || def.ReliableReconnectDuration <= 0 && c.registry.options().ClientTimeout <= 0)
	c.presence.lose(cause)
	c.watch()
	c.mu.Unlock()
	switch {
	case ends:
		c.End(cause)
	case def.Kind == channel.Streaming && def.InvalidateSubscriptionsOnStreamClose:
		for _, s := range c.Subscriptions() {
			c.invalidate(s, Cause{Code: cause.Code, Setting: "invalidate-messageclient-on-streaming-close"})
		}
	}
}

// final says whether a connection that ended so takes its client with it, whatever time that has to come back: the client cannot go on, or must not. A session's timeout is left to
// its record, because flex-client/timeout-minutes may let the client outlive it.
func final(c message.Code) bool { return c.Info().Over && c != message.CodeSessionTimeout }

// Take appends to buf the lines that the transport of an attach is to write next, up to about limit bytes. More says that there is more which could go at once. The
// epoch is the one of the attach: who is not attached any more, or has been attached anew and not said so yet, gets nothing.
func (c *FlexClient) Take(epoch uint64, buf []byte, limit int) (_ []byte, more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch || c.transport == nil {
		return buf, false
	}
	sent := c.out.sent()
	buf, more = c.out.take(buf, limit, c.window)
	if c.unreliable && c.out.sent() > sent && c.record != nil {
		c.record.Touch() // a reader that cannot confirm is active when it is written to
	}
	c.readOn()
	return buf, more
}

// Ready says whether Take would yield something.
func (c *FlexClient) Ready(epoch uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch || c.transport == nil {
		return false
	}
	ready := c.out.ready(c.window)
	c.readOn() // what waited may have expired
	return ready
}

// Confirm notes that the client has handed the first have lines to its application. It reports false when it never was sent so many.
func (c *FlexClient) Confirm(have uint64) bool {
	c.mu.Lock()
	if have <= c.out.confirmed || c.unreliable {
		c.mu.Unlock()
		return true
	}
	err := c.out.confirm(have)
	wake := c.transport
	if err != nil || !c.out.ready(c.window) {
		wake = nil
	}
	c.readOn()
	c.mu.Unlock()
	if wake != nil {
		wake.Wake() // the window has moved
	}
	c.Touch()
	return err == nil
}

// push appends a counted line and says whether a Flush is owed for it. The caller holds c.mu. Where too much waits, the policies of the destinations say what becomes of it; a client that may lose
// nothing is a slow consumer then, and ends.
func (c *FlexClient) push(e entry) (owed bool) {
	e.in.accepted()
	return c.enter(e)
}

// enter is push of a message that its books know already.
func (c *FlexClient) enter(e entry) (owed bool) {
	if c.slow {
		e.in.abandoned()
		return false
	}
	lost, end := c.room(&e)
	switch {
	case end != nil:
		c.slow = true  // nothing may follow the line that is missing
		go c.End(*end) // not here: the caller holds locks, and is in the middle of a fan-out
		e.in.abandoned()
		return false
	case lost:
		e.in.dropped()
		c.out.wait.refuse(&e, c.out.entered)
	default:
		c.out.push(e)
		c.alert(&e)
	}
	owed, c.owed = !c.owed, true
	return owed
}

// Flush wakes the transport once for all that entered the outbox since the last Flush, and tells the listeners if it is too much.
func (c *FlexClient) Flush() {
	c.mu.Lock()
	c.owed = false
	t, news := c.transport, c.news()
	c.mu.Unlock()
	for _, s := range news {
		c.registry.clientSlow(c, s)
	}
	if t != nil {
		t.Wake()
	}
}

// End ends the client: its subscriptions, its transport, its place in the registry. Only the first End has an effect; it reports whether this was it.
func (c *FlexClient) End(cause Cause) bool {
	cause = cause.WithIncident()
	c.mu.Lock()
	if c.ended != nil {
		c.mu.Unlock()
		return false
	}
	c.ended = &cause
	c.Attributes.close()
	c.watch()
	c.watchLogin()
	t, subs, sessions, record, principal := c.transport, c.subs, c.sessions, c.record, c.principal
	last := c.facts()
	c.last = &last
	c.abandonGates()
	c.transport, c.subs, c.dests, c.sessions, c.replays = nil, nil, nil, nil, nil
	c.out.abandon()
	c.out, c.up = outbox{confirmed: c.out.confirmed}, uplink{}
	if c.done != nil {
		close(c.done)
	}
	c.mu.Unlock()

	for _, s := range subs {
		s.close()
		c.registry.messageClientDestroyed(s, cause)
	}
	for _, s := range sessions {
		s.drop(c)
	}
	if record != nil {
		record.drop(c, cause)
	}
	c.registry.clientEnded(c, principal, cause)
	if t != nil {
		t.End(cause)
	}
	endSockets(sessions, cause) // they have no use without their client
	return true
}

// Use links the client with a session it uses. Attach does so as well; a WebSocket that the client has connected on, and not attached, has to be told of its end too.
func (c *FlexClient) Use(s Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil || s == nil {
		return
	}
	if !slices.Contains(c.sessions, s) && s.add(c) {
		c.sessions = append(c.sessions, s)
		if s.Kind() == channel.WebSocket {
			c.peer = s.Peer()
		}
		c.watch()
	}
}

// leave unlinks the client from a session that has ended.
func (c *FlexClient) leave(s Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions = slices.DeleteFunc(c.sessions, func(o Session) bool { return o == s })
	c.watch()
}
