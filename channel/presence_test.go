package channel_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/heartbeat"
)

// attended makes a destination with presence, and its broker. What the server logs goes to log.
func attended(t testing.TB, log *strings.Builder, change func(*channel.DestinationDefinition)) (*channel.MessageBroker, *channel.Destination) {
	t.Helper()
	wheel := heartbeat.New(heartbeat.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { wheel.Run(ctx) })
	t.Cleanup(func() { cancel(); run.Wait() })
	def := channel.DestinationDefinition{ID: "chat", AllowSubtopics: true, Presence: true}
	if change != nil {
		change(&def)
	}
	b, err := channel.NewMessageBroker(channel.Options{Engine: &direct{}, Wheel: wheel, Destinations: []channel.DestinationDefinition{def}, Logger: zerolog.New(log)})
	if err != nil {
		t.Fatal(err)
	}
	return b, b.Destination("chat")
}

// guest is a client with one subscription.
type guest struct {
	*channel.Attendance
	sub *channel.Subscription
}

func attend(t testing.TB, d *channel.Destination, id string, w channel.Watcher, topics ...string) *guest {
	t.Helper()
	s := subscribe(t, d, &client{}, id, topics...)
	g := &guest{d.Attend(s, message.Member{ID: id}, w), s}
	g.Update()
	return g
}

func (g *guest) leave() { g.sub.Close(); g.Update() }

// diary notes what a watcher is told.
type diary struct {
	mu    sync.Mutex
	lines []channel.PresenceChange
	fails bool
}

func (d *diary) Presence(changes []channel.PresenceChange) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, changes...)
	if d.fails {
		panic("a watcher")
	}
}

func (d *diary) take() []channel.PresenceChange {
	d.mu.Lock()
	defer d.mu.Unlock()
	lines := d.lines
	d.lines = nil
	return lines
}

// Whoever goes by the lines, and asks again where they say so, knows who is there, whatever happens.
func TestPresenceAgainstAModel(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			_, d := attended(t, new(strings.Builder), nil)
			var heard diary
			subtopics := []string{"a", "a.b", "a.c", "b", ""}
			for _, pattern := range []string{"a", "*", ""} {
				if _, err := d.WatchPresence(pattern, &heard); err != nil {
					t.Fatal(err)
				}
			}
			known := map[string]map[string]string{} // by subtopic and id: users
			ask := func(subtopic string) (uint64, map[string]string) {
				members := map[string]string{}
				page, err := d.Members(subtopic, "", 3, "")
				number := page.Number
				for ; err == nil; page, err = d.Members(subtopic, page.Next, 3, "") {
					for _, m := range page.Members {
						members[m.ID] = m.User
					}
					if page.Next == "" {
						if page.Count != len(members) {
							t.Errorf("%q: count %d, %d members", subtopic, page.Count, len(members))
						}
						return number, members
					}
				}
				t.Fatal(err)
				return 0, nil
			}
			asked := map[string]uint64{}
			last := map[string]uint64{}
			read := func() {
				for _, c := range heard.take() {
					if c.Number <= last[c.Subtopic] {
						t.Errorf("seed %d: %+v behind number %d", seed, c.Presence, last[c.Subtopic])
					}
					last[c.Subtopic] = c.Number
					if c.Number <= asked[c.Subtopic] {
						continue
					}
					if known[c.Subtopic] == nil {
						known[c.Subtopic] = map[string]string{}
					}
					switch c.Operation {
					case message.PresenceJoin:
						known[c.Subtopic][c.Member.ID] = c.Member.User
					case message.PresenceLeave:
						delete(known[c.Subtopic], c.Member.ID)
					case message.PresenceChange:
						asked[c.Subtopic], known[c.Subtopic] = ask(c.Subtopic)
						continue
					}
					if c.Count != len(known[c.Subtopic]) {
						t.Errorf("seed %d: %s: %d are known", seed, c.Line, len(known[c.Subtopic]))
					}
				}
			}
			var guests []*guest
			for step := range 600 {
				switch n := rng.IntN(10); {
				case n < 5:
					id := fmt.Sprint("g", rng.IntN(40)) // several subscriptions of one client
					topics := slices.DeleteFunc(slices.Clone(subtopics), func(string) bool { return rng.IntN(2) == 0 })
					guests = append(guests, attend(t, d, id, nil, topics...))
				case len(guests) == 0:
				case n < 6:
					guests[rng.IntN(len(guests))].Rename(fmt.Sprint("user", rng.IntN(3)))
				case n < 7:
					g := guests[rng.IntN(len(guests))]
					if topic := subtopics[rng.IntN(len(subtopics))]; !g.sub.Remove(message.Topic{Subtopic: topic}) {
						g.sub.Add(message.Topic{Subtopic: topic})
					}
					g.Update()
				default:
					i := rng.IntN(len(guests))
					guests[i].leave()
					guests = slices.Delete(guests, i, i+1)
				}
				if rng.IntN(8) == 0 {
					time.Sleep(time.Duration(rng.IntN(1500)) * time.Millisecond)
					synctest.Wait()
					read()
				}
				if rng.IntN(50) == 0 && step < 500 {
					for _, subtopic := range subtopics {
						read()
						asked[subtopic], known[subtopic] = ask(subtopic)
					}
				}
			}
			time.Sleep(5 * time.Second)
			synctest.Wait()
			read()
			total := 0
			for _, subtopic := range subtopics {
				_, there := ask(subtopic)
				total += len(there)
				if got := known[subtopic]; fmt.Sprint(got) != fmt.Sprint(there) {
					t.Errorf("seed %d, %q: known %v, there are %v", seed, subtopic, got, there)
				}
			}
			for _, g := range guests {
				g.leave()
			}
			if s := d.PresenceStats(); s.Members != 0 || s.Subtopics != 0 || s.Joins != s.Leaves || total == 0 {
				t.Errorf("seed %d: left: %+v of %d", seed, s, total)
			}
		})
	}
}

