package memengine

import (
	"sort"
	"strings"
)

// newest keeps one thing for each of a bounded number of subtopics: the newest, which has the highest order. At the limit the subtopic whose order is the lowest gives way.
// Nothing is allocated for a subtopic that is there.
type newest[T any] struct {
	limit  int
	byName map[string]*entry[T]
	slots  []slot[T] // by order, from head on; those that are superseded are empty until there are too many of them
	head   int
}

type slot[T any] struct {
	order uint64
	*entry[T]
}

type entry[T any] struct {
	subtopic string
	value    T
	index    int // of its slot
}

func newNewest[T any](limit int) newest[T] {
	return newest[T]{limit: limit, byName: make(map[string]*entry[T])}
}

// put replaces the thing of a subtopic. No order may be below one that was put before. Of what had to give way it returns the slot.
func (n *newest[T]) put(subtopic string, order uint64, value T) (gone slot[T], out bool) {
	e := n.byName[subtopic]
	if e != nil {
		n.slots[e.index].entry = nil
	} else {
		e = &entry[T]{subtopic: strings.Clone(subtopic)} // not a part of something larger
		n.byName[e.subtopic] = e
	}
	if len(n.slots) >= 2*len(n.byName)+64 {
		n.compact()
	}
	e.value, e.index = value, len(n.slots)
	n.slots = append(n.slots, slot[T]{order, e})
	return n.shrink()
}

// shrink lets the oldest go if there are too many.
func (n *newest[T]) shrink() (gone slot[T], out bool) {
	if len(n.byName) <= n.limit {
		return gone, false
	}
	for n.slots[n.head].entry == nil {
		n.head++
	}
	gone = n.slots[n.head]
	n.slots[n.head].entry = nil
	n.head++
	delete(n.byName, gone.subtopic)
	return gone, true
}

// compact moves what is there to the front: that costs no more than what was put since.
func (n *newest[T]) compact() {
	kept := n.slots[:0]
	for _, s := range n.slots[n.head:] {
		if s.entry != nil {
			s.index = len(kept)
			kept = append(kept, s)
		}
	}
	clear(n.slots[len(kept):])
	n.slots, n.head = kept, 0
}

// after are the slots of a higher order, some of them empty.
func (n *newest[T]) after(order uint64) []slot[T] {
	all := n.slots[n.head:]
	return all[sort.Search(len(all), func(i int) bool { return all[i].order > order }):]
}

// of is the slot of a subtopic; empty where there is none.
func (n *newest[T]) of(subtopic string) slot[T] {
	if e := n.byName[subtopic]; e != nil {
		return n.slots[e.index]
	}
	return slot[T]{}
}
