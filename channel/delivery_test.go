package channel_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sluice/channel"
	"sluice/channel/message"
)

func TestFlushOncePerBatch(t *testing.T) {
	b := broker(t)
	busy, once, idle := &client{}, &client{}, &client{}
	subscribe(t, b.Destination("news"), busy, "1", "*")
	subscribe(t, b.Destination("news"), busy, "2", "a")
	subscribe(t, b.Destination("plain"), busy, "3", "")
	subscribe(t, b.Destination("news"), once, "4", "b")
	subscribe(t, b.Destination("news"), idle, "5", "c")
	publish(t, b, "news", "a", "b", "a", "x")
	if busy.flushes != 1 || once.flushes != 1 || idle.flushes != 0 || len(busy.got) != 6 {
		t.Errorf("flushed %d, %d, %d times for %d messages", busy.flushes, once.flushes, idle.flushes, len(busy.got))
	}
	publish(t, b, "plain", "")
	if busy.flushes != 2 || once.flushes != 1 {
		t.Errorf("flushed %d and %d times", busy.flushes, once.flushes)
	}
}

// One client's panic, in Deliver or in Flush, is logged and does not cost the others a message.
func TestPanicIsContained(t *testing.T) {
	b, log := loggingBroker(t)
	d := b.Destination("news")
	clients := make([]*client, 5)
	for i := range clients {
		clients[i] = &client{}
		subscribe(t, d, clients[i], fmt.Sprint("sub", i), "a")
	}
	clients[0].panics, clients[2].panics, clients[4].panics = true, true, true
	publish(t, b, "news", "a", "a")
	for i := 1; i < len(clients); i += 2 {
		if len(clients[i].got) != 2 || clients[i].flushes != 1 {
			t.Errorf("client %d: %d messages, %d flushes", i, len(clients[i].got), clients[i].flushes)
		}
	}
	if n := strings.Count(log.String(), `"panic":"deliver"`); n != 6 || !strings.Contains(log.String(), `"subscription":"sub2"`) {
		t.Errorf("%d panics in the log:\n%s", n, log)
	}

	for _, c := range clients {
		c.panics = false
	}
	log.Reset()
	publish(t, b, "news", "a")
	for _, i := range []int{0, 2, 4} {
		if len(clients[i].got) != 1 {
			t.Errorf("client %d: %d messages afterwards", i, len(clients[i].got))
		}
	}
	if log.Len() > 0 {
		t.Error(log)
	}
}

// flushPanics panics in Flush only.
type flushPanics struct{ client }

func (*flushPanics) Flush() { panic("flush") }

func TestPanicInFlushIsContained(t *testing.T) {
	b, log := loggingBroker(t)
	first, last := &client{}, &client{}
	subscribe(t, b.Destination("news"), first, "1", "a")
	subscribe(t, b.Destination("news"), &flushPanics{}, "2", "a")
	subscribe(t, b.Destination("news"), last, "3", "a")
	publish(t, b, "news", "a")
	if first.flushes != 1 || last.flushes != 1 || strings.Count(log.String(), `"panic":"flush"`) != 1 {
		t.Errorf("%d and %d flushes; log:\n%s", first.flushes, last.flushes, log)
	}
}

// locked is a subscriber as a FlexClient is one: with a lock of its own, under which it also changes its subscriptions.
type locked struct {
	mu  sync.Mutex
	got []string // ids, each with the messages of one client in the order they came
}

func (l *locked) Deliver(m *message.Message, _ *channel.Subscription) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got = append(l.got, m.ID)
	return false
}

func (*locked) Flush() {}

