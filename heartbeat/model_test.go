package heartbeat_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"sluice/heartbeat"
)

// model is the wheel done naively: a map of deadlines. It is told what is done and judges what fires.
type model struct {
	t   *testing.T
	mu  sync.Mutex // guards the following
	due map[int]time.Time
	r   *rand.Rand
}

// one is a random number below n.
func (m *model) one(n int64) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.r.Int64N(n)
}

func (m *model) delay() time.Duration {
	return time.Duration(m.one(int64([]time.Duration{tick, time.Second, 2 * time.Minute, time.Hour}[m.one(4)])))
}

func (m *model) arm(id int, d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.due[id] = time.Now().Add(d)
}

// stop forgets the timer and tells whether it was armed.
func (m *model) stop(id int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, armed := m.due[id]
	delete(m.due, id)
	return armed
}

func (m *model) fired(id int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	due, ok := m.due[id]
	switch {
	case !ok:
		m.t.Errorf("timer %d fired without being armed", id)
	case now.Before(due):
		m.t.Errorf("timer %d fired %v early", id, due.Sub(now))
	case now.Sub(due) > 2*tick:
		m.t.Errorf("timer %d fired %v late", id, now.Sub(due))
	}
	delete(m.due, id)
	for other, d := range m.due {
		if d.Before(due) {
			m.t.Errorf("timer %d fired before timer %d, which was due %v sooner", id, other, due.Sub(d))
		}
	}
}

// settled checks, at rest, that nothing that is overdue has been forgotten.
func (m *model) settled(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n != len(m.due) {
		m.t.Errorf("Len = %d, want %d", n, len(m.due))
	}
	for id, d := range m.due {
		if late := time.Since(d); late > 2*tick {
			m.t.Errorf("timer %d should have fired %v ago", id, late)
			delete(m.due, id)
		}
	}
}

// Whatever is scheduled, moved and stopped, in whatever order: the wheel does what a map of deadlines would do.
func TestWheelAgainstModel(t *testing.T) {
	for seed := range uint64(12) {
		inBubble(t, heartbeat.Options{}, func(t *testing.T, w *heartbeat.Wheel) {
			m := &model{t: t, due: map[int]time.Time{}, r: rand.New(rand.NewPCG(seed, 1))}
			timers := make([]heartbeat.Timer, 40)
			var arm func(id int)
			arm = func(id int) {
				d, again := m.delay(), m.one(4) == 0
				m.arm(id, d)
				w.Schedule(&timers[id], d, func() {
					if m.fired(id); again {
						arm(id)
					}
				})
			}
			for range 1000 {
				pass(m.delay()/10 + 1)
				m.settled(w.Len())
				for range m.one(4) {
					id := int(m.one(int64(len(timers))))
					if m.one(3) > 0 {
						arm(id)
						continue
					}
					if armed := m.stop(id); w.Stop(&timers[id]) != armed {
						t.Errorf("Stop(%d) = %v, want %v", id, !armed, armed)
					}
				}
			}
			pass(2 * time.Hour)
			m.settled(w.Len())
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// Many goroutines on real time: for the race detector, and that each armed timer either fires once or is stopped once.
func TestConcurrentUse(t *testing.T) {
	w := heartbeat.New(heartbeat.Options{Tick: time.Millisecond})
	stop := start(w)
	defer stop()
	var all sync.WaitGroup
	for g := range uint64(8) {
		all.Go(func() {
			r := rand.New(rand.NewPCG(g, 2))
			var timer heartbeat.Timer
			var idle heartbeat.Idle
			idle.Start(w, time.Millisecond, func() {})
			for range 300 {
				fired := make(chan struct{}, 2)
				w.Schedule(&timer, time.Duration(r.Int64N(int64(2*time.Millisecond))), func() { fired <- struct{}{} })
				idle.Touch()
				w.Len()
				if r.IntN(2) == 0 && w.Stop(&timer) {
					continue
				}
				<-fired
				if w.Stop(&timer) || len(fired) > 0 {
					t.Error("armed once, and there is a second one to stop or to fire")
				}
			}
			idle.Stop()
		})
	}
	all.Wait()
	if n := w.Len(); n != 0 {
		t.Errorf("Len = %d at the end", n)
	}
}
