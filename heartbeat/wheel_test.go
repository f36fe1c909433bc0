package heartbeat_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/heartbeat"
)

func TestTimerFiresInItsWindow(t *testing.T) {
	for _, tc := range []struct {
		tick  time.Duration // of the wheel
		phase time.Duration // how long after the wheel's start the timer is scheduled
		d     time.Duration
	}{
		{tick: tick, d: 0},
		{tick: tick, d: -time.Second},
		{tick: tick, d: 1},
		{tick: tick, d: tick - 1},
		{tick: tick, d: tick},
		{tick: tick, d: tick + 1},
		{tick: tick, phase: tick, d: 0},
		{tick: tick, phase: 7*tick + 1, d: tick},
		{tick: tick, phase: 7*tick - 1, d: tick},
		{tick: tick, phase: 3 * tick, d: 5 * time.Second},
		{tick: tick, phase: 1, d: 1023 * tick},
		{tick: tick, phase: 1, d: 1024 * tick},
		{tick: tick, phase: 5 * tick, d: 1024 * tick},
		{tick: tick, phase: 1, d: 1025 * tick},
		{tick: tick, phase: time.Hour, d: 15 * time.Minute},
		{tick: tick, phase: 49 * time.Hour, d: 7 * 24 * time.Hour},
		{tick: time.Millisecond, phase: time.Second, d: 20 * time.Second},
		{tick: 0, phase: 30 * time.Millisecond, d: 55 * time.Millisecond}, // the default tick
		{tick: -1, d: 1},
	} {
		t.Run(fmt.Sprintf("tick=%v/phase=%v/d=%v", tc.tick, tc.phase, tc.d), func(t *testing.T) {
			inBubble(t, heartbeat.Options{Tick: tc.tick}, func(t *testing.T, w *heartbeat.Wheel) {
				pass(tc.phase)
				fired := newRecord()
				var timer heartbeat.Timer
				w.Schedule(&timer, tc.d, fired.note)
				if n := w.Len(); n != 1 {
					t.Errorf("Len = %d with one timer armed", n)
				}
				step, want := tc.tick, max(tc.d, 0)
				if step <= 0 {
					step = 100 * time.Millisecond
				}
				pass(want + 1100*step)
				if got := fired.take(); len(got) != 1 || got[0] < want || got[0] > want+2*step {
					t.Errorf("fired after %v, want once after %v to %v", got, want, want+2*step)
				}
				if n := w.Len(); n != 0 {
					t.Errorf("Len = %d after it fired", n)
				}
			})
		})
	}
}

func TestLongestDelayDoesNotOverflow(t *testing.T) {
	inBubble(t, heartbeat.Options{}, func(t *testing.T, w *heartbeat.Wheel) {
		time.Sleep(time.Hour)
		var timer heartbeat.Timer
		w.Schedule(&timer, math.MaxInt64, func() { t.Error("fired") })
		time.Sleep(100 * time.Hour)
		if !w.Stop(&timer) {
			t.Error("Stop = false, want the timer still armed")
		}
	})
}

func TestStop(t *testing.T) {
	inBubble(t, heartbeat.Options{}, func(t *testing.T, w *heartbeat.Wheel) {
		var timer, other heartbeat.Timer
		if w.Stop(&timer) {
			t.Error("Stop of a timer that never was armed = true")
		}
		w.Schedule(&timer, time.Second, func() { t.Error("a stopped timer fired") })
		w.Schedule(&other, time.Second, func() {})
		if !w.Stop(&timer) || w.Stop(&timer) {
			t.Error("Stop, Stop: want true, false")
		}
		if n := w.Len(); n != 1 {
			t.Errorf("Len = %d, want 1", n)
		}
		time.Sleep(2 * time.Second)
		if w.Stop(&other) {
			t.Error("Stop of a timer that has fired = true")
		}
	})
}

func TestScheduleAgainReplaces(t *testing.T) {
	for _, d := range []time.Duration{50 * time.Millisecond, time.Second, time.Minute} {
		t.Run(d.String(), func(t *testing.T) {
			inBubble(t, heartbeat.Options{}, func(t *testing.T, w *heartbeat.Wheel) {
				var timer heartbeat.Timer
				fired := newRecord()
				w.Schedule(&timer, time.Second, func() { t.Error("the replaced function was called") })
				w.Schedule(&timer, d, fired.note)
				if n := w.Len(); n != 1 {
					t.Errorf("Len = %d, want 1", n)
				}
				pass(2 * time.Minute)
				if got := fired.take(); len(got) != 1 || got[0] < d || got[0] > d+2*tick {
					t.Errorf("fired after %v, want once after %v", got, d)
				}
			})
		})
	}
}

