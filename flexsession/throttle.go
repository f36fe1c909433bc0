package flexsession

import (
	"slices"
	"strings"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/heartbeat"
)

// gate holds what comes live for a client on one destination to the frequencies of throttle-outbound and of its subscriptions, before it enters the outbox. What it holds is in the books as waiting. It is
// guarded by the client's mu.
type gate struct {
	rate  channel.Rate // of the client on the destination
	line  channel.Held[delayed]
	size  int // bytes of the line
	timer heartbeat.Timer
	at    time.Time // when the timer fires; zero: it is not armed
}

// delayed is a message that waits for its turn.
type delayed struct {
	m  *message.Message
	to []*MessageClient
}

// asked is the frequency that a subscription was asked to keep to.
type asked struct {
	all    float64                   // DSMaxFrequency; zero or less: none
	topics map[message.Topic]float64 // of single topics
	rate   channel.Rate              // the lowest of them
	held   int                       // messages that wait for it
}

// SetFrequency holds the subscription to a number of messages per second: the lowest of all, of those of its topics, and of what throttle-outbound allows. Zero or less is no limit. A frequency for all of zero
// or less leaves the one that was given before, and what is removed is forgotten.
func (s *MessageClient) SetFrequency(all float64, add, remove []message.Topic) {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.asked == nil {
		if all <= 0 && !slices.ContainsFunc(add, func(t message.Topic) bool { return t.MaxFrequency > 0 }) {
			return
		}
		s.asked = &asked{topics: map[message.Topic]float64{}}
	}
	for _, t := range remove {
		delete(s.asked.topics, unthrottled(t))
	}
	for _, t := range add {
		if t.MaxFrequency > 0 {
			s.asked.topics[unthrottled(t)] = t.MaxFrequency
		}
	}
	if all > 0 {
		s.asked.all = all
	}
	lowest := s.asked.all
	for _, f := range s.asked.topics {
		lowest = lower(lowest, f)
	}
	s.asked.rate.Set(lowest)
	if s.dest.gate != nil {
		c.rearm(s.dest)
	}
}

// unthrottled is a topic without its frequency, and not a part of a whole request.
func unthrottled(t message.Topic) message.Topic {
	return message.Topic{Subtopic: strings.Clone(t.Subtopic), Selector: strings.Clone(t.Selector)}
}

// lower is the lower of two frequencies, of which zero or less is none.
func lower(a, b float64) float64 {
	if a <= 0 || b > 0 && b < a {
		return b
	}
	return a
}

// policy is what the gate goes by now. A subscription that asks for a frequency where the destination has no policy gets the newest of each key.
func (in *interest) throttle() channel.ThrottlePolicy {
	out := &in.dest.Definition().Outbound
	if out.Policy.InForce() {
		return out.Policy
	}
	return channel.ThrottleConflate
}

// gated says whether anything that comes for the client has to pass a gate, and holds that to what is configured now.
func (in *interest) gated() bool {
	limit, out := 0.0, &in.dest.Definition().Outbound
	if out.Policy.InForce() {
		limit = lower(float64(out.MaxFrequency), float64(out.MaxClientFrequency))
	}
	if in.gate == nil {
		if limit <= 0 && !slices.ContainsFunc(in.members, func(s *MessageClient) bool { return s.asked != nil }) {
			return false
		}
		in.gate = &gate{}
	}
	in.gate.rate.Set(limit)
	return true
}

// wait is how long a message for these subscriptions has to: until the client may have one, and one of them may.
func (g *gate) wait(to []*MessageClient, now time.Time) time.Duration {
	least := time.Duration(-1)
	for _, s := range to {
		own := time.Duration(0)
		if s.asked != nil {
			own = s.asked.rate.Wait(now)
		}
		if least < 0 || own < least {
			least = own
		}
	}
	return max(g.rate.Wait(now), least)
}

func (g *gate) take(to []*MessageClient, now time.Time) {
	g.rate.Take(now)
	for _, s := range to {
		if s.asked != nil {
			s.asked.rate.Take(now)
		}
	}
}

// count notes messages that wait for subscriptions, or have stopped to.
func (g *gate) count(d *delayed, n int) {
	g.size += n * len(d.m.Line)
	for _, s := range d.to {
		if s.asked != nil {
			s.asked.held += n
		}
	}
}

// pass puts m into the outbox, for the subscriptions of that client with those ids (nil: its only one), or does what the policy says of a message that comes too early. The caller holds client.mu.
func (s *MessageClient) pass(m *message.Message, ids []string) (owed bool) {
	c, in := s.client, s.dest
	if !in.gated() {
		return s.put(m, ids)
	}
	to := []*MessageClient{s}
	for _, id := range ids {
		if other := c.subs[id]; other != nil && other != s {
			to = append(to, other)
		}
	}
	g, now, policy := in.gate, time.Now(), in.throttle()
	wait := g.wait(to, now)
	behind := g.rate.Limited() && g.line.Len() > 0 || slices.ContainsFunc(to, func(s *MessageClient) bool { return s.asked != nil && s.asked.held > 0 })
	if wait == 0 && (!behind || !policy.Holds()) {
		g.take(to, now)
		return s.put(m, ids)
	}
	in.accepted()
	if !policy.Holds() {
		in.dropped()
		return false
	}
	d := delayed{m, to}
	item, old := (*channel.HeldItem[delayed])(nil), (*channel.HeldItem[delayed])(nil)
	if policy == channel.ThrottleConflate {
		item, old = g.line.Merge(m.Key(in.dest.Definition().ConflateKey)+"\x00"+strings.Join(ids, " "), d, now, g.round(to))
	} else {
		item = g.line.Add(d)
	}
	g.count(&item.Value, 1)
	if old != nil {
		g.count(&old.Value, -1)
		in.merged()
	}
	owed = c.crowdedGate(in)
	c.arm(in, now, wait)
	return owed
}

