package client_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/channel/client"
)

// publisher is a set that no trouble on the roads reaches.
func (r *roads) publisher(t *testing.T) *client.ChannelSet {
	t.Helper()
	set, err := client.New(client.Options{
		Channels: []client.Channel{{Kind: client.WebSocket, URL: "ws://websocket.test/websocket"}},
		Dial:     func(ctx context.Context, _, _ string) (net.Conn, error) { return r.Net.Dial(ctx) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	return set
}

// journal is what a Consumer was told, in its order.
type journal struct {
	mu   sync.Mutex
	list []string
}

func (j *journal) note(s string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.list = append(j.list, s)
}

func (j *journal) message(m *client.Message) { j.note(string(m.Body)) }

func (j *journal) event(e client.ConsumerEvent) {
	switch e.Kind {
	case client.Recovered:
		j.note(fmt.Sprint("recovered ", e.Complete))
	case client.Loss:
		j.note(fmt.Sprint("loss ", e.Reason))
	case client.Live:
		j.note("live")
	}
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.list)
}

func publish(t *testing.T, set *client.ChannelSet, destination, subtopic string, first, n int, every time.Duration) {
	t.Helper()
	for i := first; i < first+n; i++ {
		if err := set.Publish(t.Context(), destination, subtopic, i); err != nil {
			t.Fatal(err)
		}
		time.Sleep(every)
	}
}

func texts(first, n int) (list []string) {
	for i := first; i < first+n; i++ {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

// Away for longer than the server keeps a client, again and again, in the middle of traffic: by history everything comes once and in order all the same, to a wildcard as well.
func TestHistoryOutlivesClients(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			withRoads(t, 15*time.Second, func(t *testing.T, r *roads) {
				v, from := r.travel(t, kind), r.publisher(t)
				var got, idle journal
				for j, subtopic := range map[*journal]string{&got: "room.*", &idle: "nobody"} {
					_, err := v.Consume(t.Context(), "kept", client.ConsumerOptions{Selection: client.Selection{Subtopics: []string{subtopic}}, Handle: j.message, OnEvent: j.event})
					if err != nil {
						t.Fatal(err)
					}
				}
				var work sync.WaitGroup
				const n = 1500
				work.Go(func() { publish(t, from, "kept", "room.1", 0, n, 100*time.Millisecond) })
				work.Go(func() {
					for range 4 {
						time.Sleep(5 * time.Second)
						r.open()
						r.hit(reset)
						time.Sleep(20 * time.Second)
						r.open(kind)
						time.Sleep(5 * time.Second)
					}
				})
				work.Wait()
				publish(t, from, "kept", "nobody", n, 1, time.Minute)
				renewed := len(v.of(client.Connected)) - 1
				if renewed < 1 {
					t.Error("it was never away for long enough")
				}
				var want []string
				for range renewed {
					want = append(want, "recovered true", "live")
				}
				if list := slices.DeleteFunc(got.all(), func(s string) bool { return s == "live" || s == "recovered true" }); !slices.Equal(list, texts(0, n)) {
					t.Errorf("received %d: %q", len(list), list)
				}
				if list := idle.all(); !slices.Equal(list, append(want, fmt.Sprint(n))) {
					t.Errorf("who received nothing meanwhile was told %q", list)
				}
				for _, e := range v.of(client.Connected)[1:] {
					if e.Resumed {
						t.Error("it came back as the client it had been")
					}
				}
			})
		})
	}
}

// What the history does not reach back to is told as a loss, where it is missing.
func TestShortHistory(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			withRoads(t, 15*time.Second, func(t *testing.T, r *roads) {
				v, from := r.travel(t, kind), r.publisher(t)
				var got journal
				if _, err := v.Consume(t.Context(), "short", client.ConsumerOptions{Handle: got.message, OnEvent: got.event}); err != nil {
					t.Fatal(err)
				}
				publish(t, from, "short", "", 0, 10, time.Millisecond)
				time.Sleep(time.Minute)
				r.open()
				r.hit(reset)
				publish(t, from, "short", "", 10, 100, 300*time.Millisecond)
				r.open(kind)
				time.Sleep(time.Minute)
				want := slices.Concat(texts(0, 10), []string{"recovered false", "loss history"}, texts(60, 50), []string{"live"})
				if list := got.all(); !slices.Equal(list, want) {
					t.Errorf("told %q", list)
				}
			})
		})
	}
}

