package memengine_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/memengine"
	"sluice/channel/message"
)

func definition(h channel.History) []channel.DestinationDefinition {
	return []channel.DestinationDefinition{{ID: "d", AllowSubtopics: true, History: h}}
}

// Nobody publishes and nobody reads: what is too old goes nevertheless, and nothing is left running.
func TestOldMessagesAreSweptAway(t *testing.T) {
	for name, configured := range map[string]func(e *memengine.Engine, then func()){
		"before Run": func(e *memengine.Engine, then func()) {
			e.Configure(definition(channel.History{MaxMessages: 10, MaxAge: time.Minute}))
			then()
		},
		"later": func(e *memengine.Engine, then func()) {
			e.Configure(definition(channel.History{MaxMessages: 10}))
			then()
			e.Configure(definition(channel.History{MaxMessages: 10, MaxAge: time.Minute}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := memengine.New(memengine.Options{})
				var stop func() error
				configured(e, func() { stop = start(e, func([]*message.Message) {}) })
				for range 3 {
					m, _ := message.New("d", nil, nil, nil, "", time.Now())
					e.Publish([]*message.Message{m}, func(int, channel.Position, error) {})
					time.Sleep(20 * time.Second)
				}
				for after, want := range []int{3, 2, 1, 0} { // 60, 80 … seconds
					synctest.Wait()
					if k := e.Kept("d"); k.Messages < want || k.Messages > want+1 {
						t.Errorf("after %d s: %+v, want %d", 60+20*after, k, want)
					}
					time.Sleep(20 * time.Second)
				}
				synctest.Wait()
				if k := e.Kept("d"); k != (channel.Kept{}) {
					t.Errorf("%+v", k)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// The clock is the caller's.
func TestHistoryGoesByTheClockOfTheOptions(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	e := memengine.New(memengine.Options{Now: func() time.Time { return now }})
	e.Configure(definition(channel.History{MaxMessages: 10, MaxAge: time.Minute}))
	m, _ := message.New("d", nil, nil, nil, "", now)
	e.Publish([]*message.Message{m}, func(int, channel.Position, error) {})
	for _, want := range []int{1, 0} {
		page, err := e.Since("d", channel.Query{Topics: []string{""}, Cursor: channel.Cursor{From: channel.FromEarliest}})
		if err != nil || len(page.Messages) != want {
			t.Errorf("%d messages, want %d, %v", len(page.Messages), want, err)
		}
		now = now.Add(61 * time.Second)
	}
}

// An index by subtopic must not cost an allocation per message; what is kept of one has been allocated before.
func TestKeepingAllocatesNothing(t *testing.T) {
	for name, def := range map[string]channel.DestinationDefinition{
		"history":     {ID: "d", AllowSubtopics: true, History: channel.History{MaxMessages: 1000}},
		"last values": {ID: "d", AllowSubtopics: true, LastValue: true},
	} {
		e := memengine.New(memengine.Options{MaxPending: 1 << 30})
		e.Configure([]channel.DestinationDefinition{def})
		batch := messages(1)
		publish := func(i int) {
			batch[0] = &message.Message{Destination: "d", Subtopics: subtopics[i%len(subtopics)]}
			e.Publish(batch, func(int, channel.Position, error) {})
		}
		for i := range 10_000 {
			publish(i)
		}
		i := 0
		if n := testing.AllocsPerRun(10_000, func() { publish(i); i++ }); n > 1 { // the message itself
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

var subtopics = func() (all [][]string) {
	for i := range 100 {
		all = append(all, []string{fmt.Sprintf("room.%d", i)})
	}
	return all
}()

// running is an engine that delivers to nobody.
func running(b *testing.B, def channel.DestinationDefinition) *memengine.Engine {
	e := memengine.New(memengine.Options{})
	e.Configure([]channel.DestinationDefinition{def})
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { e.Run(ctx, func([]*message.Message) {}) })
	b.Cleanup(func() { cancel(); run.Wait() })
	for refused := true; refused; {
		e.Publish(messages(1), func(_ int, _ channel.Position, err error) { refused = err != nil })
	}
	return e
}

func lines(b *testing.B, n int) []*message.Message {
	all := make([]*message.Message, n)
	for i := range all {
		all[i], _ = message.New("d", subtopics[i%len(subtopics)], []byte(`{"text":"hello world"}`), nil, "m", time.Now())
	}
	return all
}

// What keeping costs, beside making the message: room for it, its position for whoever published it.
func BenchmarkPublishKept(b *testing.B) {
	for name, def := range map[string]channel.DestinationDefinition{
		"none":    {ID: "d"},
		"history": {ID: "d", History: channel.History{MaxMessages: 100_000, MaxBytes: 1 << 30, MaxAge: time.Hour}},
		"last":    {ID: "d", LastValue: true},
	} {
		b.Run(name, func(b *testing.B) {
			e := running(b, def)
			all := lines(b, b.N)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range all {
				e.Publish(all[i:i+1], func(int, channel.Position, error) {})
			}
		})
	}
}

// A page of 100 out of a million messages, of which each subtopic has one in a hundred.
func BenchmarkSince(b *testing.B) {
	const kept = 1_000_000
	e := running(b, channel.DestinationDefinition{ID: "d", History: channel.History{MaxMessages: kept}})
	for range kept / 1000 {
		e.Publish(lines(b, 1000), func(int, channel.Position, error) {})
	}
	middle, err := e.Since("d", channel.Query{Topics: []string{"*"}})
	if err != nil {
		b.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		topics []string
		cursor channel.Cursor
	}{
		{"exact", []string{"room.7"}, channel.Cursor{From: channel.FromOrder, Order: middle.Head / 2}},
		{"exact=10", []string{"room.1", "room.2", "room.3", "room.4", "room.5", "room.6", "room.7", "room.8", "room.9", "room.10"}, channel.Cursor{From: channel.FromOrder, Order: middle.Head / 2}},
		{"last=100", []string{"room.7"}, channel.Cursor{From: channel.FromLast, Last: 100}},
		{"wildcard=all", []string{"room.*"}, channel.Cursor{From: channel.FromOrder, Order: middle.Head / 2}},
		{"wildcard=hundredth", []string{"*.7"}, channel.Cursor{From: channel.FromOrder, Order: middle.Head / 2}},
		{"wildcard=hundredth/last=100", []string{"*.7"}, channel.Cursor{From: channel.FromLast, Last: 100}},
	} {
		b.Run(test.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				page, err := e.Since("d", channel.Query{Topics: test.topics, Cursor: test.cursor, Limit: 100})
				if err != nil || len(page.Messages) != 100 {
					b.Fatal(len(page.Messages), err)
				}
			}
		})
	}
}

// A destination that is configured only when messages have come for it goes on counting.
func TestConfiguredLater(t *testing.T) {
	e := memengine.New(memengine.Options{})
	last := uint64(0)
	publish := func() {
		t.Helper()
		batch := messages(1)
		e.Publish(batch, func(int, channel.Position, error) {})
		if batch[0].Order <= last {
			t.Errorf("order %d behind %d", batch[0].Order, last)
		}
		last = batch[0].Order
	}
	publish()
	publish()
	e.Configure(definition(channel.History{MaxMessages: 10}))
	publish()
	page, err := e.Since("d", channel.Query{Topics: []string{""}, Cursor: channel.Cursor{From: channel.FromOrder}})
	if err != nil || len(page.Messages) != 1 || page.Missing == nil {
		t.Errorf("%+v, %v", page, err)
	}
}
