package client_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/channel/client"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
)

// traffic publishes n numbers from one set, spread over a time, and takes them at another while trouble comes; each has to come once and in order.
func traffic(t *testing.T, from, to *traveller, n int, over time.Duration, trouble func()) {
	t.Helper()
	c, err := to.Subscribe(t.Context(), "chat", "")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for i := range n {
			err := from.Send(t.Context(), "chat", "", i, func(err error) {
				if err != nil {
					t.Errorf("publish %d: %v", i, err)
				}
			})
			if err != nil {
				t.Errorf("send %d: %v", i, err)
			}
			time.Sleep(over / time.Duration(n))
		}
	})
	work.Go(trouble)
	for i := range n {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		m, err := c.Next(ctx)
		cancel()
		if err != nil || string(m.Body) != fmt.Sprint(i) {
			t.Errorf("message %d is %+v, %v", i, m, err)
			break
		}
	}
	work.Wait()
	time.Sleep(time.Minute)
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if m, err := c.Next(short); err == nil {
		t.Errorf("after the last came %s", m.Body)
	}
}

// wentOn fails the test unless the sets were lost, and always came back as the clients they had been.
func (r *roads) wentOn(t *testing.T, before map[string]bool, least int, sets ...*traveller) {
	t.Helper()
	for _, v := range sets {
		back := v.of(client.Connected)
		if len(back) <= least {
			t.Errorf("connected %d times, want more than %d", len(back), least)
		}
		for _, e := range back[1:] {
			if !e.Resumed || e.Cause != nil {
				t.Errorf("came back over %s as another client: %v", e.Channel, e.Cause)
			}
		}
	}
	if after := r.ids(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the server has %v, and had %v", after, before)
	}
}

// From every channel to every other, and back, in the middle of traffic: nothing is lost and nothing comes twice, be it that the connection breaks,
// or that it just falls silent, which takes longer to find: of a poll that was answered into the void the server does not know.
func TestResumeOverAllPairs(t *testing.T) {
	for name, fault := range map[string]func(...*endpointtest.Conn){"reset": reset, "silence": silence} {
		keep, gap := 15*time.Second, 5*time.Second
		if name == "silence" {
			keep, gap = time.Minute, 45*time.Second
		}
		for _, a := range kinds {
			for _, b := range kinds {
				t.Run(fmt.Sprintf("%s/%s to %s", name, a, b), func(t *testing.T) {
					withRoads(t, keep, func(t *testing.T, r *roads) {
						r.open(a)
						sender, receiver := r.travel(t, a, b), r.travel(t, a, b)
						before := r.ids()
						traffic(t, sender, receiver, 600, 4*gap, func() {
							for _, kind := range []client.Kind{b, a, b, a} {
								time.Sleep(gap)
								r.open(kind)
								r.hit(fault)
							}
						})
						r.wentOn(t, before, 2, sender, receiver)
					})
				})
			}
		}
	}
}

// Trouble of all sorts at random moments, on all channels.
func TestResumeAtRandom(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			withRoads(t, time.Minute, func(t *testing.T, r *roads) {
				random := rand.New(rand.NewPCG(seed, 1))
				shuffled := slices.Clone(kinds)
				random.Shuffle(3, func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
				sender, receiver := r.travel(t, kinds...), r.travel(t, shuffled...)
				before := r.ids()
				traffic(t, sender, receiver, 1500, 10*time.Minute, func() {
					for range 40 {
						time.Sleep(time.Duration(random.IntN(3000)) * time.Millisecond)
						r.open(kinds[random.IntN(3)], kinds[random.IntN(3)])
						if random.IntN(4) == 0 {
							r.hit(silence)
							time.Sleep(50 * time.Second)
						} else {
							r.hit(reset)
						}
						if random.IntN(2) == 0 {
							time.Sleep(3 * time.Second)
						}
					}
					r.open(kinds...)
				})
				r.wentOn(t, before, 2, sender, receiver)
			})
		})
	}
}

// Who comes back too late is a new client, which subscribes again and is told why.
func TestTooLate(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			withRoads(t, 15*time.Second, func(t *testing.T, r *roads) {
				v := r.travel(t, kind)
				c, err := v.Subscribe(t.Context(), "chat", "")
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				r.open()
				r.hit(reset)
				time.Sleep(20 * time.Second)
				if len(r.ids()) != 0 {
					t.Error("the server still has the client")
				}
				r.open(kinds...)
				time.Sleep(time.Minute)
				back := v.of(client.Connected)
				if len(back) != 2 || back[1].Resumed || back[1].Cause == nil {
					t.Fatalf("back: %+v", back)
				}
				if why := back[1].Cause; why.Code != message.CodeClientVanished || why.Kind != client.EndTimeout || why.Incident == "" || why.Setting == "" {
					t.Errorf("another client because of %+v", why)
				}
				if err := v.Publish(t.Context(), "chat", "", "again"); err != nil {
					t.Fatal(err)
				}
				if m, err := c.Next(t.Context()); err != nil || string(m.Body) != `"again"` {
					t.Errorf("received %+v, %v", m, err)
				}
			})
		})
	}
}

// A client that has nothing to say stays, and its session with it, by its heartbeats alone.
func TestIdleForAnHour(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			withRoads(t, 15*time.Second, func(t *testing.T, r *roads) {
				v := r.travel(t, kind)
				c, err := v.Subscribe(t.Context(), "chat", "")
				if err != nil {
					t.Fatal(err)
				}
				before := r.ids()
				time.Sleep(time.Hour)
				if len(v.events) != 1 || fmt.Sprint(r.ids()) != fmt.Sprint(before) {
					t.Errorf("told %+v", v.events)
				}
				if err := v.Publish(t.Context(), "chat", "", 1); err != nil {
					t.Fatal(err)
				}
				if _, err := c.Next(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A program that stops leaves nothing behind, though the server would have kept its client.
func TestCloseEndsTheClient(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			withRoads(t, 15*time.Second, func(t *testing.T, r *roads) {
				v := r.travel(t, kind)
				began := time.Now()
				v.Close()
				if took := time.Since(began); took > 100*time.Millisecond || len(r.ids()) != 0 {
					t.Errorf("after %v the server has %v", took, r.ids())
				}
			})
		})
	}
}

// The real server is told, and keeps, which channels were tried in vain: at the first connect, and after a move.
func TestServerKeepsTheReport(t *testing.T) {
	withRoads(t, 15*time.Second, func(t *testing.T, r *roads) {
		tried := func() string {
			var words []string
			for _, c := range r.Server.Registry().Clients() {
				for _, f := range c.Failovers() {
					for _, try := range f.Tried {
						words = append(words, fmt.Sprintf("%s for %s before %s", try.Channel, try.Code, f.Endpoint))
					}
				}
			}
			return strings.Join(words, ", ")
		}
		r.open(client.Streaming)
		r.travel(t, kinds...)
		want := "websocket for connection-lost before streaming"
		if got := tried(); got != want {
			t.Errorf("reported %q, want %q", got, want)
		}
		r.open(client.LongPoll)
		r.hit(silence)
		time.Sleep(time.Minute)
		want += ", websocket for connection-lost before longpoll, streaming for connection-lost before longpoll"
		if got := tried(); got != want {
			t.Errorf("reported %q, want %q", got, want)
		}
		r.open(client.WebSocket)
		r.hit(reset)
		time.Sleep(time.Minute)
		if got := tried(); got != want {
			t.Errorf("reported %q, want %q: nothing failed the last time", got, want)
		}
	})
}