// A program begins with the last, since a time, with the earliest, or where an earlier life of it had come to.
func TestBeginInThePast(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			withRoads(t, 15*time.Second, func(t *testing.T, r *roads) {
				v, from := r.travel(t, kind), r.publisher(t)
				publish(t, from, "kept", "a.b", 0, 5, time.Second)
				then := time.Now()
				publish(t, from, "kept", "a.b", 5, 300, time.Millisecond)
				var kept string
				for _, c := range []struct {
					from  client.From
					first int
				}{
					{client.Last(2), 303}, {client.Since(then), 5}, {client.Earliest(), 0}, {client.From{}, 305},
				} {
					consumer, err := v.Consume(t.Context(), "kept", client.ConsumerOptions{Selection: client.Selection{Subtopics: []string{"a.*"}}, From: c.from})
					if err != nil {
						t.Fatal(err)
					}
					if c.first == 305 {
						publish(t, from, "kept", "a.b", 305, 1, time.Millisecond)
					}
					for i := c.first; i < 305; i++ {
						m, err := consumer.Next(t.Context())
						if err != nil || string(m.Body) != fmt.Sprint(i) {
							t.Fatalf("message %d is %+v, %v", i, m, err)
						}
						if kept = consumer.Position(); i == 303 {
							break
						}
					}
					if err := consumer.Unsubscribe(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				next := r.travel(t, kind)
				consumer, err := next.Consume(t.Context(), "kept", client.ConsumerOptions{Selection: client.Selection{Subtopics: []string{"a.*"}}, From: client.After(kept)})
				if err != nil {
					t.Fatal(err)
				}
				for i := 304; i <= 305; i++ {
					if m, err := consumer.Next(t.Context()); err != nil || string(m.Body) != fmt.Sprint(i) {
						t.Fatalf("behind the position came %+v, %v, want %d", m, err, i)
					}
				}
				if _, err := v.Consume(t.Context(), "chat", client.ConsumerOptions{From: client.Last(1)}); err == nil || !strings.Contains(err.Error(), "4552") {
					t.Errorf("the past of what keeps none: %v", err)
				}
			})
		})
	}
}

// A change of subtopics in the middle of traffic loses and doubles nothing that both want.
func TestSelectInTraffic(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			withRoads(t, 15*time.Second, func(t *testing.T, r *roads) {
				v, from := r.travel(t, kind), r.publisher(t)
				var got journal
				c, err := v.Consume(t.Context(), "chat", client.ConsumerOptions{Selection: client.Selection{Subtopics: []string{"both", "one"}}, Handle: got.message})
				if err != nil {
					t.Fatal(err)
				}
				var work sync.WaitGroup
				work.Go(func() { publish(t, from, "chat", "both", 0, 2000, 5*time.Millisecond) })
				work.Go(func() {
					for i := range 20 {
						other := []string{"one", "two.*"}[i%2]
						if err := c.Select(t.Context(), client.Selection{Subtopics: []string{"both", other}}); err != nil {
							t.Error(err)
						}
						time.Sleep(300 * time.Millisecond)
					}
				})
				work.Wait()
				publish(t, from, "chat", "one", 2000, 1, time.Second)
				publish(t, from, "chat", "two.1", 2001, 1, time.Minute)
				want := append(texts(0, 2000), "2001")
				if list := got.all(); !slices.Equal(list, want) {
					t.Errorf("received %d: %q", len(list), list)
				}
			})
		})
	}
}