// Who watches what is told of exactly that, once.
func TestWatchedSubtopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, d := attended(t, new(strings.Builder), nil)
		topics := []string{"", "a", "b", "a.b", "a.c", "a.b.c", "b.b.c", "*", "a.*", "*.b", "a.*.c", "*.*"}
		for _, pattern := range topics {
			var heard diary
			stop, err := d.WatchPresence(pattern, &heard)
			if err != nil {
				t.Fatal(err)
			}
			again, _ := d.WatchPresence(pattern, &heard)
			for _, topic := range topics {
				attend(t, d, "x", nil, topic).leave()
				time.Sleep(2 * time.Second)
				synctest.Wait()
				s := subscribe(t, d, &client{}, "s", pattern) // a subscription to the pattern gets the same
				want := topic == pattern || !strings.Contains(topic, "*") && topic != "" && s.Matches(&message.Message{Destination: "chat", Subtopics: []string{topic}})
				s.Close()
				got := heard.take()
				if strings.Contains(topic, "*") && topic != pattern {
					continue // whether a pattern matches another one nobody asks
				}
				if want && len(got) != 2 || !want && len(got) != 0 {
					t.Errorf("%q of %q: told %d changes", topic, pattern, len(got))
				}
			}
			stop()
			stop()
			attend(t, d, "x", nil, "a").leave()
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if got := len(heard.take()); (got > 0) != (pattern == "a" || pattern == "*") {
				t.Errorf("%q: %d changes while one of two watches is left", pattern, got)
			}
			again()
			attend(t, d, "x", nil, "a").leave()
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if got := heard.take(); len(got) != 0 {
				t.Errorf("%q: %d changes, though nobody watches", pattern, len(got))
			}
		}
	})
}

// A watcher that panics is logged, and the others are told.
func TestPanickingWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(strings.Builder)
		_, d := attended(t, log, nil)
		bad, good := &diary{fails: true}, &diary{}
		for _, w := range []*diary{bad, good} {
			if _, err := d.WatchPresence("a", w); err != nil {
				t.Fatal(err)
			}
		}
		attend(t, d, "x", nil, "a")
		time.Sleep(2 * time.Second)
		attend(t, d, "y", nil, "a")
		if len(good.take()) != 2 || len(bad.take()) != 2 || strings.Count(log.String(), "a watcher panicked") != 2 {
			t.Errorf("log: %s", log)
		}
	})
}

