package channel

import (
	"iter"
	"time"
)

// Held is what waits under a rate, in the order in which it came. With keys only the newest of each waits: it goes to the end, so that what leaves is in order, and counts the older ones that it stands for.
//
// A key whose values come faster than the others leave would always go to the end and never leave. So one that has waited for longer than the whole line should take keeps its place, with the value that it
// has, and newer ones wait behind it: at most two of a key wait.
//
// The zero Held is empty. It is guarded by its owner.
type Held[T any] struct {
	first, last *HeldItem[T]
	keys        map[string]*HeldItem[T] // the newest of each key
	n           int
}

// HeldItem is one that waits.
type HeldItem[T any] struct {
	Value  T
	Merged uint64 // older ones that it stands for

	key        string
	keyed      bool
	since      time.Time // when the key began to wait
	older      *HeldItem[T]
	prev, next *HeldItem[T]
}

// Len is how many wait.
func (h *Held[T]) Len() int { return h.n }

// Add puts v at the end.
func (h *Held[T]) Add(v T) *HeldItem[T] { return h.push(&HeldItem[T]{Value: v}) }

// Merge puts v at the end, in place of an older one with the same key, which is returned; nil: none made way. Round is how long the line should take.
func (h *Held[T]) Merge(key string, v T, now time.Time, round time.Duration) (item, old *HeldItem[T]) {
	item = &HeldItem[T]{Value: v, key: key, keyed: true, since: now}
	if before := h.keys[key]; before != nil {
		if before.older == nil && now.Sub(before.since) > round {
			item.older = before
		} else {
			old = before
			h.Remove(old)
			item.older, item.since, item.Merged = old.older, old.since, old.Merged+1
		}
	}
	if h.keys == nil {
		h.keys = make(map[string]*HeldItem[T])
	}
	h.keys[key] = item
	return h.push(item), old
}

// Key is the newest with a key; nil: none waits.
func (h *Held[T]) Key(key string) *HeldItem[T] { return h.keys[key] }

// All goes through what waits, in order. Each item may be removed when it comes.
func (h *Held[T]) All() iter.Seq[*HeldItem[T]] {
	return func(yield func(*HeldItem[T]) bool) {
		for item := h.first; item != nil; {
			next := item.next
			if !yield(item) {
				return
			}
			item = next
		}
	}
}

// Remove takes out what waits.
func (h *Held[T]) Remove(item *HeldItem[T]) {
	if item.prev == nil {
		h.first = item.next
	} else {
		item.prev.next = item.next
	}
	if item.next == nil {
		h.last = item.prev
	} else {
		item.next.prev = item.prev
	}
	item.prev, item.next = nil, nil
	h.n--
	if !item.keyed {
		return
	}
	switch newest := h.keys[item.key]; {
	case newest != item:
		newest.older = nil
	case item.older != nil:
		h.keys[item.key] = item.older
	default:
		delete(h.keys, item.key)
	}
}

func (h *Held[T]) push(item *HeldItem[T]) *HeldItem[T] {
	if item.prev = h.last; h.last == nil {
		h.first = item
	} else {
		h.last.next = item
	}
	h.last = item
	h.n++
	return item
}
