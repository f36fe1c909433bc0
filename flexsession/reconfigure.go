package flexsession

import (
	"sluice/channel"
)

// Reconfigure makes everything that lives, and that is to come, go by other limits, and by other definitions of the channels. Nothing ends at once by it: a limit that is lower than what is there already refuses
// what would be more, and a shorter time that has passed already ends what it is of at the wheel's next tick. A time that runs keeps what has passed of it.
//
// Of limits, Node, Wheel, Listeners, Store and Latency are not looked at. A client goes by the Window it was told when it was last attached. defs holds the definitions by id; channels that are not
// in it stay as they were. They must not be changed after that. Connections are told to go by what their Channel is now: whoever serves them has seen to that before. One Reconfigure at a time.
func (g *Registry) Reconfigure(limits Options, defs map[string]*channel.ChannelDefinition) {
	old := g.options()
	limits.Node, limits.Wheel, limits.Listeners, limits.Store, limits.Latency = old.Node, old.Wheel, old.Listeners, old.Store, old.Latency
	limits.defaults()
	g.opts.Store(&limits)
	g.defs.Store(&defs)

	// Whatever comes into the tables from here on has found the new definitions by itself.
	for _, r := range g.allRecords() {
		r.redefine(g.definition(r.def.Load()))
	}
	for _, c := range g.Clients() {
		c.redefine()
	}
	for _, s := range g.Sessions() {
		if s, ok := s.(*WebSocketSession); ok {
			s.socket.Retime()
		}
	}
}

// Relogin gives everyone who has logged in, and whose login does not end by itself, the Principal that user says for his name: it must have the same name. Whatever belongs to who is not there any more ends with the
// cause gone: the records with their clients, and clients that logged in for themselves.
func (g *Registry) Relogin(user func(name string) (*channel.Principal, bool), gone Cause) {
	look := func(p *channel.Principal, replace func(before, after *channel.Principal), end func(Cause) bool) {
		if p == nil || !p.Expires.IsZero() {
			return
		}
		if after, ok := user(p.Name); ok {
			replace(p, after)
		} else {
			end(gone)
		}
	}
	for _, r := range g.allRecords() {
		look(r.Principal(), r.replaceUser, r.End)
	}
	for _, c := range g.Clients() {
		look(c.Principal(), c.replaceUser, c.End)
	}
}

func (r *Record) replaceUser(before, after *channel.Principal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.principal == before {
		r.principal = after
	}
}

func (c *FlexClient) replaceUser(before, after *channel.Principal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.principal == before {
		c.principal = after
	}
}

// Transport is what the client is attached to, or nil.
func (c *FlexClient) Transport() Transport {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.transport
}

// definition is def as it is now.
func (g *Registry) definition(def *channel.ChannelDefinition) *channel.ChannelDefinition {
	if defs := g.defs.Load(); defs != nil && (*defs)[def.ID] != nil {
		return (*defs)[def.ID]
	}
	return def
}

// redefine makes the record go by another definition of its channel.
func (r *Record) redefine(def *channel.ChannelDefinition) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended { // its end stops the clock after it has said so
		return
	}
	r.def.Store(def)
	r.idle.Retime(def.SessionTimeout, r.late)
}

// redefine makes the client go by the definitions of its channel and of its destinations as they are now.
func (c *FlexClient) redefine() {
	c.mu.Lock()
	if c.ended != nil {
		c.mu.Unlock()
		return
	}
	c.presence.def = c.registry.definition(c.presence.def)
	c.presence.clock.Retime(c.patience())
	var anew []*channel.Attendance
	for _, s := range c.subs {
		s.rewatch(s.sub.Destination().Definition().SubscriptionTimeout)
		if s.attend() {
			anew = append(anew, s.attendance.Load())
		}
	}
	for _, in := range c.dests {
		c.rearm(in)
	}
	t := c.transport
	c.mu.Unlock()
	for _, a := range anew {
		a.Update()
	}
	if t != nil {
		t.Retime()
	}
}

func (g *Registry) allRecords() []*Record {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]*Record, 0, len(g.records))
	for _, r := range g.records {
		all = append(all, r)
	}
	return all
}

// setLimit is for what Open says from now on.
func setLimit(s Session, limit int) {
	switch s := s.(type) {
	case *StreamingSession:
		s.limit.Store(int64(limit))
	case *LongPollSession:
		s.limit.Store(int64(limit))
	}
}
