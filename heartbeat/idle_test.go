package heartbeat_test

import (
	"slices"
	"testing"
	"time"

	"sluice/heartbeat"
)

func TestIdle(t *testing.T) {
	s := time.Second
	for _, tc := range []struct {
		name    string
		limit   time.Duration
		touches []time.Duration // since the start
		fires   time.Duration   // when, at the earliest; 0: never
	}{
		{name: "untouched", limit: 5 * s, fires: 5 * s},
		{name: "touched once", limit: 5 * s, touches: []time.Duration{3 * s}, fires: 8 * s},
		{name: "touched just in time, again and again", limit: 5 * s, touches: []time.Duration{4900 * time.Millisecond, 9 * s, 13 * s}, fires: 18 * s},
		{name: "longer than a turn", limit: 15 * time.Minute, touches: []time.Duration{10 * time.Minute}, fires: 25 * time.Minute},
		{name: "shorter than a tick", limit: time.Millisecond, fires: time.Millisecond},
		{name: "zero is never", limit: 0},
		{name: "negative is never", limit: -s},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, heartbeat.Options{}, func(t *testing.T, w *heartbeat.Wheel) {
				var idle heartbeat.Idle
				fired := newRecord()
				idle.Start(w, tc.limit, fired.note)
				for _, at := range tc.touches {
					time.Sleep(time.Until(fired.begin.Add(at)))
					idle.Touch()
				}
				pass(2 * time.Hour)
				switch got := fired.take(); {
				case tc.fires == 0 && len(got) > 0:
					t.Errorf("fired at %v", got)
				case tc.fires > 0 && (len(got) != 1 || got[0] < tc.fires || got[0] > tc.fires+2*tick):
					t.Errorf("fired at %v, want once at %v", got, tc.fires)
				}
				if n := w.Len(); n != 0 {
					t.Errorf("Len = %d at the end", n)
				}
			})
		})
	}
}

func TestIdleZeroValueIsOff(t *testing.T) {
	var idle heartbeat.Idle
	idle.Touch()
	if idle.Stop() || idle.Since() != 0 {
		t.Error("an Idle that was not started: want Stop = false, Since = 0")
	}
}

func TestIdleStop(t *testing.T) {
	inBubble(t, heartbeat.Options{}, func(t *testing.T, w *heartbeat.Wheel) {
		var idle heartbeat.Idle
		idle.Start(w, time.Second, func() { t.Error("a stopped Idle fired") })
		if !idle.Stop() || idle.Stop() {
			t.Error("Stop, Stop: want true, false")
		}
		idle.Touch() // must not turn it on
		time.Sleep(time.Minute)
		if got := idle.Since(); got != time.Minute {
			t.Errorf("Since = %v, want 1m0s: it is kept while off", got)
		}
	})
}

// The heartbeat: the function starts its Idle anew, and what is written meanwhile puts it off.
func TestIdleStartedAnewFromInside(t *testing.T) {
	inBubble(t, heartbeat.Options{}, func(t *testing.T, w *heartbeat.Wheel) {
		var idle heartbeat.Idle
		at := newRecord()
		var beat func()
		beat = func() {
			at.add(time.Since(at.begin).Round(time.Second))
			idle.Start(w, 5*time.Second, beat)
		}
		idle.Start(w, 5*time.Second, beat)
		time.Sleep(12 * time.Second)
		idle.Touch()
		time.Sleep(6 * time.Second)
		idle.Stop()
		if got, want := at.take(), []time.Duration{5 * time.Second, 10 * time.Second, 17 * time.Second}; !slices.Equal(got, want) {
			t.Errorf("beats at %v, want %v", got, want)
		}
	})
}

