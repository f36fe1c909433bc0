package heartbeat

import (
	"sync/atomic"
	"time"
)

// Idle calls a function once nothing has touched it for a given time: a timeout or a heartbeat that nearly always is put off.
// It is meant to be a field of what it belongs to and must not be copied. The zero value is one that is off.
//
// The first [Idle.Start] must have returned before other goroutines use the Idle; from then on any number may use all methods.
type Idle struct {
	wheel *Wheel       // set by the first Start
	last  atomic.Int64 // when it was last touched, in nanoseconds of the wheel's clock
	timer Timer
	limit time.Duration // guarded by wheel.mu
}

// Start touches the Idle and arms it: f is called on the wheel's goroutine, and must not block, when it has not been touched for d, and
// at most two ticks later. With d zero or less f is never called; the Idle then only keeps the time for [Idle.Since].
// After f was called the Idle is off until it is started again, which f itself may do. Starting one that is on replaces d and f.
// Start panics when w is not the wheel of the first Start.
func (i *Idle) Start(w *Wheel, d time.Duration, f func()) { i.StartSince(w, 0, d, f) }

// StartSince is Start for what was last touched that long ago: f is called when the rest of d has passed, at the next tick if nothing is left of it.
func (i *Idle) StartSince(w *Wheel, ago, d time.Duration, f func()) {
	switch {
	case f == nil:
		panic("heartbeat: Idle.Start with a nil function")
	case i.wheel == nil:
		i.wheel = w
	case i.wheel != w:
		panic("heartbeat: Idle.Start with another wheel")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	i.last.Store(int64(w.clock() - max(0, ago)))
	i.limit, i.timer.idle = d, i
	if d <= 0 {
		w.disarm(&i.timer)
		return
	}
	w.arm(&i.timer, i.due(), f)
}

// Retime replaces d and f, and leaves the Idle as touched as it was: f is called when the rest of d has passed, at the next tick if nothing is left of it. It arms an Idle that is off. Before the first
// Start it does nothing.
func (i *Idle) Retime(d time.Duration, f func()) {
	w := i.wheel
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	i.limit = d
	if d <= 0 {
		w.disarm(&i.timer)
		return
	}
	w.arm(&i.timer, i.due(), f)
}

// Touch puts the function off: from now on the whole time must pass again. It is one look at the clock and one atomic store: no lock, and
// no work for the wheel. Before the first Start it does nothing; while the Idle is off it only resets [Idle.Since].
func (i *Idle) Touch() {
	if i.wheel != nil {
		i.last.Store(int64(i.wheel.clock()))
	}
}

// Stop turns the Idle off. It reports whether it was on, and thus whether it has kept the function from being called; false
// also means that the function may be running at this moment. Stop does not wait for it.
func (i *Idle) Stop() bool { return i.wheel != nil && i.wheel.Stop(&i.timer) }

// Since is how long ago the Idle was touched or started, whether it is on or off; 0 before the first Start.
func (i *Idle) Since() time.Duration {
	if i.wheel == nil {
		return 0
	}
	return max(0, i.wheel.clock()-time.Duration(i.last.Load()))
}

// due is when the function is to be called, as things are now. The caller holds wheel.mu.
func (i *Idle) due() time.Duration { return after(time.Duration(i.last.Load()), i.limit) }
