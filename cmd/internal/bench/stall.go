package bench

import (
	"context"
	"sync/atomic"
	"time"
)

// stalls measures how long this machine has let nothing run that should have: whoever does not run cannot keep to any time. Several stalls in a row
// hurt like one, so they are added up, and forgotten by half a second each second.
type stalls struct{ longest atomic.Int64 }

const (
	stallTick  = 50 * time.Millisecond
	stallLimit = soakDeadPeer / 4 // with a longer one, those who are alive may seem dead
)

// watch measures until ctx ends.
func (s *stalls) watch(ctx context.Context) {
	tick := time.NewTicker(stallTick)
	defer tick.Stop()
	var lost time.Duration
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		lost = s.note(lost, now.Sub(last)-stallTick)
		last = now
	}
}

// note adds a tick that was late to what was lost before.
func (s *stalls) note(lost, late time.Duration) time.Duration {
	lost = max(0, lost+late-stallTick/2)
	s.longest.Store(max(s.longest.Load(), int64(lost)))
	return lost
}

// max is the longest one so far.
func (s *stalls) max() time.Duration { return time.Duration(s.longest.Load()) }