// What an answer lists is bounded in bytes too.
func TestMembersWithMuchToSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, d := attended(t, new(strings.Builder), func(def *channel.DestinationDefinition) { def.MaxPresenceMembers = 1000 })
		info, _ := json.Marshal(strings.Repeat("x", message.MaxPresenceInfo-2))
		for i := range 200 {
			s := subscribe(t, d, &client{}, "s", "a")
			d.Attend(s, message.Member{ID: fmt.Sprint(i), Info: info}, nil).Update()
		}
		seen, cursor := 0, ""
		for {
			page, err := d.Members("a", cursor, 0, "")
			if err != nil {
				t.Fatal(err)
			}
			if n := len(page.Body()); n > 80<<10 {
				t.Errorf("a body of %d bytes", n)
			}
			seen += len(page.Members)
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		if seen != 200 {
			t.Errorf("%d members", seen)
		}
	})
}

func TestPresenceNeedsAWheel(t *testing.T) {
	_, err := channel.NewMessageBroker(channel.Options{Engine: &direct{}, Destinations: []channel.DestinationDefinition{{ID: "chat", Presence: true}}})
	if err == nil || !strings.Contains(err.Error(), `destination "chat": presence: no wheel`) {
		t.Errorf("got %v", err)
	}
}

// Many join and leave at once while others ask and watch.
func TestPresenceOfManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, d := attended(t, new(strings.Builder), nil)
		var heard diary
		if _, err := d.WatchPresence("*", &heard); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for worker := range 8 {
			all.Go(func() {
				for i := range 200 {
					g := attend(t, d, fmt.Sprint(worker, i%3), &heard, "a", fmt.Sprint(i%5))
					g.Rename(fmt.Sprint(i))
					d.Members("a", "", 0, "")
					g.leave()
					if worker == 0 && i == 100 {
						off := *d.Definition()
						off.Presence = false
						on := off
						on.Presence = true
						for _, def := range []channel.DestinationDefinition{off, on} {
							if err := b.Reconfigure([]channel.DestinationDefinition{def}, nil); err != nil {
								t.Error(err)
							}
						}
					}
				}
			})
		}
		all.Wait()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if s := d.PresenceStats(); s.Members != 0 || s.Subtopics != 0 || s.Joins != s.Leaves {
			t.Errorf("left: %+v", s)
		}
		off := false
		for _, c := range heard.take() {
			off = off || c.Operation == message.PresenceOff
		}
		if !off {
			t.Error("the watcher was not told that presence is off")
		}
	})
}

// BenchmarkPresence joins and leaves a subtopic that has 10,000 members, unwatched and with one watcher, and says what a member costs.
func BenchmarkPresence(b *testing.B) {
	for _, members := range []int{1, 10_000} {
		for _, watched := range []bool{false, true} {
			b.Run(fmt.Sprintf("members=%d/watched=%v", members, watched), func(b *testing.B) {
				_, d := attended(b, new(strings.Builder), nil)
				if watched {
					if _, err := d.WatchPresence("room.1", silent{}); err != nil {
						b.Fatal(err)
					}
				}
				subs := make([]*channel.Subscription, members)
				for i := range subs {
					subs[i] = subscribe(b, d, &client{}, "s", "room.1")
				}
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				kept := make([]*channel.Attendance, members)
				for i := range kept {
					kept[i] = d.Attend(subs[i], message.Member{ID: fmt.Sprintf("%012d", i)}, nil)
					kept[i].Update()
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				s := subscribe(b, d, &client{}, "s")
				a := d.Attend(s, message.Member{ID: "me"}, nil)
				b.ReportAllocs()
				for b.Loop() {
					s.Add(message.Topic{Subtopic: "room.1"})
					a.Update()
					s.Remove(message.Topic{Subtopic: "room.1"})
					a.Update()
				}
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(members), "B/member")
				runtime.KeepAlive(kept)
			})
		}
	}
}

type silent struct{}

func (silent) Presence([]channel.PresenceChange) {}
