package channel

import (
	"fmt"
	"sync"
	"testing"

	"sluice/channel/message"
)

// Subscriptions with the same text share one compiled selector, whatever their destinations, and the last one takes it away.
func TestSelectorsAreShared(t *testing.T) {
	b := new(MessageBroker)
	one, other := newDestination(DestinationDefinition{ID: "one", AllowSubtopics: true}, b), newDestination(DestinationDefinition{ID: "other", AllowSubtopics: true}, b)
	var subs []*Subscription
	var wait sync.WaitGroup
	for i := range 100 {
		s := one.Subscribe(fmt.Sprint(i), nobody{})
		if i%2 == 0 {
			s = other.Subscribe(fmt.Sprint(i), nobody{})
		}
		subs = append(subs, s)
		wait.Go(func() {
			for _, topic := range []message.Topic{{Subtopic: "a", Selector: "x = 1"}, {Subtopic: "b", Selector: "x = 1"}, {Subtopic: "b", Selector: "x = 2"}, {Subtopic: "c"}} {
				if err := s.Add(topic); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if c := b.choices.byText["x = 1"]; len(b.choices.byText) != 2 || c.users != 200 || subs[0].members[0].choice != c || subs[99].members[1].choice != c {
		t.Errorf("%d selectors, %d users", len(b.choices.byText), c.users)
	}
	for i, s := range subs {
		if s.Add(message.Topic{Subtopic: "a", Selector: "x = 1"}) == nil || s.Add(message.Topic{Subtopic: "d", Selector: "x ="}) == nil {
			t.Error("taken")
		}
		change, err := s.Prepare([]message.Topic{{Subtopic: "e", Selector: "x = 3"}, {Subtopic: "a", Selector: "x = 1"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			change.Drop()
		} else if change.Apply() == nil {
			t.Error("applied")
		}
		if i%2 == 0 {
			s.Remove(message.Topic{Subtopic: "b", Selector: "x = 2"})
		}
		s.Close()
		s.Close()
	}
	if n := len(b.choices.byText); n != 0 {
		t.Errorf("%d selectors are left", n)
	}
}

// However many different selectors there are, the table of those that are shared stays small; the others work all the same.
func TestSharedSelectorsAreBounded(t *testing.T) {
	d := newDestination(DestinationDefinition{ID: "d"}, new(MessageBroker))
	table := &d.broker.choices
	table.byText = make(map[string]*choice)
	for i := range maxSharedSelectors {
		table.byText[fmt.Sprint("taken ", i)] = nil
	}
	one, other := d.Subscribe("1", nobody{}), d.Subscribe("2", nobody{})
	for _, s := range []*Subscription{one, other} {
		if err := s.Add(message.Topic{Selector: "x = 1"}); err != nil {
			t.Fatal(err)
		}
		if m := (&message.Message{Destination: "d", Line: []byte(`{"headers":{"x":1}}`)}); !s.Matches(m) {
			t.Error("no match")
		}
	}
	if one.members[0].choice == other.members[0].choice || len(table.byText) != maxSharedSelectors {
		t.Errorf("shared beyond the limit: %d", len(table.byText))
	}
	one.Close()
	other.Close()
	if len(table.byText) != maxSharedSelectors {
		t.Error("another one's was given back")
	}
}
