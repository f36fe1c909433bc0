package server

import "sync"

// recentIDs remembers the last n keys, so that a publish which a service repeats is done once. Safe for concurrent use.
type recentIDs struct {
	mu   sync.Mutex
	keys map[string]struct{}
	ring []string // the keys in the order in which they came; "" where one was removed
	next int
}

func newRecentIDs(n int) *recentIDs {
	return &recentIDs{keys: make(map[string]struct{}), ring: make([]string, n)}
}

// add remembers key, and forgets the oldest; false when key is remembered already.
func (r *recentIDs) add(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.keys[key]; known {
		return false
	}
	delete(r.keys, r.ring[r.next])
	r.keys[key] = struct{}{}
	r.ring[r.next] = key
	r.next = (r.next + 1) % len(r.ring)
	return true
}

// remove forgets key.
func (r *recentIDs) remove(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.keys, key)
}
