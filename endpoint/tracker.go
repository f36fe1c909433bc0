package endpoint

import (
	"context"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
)

// Tracker counts the connections that are open, so that a shutdown can wait for them and cut them off (http.Server forgets the hijacked ones), and holds each endpoint to its
// limit. It is safe for concurrent use.
type Tracker struct {
	mu       sync.Mutex // guards the following
	open     map[string]int
	total    int
	idle     chan struct{} // closed when total reaches zero while somebody waits
	hijacked map[io.Closer]struct{}
}

// NewTracker makes one with nothing open.
func NewTracker() *Tracker {
	return &Tracker{open: make(map[string]int), hijacked: make(map[io.Closer]struct{})}
}

// Hijacked notes a connection that is no longer http.Server's, and Done that it has ended.
func (t *Tracker) Hijacked(c io.Closer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hijacked[c] = struct{}{}
}

// Done forgets a hijacked connection.
func (t *Tracker) Done(c io.Closer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.hijacked, c)
}

// Cut closes the hijacked connections without a word.
func (t *Tracker) Cut() {
	t.mu.Lock()
	all := slices.Collect(maps.Keys(t.hijacked))
	t.mu.Unlock()
	for _, c := range all {
		CutOff(c)
	}
}

// CutOff closes c at once. Close of a TLS connection says goodbye first (close_notify), and waits 5 seconds for a peer that reads no more: too long where others wait too.
func CutOff(c io.Closer) {
	if outer, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = outer.NetConn()
	}
	c.Close() // it was to end anyway
}

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