// A sooner timer must wake a wheel that already sleeps for a later one.
func TestSoonerTimerWakesTheWheel(t *testing.T) {
	inBubble(t, heartbeat.Options{}, func(t *testing.T, w *heartbeat.Wheel) {
		var late, soon heartbeat.Timer
		w.Schedule(&late, 30*time.Second, func() {})
		synctest.Wait()
		fired := newRecord()
		w.Schedule(&soon, time.Second, fired.note)
		pass(time.Second + 2*tick)
		if got := fired.take(); len(got) != 1 {
			t.Errorf("fired after %v, want once after 1s", got)
		}
	})
}

func TestScheduleAndStopFromInside(t *testing.T) {
	inBubble(t, heartbeat.Options{}, func(t *testing.T, w *heartbeat.Wheel) {
		var again, first, second heartbeat.Timer
		at, left := newRecord(), 3
		var repeat func()
		repeat = func() {
			at.note()
			if left--; left > 0 {
				w.Schedule(&again, 0, repeat)
			}
		}
		w.Schedule(&again, 0, repeat)
		// Both are due in the same tick; the first takes the second away, which was collected with it.
		w.Schedule(&first, tick, func() {
			if !w.Stop(&second) {
				t.Error("Stop of a timer that is due but has not run = false")
			}
		})
		w.Schedule(&second, tick, func() { t.Error("the second ran") })
		pass(time.Second)
		if got, want := at.take(), []time.Duration{tick, 2 * tick, 3 * tick}; !slices.Equal(got, want) {
			t.Errorf("a timer that schedules itself for at once ran at %v, want one tick apart: %v", got, want)
		}
	})
}

func TestDueTogetherFireInOrderOfDeadline(t *testing.T) {
	inBubble(t, heartbeat.Options{}, func(t *testing.T, w *heartbeat.Wheel) {
		order := newRecord()
		timers := make([]heartbeat.Timer, 6)
		for i, d := range []time.Duration{90, 10, 50, 20, 80, 10} {
			w.Schedule(&timers[i], d*time.Millisecond, func() { order.add(d) })
		}
		pass(time.Second)
		if got, want := order.take(), []time.Duration{10, 10, 20, 50, 80, 90}; !slices.Equal(got, want) {
			t.Errorf("order %v, want %v", got, want)
		}
	})
}

// The wheel is held up for 60 years, two million million ticks, as by a machine that slept. What has become due fires once, in
// order, after a moment; a wheel that lived through every missed tick would not come back.
func TestAfterALongPauseEverythingFiresOnceInOrder(t *testing.T) {
	const pause = 60 * 365 * 24 * time.Hour
	inBubble(t, heartbeat.Options{Tick: time.Millisecond}, func(t *testing.T, w *heartbeat.Wheel) {
		var hold, future heartbeat.Timer
		w.Schedule(&hold, 0, func() { time.Sleep(pause) })
		order := newRecord()
		delays := []time.Duration{24 * time.Hour, time.Second, 103 * time.Second, 101 * time.Second, time.Hour, 15 * time.Minute, 2 * time.Second}
		timers := make([]heartbeat.Timer, len(delays))
		for i, d := range delays {
			w.Schedule(&timers[i], d, func() { order.add(d) })
		}
		w.Schedule(&future, pause+time.Hour, func() { order.add(pause + time.Hour) })
		pass(pause + time.Second) // with the moment that others have to catch up
		slices.Sort(delays)
		if got := order.take(); !slices.Equal(got, delays) {
			t.Errorf("after the pause fired %v, want %v", got, delays)
		}
		pass(time.Hour)
		if got, want := order.take(), []time.Duration{pause + time.Hour}; !slices.Equal(got, want) {
			t.Errorf("an hour later fired %v, want %v", got, want)
		}
	})
}

