package channel

import (
	"errors"
	"fmt"
	"maps"
)

// Reconfigure replaces what the configuration says of the destinations and the constraints, while messages flow. Destinations keep their subscriptions, their counts and, within the new limits, their history; new ones are added. A check of
// rights that is under way goes by the old or by the new definition. What is subscribed already is not checked: that is for whoever knows the users.
//
// All mistakes are reported together, and with any of them nothing changes. It is a mistake to leave out a destination that exists, and to give one another subtopic-separator: its subtopics would
// no longer be the same. Constraints that are left out stay, for requests under way that go by them.
func (b *MessageBroker) Reconfigure(destinations []DestinationDefinition, constraints []SecurityConstraint) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	opts := Options{Destinations: destinations, Constraints: constraints, Engine: b.engine, Wheel: b.wheel}
	old := b.table.Load()
	errs := []error{opts.validate()}
	left := make(map[string]bool, len(old.destinations))
	for _, d := range old.destinations {
		left[d.id] = true
	}
	for _, def := range destinations {
		delete(left, def.ID)
		if d := old.byID[def.ID]; d != nil && d.Definition().SubtopicSeparator != def.defaults().SubtopicSeparator {
			errs = append(errs, fmt.Errorf("destination %q: subtopic-separator %q: it is %q already", def.ID, def.SubtopicSeparator, d.Definition().SubtopicSeparator))
		}
	}
	for _, d := range old.destinations {
		if left[d.id] {
			errs = append(errs, fmt.Errorf("destination %q: it exists already, and cannot be left out", d.id))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	b.engine.Configure(destinations)
	b.table.Store(b.newTable(old, destinations, constraints)) // before the definitions that refer to its constraints
	for _, def := range destinations {
		def = def.defaults()
		d := b.Destination(def.ID)
		d.def.Store(&def)
		d.inbound.hurry() // what waits may go by now
		d.settlePresence()
	}
	return nil
}

// newTable has the destinations of old that are among the given ones, new ones for the others, and the constraints of both.
func (b *MessageBroker) newTable(old *table, destinations []DestinationDefinition, constraints []SecurityConstraint) *table {
	t := &table{
		byID:        make(map[string]*Destination, len(destinations)),
		constraints: make(map[string]SecurityConstraint, len(constraints)),
	}
	maps.Copy(t.constraints, old.constraints)
	for _, c := range constraints {
		t.constraints[c.ID] = c
	}
	for _, def := range destinations {
		d := old.byID[def.ID]
		if d == nil {
			d = newDestination(def, b)
		}
		t.destinations = append(t.destinations, d)
		t.byID[def.ID] = d
	}
	return t
}
