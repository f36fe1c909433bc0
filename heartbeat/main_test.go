package heartbeat_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"sluice/heartbeat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const tick = 100 * time.Millisecond

// inBubble runs f with a wheel that runs, in a bubble of fake time. The wheel ends before the bubble does.
func inBubble(t *testing.T, o heartbeat.Options, f func(t *testing.T, w *heartbeat.Wheel)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := heartbeat.New(o)
		stop := start(w)
		defer stop()
		f(t, w)
	})
}

// start runs w and returns what ends it and waits for its end.
func start(w *heartbeat.Wheel) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	return func() { cancel(); <-done }
}

// pass lets fake time pass, and the wheel do what it has to do at the end of it.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// record notes when something happened, as the time since it was made.
type record struct {
	begin time.Time

	mu sync.Mutex // guards at
	at []time.Duration
}

func newRecord() *record { return &record{begin: time.Now()} }

func (r *record) note() { r.add(time.Since(r.begin)) }

func (r *record) add(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = append(r.at, d)
}

// take returns what was noted and forgets it.
func (r *record) take() []time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.at
	r.at = nil
	return at
}