// Many publish at once: every subscriber sees the same order, and each publisher's own. Meanwhile others come and go, under the lock that Deliver
// takes.
func TestSameOrderForEveryone(t *testing.T) {
	const publishers, each, subscribers = 4, 500, 5
	b, stop := running(t, channel.DestinationDefinition{ID: "news", AllowSubtopics: true})
	d := b.Destination("news")
	readers := make([]*locked, subscribers)
	topics := []string{"a.b", "a.*", "*", "*.b", "a.b"}
	for i := range readers {
		readers[i] = &locked{}
		subscribe(t, d, readers[i], fmt.Sprint(i), topics[i], "none") // exact, wildcards, and both
	}
	var wait sync.WaitGroup
	var over atomic.Bool
	for i := range 2 {
		wait.Go(func() {
			visitor := &locked{}
			for !over.Load() {
				s := d.Subscribe("visitor", visitor)
				visitor.mu.Lock()
				visitor.got = nil
				if err := s.Add(message.Topic{Subtopic: topics[i]}); err != nil {
					t.Error(err)
				}
				s.Matches(&message.Message{Destination: "news", Subtopics: []string{"a.b"}})
				if i == 0 {
					s.Remove(message.Topic{Subtopic: topics[i]})
				}
				visitor.mu.Unlock()
				s.Close()
			}
		})
	}
	var publishing, placed sync.WaitGroup
	for p := range publishers {
		placed.Add(each)
		publishing.Go(func() {
			for i := range each {
				m := &message.Message{ID: fmt.Sprintf("%d/%d", p, i), Destination: "news", Subtopics: []string{"a.b", "other"}}
				b.Publish([]*message.Message{m}, func(_ int, err *message.Error) {
					if err != nil {
						t.Error(err)
					}
					placed.Done()
				})
			}
		})
	}
	publishing.Wait()
	placed.Wait()
	stop()
	over.Store(true)
	wait.Wait()
	for i, r := range readers {
		r.mu.Lock()
		if len(r.got) != publishers*each {
			t.Fatalf("subscriber %d got %d of %d", i, len(r.got), publishers*each)
		}
		next := map[string]int{}
		for k, id := range r.got {
			if id != readers[0].got[k] {
				t.Fatalf("subscriber %d got %s at %d, another %s", i, id, k, readers[0].got[k])
			}
			publisher, number, _ := strings.Cut(id, "/")
			if number != fmt.Sprint(next[publisher]) {
				t.Fatalf("subscriber %d got %s out of order", i, id)
			}
			next[publisher]++
		}
		r.mu.Unlock()
	}
}

// counter only counts.
type counter struct {
	n    int
	owed bool
}

func (c *counter) Deliver(*message.Message, *channel.Subscription) bool {
	c.n++
	first := !c.owed
	c.owed = true
	return first
}

func (c *counter) Flush() { c.owed = false }

// fanOut makes a broker with subs subscribers of the topics that topic makes.
func fanOut(tb testing.TB, subs int, topic func(i int) string) *channel.MessageBroker {
	b, _ := running(tb, channel.DestinationDefinition{ID: "news", AllowSubtopics: true})
	for i := range subs {
		subscribe(tb, b.Destination("news"), &counter{}, "s", topic(i))
	}
	return b
}

func always(topic string) func(int) string { return func(int) string { return topic } }

func TestFanOutAllocatesNothingPerSubscriber(t *testing.T) {
	for name, topic := range map[string]string{"exact": "room.1", "wildcard": "room.*"} {
		b := fanOut(t, 2000, always(topic))
		batch := []*message.Message{{ID: "m", Destination: "news", Subtopics: []string{"room.1"}}}
		done := func(int, *message.Error) {}
		b.Publish(batch, done)
		if n := testing.AllocsPerRun(50, func() { b.Publish(batch, done) }); n > 2 {
			t.Errorf("%s: %v allocations to reach 2000 subscribers", name, n)
		}
	}
}

func benchmark(b *testing.B, subs int, topic func(int) string) {
	broker := fanOut(b, subs, topic)
	batch := []*message.Message{{ID: "m", Destination: "news", Subtopics: []string{"room.1"}}}
	b.ReportAllocs()
	for b.Loop() {
		broker.Publish(batch, func(int, *message.Error) {})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(subs), "ns/subscriber")
}

func BenchmarkFanOut(b *testing.B) {
	for _, subs := range []int{1, 100, 1000, 10000} {
		b.Run(fmt.Sprintf("subs=%d", subs), func(b *testing.B) { benchmark(b, subs, always("room.1")) })
	}
}

// One subscriber of the subtopic among many of others.
func BenchmarkSubtopics(b *testing.B) {
	for _, subs := range []int{100, 10000} {
		b.Run(fmt.Sprintf("subs=%d", subs), func(b *testing.B) { benchmark(b, subs, func(i int) string { return fmt.Sprintf("room.%d", i) }) })
	}
}

// One subscription with a wildcard that matches among many that do not.
func BenchmarkWildcards(b *testing.B) {
	for _, subs := range []int{100, 10000} {
		b.Run(fmt.Sprintf("subs=%d", subs), func(b *testing.B) {
			benchmark(b, subs, func(i int) string {
				if i == 0 {
					return "*.1"
				}
				return fmt.Sprintf("other%d.*", i)
			})
		})
	}
}

// BenchmarkSubscribe is one subscriber that comes and goes beside many of the same subtopic.
func BenchmarkSubscribe(b *testing.B) {
	for _, subs := range []int{1, 1000, 100000} {
		b.Run(fmt.Sprintf("subs=%d", subs), func(b *testing.B) {
			d := fanOut(b, subs, always("room.1")).Destination("news")
			c := &counter{}
			b.ReportAllocs()
			for b.Loop() {
				s := d.Subscribe("s", c)
				s.Add(message.Topic{Subtopic: "room.1"})
				s.Close()
			}
		})
	}
}
