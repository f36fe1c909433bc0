package heartbeat

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultTick = 100 * time.Millisecond
	slots       = 1024 // of one turn; a power of two
	never       = math.MaxInt64
)

// Options configures a [Wheel]. The zero value is ready to use.
type Options struct {
	// Tick is the precision: timers fire at its multiples, counted from New. Zero or less means 100 ms.
	Tick time.Duration
	// OnPanic is told what a timer's function panicked with, and the stack at that place, on the wheel's goroutine. Nil: slog.Error.
	OnPanic func(value any, stack []byte)
}

// Wheel is a timing wheel. Make it with [New] and give it one goroutine with [Wheel.Run]. All methods may be called from any goroutine.
type Wheel struct {
	tick    time.Duration
	onPanic func(any, []byte)
	base    time.Time // zero of the wheel's clock, read with the monotonic clock
	running atomic.Bool
	wake    chan struct{} // capacity 1, never closed: "what Run sleeps for has changed"

	mu    sync.Mutex  // guards the following, and the fields of every Timer; never held while a function runs
	slot  [slots]list // timers whose tick is n are in slot[n%slots]
	due   list        // taken from the slots to be fired now, in order of deadline
	now   int64       // the tick up to which the slots have been emptied of what was due
	next  int64       // the tick that Run sleeps for; 0 while it is awake and will look by itself
	count int         // timers in the slots and in due
	sort  []*Timer    // scratch of collect, empty between calls
}

// New makes a wheel whose clock starts now. It fires nothing until [Wheel.Run] runs.
func New(o Options) *Wheel {
	w := &Wheel{tick: o.Tick, onPanic: o.OnPanic, base: time.Now(), wake: make(chan struct{}, 1)}
	if w.tick <= 0 {
		w.tick = defaultTick
	}
	if w.onPanic == nil {
		w.onPanic = func(value any, stack []byte) {
			slog.Error("heartbeat: a timer's function panicked", "panic", value, "stack", string(stack))
		}
	}
	return w
}

// Run fires timers until ctx ends, and returns when the function that runs at that moment has returned. Timers that have not fired then stay scheduled
// without effect. Run panics when the wheel runs already.
func (w *Wheel) Run(ctx context.Context) {
	if !w.running.CompareAndSwap(false, true) {
		panic("heartbeat: Run called while the wheel runs")
	}
	defer w.running.Store(false)
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for ctx.Err() == nil {
		w.fire(ctx)
		var ring <-chan time.Time // nil, which blocks for ever, while there is no timer
		if d, ok := w.sleep(); ok {
			alarm.Reset(d)
			ring = alarm.C
		} else {
			alarm.Stop()
		}
		select {
		case <-ctx.Done():
		case <-w.wake:
		case <-ring:
			w.settle(ctx)
		}
		w.awake()
	}
}

// Schedule arms t to call f once, d from now, and replaces what t was armed for. A negative d is taken as zero.
// f is called on the goroutine of [Wheel.Run] between d and d + 2 ticks from now, and must not block. When f is under way already, it is not
// stopped: it may run once more. Schedule does not block and does not allocate.
func (w *Wheel) Schedule(t *Timer, d time.Duration, f func()) {
	if f == nil {
		panic("heartbeat: Schedule with a nil function")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.arm(t, after(w.clock(), d), f)
}

// Stop disarms t. It reports whether t was armed, and thus whether it has kept the function from being called; false also
// means that the function may be running at this moment. Stop does not wait for it.
func (w *Wheel) Stop(t *Timer) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.disarm(t)
}

// Len is the number of timers that are armed.
func (w *Wheel) Len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

// clock is the time on the wheel's clock. It needs no lock.
func (w *Wheel) clock() time.Duration { return time.Since(w.base) }

// arm puts t into the slot of its deadline. The caller holds mu.
func (w *Wheel) arm(t *Timer, due time.Duration, f func()) {
	if t.in != nil {
		t.in.remove(t)
	} else {
		w.count++
	}
	t.due, t.f = due, f
	// What is due in this very tick goes to the next one: the slot of this one has been emptied.
	n := max(w.ticks(due), w.now+1)
	w.slot[n%slots].push(t)
	if n < w.next {
		w.next = n
		w.nudge()
	}
}

