package enginetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

// values are the newest messages of the subtopics that match, each once, in order.
func (p *past) values(topics []string) (all []*message.Message) {
	newest := map[string]*message.Message{}
	for _, m := range p.all {
		subtopics := m.Subtopics
		if len(subtopics) == 0 {
			subtopics = []string{""}
		}
		for _, s := range subtopics {
			newest[s] = m
		}
	}
	for s, m := range newest {
		if slices.ContainsFunc(topics, func(topic string) bool { return matchOne(strings.Split(topic, "."), strings.Split(s, ".")) }) && !slices.Contains(all, m) {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b *message.Message) int { return int(a.Order) - int(b.Order) })
	return all
}

func testLastValues(t *testing.T, newEngine func(*testing.T) channel.Engine) {
	def := channel.DestinationDefinition{ID: "d", AllowSubtopics: true, LastValue: true, MaxLastValues: 20}
	p := newPast(t, newEngine(t), def)
	r := rand.New(rand.NewPCG(7, 7))
	oldest := channel.Cursor{From: channel.FromEarliest}
	for range 50 {
		for _, topics := range topicSets {
			want := p.values(topics)
			for _, limit := range []int{1, 2, 3, 100} {
				got := p.read(p.engine.LastValues, topics, oldest, limit)
				p.check(fmt.Sprintf("%q in pages of %d", topics, limit), got.messages, want)
				if n := len(p.all); n > 0 && got.last.Head != p.all[n-1].Order {
					t.Errorf("head %d, want %d", got.last.Head, p.all[n-1].Order)
				}
			}
			if got := p.read(p.engine.LastValues, topics, channel.Cursor{}, 10); len(got.messages) > 0 {
				t.Errorf("from now: %v", ids(got.messages))
			}
		}
		p.fill(r, r.IntN(10))
	}

	// At the limit the one goes that was not published for longest.
	for i := range 30 {
		p.publish(fmt.Sprintf("n.%d", i))
		p.publish("n.0")
	}
	got := p.read(p.engine.LastValues, []string{"", "*"}, oldest, 7)
	if len(got.messages) != 20 || got.messages[19].Subtopics[0] != "n.0" || got.messages[0].Subtopics[0] != "n.11" {
		t.Errorf("%v", ids(got.messages))
	}
	if kept := p.engine.Kept("d"); kept.LastValues != 20 || kept.ForgottenLastValues == 0 {
		t.Errorf("%+v", kept)
	}
	forgotten := p.engine.Kept("d").ForgottenLastValues
	def.MaxLastValues = 5
	p.engine.Configure([]channel.DestinationDefinition{def})
	if kept := p.engine.Kept("d"); kept.LastValues != 5 || kept.ForgottenLastValues != forgotten+15 {
		t.Errorf("%+v after %d", kept, forgotten)
	}
	def.LastValue = false
	p.engine.Configure([]channel.DestinationDefinition{def})
	def.LastValue = true
	p.engine.Configure([]channel.DestinationDefinition{def})
	if got := p.read(p.engine.LastValues, []string{"*"}, oldest, 10); len(got.messages) > 0 {
		t.Errorf("kept though it was switched off: %v", ids(got.messages))
	}
}

// Whoever reads while values change gets the newest of each subtopic in the end, in order and no message twice.
func testLastValuesMeantime(t *testing.T, newEngine func(*testing.T) channel.Engine) {
	const subtopics = 100
	p := newPast(t, newEngine(t), channel.DestinationDefinition{ID: "d", AllowSubtopics: true, LastValue: true})
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for i := range 5000 {
			p.publish(fmt.Sprintf("s.%d", (i*37)%subtopics))
		}
	})
	for _, topics := range [][]string{{"*"}, {"s.*"}, {"s.1", "s.2", "s.3"}} {
		newest, last := map[string]*message.Message{}, uint64(0)
		deadline := time.Now().Add(patience)
		for cursor := (channel.Cursor{From: channel.FromEarliest}); ; {
			page, err := p.engine.LastValues("d", channel.Query{Topics: topics, Cursor: cursor, Limit: 13})
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range page.Messages {
				if m.Order <= last {
					t.Fatalf("order %d behind %d", m.Order, last)
				}
				last, newest[m.Subtopics[0]] = m.Order, m
			}
			if cursor = page.Next; page.Done && page.Head == 5000 || time.Now().After(deadline) {
				break
			}
		}
		publishing.Wait()
		for _, m := range p.values(topics) {
			if newest[m.Subtopics[0]] != m {
				t.Errorf("%q: the newest of %s did not come", topics, m.Subtopics[0])
			}
		}
	}
}
