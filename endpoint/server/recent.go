package server

import "sync"

// recentIDs remembers the last n keys, so that a publish which a service repeats is done once. Safe for concurrent use.
type recentIDs struct {
	mu   sync.Mutex
	keys map[string]int // where each stands in the ring
	ring []string       // the keys in the order in which they came; "" where there is none
	next int
}

func newRecentIDs(n int) *recentIDs {
	return &recentIDs{keys: make(map[string]int), ring: make([]string, n)}
}

// add remembers key, and forgets the oldest; false when key is remembered already.
func (r *recentIDs) add(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.keys[key]; known {
		return false
	}
	delete(r.keys, r.ring[r.next])
	r.keys[key], r.ring[r.next] = r.next, key
	r.next = (r.next + 1) % len(r.ring)
	return true
}

// remove forgets key.
func (r *recentIDs) remove(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i, known := r.keys[key]; known {
		delete(r.keys, key)
		r.ring[i] = ""
	}
}
