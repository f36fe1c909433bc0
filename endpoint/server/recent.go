package server

import (
	"sync"
	"time"
)

// recentIDs remembers the last n keys, so that a publish which a service repeats is done once. Safe for concurrent use.
type recentIDs struct {
	mu   sync.Mutex // guards the following
	keys map[string]*recentID
	ring []string // the keys in the order in which they came; "" where there is none
	next int
}

// recentID is one key that was published, or is about to be.
type recentID struct {
	place  int           // in the ring
	ended  chan struct{} // closed when it is known how the publish went
	failed bool          // not to be read before
}

func newRecentIDs(n int) *recentIDs {
	return &recentIDs{keys: make(map[string]*recentID), ring: make([]string, n)}
}

// begin remembers key, and forgets the oldest. Where key is remembered already, mine is false and id is that of the one who came first.
func (r *recentIDs) begin(key string) (id *recentID, mine bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id := r.keys[key]; id != nil {
		return id, false
	}
	delete(r.keys, r.ring[r.next])
	id = &recentID{place: r.next, ended: make(chan struct{})}
	r.keys[key], r.ring[r.next] = id, key
	r.next = (r.next + 1) % len(r.ring)
	return id, true
}

// end says how the publish of id went. A key whose publish has failed is forgotten: it may be tried again.
func (r *recentIDs) end(key string, id *recentID, failed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if failed && r.keys[key] == id { // it may have been pushed out
		delete(r.keys, key)
		r.ring[id.place] = ""
	}
	id.failed = failed
	close(id.ended)
}

// wait waits, at most for limit, until it is known how the publish of id went.
func (id *recentID) wait(limit time.Duration) (ended bool) {
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case <-id.ended:
		return true
	case <-late.C:
		return false
	}
}
