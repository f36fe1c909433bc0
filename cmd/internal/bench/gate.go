package bench

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
)

// gate counts what is to be delivered and what was, and holds back publishers in between.
type gate struct {
	delivered atomic.Int64
	need      atomic.Int64 // when delivered reaches it, somebody is to be woken

	mu     sync.Mutex
	cond   *sync.Cond
	issued int64
}

func newGate() *gate {
	g := &gate{}
	g.need.Store(math.MaxInt64)
	g.cond = sync.NewCond(&g.mu)
	return g
}

// deliver counts n deliveries.
func (g *gate) deliver(n int64) {
	if g.delivered.Add(n) >= g.need.Load() {
		g.wake()
	}
}

func (g *gate) wake() {
	g.mu.Lock()
	g.need.Store(math.MaxInt64)
	g.mu.Unlock()
	g.cond.Broadcast()
}

// issue counts n deliveries to come. It waits until at most open of them are outstanding before these; false if ctx ended first.
// A negative open does not wait.
func (g *gate) issue(ctx context.Context, n, open int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for open >= 0 && ctx.Err() == nil {
		need := g.issued - open
		g.need.Store(min(need, g.need.Load())) // first ask to be woken, then look: a delivery in between wakes
		if g.delivered.Load() >= need {
			break
		}
		g.cond.Wait()
	}
	if ctx.Err() != nil {
		return false
	}
	g.issued += n
	return true
}

// state returns what was issued and what was delivered.
func (g *gate) state() (issued, delivered int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.issued, g.delivered.Load()
}
