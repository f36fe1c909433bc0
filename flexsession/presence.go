package flexsession

import (
	"fmt"
	"slices"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/heartbeat"
)

// presence is whether a client is there. One clock runs for it, on the wheel: while a connection holds the client, over the heartbeats it has promised; while none does, over the time it
// has to come back. It is guarded by FlexClient.mu, but for clock, which may be touched by anyone.
type presence struct {
	clock    heartbeat.Idle
	def      *channel.ChannelDefinition // of the channel it connected on, or was attached on last: its times hold
	told     *channel.ChannelDefinition // whose times the client was told
	promise  time.Duration              // its next sign of life comes at latest then; 0: it has promised none
	pause    time.Duration              // a poller's, as last advised
	left     bool                       // its page was left
	lost     message.Code               // how it lost its last connection, or its record
	incident string                     // … and under which incident
}

// watch starts the clock anew, for as long as the client may now be silent or away; once the client has ended it stops it. It is called whenever something has changed of what that depends on. The time that
// has passed is forgotten, so nothing ends too early by a call too many. The caller holds c.mu.
func (c *FlexClient) watch() {
	if c.ended != nil {
		c.presence.clock.Stop()
		return
	}
	limit, late := c.patience()
	c.presence.clock.Start(c.registry.options().Wheel, limit, late)
}

// patience is how long the client may be silent, or away, and what happens then. The caller holds c.mu.
func (c *FlexClient) patience() (limit time.Duration, late func()) {
	if c.held() {
		return c.silence(), func() { go c.fellSilent() } // the wheel must not wait for listeners
	}
	return c.absence(), func() { go c.stayedAway() }
}

// lose notes how the client has lost what it was held by, or lived under.
func (p *presence) lose(cause Cause) { p.lost, p.incident = cause.Code, cause.Incident }

// held says whether a connection holds the client: one that it is attached to, or a socket on which it has connected and may attach yet. The caller holds c.mu.
func (c *FlexClient) held() bool {
	if c.presence.left {
		return false
	}
	if c.transport != nil {
		return true
	}
	for _, s := range c.sessions {
		if s.Kind() == channel.WebSocket {
			return true
		}
	}
	return false
}

// silence is how long nothing may come from a client that is held: two of the heartbeats it has promised, and no less than dead-peer-timeout-millis; zero or less: for ever.
func (c *FlexClient) silence() time.Duration {
	if c.presence.promise <= 0 || c.presence.def.DeadPeerTimeout <= 0 {
		return 0
	}
	return max(2*c.presence.promise, c.presence.def.DeadPeerTimeout)
}

// absence is how long a client that is not held has to come back; zero: as long as its session lives.
func (c *FlexClient) absence() time.Duration {
	p := &c.presence
	if p.left {
		return max(p.def.ReloadGrace, atOnce)
	}
	d := p.def.ReliableReconnectDuration
	if d > 0 {
		d += p.pause
	}
	if len(c.sessions) == 0 && (c.record == nil || p.def.Kind == channel.WebSocket) { // the record that a socket's cookie named is no session
		d = max(d, c.registry.options().ClientTimeout)
		if d <= 0 && (p.lost == message.CodeSessionTimeout || p.lost != 0 && p.def.Kind == channel.WebSocket) { // it had a time, which was switched off
			d = atOnce
		}
	}
	return d
}

// atOnce is the time of a client that has none, and that nothing else would end.
const atOnce = 1

// fellSilent ends the connection of a client whose promised heartbeats did not come. The client is detached with it, as by any loss.
func (c *FlexClient) fellSilent() {
	c.mu.Lock()
	limit := c.silence()
	if c.ended != nil || !c.held() || limit == 0 { // things have changed since
		c.mu.Unlock()
		return
	}
	if c.presence.clock.Since() < limit { // touched since
		c.presence.clock.Retime(c.patience())
		c.mu.Unlock()
		return
	}
	t, sessions := c.transport, slices.Clone(c.sessions)
	cause := Cause{Code: message.CodeMissedHeartbeats, Value: c.presence.def.DeadPeerTimeout.Milliseconds(),
		Detail: fmt.Sprintf("It had promised one every %d ms.", c.presence.promise.Milliseconds())}
	c.mu.Unlock()
	cut(t, sessions, cause)
}