func TestIdleStartReplaces(t *testing.T) {
	inBubble(t, heartbeat.Options{}, func(t *testing.T, w *heartbeat.Wheel) {
		var idle heartbeat.Idle
		fired := newRecord()
		idle.Start(w, 3*time.Second, func() { t.Error("the replaced function was called") })
		time.Sleep(2 * time.Second)
		idle.Start(w, time.Second, fired.note)
		pass(time.Minute)
		if got := fired.take(); len(got) != 1 || got[0] < 3*time.Second || got[0] > 3*time.Second+2*tick {
			t.Errorf("fired at %v, want once at 3s", got)
		}
		idle.Start(w, time.Second, func() { t.Error("an Idle that was turned off by a limit of 0 fired") })
		idle.Start(w, 0, func() {})
		time.Sleep(time.Minute)
	})
}

// A touch counts until the very moment of the call, even when the wheel has already collected the timer as due.
func TestIdleTouchedWhileDue(t *testing.T) {
	inBubble(t, heartbeat.Options{}, func(t *testing.T, w *heartbeat.Wheel) {
		var first heartbeat.Timer
		var idle heartbeat.Idle
		fired := newRecord()
		w.Schedule(&first, time.Second, func() { idle.Touch() })
		idle.Start(w, time.Second, fired.note)
		pass(time.Minute)
		if got := fired.take(); len(got) != 1 || got[0] < 2*time.Second {
			t.Errorf("fired at %v, want once, 1s after the touch at 1s", got)
		}
	})
}

// Retime keeps what has passed: a longer limit lets the rest of it pass, a shorter one that has passed already calls at once, none never.
func TestIdleRetime(t *testing.T) {
	inBubble(t, heartbeat.Options{}, func(t *testing.T, w *heartbeat.Wheel) {
		var idle heartbeat.Idle
		idle.Retime(time.Second, func() { t.Error("one that was never started was called") })
		for _, c := range []struct{ first, after, second, want time.Duration }{
			{10 * time.Second, 6 * time.Second, 15 * time.Second, 15 * time.Second},
			{10 * time.Second, 6 * time.Second, 8 * time.Second, 8 * time.Second},
			{10 * time.Second, 6 * time.Second, 3 * time.Second, 6 * time.Second},
			{0, 6 * time.Second, 8 * time.Second, 8 * time.Second}, // it only kept the time
			{3 * time.Second, 6 * time.Second, 8 * time.Second, 8 * time.Second},
			{10 * time.Second, 6 * time.Second, 0, 0},
		} {
			fired := newRecord()
			idle.Start(w, c.first, func() {
				if c.first > c.after {
					t.Errorf("%+v: what was replaced was called", c)
				}
			})
			time.Sleep(c.after)
			idle.Retime(c.second, fired.note)
			pass(time.Minute)
			got := fired.take()
			if c.want == 0 && len(got) == 0 {
				continue
			}
			if len(got) != 1 || got[0] < c.want || got[0] > c.want+2*tick {
				t.Errorf("%+v: called at %v", c, got)
			}
		}
		if w.Len() != 0 {
			t.Errorf("%d timers are left", w.Len())
		}
	})
}

// After a pause of the whole process nobody is judged before what has arrived meanwhile could touch its Idle.
func TestIdleTouchedAfterAPause(t *testing.T) {
	inBubble(t, heartbeat.Options{}, func(t *testing.T, w *heartbeat.Wheel) {
		var first heartbeat.Timer
		var idle, silent heartbeat.Idle
		fired := newRecord()
		w.Schedule(&first, time.Second, func() { time.Sleep(time.Minute) }) // holds the wheel up, as a stopped process does
		idle.Start(w, 5*time.Second, func() { t.Error("it was judged by the pause") })
		silent.Start(w, 5*time.Second, fired.note)
		time.Sleep(time.Minute + 1200*time.Millisecond) // what lay in the socket is read
		idle.Touch()
		time.Sleep(2 * time.Second)
		idle.Stop()
		if got := fired.take(); len(got) != 1 || got[0] < 61*time.Second || got[0] > 62*time.Second {
			t.Errorf("the silent one fired at %v, want once, at 61.5s", got)
		}
	})
}
