package client

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/endpoint/endpointtest"
)

// The server is told how long this side may be silent, and hears of it in time.
func TestPromise(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, n *network, kind Kind) {
		for _, c := range []struct {
			asked  int // by the server
			own    time.Duration
			want   int64
			within time.Duration // of when it is made
		}{
			{10_000, 0, 10_000, 10 * time.Second},
			{10_000, 3 * time.Second, 3_000, 0},
			{0, 0, 0, 0},
			{10_000, -1, 0, 0},
		} {
			f.do(func() {
				f.terms, f.promises, f.beats = fmt.Sprintf(`"heartbeatIntervalMillis":%d`, c.asked), nil, 0
			})
			set := bubbleSet(t, f, n, kind, Options{Heartbeat: c.own})
			time.Sleep(c.within + time.Millisecond)
			f.do(func() {
				if told := len(f.promises) > 0; told != (c.want > 0) || told && f.promises[0] != c.want {
					t.Errorf("asked for %d, own %v: promised %v after %v, want %d", c.asked, c.own, f.promises, c.within, c.want)
				}
			})
			time.Sleep(time.Minute)
			f.do(func() {
				least := 0
				if c.want > 0 {
					least = int(time.Minute / time.Millisecond / time.Duration(c.want))
				}
				if f.beats < least-1 || f.beats > least+1 {
					t.Errorf("asked for %d, own %v: %d heartbeats in a minute, want %d", c.asked, c.own, f.beats, least)
				}
			})
			set.Close()
		}
	})
}

// With the first thing that is said the promise is made, though it is not due for itself.
func TestPromiseTravelsAlong(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, n *network, kind Kind) {
		f.terms = `"heartbeatIntervalMillis":10000`
		set := bubbleSet(t, f, n, kind, Options{})
		if err := set.Publish(t.Context(), "chat", "", 1); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // over long-poll the first poll may be behind the first request, and either carries the promise
		f.do(func() {
			if n := len(f.promises); n == 0 || n > 2 || slices.ContainsFunc(f.promises, func(p int64) bool { return p != 10_000 }) {
				t.Errorf("promised %v", f.promises)
			}
		})
	})
}

// A server that has gone without a word is found by whatever is left unanswered, and the client goes on where it left off.
func TestServerVanishes(t *testing.T) {
	for _, c := range []struct {
		name, terms, spans string
		opts               Options
		on                 []Kind
		detail             string
		least, most        time.Duration
	}{
		{"heartbeats", `"heartbeatIntervalMillis":10000,"confirmIntervalMillis":50`, `,"reconnectMillis":0,"deadPeerMillis":20000`, Options{}, kinds,
			"a heartbeat was not answered for 20s", 20 * time.Second, 30 * time.Second},
		{"heartbeats, a bound of this side", `"heartbeatIntervalMillis":10000,"confirmIntervalMillis":50`, `,"reconnectMillis":0,"deadPeerMillis":0`, Options{RequestTimeout: 5 * time.Second}, kinds,
			"a heartbeat was not answered for 5s", 5 * time.Second, 15 * time.Second},
		{"its silence on a WebSocket", `"heartbeatIntervalMillis":0,"confirmIntervalMillis":50`, `,"reconnectMillis":0,"serverHeartbeatMillis":5000,"deadPeerMillis":20000`, Options{}, []Kind{WebSocket},
			"the WebSocket was silent for 25s", 24 * time.Second, 25 * time.Second},
		{"its silence on a stream", `"heartbeatIntervalMillis":0,"confirmIntervalMillis":50`, `,"reconnectMillis":0,"serverHeartbeatMillis":5000,"deadPeerMillis":20000`, Options{}, []Kind{Streaming},
			"the stream was silent for 25s", 24 * time.Second, 25 * time.Second},
		{"a poll", `"heartbeatIntervalMillis":0,"confirmIntervalMillis":50`, `,"reconnectMillis":0,"deadPeerMillis":20000`, Options{}, []Kind{LongPoll},
			"a poll was not answered for 50s", 49 * time.Second, 50 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fake, n *network, kind Kind) {
				if !strings.Contains(fmt.Sprint(c.on), string(kind)) {
					return
				}
				var seen events
				f.terms, f.spans, c.opts.OnEvent = c.terms, c.spans, seen.add
				set := bubbleSet(t, f, n, kind, c.opts)
				got := subscribe(t, set, "chat", "")
				time.Sleep(100 * time.Millisecond) // a poll is held
				began := time.Now()
				n.vanish(max(c.least, 11*time.Second)) // so that the next heartbeat is lost, and not only what is under way
				f.do(func() { f.publish(fakeMessage{id: "m", destination: "chat", body: `"meanwhile"`}) })
				wantLater(t, got, `"meanwhile"`)
				time.Sleep(10 * time.Second)
				wantOneReturn(t, &seen, "server-vanished", c.detail, began, c.least, c.most)
				if kind := seen.all(Disconnected)[0].Cause.Kind; kind != EndVanished {
					t.Errorf("it is %q", kind)
				}
			})
		})
	}
}

