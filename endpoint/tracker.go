package endpoint

import (
	"context"
	"sync"
)

// Tracker counts the connections that are open, so that a shutdown can wait for them (http.Server forgets the hijacked ones), and holds each endpoint to its limit.
type Tracker struct {
	mu    sync.Mutex
	open  map[string]int
	total int
	idle  chan struct{} // closed when total reaches zero while somebody waits
}

// NewTracker makes one with nothing open.
func NewTracker() *Tracker { return &Tracker{open: make(map[string]int)} }

// Enter takes one of limit places of the endpoint; false when all are taken. A limit of zero or less takes all comers.
func (t *Tracker) Enter(endpoint string, limit int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if limit > 0 && t.open[endpoint] >= limit {
		return false
	}
	t.open[endpoint]++
	t.total++
	return true
}

// Leave gives the place back.
func (t *Tracker) Leave(endpoint string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open[endpoint]--
	t.total--
	if t.total == 0 && t.idle != nil {
		close(t.idle)
		t.idle = nil
	}
}

// Open is how many connections the endpoint has.
func (t *Tracker) Open(endpoint string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open[endpoint]
}

// Wait returns when nothing is open, or with ctx's error.
func (t *Tracker) Wait(ctx context.Context) error {
	t.mu.Lock()
	if t.total == 0 {
		t.mu.Unlock()
		return nil
	}
	if t.idle == nil {
		t.idle = make(chan struct{})
	}
	idle := t.idle
	t.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