// A message whose time is over is not delivered, and of what waits the urgent goes first.
func TestTimeToLiveAndPriority(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			withRoads(t, time.Minute, func(t *testing.T, r *roads) {
				v, set := r.travel(t, kind), r.publisher(t)
				from := client.Producer{Set: set, Destination: "chat"}
				var got journal
				if _, err := v.SubscribeFunc(t.Context(), "chat", "", got.message); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				r.open()
				r.hit(reset)
				send := func(p client.Producer, n int) {
					t.Helper()
					if err := p.Publish(t.Context(), n); err != nil {
						t.Fatal(err)
					}
				}
				short, long, urgent, idle := from, from, from, from
				short.TimeToLive, long.TimeToLive = 1500*time.Microsecond, time.Hour
				urgent.Priority, idle.Priority = new(9), new(0)
				send(idle, 4)
				send(short, 0)
				send(from, 2)
				send(long, 3)
				send(urgent, 1)
				time.Sleep(10 * time.Second)
				r.open(kind)
				time.Sleep(time.Minute)
				if list := got.all(); !slices.Equal(list, texts(1, 4)) {
					t.Errorf("received %q", list)
				}
				wrong := from
				for _, wrong.Priority = range []*int{new(-1), new(10)} {
					if err := wrong.Publish(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "expected 0 to 9") {
						t.Errorf("priority %d: %v", *wrong.Priority, err)
					}
				}
				wrong = client.Producer{Set: set, Destination: "chat", TimeToLive: -1}
				if err := wrong.Publish(t.Context(), 1); err == nil {
					t.Error("a negative time to live is taken")
				}
			})
		})
	}
}

// A selector chooses among the past and what is new, can be changed while messages come, and is refused with what is wrong with it.
func TestSelector(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			withRoads(t, 15*time.Second, func(t *testing.T, r *roads) {
				v, set := r.travel(t, kind), r.publisher(t)
				send := func(first, n int) {
					t.Helper()
					for i := first; i < first+n; i++ {
						p := client.Producer{Set: set, Destination: "kept", Headers: map[string]any{"colour": []string{"red", "blue"}[i%2], "n": i}}
						if err := p.Publish(t.Context(), i); err != nil {
							t.Fatal(err)
						}
					}
				}
				send(0, 6)
				var got journal
				c, err := v.Consume(t.Context(), "kept", client.ConsumerOptions{Selection: client.Selection{Selector: "colour = 'red' AND n > 1"}, From: client.Earliest(), Handle: got.message})
				if err != nil {
					t.Fatal(err)
				}
				send(6, 4)
				time.Sleep(time.Second)
				if err := c.Select(t.Context(), client.Selection{Selector: "colour = 'blue'"}); err != nil {
					t.Fatal(err)
				}
				if err := c.Select(t.Context(), client.Selection{Selector: "colour = "}); err == nil || !strings.Contains(err.Error(), "4553") {
					t.Errorf("half a selector: %v", err)
				}
				send(10, 4)
				time.Sleep(time.Second) // they have come, so the next client goes on behind them, by the same selector
				r.open()
				r.hit(reset)
				time.Sleep(20 * time.Second)
				send(14, 4)
				r.open(kind)
				time.Sleep(time.Minute)
				if list := got.all(); !slices.Equal(list, []string{"2", "4", "6", "8", "11", "13", "15", "17"}) {
					t.Errorf("received %q", list)
				}
			})
		})
	}
}

// A frequency is kept to, can be raised, and lifted; the newest message arrives and says for how many it stands.
func TestMaxFrequency(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			withRoads(t, 15*time.Second, func(t *testing.T, r *roads) {
				v, from := r.travel(t, kind), r.publisher(t)
				got, merged, last := 0, 0, ""
				var mu sync.Mutex
				c, err := v.Consume(t.Context(), "chat", client.ConsumerOptions{Selection: client.Selection{MaxFrequency: 1}, Handle: func(m *client.Message) {
					mu.Lock()
					defer mu.Unlock()
					got, merged, last = got+1, merged+int(m.Merged), string(m.Body)
				}})
				if err != nil {
					t.Fatal(err)
				}
				for round, want := range []struct {
					frequency   float64
					least, most int
				}{{1, 9, 12}, {4, 35, 45}, {0, 200, 200}, {0.5, 4, 7}} {
					if err := c.Select(t.Context(), client.Selection{MaxFrequency: want.frequency}); err != nil {
						t.Fatal(err)
					}
					publish(t, from, "chat", "", 200*round, 200, 50*time.Millisecond)
					time.Sleep(10 * time.Second)
					mu.Lock()
					if got < want.least || got > want.most || got+merged != 200 || last != fmt.Sprint(200*round+199) {
						t.Errorf("at %v a second, %d came that stand for %d others, the last %s", want.frequency, got, merged, last)
					}
					got, merged = 0, 0
					mu.Unlock()
				}
			})
		})
	}
}