// cut ends the connection that held a client: the one it was attached to, or else the sockets on which it had connected and never attached.
func cut(t Transport, sessions []Session, cause Cause) {
	if t != nil {
		t.End(cause)
		return
	}
	endSockets(sessions, cause)
}

// endSockets ends those of the sessions that are sockets.
func endSockets(sessions []Session, cause Cause) {
	for _, s := range sessions {
		if socket, ok := s.(*WebSocketSession); ok {
			socket.Invalidate(cause)
		}
	}
}

// stayedAway ends a client that did not come back in its time.
func (c *FlexClient) stayedAway() {
	c.mu.Lock()
	p := &c.presence
	limit := c.absence()
	if c.ended != nil || c.held() || limit == 0 {
		c.mu.Unlock()
		return
	}
	if p.clock.Since() < limit { // touched, or advised a longer pause, since
		p.clock.Retime(c.patience())
		c.mu.Unlock()
		return
	}
	cause := Cause{Code: message.CodeClientVanished, Value: p.def.ReliableReconnectDuration.Milliseconds()}
	switch timeout := c.registry.options().ClientTimeout; {
	case p.left:
		cause = Cause{Code: message.CodeClientDetached, Setting: "reload-grace-millis", Value: limit.Milliseconds()}
	case limit == timeout:
		cause = Cause{Code: message.CodeClientTimeout, Value: timeout.Minutes()}
	case p.incident != "":
		cause.Detail = fmt.Sprintf("It was lost by %s (incident %s).", p.lost, p.incident)
	case p.lost != 0:
		cause.Detail = fmt.Sprintf("It was lost by %s.", p.lost)
	}
	c.mu.Unlock()
	c.End(cause)
}

// Promise notes that the client's next sign of life comes at latest after d; 0: none is promised any more (field heartbeat).
func (c *FlexClient) Promise(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d != c.presence.promise {
		c.presence.promise = d
		c.watch()
	}
}

// Advise notes how long a poller was told to pause: it is not away before that.
func (c *FlexClient) Advise(pause time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.presence.pause = pause
	if !c.held() {
		c.watch()
	}
}

// Leave notes that the client's page was left (control detach). It ends after reload-grace-millis, unless it attaches before. The page names the last attach
// that it has made, or 0: where the next page has attached already, it comes too late.
func (c *FlexClient) Leave(attach uint64) {
	cause := Because(message.CodeClientDetached)
	c.mu.Lock()
	if attach != 0 && attach < c.attach {
		c.mu.Unlock()
		return
	}
	t, sessions := c.transport, slices.Clone(c.sessions)
	if c.ended == nil && c.presence.def.ReloadGrace > 0 && !c.unreliable {
		c.transport = nil
		c.presence.left = true
		c.watch()
		c.mu.Unlock()
		cut(t, sessions, cause)
		return
	}
	c.mu.Unlock()
	c.End(cause)
}

// Touch notes activity: a request, a heartbeat, a confirmed delivery. The record of the client stays alive by it, and who is silent or away is so anew.
func (c *FlexClient) Touch() {
	c.presence.clock.Touch()
	if r := c.Record(); r != nil {
		r.Touch()
	}
}

// Quiet is how long nothing has come from the client.
func (c *FlexClient) Quiet() time.Duration { return c.presence.clock.Since() }

// orphan takes the client off a record that has timed out, where it outlives its sessions (flex-client/timeout-minutes). It reports false where it does not.
func (c *FlexClient) orphan(r *Record, cause Cause) bool {
	if c.registry.options().ClientTimeout <= 0 || c.unreliable {
		return false
	}
	c.mu.Lock()
	t := c.transport
	if c.record == r {
		c.record = nil
	}
	c.presence.lose(cause)
	if t != nil && t.Channel().Kind == channel.WebSocket {
		t = nil // it needs no record
	}
	if t != nil {
		c.transport = nil
	}
	c.watch()
	c.mu.Unlock()
	if t != nil {
		t.End(cause)
	}
	return true
}
