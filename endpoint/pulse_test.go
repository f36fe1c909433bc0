package endpoint

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel/message"
	"sluice/heartbeat"
)

// pulsed is a connection that notes what its Pulse says, with the whole seconds since the start.
type pulsed struct {
	Pulse
	onBeat func()

	mu    sync.Mutex
	began time.Time
	notes []string
	last  time.Time // when something came from the client
}

// beating runs f in a bubble, with a connection whose Pulse is watched by a wheel that turns.
func beating(t *testing.T, r Rhythm, f func(t *testing.T, p *pulsed, w *heartbeat.Wheel)) {
	synctest.Test(t, func(t *testing.T) {
		w := heartbeat.New(heartbeat.Options{})
		ctx, stop := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { w.Run(ctx) })
		defer running.Wait()
		defer stop()
		p := &pulsed{began: time.Now(), last: time.Now()}
		p.Start(w, r, p)
		defer p.Stop()
		p.spread = 1
		p.Retime(r)
		f(t, p, w)
	})
}

func (p *pulsed) note(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notes = append(p.notes, fmt.Sprintf("%s %d", what, int(time.Since(p.began).Round(time.Second)/time.Second)))
}

func (p *pulsed) Beat() {
	p.note("beat")
	p.mu.Lock()
	f := p.onBeat
	p.mu.Unlock()
	if f != nil {
		f()
	}
}

func (p *pulsed) beats(f func()) { p.mu.Lock(); p.onBeat = f; p.mu.Unlock() }
func (p *pulsed) came()          { p.mu.Lock(); p.last = time.Now(); p.mu.Unlock() }

func (p *pulsed) Stuck()               { p.note("stuck") }
func (p *pulsed) Over(c message.Code)  { p.note(c.String()) }
func (p *pulsed) Quiet() time.Duration { p.mu.Lock(); defer p.mu.Unlock(); return time.Since(p.last) }
func (p *pulsed) write()               { p.Begin(); p.End() }

func (p *pulsed) want(t *testing.T, want ...string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if got := fmt.Sprint(p.notes); got != fmt.Sprint(want) {
		t.Errorf("it said %s, want %s", got, want)
	}
}

func TestPulseBeatsAfterSilence(t *testing.T) {
	beating(t, Rhythm{Beat: 5 * time.Second, Stuck: 10 * time.Second}, func(t *testing.T, p *pulsed, _ *heartbeat.Wheel) {
		p.beats(p.write)
		time.Sleep(12 * time.Second)
		p.write()
		time.Sleep(4 * time.Second)
		p.write()
		time.Sleep(7 * time.Second)
		p.Stop()
		time.Sleep(time.Minute)
		p.want(t, "beat 5", "beat 10", "beat 21")
	})
}

// A write that does not end is found at its limit, whenever it began, with heartbeats that are more or less frequent than that, and without.
func TestPulseFindsAStuckWrite(t *testing.T) {
	for _, beat := range []time.Duration{0, -1, 3 * time.Second, time.Hour} {
		t.Run(beat.String(), func(t *testing.T) {
			beating(t, Rhythm{Beat: beat, Pong: time.Minute, Stuck: 10 * time.Second}, func(t *testing.T, p *pulsed, _ *heartbeat.Wheel) {
				time.Sleep(2 * time.Second)
				p.Begin()
				time.Sleep(9 * time.Second)
				p.End() // in time
				p.Begin()
				time.Sleep(time.Minute)
				p.want(t, "stuck 21")
			})
		})
	}
}

// A heartbeat that is not answered is found at its limit, however many are sent meanwhile; any sign of life will do as an answer.
func TestPulseFindsAMissedPong(t *testing.T) {
	beating(t, Rhythm{Beat: 5 * time.Second, Pong: 8 * time.Second, Stuck: time.Minute}, func(t *testing.T, p *pulsed, _ *heartbeat.Wheel) {
		p.beats(p.write)
		time.Sleep(7 * time.Second)
		p.Heard()
		time.Sleep(20 * time.Second)
		p.want(t, "beat 5", "beat 10", "beat 15", "missed-pong 18", "beat 20", "beat 25")
	})
}

// Without heartbeats nothing is asked, so nothing is missed.
func TestPulseWithoutBeatsMissesNoPong(t *testing.T) {
	beating(t, Rhythm{Pong: 8 * time.Second, Stuck: time.Minute}, func(t *testing.T, p *pulsed, _ *heartbeat.Wheel) {
		time.Sleep(time.Hour)
		p.want(t)
	})
}

// Heartbeats and pongs do not keep a connection from being idle; messages do, and what the client sends.
func TestPulseFindsAnIdleConnection(t *testing.T) {
	beating(t, Rhythm{Beat: 25 * time.Second, Pong: time.Minute, Stuck: 10 * time.Second, Idle: time.Minute}, func(t *testing.T, p *pulsed, _ *heartbeat.Wheel) {
		p.beats(func() { p.write(); p.Heard() })
		time.Sleep(20 * time.Second)
		p.write()
		p.Said()
		time.Sleep(15 * time.Second)
		p.came()
		p.write()
		time.Sleep(2 * time.Minute)
		p.Stop()
		p.want(t, "beat 60", "beat 85", "idle-timeout 95", "beat 110", "beat 135")
	})
}

// Retime holds from the next look on.
func TestPulseRetimed(t *testing.T) {
	beating(t, Rhythm{Beat: time.Hour, Stuck: 10 * time.Second}, func(t *testing.T, p *pulsed, _ *heartbeat.Wheel) {
		p.beats(p.write)
		time.Sleep(20 * time.Second)
		p.Retime(Rhythm{Beat: 5 * time.Second, Stuck: 10 * time.Second})
		time.Sleep(7 * time.Second)
		p.Retime(Rhythm{Stuck: 10 * time.Second})
		time.Sleep(time.Minute)
		p.want(t, "beat 25")
	})
}

// Those who are written to at the same moment are not all written to at the same moment again.
func TestPulsesAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := heartbeat.New(heartbeat.Options{Tick: time.Millisecond})
		ctx, stop := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { w.Run(ctx) })
		began := time.Now()
		moments := map[time.Duration]int{}
		for range 100 {
			p := &pulsed{began: began}
			p.onBeat = func() { moments[time.Since(began).Truncate(10*time.Millisecond)]++ }
			p.Start(w, Rhythm{Beat: 5 * time.Second, Stuck: time.Minute}, p)
			defer p.Stop()
		}
		time.Sleep(6 * time.Second)
		stop()
		running.Wait()
		if len(moments) < 10 {
			t.Errorf("100 beats came at %d moments: %v", len(moments), moments)
		}
		for at := range moments {
			if at < 5*time.Second || at > 5300*time.Millisecond {
				t.Errorf("a beat came at %v", at)
			}
		}
	})
}

// Once stopped it leaves nothing on the wheel, also when it is stopped while it looks.
func TestPulseStops(t *testing.T) {
	beating(t, Rhythm{Beat: time.Second, Stuck: 10 * time.Second}, func(t *testing.T, p *pulsed, w *heartbeat.Wheel) {
		p.beats(p.Stop)
		time.Sleep(5 * time.Second)
		if n := w.Len(); n != 0 {
			t.Errorf("%d timers are left", n)
		}
	})
}
