package client_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/channel"
	"sluice/channel/client"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

var kinds = []client.Kind{client.WebSocket, client.Streaming, client.LongPoll}

// roads lead to the server of a rig, one for each kind of channel. Each can be closed, and what is on it can be broken.
type roads struct {
	*endpointtest.Rig

	mu     sync.Mutex // guards the following
	closed map[client.Kind]bool
	silent map[client.Kind]bool
	conns  map[client.Kind][]*endpointtest.Conn
}

// withRoads runs test in fake time against a server with the times of the shipped configuration, but for how long it keeps its clients.
func withRoads(t *testing.T, keep time.Duration, test func(t *testing.T, r *roads)) {
	endpointtest.Run(t, func(o *server.Options) {
		for i := range o.Channels {
			c := &o.Channels[i]
			c.ClientHeartbeat, c.DeadPeerTimeout, c.ReliableReconnectDuration = 10*time.Second, 20*time.Second, keep
		}
		for id, messages := range map[string]int{"kept": 100000, "short": 50} {
			o.Destinations = append(o.Destinations, channel.DestinationDefinition{ID: id, AllowSubtopics: true, SubtopicSeparator: ".", History: channel.History{MaxMessages: messages}})
		}
	}, func(t *testing.T, rig *endpointtest.Rig) {
		test(t, &roads{Rig: rig, closed: map[client.Kind]bool{}, silent: map[client.Kind]bool{}, conns: map[client.Kind][]*endpointtest.Conn{}})
	})
}

func (r *roads) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	kind := client.Kind(strings.TrimSuffix(addr, ".test:80"))
	r.mu.Lock()
	closed, silent := r.closed[kind], r.silent[kind]
	r.mu.Unlock()
	if closed {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	c, err := r.Net.Dial(ctx)
	if err != nil {
		return nil, err
	}
	if silent {
		c.(*endpointtest.Conn).Cut()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[kind] = append(r.conns[kind], c.(*endpointtest.Conn))
	return c, nil
}

// open opens these roads and closes all others.
func (r *roads) open(open ...client.Kind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, kind := range kinds {
		r.closed[kind] = true
	}
	for _, kind := range open {
		r.closed[kind] = false
	}
}

// shut closes one road.
func (r *roads) shut(kind client.Kind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed[kind] = true
}

// swallow has nothing arrive on what is dialled on a road from here on.
func (r *roads) swallow(kind client.Kind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silent[kind] = true
}

// hit does something to all that is on the roads.
func (r *roads) hit(fault func(...*endpointtest.Conn)) {
	r.mu.Lock()
	conns := r.conns
	r.conns = map[client.Kind][]*endpointtest.Conn{}
	r.mu.Unlock()
	fault(slices.Concat(conns[client.WebSocket], conns[client.Streaming], conns[client.LongPoll])...)
}

// reset breaks connections, with some of what was sent last still under way in both directions.
func reset(conns ...*endpointtest.Conn) {
	for _, c := range conns {
		c.Freeze()
		c.Peer().Freeze()
	}
	time.Sleep(time.Second)
	for _, c := range conns {
		c.Reset()
	}
}

// silence cuts them without a word.
func silence(conns ...*endpointtest.Conn) {
	for _, c := range conns {
		c.Cut()
	}
}

// traveller is a set on the roads, and what it was told.
type traveller struct {
	*client.ChannelSet
	mu     sync.Mutex
	events []client.Event
}

// of returns the events of that kind.
func (v *traveller) of(kind client.EventKind) []client.Event {
	v.mu.Lock()
	defer v.mu.Unlock()
	var list []client.Event
	for _, e := range v.events {
		if e.Kind == kind {
			list = append(list, e)
		}
	}
	return list
}

// travel returns a set that is connected, and tries these kinds in their order.
func (r *roads) travel(t *testing.T, try ...client.Kind) *traveller {
	t.Helper()
	return r.travelWith(t, client.Options{}, try...)
}

func (r *roads) travelWith(t *testing.T, opts client.Options, try ...client.Kind) *traveller {
	t.Helper()
	v := &traveller{}
	if opts.Dial == nil {
		opts.Dial = r.dial
	}
	opts.OnEvent = func(e client.Event) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.events = append(v.events, e)
	}
	for _, kind := range try {
		scheme := "http"
		if kind == client.WebSocket {
			scheme = "ws"
		}
		opts.Channels = append(opts.Channels, client.Channel{Kind: kind, URL: fmt.Sprintf("%s://%s.test/%s", scheme, kind, kind)})
	}
	var err error
	if v.ChannelSet, err = client.New(opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	if err := v.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	return v
}

// ids are those of the server's clients.
func (r *roads) ids() map[string]bool {
	ids := map[string]bool{}
	for _, c := range r.Server.Registry().Clients() {
		ids[c.ID()] = true
	}
	return ids
}

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
