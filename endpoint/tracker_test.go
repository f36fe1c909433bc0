package endpoint

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

func TestTrackerPlaces(t *testing.T) {
	k := NewTracker()
	for i, step := range []struct {
		enter    string
		limit    int
		taken    bool
		leave    string
		open     string
		openThen int
	}{
		{enter: "a", limit: 2, taken: true, open: "a", openThen: 1},
		{enter: "a", limit: 2, taken: true, open: "a", openThen: 2},
		{enter: "a", limit: 2, taken: false, open: "a", openThen: 2},
		{enter: "b", limit: 2, taken: true, open: "b", openThen: 1}, // each endpoint has its own
		{leave: "a", enter: "a", limit: 2, taken: true, open: "a", openThen: 2},
		{enter: "a", limit: 0, taken: true, open: "a", openThen: 3}, // no limit
		{enter: "a", limit: -1, taken: true, open: "a", openThen: 4},
		{leave: "b", enter: "a", limit: 4, taken: false, open: "b", openThen: 0},
	} {
		if step.leave != "" {
			k.Leave(step.leave)
		}
		if got := k.Enter(step.enter, step.limit); got != step.taken {
			t.Errorf("step %d: Enter %v, want %v", i, got, step.taken)
		}
		if got := k.Open(step.open); got != step.openThen {
			t.Errorf("step %d: %d open, want %d", i, got, step.openThen)
		}
	}
}

func TestTrackerWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := NewTracker()
		if err := k.Wait(t.Context()); err != nil {
			t.Errorf("with nothing open: %v", err)
		}
		k.Enter("a", 0)
		k.Enter("b", 0)
		done := make(chan error, 2)
		for range 2 {
			go func() { done <- k.Wait(context.Background()) }()
		}
		k.Leave("a")
		synctest.Wait()
		if len(done) != 0 {
			t.Fatal("it did not wait for the last one")
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := k.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("at the end of its time: %v", err)
		}
		k.Leave("b")
		if err := errors.Join(<-done, <-done); err != nil {
			t.Error(err)
		}
	})
}

type closer struct{ closed int }

func (c *closer) Close() error {
	c.closed++
	return io.ErrClosedPipe
}

func TestTrackerCut(t *testing.T) {
	k, one, two := NewTracker(), &closer{}, &closer{}
	k.Hijacked(one)
	k.Hijacked(two)
	k.Done(two)
	k.Cut()
	if one.closed != 1 || two.closed != 0 {
		t.Errorf("closed %d and %d times, want the first alone", one.closed, two.closed)
	}
}
