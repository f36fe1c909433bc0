package server

import (
	"maps"
	"slices"

	"sluice/channel"
	"sluice/flexsession"
)

// touch says what a setting holds for: everything that lives, or what is on channels and destinations of these ids, or of these users as the password file has them.
type touch struct {
	all                    bool
	channels, destinations []string
	users                  map[string]bool
}

func (t *touch) none() bool { return !t.all && len(t.channels)+len(t.destinations)+len(t.users) == 0 }

// census is what lives, as far as touches ask for it.
type census struct {
	sessions map[string]place // by id
	clients  []resident
}

// place is a session.
type place struct {
	channel string
	user    string // of its record, as of a resident
}

// resident is a client.
type resident struct {
	channel      string
	sessions     []string
	destinations []string
	user         string // "" also of a login that ends by itself, which no password file is about
}

// listed is the name by which a password file may know p, who may be nil.
func listed(p *channel.Principal) string {
	if p == nil || !p.Expires.IsZero() {
		return ""
	}
	return p.Name
}

func newCensus(g *flexsession.Registry) *census {
	c := &census{sessions: map[string]place{}}
	for _, s := range g.Sessions() {
		one := place{channel: s.Endpoint()}
		if of, ok := s.(interface{ Record() *flexsession.Record }); ok {
			if r := of.Record(); r != nil {
				one.user = listed(r.Principal())
			}
		}
		c.sessions[s.ID()] = one
	}
	for _, client := range g.Clients() {
		f := client.Facts()
		one := resident{channel: f.Channel, sessions: f.Sessions, user: listed(client.Principal())}
		for _, s := range client.Subscriptions() {
			if d := s.Destination(); !slices.Contains(one.destinations, d) {
				one.destinations = append(one.destinations, d)
			}
		}
		c.clients = append(c.clients, one)
	}
	return c
}

// touched counts the sessions and clients that any of the touches is about.
func (c *census) touched(touches ...touch) (sessions, clients int) {
	all := touch{users: map[string]bool{}}
	for _, t := range touches {
		all.all = all.all || t.all
		all.channels, all.destinations = append(all.channels, t.channels...), append(all.destinations, t.destinations...)
		maps.Copy(all.users, t.users)
	}
	if all.none() {
		return 0, 0
	}
	if all.all {
		return len(c.sessions), len(c.clients)
	}
	found := map[string]bool{}
	for id, one := range c.sessions {
		if slices.Contains(all.channels, one.channel) || all.users[one.user] {
			found[id] = true
		}
	}
	for _, one := range c.clients {
		user := all.users[one.user]
		subscribed := slices.ContainsFunc(one.destinations, func(d string) bool { return slices.Contains(all.destinations, d) })
		if subscribed || user {
			for _, id := range one.sessions {
				found[id] = true
			}
		}
		if subscribed || user || slices.Contains(all.channels, one.channel) {
			clients++
		}
	}
	return len(found), clients
}

// count fills in how many sessions and clients each change holds for, and all of those that hold now together. It is called before they hold: those that end by it are among them.
func (r *Reloaded) count(g *flexsession.Registry) {
	var touches []touch
	for _, c := range slices.Concat(r.Changed, r.NeedsRestart) {
		touches = append(touches, c.touch)
	}
	if !slices.ContainsFunc(touches, func(t touch) bool { return !t.none() }) {
		return
	}
	all := newCensus(g)
	for _, list := range [][]Change{r.Changed, r.NeedsRestart} {
		for i := range list {
			list[i].Sessions, list[i].Clients = all.touched(list[i].touch)
		}
	}
	r.Sessions, r.Clients = all.touched(touches[:len(r.Changed)]...)
}
