package flexsession

import (
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

// Slow tells that a client reads too slowly: three quarters of what may wait for it do. What follows when all of it does is up to the policies of the destinations.
type Slow struct {
	Destination string // of the message that made it so many
	Policy      channel.SlowPolicy
	Setting     string // max-waiting-messages or max-waiting-bytes
	Waiting     int    // how many messages or bytes wait: for the client, or for it on that destination
	Limit       int    // how many may
}

// limits bound what waits: of a client, or of it on one destination.
type limits struct{ messages, bytes int } // zero: no limit

// reached names the limit that n messages of size bytes, and one of more bytes, would pass. One alone may be of any size.
func (l limits) reached(n int32, size, more int) (setting string, value int) {
	switch {
	case l.messages > 0 && int(n) >= l.messages:
		return "max-waiting-messages", l.messages
	case l.bytes > 0 && n > 0 && size+more > l.bytes:
		return "max-waiting-bytes", l.bytes
	}
	return "", 0
}

// near names the limit of which n messages of size bytes are three quarters. One alone is no reason to worry.
func (l limits) near(n int32, size int) (setting string, waiting, limit int) {
	switch {
	case n < 2:
	case l.messages > 0 && 4*int(n) >= 3*l.messages:
		return "max-waiting-messages", int(n), l.messages
	case l.bytes > 0 && 4*size >= 3*l.bytes:
		return "max-waiting-bytes", size, l.bytes
	}
	return "", 0, 0
}

// far says whether it is less than half of all limits.
func (l limits) far(n int32, size int) bool {
	return (l.messages <= 0 || 2*int(n) < l.messages) && (l.bytes <= 0 || 2*size < l.bytes)
}

func (c *FlexClient) limits() limits {
	opts := c.registry.options()
	return limits{opts.MaxWaitingMessages, opts.MaxWaitingBytes}
}

func (in *interest) limits() limits {
	if in == nil {
		return limits{}
	}
	def := in.dest.Definition()
	return limits{def.MaxWaitingMessages, def.MaxWaitingBytes}
}

func (in *interest) policy() channel.SlowPolicy {
	if in == nil {
		return channel.SlowDisconnect
	}
	return in.dest.Definition().SlowConsumer
}

// crowded says which limit is in e's way, and whether that is the one of its destination. Loss lines count for nothing: there is at most one of each destination for each line of the server's own, and one.
func (c *FlexClient) crowded(e *entry) (setting string, value int, own bool) {
	if e.in != nil {
		if setting, value = e.in.limits().reached(e.in.waiting, e.in.size, e.size()); setting != "" {
			return setting, value, true
		}
	}
	w := &c.out.wait
	setting, value = c.limits().reached(w.n-w.losses, w.size, e.size())
	return setting, value, false
}

// room makes room for e: first at the cost of what has expired, then by the policy of its destination, then at the cost of the oldest of other destinations that may lose messages. If that is not enough, e itself
// is lost where its policy lets it, and else the client is a slow consumer. The caller holds c.mu.
func (c *FlexClient) room(e *entry) (lost bool, end *Cause) {
	if m := e.in.conflating(); m != nil {
		c.out.merge(m, e)
	}
	if setting, _, _ := c.crowded(e); setting == "" {
		return false, nil
	}
	c.out.purge(time.Now())
	policy := e.in.policy()
	if policy == channel.SlowConflate && e.in.conflating() == nil {
		c.out.conflate(e)
	}
	for {
		setting, value, own := c.crowded(e)
		if setting == "" {
			return false, nil
		}
		victim := int32(0)
		if policy.Drops() {
			victim = e.in.oldest
		}
		if victim == 0 && !own {
			victim = c.oldest()
		}
		switch {
		case victim != 0:
			c.out.drop(victim)
		case policy.Drops():
			return true, nil
		default:
			cause := Cause{Code: message.CodeSlowConsumer, Value: value}
			if setting != "max-waiting-messages" {
				cause.Setting = setting
			}
			return false, &cause
		}
	}
}

// oldest is the oldest message of the destinations that may lose messages; 0: there is none.
func (c *FlexClient) oldest() (victim int32) {
	for _, in := range c.dests {
		if h := in.oldest; h != 0 && in.policy().Drops() && (victim == 0 || c.out.wait.at(h).age < c.out.wait.at(victim).age) {
			victim = h
		}
	}
	return victim
}

// drop gives up a message that waits, in favour of a newer one.
func (o *outbox) drop(h int32) {
	o.wait.at(h).in.dropped()
	o.left(h)
	o.wait.drop(h)
}

// strain is what is kept of a client for which much waits, or did.
type strain struct {
	line   []byte  // the warning that it is yet to be given
	news   []Slow  // what listeners are yet to be told
	agenda *agenda // of what waits; nil: nobody looked
}

// strained is the client's strain, to be changed.
func (o *outbox) strained() *strain {
	if o.strain == nil {
		o.strain = new(strain)
	}
	return o.strain
}

// alert notes a warning when what waits has come near a limit since it was far from all of them. It is called when e has entered.
func (c *FlexClient) alert(e *entry) {
	if e.in == nil {
		return
	}
	w := &c.out.wait
	c.near(e, &c.out.near, c.limits(), w.n-w.losses, w.size)
	c.near(e, &e.in.near, e.in.limits(), e.in.waiting, e.in.size)
}

func (c *FlexClient) near(e *entry, before *bool, l limits, n int32, size int) {
	if *before && l.far(n-1, size-e.size()) {
		*before = false
	}
	setting, waiting, limit := l.near(n, size)
	if setting == "" || *before {
		return
	}
	*before = true
	a, s := c.out.strained(), Slow{e.in.dest.Definition().ID, e.in.policy(), setting, waiting, limit}
	a.line = message.AppendSlow(nil, message.Slow{Destination: s.Destination, Waiting: waiting, Limit: limit, Setting: setting})
	a.news = append(a.news, s)
}

// warn appends the warning that the client was not given yet.
func (o *outbox) warn(buf []byte) []byte {
	if !o.warns() {
		return buf
	}
	buf = append(buf, o.strain.line...)
	o.strain.line = nil
	return buf
}

func (o *outbox) warns() bool { return o.strain != nil && o.strain.line != nil }

// news is what listeners are to be told. The caller holds c.mu.
func (c *FlexClient) news() (news []Slow) {
	if a := c.out.strain; a != nil {
		news, a.news = a.news, nil
	}
	return news
}
