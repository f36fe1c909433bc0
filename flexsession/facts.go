package flexsession

import (
	"time"

	"sluice/channel"
)

// Facts is what people may know of a client.
type Facts struct {
	ID            string
	User          string
	Address       string // where it connected from, or its last WebSocket did
	Created       time.Time
	Channel       string       // id of the channel it connected on, or was attached on last
	Transport     channel.Kind // "" while nothing is attached
	Endpoint      string       // id of the channel it is attached on; "" while nothing is
	Sessions      []string
	Subscriptions int
	Waiting       int    // lines without a number
	Unconfirmed   int    // lines with one
	Confirmed     uint64 // lines; of a simple client those that were sent
	Requests      uint64 // the highest seq that was worked on
	Unreliable    bool
	Failovers     []Failover // its newest reports, oldest first
	Books         []DestinationBooks
}

// Facts describes the client as it is now; one that has ended as it was then.
func (c *FlexClient) Facts() Facts {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != nil {
		return *c.last
	}
	return c.facts()
}

// facts is Facts of a client that lives, for those who hold c.mu.
func (c *FlexClient) facts() Facts {
	f := Facts{ID: c.id, Address: c.peer.RemoteAddr, Created: c.created, Channel: c.presence.def.ID, Subscriptions: len(c.subs),
		Waiting: c.out.waiting(), Unconfirmed: c.out.unconfirmed.len(), Confirmed: c.out.confirmed, Requests: c.up.last, Unreliable: c.unreliable, Failovers: c.failovers.shown(), Books: c.allBooks()}
	if c.principal != nil {
		f.User = c.principal.Name
	}
	if c.transport != nil {
		f.Transport, f.Endpoint = c.transport.Channel().Kind, c.transport.Channel().ID
	}
	for _, s := range c.sessions {
		f.Sessions = append(f.Sessions, s.ID())
	}
	return f
}

// Who is the client's user, "" for nobody, and the address it connected from, or its last WebSocket did.
func (c *FlexClient) Who() (user, address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.principal != nil {
		user = c.principal.Name
	}
	return user, c.peer.RemoteAddr
}

// Depth is how many lines wait without a number, and how many are unconfirmed.
func (c *FlexClient) Depth() (waiting, unconfirmed int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.waiting(), c.out.unconfirmed.len()
}

// Ended is a client that has ended, as it was then.
type Ended struct {
	Facts
	Cause Cause
	At    time.Time
}

// Ended finds a client that has ended by its id alone, for operators. It reports false of those that are forgotten (max-remembered-ends).
func (g *Registry) Ended(id string) (Ended, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e, ok := g.ends[id]
	return Ended{e.facts, e.cause, e.at}, ok
}
