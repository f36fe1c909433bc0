package flexsession

import (
	"bytes"
	"slices"

	"sluice/channel"
	"sluice/channel/message"
)

// Attend is how a subscription takes part in the presence of its destination. The zero value is a member like any other.
type Attend struct {
	Watch bool   // put a presence line into the outbox for who comes to its subtopics, and leaves
	Info  []byte // JSON in one line that others are shown, at most [message.MaxPresenceInfo] bytes; nil: nothing
}

// check refuses what the destination does not do.
func (a Attend) check(d *channel.Destination) *message.Error {
	if (a.Watch || a.Info != nil) && !d.Definition().Presence {
		return &message.Error{Code: message.CodePresenceNotKept, Value: false}
	}
	return nil
}

// kept is what a subscription keeps of that for as long as it lives: Info may be a part of a request.
func (a Attend) kept() *Attend {
	if !a.Watch && a.Info == nil {
		return nil
	}
	return &Attend{a.Watch, bytes.Clone(a.Info)}
}

// attend gives the subscription its part in what its destination keeps now, and reports whether that is another one: then it is to be updated once c.mu is no longer held. The caller holds c.mu.
func (s *MessageClient) attend() (anew bool) {
	c, d := s.client, s.sub.Destination()
	if s.attendance.Load().Current(d) {
		return false
	}
	if c.member == "" {
		c.member = randomText(9)
	}
	who := message.Member{ID: c.member}
	if c.principal != nil {
		who.User = c.principal.Name
	}
	var watcher channel.Watcher
	if s.attends != nil {
		who.Info = s.attends.Info
		if s.attends.Watch {
			watcher = c
		}
	}
	s.attendance.Store(d.Attend(s.sub, who, watcher))
	return true
}

// Member is the id by which others see the client in presence lines and lists; "" while nobody can. It is no authority.
func (c *FlexClient) Member() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.member
}

// renamed tells presence that the client has logged in.
func (c *FlexClient) renamed(user string) {
	for _, s := range c.Subscriptions() {
		s.attendance.Load().Rename(user)
	}
}

// Presence puts the lines into the outbox, if a subscription of the client watches the subtopic still. It implements channel.Watcher.
func (c *FlexClient) Presence(changes []channel.PresenceChange) {
	c.mu.Lock()
	first := &changes[0]
	watches := func(s *MessageClient) bool {
		if s.Destination() != first.Destination || s.attends == nil || !s.attends.Watch {
			return false
		}
		return first.Operation == message.PresenceOff || s.attendance.Load().Watches(first.Subtopic)
	}
	if c.ended != nil || !slices.ContainsFunc(c.dests, func(in *interest) bool { return slices.ContainsFunc(in.members, watches) }) {
		c.mu.Unlock()
		return
	}
	for i := range changes {
		c.push(own(changes[i].Line))
	}
	c.mu.Unlock()
	c.Flush()
}
