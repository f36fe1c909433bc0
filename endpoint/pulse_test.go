package endpoint

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/heartbeat"
)

// pulsed runs f in a bubble with a wheel that turns.
func pulsed(t *testing.T, f func(t *testing.T, w *heartbeat.Wheel)) {
	synctest.Test(t, func(t *testing.T) {
		w := heartbeat.New(heartbeat.Options{})
		ctx, stop := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { w.Run(ctx) })
		defer running.Wait()
		defer stop()
		f(t, w)
	})
}

// times notes when something happened, in whole seconds since the start.
type times struct {
	mu    sync.Mutex
	began time.Time
	at    []int
}

func (n *times) note() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.at = append(n.at, int(time.Since(n.began).Round(time.Second)/time.Second))
}

func (n *times) want(t *testing.T, what, want string) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if got := fmt.Sprint(n.at); got != want {
		t.Errorf("%s at %s s, want %s", what, got, want)
	}
}

func TestPulseBeatsAfterSilence(t *testing.T) {
	pulsed(t, func(t *testing.T, w *heartbeat.Wheel) {
		var p Pulse
		beats, stuck := times{began: time.Now()}, times{began: time.Now()}
		write := func() { p.Begin(); p.End() }
		p.Start(w, 5*time.Second, 10*time.Second, func() { beats.note(); write() }, stuck.note)
		time.Sleep(12 * time.Second)
		write()
		time.Sleep(4 * time.Second)
		write()
		time.Sleep(7 * time.Second)
		p.Stop()
		time.Sleep(time.Minute)
		beats.want(t, "beats", "[5 10 21]")
		stuck.want(t, "stuck", "[]")
	})
}

// A write that does not end is found at its limit, whenever it began, with heartbeats that are more or less frequent than that, and without.
func TestPulseFindsAStuckWrite(t *testing.T) {
	for _, beat := range []time.Duration{0, -1, 3 * time.Second, time.Hour} {
		t.Run(beat.String(), func(t *testing.T) {
			pulsed(t, func(t *testing.T, w *heartbeat.Wheel) {
				var p Pulse
				beats, stuck := times{began: time.Now()}, times{began: time.Now()}
				p.Start(w, beat, 10*time.Second, beats.note, stuck.note)
				defer p.Stop()
				time.Sleep(2 * time.Second)
				p.Begin()
				time.Sleep(9 * time.Second)
				p.End() // in time
				p.Begin()
				time.Sleep(time.Minute)
				stuck.want(t, "stuck", "[21]")
				beats.want(t, "beats", "[]")
			})
		})
	}
}

// Once stopped it leaves nothing on the wheel, also when it is stopped while it looks.
func TestPulseStops(t *testing.T) {
	pulsed(t, func(t *testing.T, w *heartbeat.Wheel) {
		var p Pulse
		p.Start(w, time.Second, 10*time.Second, func() { p.Stop() }, func() {})
		time.Sleep(5 * time.Second)
		if n := w.Len(); n != 0 {
			t.Errorf("%d timers are left", n)
		}
	})
}