// disarm is Stop. The caller holds mu.
func (w *Wheel) disarm(t *Timer) bool {
	if t.in == nil {
		return false
	}
	t.in.remove(t)
	t.f = nil
	w.count--
	if w.count == 0 && w.next != 0 {
		w.nudge() // so that nothing is slept for
	}
	return true
}

// ticks is the first tick at which due has passed: rounded up, so that nothing fires early.
func (w *Wheel) ticks(due time.Duration) int64 {
	n := int64(due / w.tick)
	if due%w.tick > 0 {
		n++
	}
	return n
}

func (w *Wheel) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// fire calls the function of every timer that is due.
func (w *Wheel) fire(ctx context.Context) {
	w.mu.Lock()
	w.collect()
	w.mu.Unlock()
	for ctx.Err() == nil {
		f, ok := w.pop()
		if !ok {
			return
		}
		if f != nil {
			w.call(f)
		}
	}
}

// collect moves every timer that is due into w.due, in order of deadline. However long the pause since the last time, it looks at a slot once.
// The caller holds mu.
func (w *Wheel) collect() {
	now := int64(w.clock() / w.tick)
	for n := max(w.now+1, now-slots+1); n <= now; n++ {
		for t := w.slot[n%slots].head; t != nil; t = t.next {
			if w.ticks(t.due) <= now {
				w.sort = append(w.sort, t)
			}
		}
	}
	w.now = now
	// Stable: equal deadlines stand in one slot, in the order in which they were scheduled.
	slices.SortStableFunc(w.sort, func(a, b *Timer) int { return cmp.Compare(a.due, b.due) })
	for _, t := range w.sort {
		t.in.remove(t)
		w.due.push(t)
	}
	clear(w.sort)
	w.sort = w.sort[:0]
	if cap(w.sort) > 16*slots {
		w.sort = nil // it was an unusual crowd
	}
}

// pop takes the next due timer. The function is nil when it was an Idle that has been touched and is put off; false: nothing is due.
func (w *Wheel) pop() (func(), bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.due.head
	if t == nil {
		return nil, false
	}
	f := t.f
	if t.idle != nil {
		if due := t.idle.due(); w.ticks(due) > w.now {
			w.arm(t, due, f)
			return nil, true
		}
	}
	w.disarm(t)
	return f, true
}

// call runs f and contains its panic.
func (w *Wheel) call(f func()) {
	defer func() {
		if v := recover(); v != nil {
			w.onPanic(v, debug.Stack())
		}
	}()
	f()
}

// sleep decides what Run sleeps for: how long until the next slot that is not empty (its timers may be turns away; they are then looked at
// and left), or false when there is no timer.
func (w *Wheel) sleep() (time.Duration, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for n := w.now + 1; n <= w.now+slots; n++ {
		if w.slot[n%slots].head != nil {
			w.next = n
			return time.Duration(n)*w.tick - w.clock(), true
		}
	}
	w.next = never
	return 0, false
}

// A wheel that wakes up later than stalled has stood still with its whole process: a stopped process, a suspended machine. What touches its timers has stood still as well, and gets a moment to catch up, before
// anybody is judged by the time that has passed.
const (
	stalled = time.Second
	moment  = time.Second / 2
)

// settle waits for that moment, if it is needed.
func (w *Wheel) settle(ctx context.Context) {
	w.mu.Lock()
	held := w.next != never && w.clock()-time.Duration(w.next)*w.tick > stalled
	w.mu.Unlock()
	if !held {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(moment):
	}
}

// awake notes that Run will look at the slots by itself, so that nobody needs to wake it.
func (w *Wheel) awake() {
	w.mu.Lock()
	w.next = 0
	w.mu.Unlock()
}

// after is at + d, without overflow.
func after(at, d time.Duration) time.Duration {
	if d <= 0 {
		return at
	}
	if at > never-d {
		return never
	}
	return at + d
}