// A request that is never answered ends the connection, and is sent again under its seq.
func TestRequestUnanswered(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, n *network, kind Kind) {
		var seen events
		f.terms = `"heartbeatIntervalMillis":0`
		set := bubbleSet(t, f, n, kind, Options{OnEvent: seen.add})
		time.Sleep(100 * time.Millisecond)
		n.vanish(30 * time.Second)
		began := time.Now()
		if err := set.Publish(t.Context(), "chat", "", 1); err != nil {
			t.Fatal(err)
		}
		wantOneReturn(t, &seen, "server-vanished", "a request was not answered for 30s", began, 30*time.Second, 31*time.Second)
		f.do(func() {
			if len(f.log) != 1 {
				t.Errorf("published %d times", len(f.log))
			}
		})
	})
}

// A machine that was asleep comes back at once, once, and says for how long it was away. A clock that is set a little is no sleep.
func TestSleep(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, n *network, kind Kind) {
		var seen events
		var asleep atomic.Int64 // what the wall clock has gone on while all else stood still
		f.terms = `"heartbeatIntervalMillis":10000`
		set, err := New(Options{URL: f.URL, Channels: []Channel{{Kind: kind}}, Dial: n.dial, OnEvent: seen.add})
		if err != nil {
			t.Fatal(err)
		}
		defer set.Close()
		set.wall = func() time.Time { return time.Now().Add(time.Duration(asleep.Load())) }
		if err := set.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		c := subscribe(t, set, "chat", "")
		time.Sleep(100 * time.Millisecond)

		for _, little := range []time.Duration{time.Second, 10 * time.Second, -time.Hour} {
			asleep.Add(int64(little))
			if time.Sleep(time.Minute); len(seen.all(Disconnected)) != 0 {
				t.Fatalf("a clock set by %v: %+v", little, seen.list)
			}
		}
		seen = events{}
		set.opts.OnEvent(Event{Kind: Connected}) // in place of the first

		n.each((*endpointtest.Conn).Cut)
		began := time.Now()
		asleep.Add(int64(42 * time.Minute))
		f.do(func() { f.publish(fakeMessage{id: "m", destination: "chat", body: `"meanwhile"`}) })
		wantLater(t, c, `"meanwhile"`)
		time.Sleep(time.Minute)
		wantOneReturn(t, &seen, "client-asleep", "away for 42m0s", began, 0, lookEvery)
		if away := seen.all(Disconnected)[0].Cause.Away; away < 41*time.Minute || away > 42*time.Minute {
			t.Errorf("away for %v", away)
		}
		if took := seen.at(2).Sub(began); took > lookEvery+time.Second {
			t.Errorf("back after %v", took)
		}
	})
}