func TestPanicIsContained(t *testing.T) {
	var value any
	var stack string
	o := heartbeat.Options{OnPanic: func(v any, s []byte) { value, stack = v, string(s) }}
	inBubble(t, o, func(t *testing.T, w *heartbeat.Wheel) {
		var bad, good heartbeat.Timer
		ran := false
		w.Schedule(&bad, 0, func() { panicsInATest() })
		w.Schedule(&good, 1, func() { ran = true })
		pass(time.Second)
		if value != "boom" || !strings.Contains(stack, "panicsInATest") {
			t.Errorf("OnPanic got %v and the stack\n%s", value, stack)
		}
		if !ran {
			t.Error("the timer after the one that panicked did not run")
		}
	})
}

func panicsInATest() { panic("boom") }

// An empty wheel must leave a bubble's clock alone: with nothing else in the bubble, the time does not move. Were there a ticker,
// the hour would pass in 36,000 steps; were there a timer left of the one that was stopped, the wheel would wake for it.
func TestEmptyWheelWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := heartbeat.New(heartbeat.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		alarm := &countingContext{Context: ctx}
		done := make(chan struct{})
		go func() { defer close(done); w.Run(alarm) }()
		var timer heartbeat.Timer
		w.Schedule(&timer, time.Minute, func() { t.Error("fired") })
		synctest.Wait()
		w.Stop(&timer)
		synctest.Wait()
		before := alarm.loops()
		time.Sleep(time.Hour)
		if n := alarm.loops() - before; n != 0 {
			t.Errorf("the empty wheel woke %d times in an hour", n)
		}
		cancel()
		<-done
	})
}

// A wheel with one far timer looks at it once a turn (102.4 s), not every tick.
func TestWheelDoesNotTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := heartbeat.New(heartbeat.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		alarm := &countingContext{Context: ctx}
		done := make(chan struct{})
		go func() { defer close(done); w.Run(alarm) }()
		var timer heartbeat.Timer
		w.Schedule(&timer, time.Hour, func() {})
		synctest.Wait()
		before := alarm.loops()
		time.Sleep(time.Hour - time.Second)
		if n := alarm.loops() - before; n > 40 {
			t.Errorf("the wheel woke %d times in an hour, want one time in each of 36 turns", n)
		}
		cancel()
		<-done
	})
}

// countingContext counts how often the wheel asks whether it has ended, which it does whenever it wakes.
type countingContext struct {
	context.Context
	mu sync.Mutex
	n  int
}

func (c *countingContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return c.Context.Done()
}

func (c *countingContext) loops() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := heartbeat.New(heartbeat.Options{})
		var first, second heartbeat.Timer
		ctx, cancel := context.WithCancel(t.Context())
		w.Schedule(&first, 0, func() { cancel() })
		w.Schedule(&second, 0, func() { t.Error("fired after the context had ended") })
		w.Run(ctx)
		if n := w.Len(); n != 1 || !w.Stop(&second) {
			t.Errorf("%d timers armed, want the one that did not fire, and that it can be stopped", n)
		}

		// It can run again.
		fired := false
		w.Schedule(&first, 0, func() { fired = true })
		stop := start(w)
		defer stop()
		pass(time.Second)
		if !fired {
			t.Error("the second Run fired nothing")
		}
	})
}

func TestMisusePanics(t *testing.T) {
	inBubble(t, heartbeat.Options{}, func(t *testing.T, w *heartbeat.Wheel) {
		synctest.Wait()
		var timer heartbeat.Timer
		var idle heartbeat.Idle
		idle.Start(w, 0, func() {})
		for name, f := range map[string]func(){
			"Run twice":            func() { w.Run(t.Context()) },
			"Schedule nil":         func() { w.Schedule(&timer, 0, nil) },
			"Start nil":            func() { idle.Start(w, 0, nil) },
			"Start, another wheel": func() { idle.Start(heartbeat.New(heartbeat.Options{}), 0, func() {}) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: no panic", name)
					}
				}()
				f()
			}()
		}
	})
}

func TestScheduleDoesNotAllocate(t *testing.T) {
	w := heartbeat.New(heartbeat.Options{})
	var timer heartbeat.Timer
	f := func() {}
	if n := testing.AllocsPerRun(100, func() {
		w.Schedule(&timer, time.Second, f)
		w.Stop(&timer)
	}); n != 0 {
		t.Errorf("Schedule and Stop allocate %v times", n)
	}
}
