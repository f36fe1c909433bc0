package bench

import (
	"context"
	"sync/atomic"
	"time"
)

// stalls measures how long this machine has let nothing run that should have: whoever does not run cannot keep to any time.
type stalls struct{ longest atomic.Int64 }

const (
	stallTick  = 50 * time.Millisecond
	stallLimit = soakDeadPeer / 2 // with a longer one, those who are alive may seem dead
)

// watch measures until ctx ends.
func (s *stalls) watch(ctx context.Context) {
	tick := time.NewTicker(stallTick)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		s.longest.Store(max(s.longest.Load(), int64(now.Sub(last)-stallTick)))
		last = now
	}
}

// max is the longest one so far.
func (s *stalls) max() time.Duration { return time.Duration(s.longest.Load()) }