func (g *gate) round(to []*MessageClient) time.Duration {
	round := g.rate.Round(g.line.Len())
	for _, s := range to {
		if s.asked != nil {
			round = max(round, s.asked.rate.Round(g.line.Len()))
		}
	}
	return round
}

// crowdedGate sees to it that no more is held than may wait, for the client and on the destination. It says whether a Flush is owed.
func (c *FlexClient) crowdedGate(in *interest) (owed bool) {
	g := in.gate
	for g.line.Len() > 0 && !c.slow {
		n, size := g.line.Len()-1, g.size
		setting, value := in.limits().reached(in.waiting+int32(n), in.size+size, 0)
		if setting == "" {
			setting, value = c.limits().reached(int32(c.out.waiting()+n), c.out.wait.size+size, 0)
		}
		if setting == "" {
			return owed
		}
		if !in.policy().Drops() {
			c.slow = true
			go c.End(Cause{Code: message.CodeSlowConsumer, Setting: setting, Value: value})
			return false
		}
		for oldest := range g.line.All() {
			e := entry{m: oldest.Value.m, in: in}
			c.unhold(in, oldest)
			in.dropped()
			c.out.wait.refuse(&e, c.out.entered) // the client is told: it would have been the next
			break
		}
		owed, c.owed = owed || !c.owed, true
	}
	return owed
}

func (c *FlexClient) unhold(in *interest, item *channel.HeldItem[delayed]) {
	in.gate.line.Remove(item)
	in.gate.count(&item.Value, -1)
}

// arm has the line looked at after wait. The caller holds c.mu.
func (c *FlexClient) arm(in *interest, now time.Time, wait time.Duration) {
	g := in.gate
	if at := now.Add(wait); g.at.IsZero() || at.Before(g.at) {
		g.at = at
		c.registry.options().Wheel.Schedule(&g.timer, wait, func() { go c.release(in) }) // the wheel must not wait for a transport
	}
}

// rearm has it looked at as soon as possible: what it goes by has changed.
func (c *FlexClient) rearm(in *interest) {
	if in.gate != nil && in.gate.line.Len() > 0 && c.ended == nil {
		c.arm(in, time.Now(), 0)
	}
}

// release lets go into the outbox what has its turn.
func (c *FlexClient) release(in *interest) {
	c.mu.Lock()
	g, now, next := in.gate, time.Now(), time.Duration(-1)
	g.at = time.Time{}
	if c.ended != nil || c.slow {
		c.mu.Unlock()
		return
	}
	in.gated()
	for item := range g.line.All() {
		d := &item.Value
		if d.m.Expired(now) {
			c.unhold(in, item)
			in.expired()
			continue
		}
		if wait := g.wait(d.to, now); wait > 0 {
			if next < 0 || wait < next {
				next = wait
			}
			if g.rate.Wait(now) > 0 {
				break
			}
			continue
		}
		g.take(d.to, now)
		c.unhold(in, item)
		for _, s := range d.to {
			s.touch()
		}
		c.enter(in.turn(item))
	}
	if next >= 0 {
		c.arm(in, now, next)
	}
	c.mu.Unlock()
	c.Flush()
}

// turn is the entry of a message whose turn it is.
func (in *interest) turn(item *channel.HeldItem[delayed]) entry {
	d := &item.Value
	e := entry{m: d.m, in: in}
	var head []byte
	if len(in.members) > 1 {
		ids := make([]string, len(d.to))
		for i, s := range d.to {
			ids[i] = s.ID()
		}
		head = message.AppendFor(nil, message.For{ClientIDs: ids})
	}
	if item.Merged > 0 {
		x := e.extra()
		x.key, x.keyed, x.count = mergeKey{d.m.Key(in.dest.Definition().ConflateKey), string(head)}, true, item.Merged
		head = append(message.AppendMerged(nil, message.Merged{Count: item.Merged}), head...)
	}
	if head != nil {
		e.extra().head = head
	}
	return e
}

// reviewGate gives up what is held for nobody any more: its subscriptions have ended, or are not subscribed to it. The caller holds c.mu.
func (c *FlexClient) reviewGate(in *interest) {
	if in.gate == nil {
		return
	}
	for item := range in.gate.line.All() {
		in.gate.count(&item.Value, -1)
		item.Value.to = slices.DeleteFunc(item.Value.to, func(s *MessageClient) bool { return s.closed || !s.sub.Matches(item.Value.m) })
		in.gate.count(&item.Value, 1)
		if len(item.Value.to) == 0 {
			c.unhold(in, item)
			in.abandoned()
		}
	}
	c.rearm(in)
}

// abandonGates gives up all that is held. The caller holds c.mu.
func (c *FlexClient) abandonGates() {
	for _, in := range c.dests {
		if in.gate == nil {
			continue
		}
		for item := range in.gate.line.All() {
			c.unhold(in, item)
			in.abandoned()
		}
		c.registry.options().Wheel.Stop(&in.gate.timer)
	}
}

// NextTurn is when the next message that is held has its turn, where nothing else waits for the client; zero: nothing is held, or something waits. Sure: nothing else can come before.
func (c *FlexClient) NextTurn() (in time.Duration, sure bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out.waiting() > 0 {
		return 0, false
	}
	sure = true
	now := time.Now()
	for _, i := range c.dests {
		if i.gate == nil || i.gate.at.IsZero() || i.gate.rate.Wait(now) == 0 {
			sure = false
		}
		if i.gate != nil && !i.gate.at.IsZero() {
			if wait := max(i.gate.at.Sub(now), time.Millisecond); in == 0 || wait < in {
				in = wait
			}
		}
	}
	return in, sure && in > 0
}
