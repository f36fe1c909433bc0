package flexsession

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"sluice/channel"
)

// Stored is what of a record can outlive the process. Its JSON form is what a store keeps.
type Stored struct {
	ID         string                     `json:"id"`             // the record's inner id
	Channel    string                     `json:"channel"`        // id of the channel it was made on, whose session settings hold
	Created    time.Time                  `json:"created"`        // when it was made
	User       string                     `json:"user,omitempty"` // who is logged in; roles are never believed from a store
	Attributes map[string]json.RawMessage `json:"attributes,omitempty"`
}

// ErrNotStored says that a store knows nothing of a record.
var ErrNotStored = errors.New("the session is not in the store")

// Store holds the stored halves of records: those that have a cookie. Its methods are called from any goroutine.
type Store interface {
	// Save writes the stored half of a record that has one, and returns when it is as durable as the store is. Saves of one record do not overlap.
	Save(s Stored) error
	// Forget drops the stored half of a record by its id and the cookie's value, as far as that is known ("" where the record was restored). It must not block.
	Forget(id, token string)
	// Leave is called once, when the server goes down: these are the records that live, and when each was last active. They end in this process, and are not forgotten.
	Leave(active map[string]time.Time)
}

// noStore is for a registry without one.
type noStore struct{}

func (noStore) Save(Stored) error            { return nil }
func (noStore) Forget(string, string)        {}
func (noStore) Leave(_ map[string]time.Time) {}

// Stored is the record as it is, for a store. The caller holds Cookie.
func (r *Record) Stored() Stored { return r.storedWith(r.all()) }

func (r *Record) storedWith(attributes map[string]json.RawMessage) Stored {
	s := Stored{ID: r.id, Channel: r.def.Load().ID, Created: r.created, Attributes: attributes}
	if p := r.Principal(); p != nil {
		s.User = p.Name
	}
	return s
}

// keep writes the record with these attributes, if it has a stored half. The caller holds Cookie.
func (r *Record) keep(attributes map[string]json.RawMessage) error {
	r.mu.Lock()
	ended, stored := r.ended, r.stored
	r.mu.Unlock()
	switch {
	case ended:
		return ErrEnded
	case !stored:
		return nil
	}
	err := r.registry.options().Store.Save(r.storedWith(attributes))
	switch {
	case errors.Is(err, ErrNotStored): // it has ended meanwhile
		return ErrEnded
	case err != nil:
		return fmt.Errorf("%w: %w", ErrAttributeUnkept, err)
	}
	return nil
}

// Restore makes a record of what a store held: of the user p, on the channel of def, without activity for that long. It reports false where there is no room for it (max-sessions), or it is there
// already. It is for the start, before the first request.
func (g *Registry) Restore(s Stored, def *channel.ChannelDefinition, p *channel.Principal, idle time.Duration) bool {
	r := g.newRecord(s.ID, def)
	r.created, r.principal, r.now, r.stored, r.restored = s.Created, p, maps.Clone(s.Attributes), true, true
	g.mu.Lock()
	ok := len(g.records) < g.options().MaxSessions && g.records[r.id] == nil
	if ok {
		g.records[r.id] = r
	}
	g.mu.Unlock()
	if ok {
		r.watch(idle)
	}
	return ok
}

// leave tells the store which records live, and since when each has not been active.
func (g *Registry) leave(records []*Record) {
	active := make(map[string]time.Time, len(records))
	now := time.Now()
	for _, r := range records {
		r.mu.Lock()
		if r.stored && !r.ended {
			active[r.id] = now.Add(-r.idle.Since())
		}
		r.mu.Unlock()
	}
	g.options().Store.Leave(active)
}
