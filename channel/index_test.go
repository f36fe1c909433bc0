package channel

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sluice/channel/message"
)

type nobody struct{}

func (nobody) Deliver(*message.Message, *Subscription) bool { return false }
func (nobody) Flush()                                       {}

// A server runs for months: subtopics that nobody subscribes to any more must leave nothing behind.
func TestIndexForgets(t *testing.T) {
	d := newDestination(DestinationDefinition{ID: "d", AllowSubtopics: true}, new(MessageBroker))
	topics := []string{"", "a", "a.b", "*", "a.*", "a.*.b", "*.*", "*.a.*", "*.*.c.d"}
	var subs []*Subscription
	for i := range 100 {
		s := d.Subscribe(fmt.Sprint(i), nobody{})
		for _, topic := range append(topics, fmt.Sprintf("own.%d", i), fmt.Sprintf("own.%d.*", i)) {
			if err := s.Add(message.Topic{Subtopic: topic}); err != nil {
				t.Fatal(err)
			}
		}
		subs = append(subs, s)
	}
	for i, s := range subs {
		if i%2 == 0 {
			s.Close()
			continue
		}
		for _, topic := range s.Topics() {
			s.Remove(message.Topic{Subtopic: topic})
		}
	}
	if n := len(d.index.exact); n != 0 {
		t.Errorf("%d subtopics are left", n)
	}
	if w := d.index.wild; len(w.children) != 0 || w.here != nil || w.rest != nil {
		t.Errorf("wildcards are left: %+v", w)
	}
}

// A subtopic of very many parts would cost the server far more than it costs its sender: it is refused, to publishers and subscribers alike.
func TestPartsOfASubtopicAreBounded(t *testing.T) {
	for _, separator := range []string{".", "--"} {
		d := newDestination(DestinationDefinition{ID: "d", AllowSubtopics: true, SubtopicSeparator: separator}, new(MessageBroker))
		for part, wild := range map[string]bool{"a": false, wildcard: true} {
			most := strings.Repeat(part+separator, MaxSubtopicParts-1) + part
			s := d.Subscribe("s", nobody{})
			if err := s.Add(message.Topic{Subtopic: most}); err != nil {
				t.Errorf("%d parts %q: %v", MaxSubtopicParts, part, err)
			}
			if err := d.CheckSend([]string{most}); !wild && err != nil {
				t.Errorf("to %d parts %q: %v", MaxSubtopicParts, part, err)
			}
			for _, more := range []string{most + separator + part, strings.Repeat(part+separator, 300) + part} {
				sub, send := s.Add(message.Topic{Subtopic: more}), d.CheckSend([]string{"a", more})
				for _, err := range []*message.Error{sub, send} {
					if err == nil || err.Code != message.CodeBadSubtopic || err.Detail != "more than 32 parts" {
						t.Errorf("%.20q…: %v, want it refused for its parts", more, err)
					}
				}
			}
			if topics := s.Topics(); len(topics) != 1 {
				t.Errorf("%d topics", len(topics))
			}
			s.Close()
		}
	}
}

// A list is right, and short, whatever order its members come and go in; a walk that began earlier is not disturbed.
func TestListStaysShort(t *testing.T) {
	l := &list{}
	var want []*member
	check := func() {
		t.Helper()
		var got []*member
		for _, m := range l.members() {
			if m.gone.Load() == 0 {
				got = append(got, m)
			}
		}
		if !slices.Equal(got, want) || l.live != len(want) {
			t.Fatalf("%d members instead of %d", len(got), len(want))
		}
		if n := cap(l.members()); n > 4*len(want) {
			t.Fatalf("room for %d, %d there", n, len(want))
		}
	}
	random := uint32(1)
	for range 5000 {
		random = random*1664525 + 1013904223
		if before := slices.Clone(l.members()); random>>28 < 9 { // a little more often than not
			walk := l.members()
			m := &member{}
			l.add(m)
			want = append(want, m)
			if !slices.Equal(walk, before) {
				t.Fatal("an addition shows in a walk that began before it")
			}
		} else if len(want) > 0 {
			walk := l.members()
			i := int(random>>8) % len(want)
			if empty := l.remove(want[i], 1); empty != (len(want) == 1) {
				t.Fatal("empty?")
			}
			want = slices.Delete(want, i, i+1)
			if !slices.Equal(walk, before) {
				t.Fatal("a removal disturbs a walk that began before it")
			}
		}
		check()
	}
	for len(want) > 0 {
		l.remove(want[0], 1)
		want = want[1:]
		check()
	}
}

// Coming and going must not cost a copy of the whole list each time.
func TestListCopiesSeldom(t *testing.T) {
	const n = 10000
	l := &list{}
	copies, last := 0, (**member)(nil)
	count := func() {
		if len(l.slots) > 0 && &l.slots[0] != last {
			copies, last = copies+1, &l.slots[0]
		}
	}
	members := make([]*member, n)
	for i := range members {
		members[i] = &member{}
		l.add(members[i])
		count()
	}
	for range 10 * n { // at the worst place: the list is full
		m := &member{}
		l.add(m)
		count()
		l.remove(m, 1)
		count()
	}
	for _, m := range members {
		l.remove(m, 1)
		count()
	}
	if copies > 100 {
		t.Errorf("%d copies", copies)
	}
}
