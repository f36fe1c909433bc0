package memengine

import (
	"container/heap"

	"sluice/channel"
	"sluice/channel/message"
)

// read fills the page.
func (r *reader) read() {
	if topics, exact := r.set.Exact(); exact {
		r.merge(topics)
	} else {
		r.scan()
	}
}

// stop ends the page where another must follow, behind that order. It needs no lock.
func (r *reader) stop(after uint64) {
	r.page.Done, r.page.Next = false, channel.Cursor{From: channel.FromOrder, Order: after}
}

// add takes a message, unless the page has it already, because it is in several subtopics. It reports false when the page is full.
func (r *reader) add(m *message.Message) bool {
	n := len(r.page.Messages)
	if n > 0 && r.page.Messages[n-1] == m {
		return true
	}
	if n == r.limit {
		r.stop(m.Order - 1)
		return false
	}
	r.page.Messages = append(r.page.Messages, m)
	return true
}

// merge reads what the index by subtopic says: it costs no more than what it reads.
func (r *reader) merge(topics []string) {
	l := r.log
	var heads readings
	for _, topic := range topics {
		if t := l.topics[topic]; t != nil {
			if i := t.after(r.after); i < t.n {
				heads = append(heads, reading{t, i, t.at(i)})
			}
		}
	}
	heap.Init(&heads)
	for len(heads) > 0 {
		order := heads[0].order
		if !r.add(l.records.at(int(order - l.floor - 1)).m) {
			return
		}
		heads.next()
	}
	r.end()
}

// reading is how far one subtopic has been read.
type reading struct {
	*orders
	i     int
	order uint64 // of the next message
}

// readings is a heap of them, the next message at the top.
type readings []reading

func (h readings) Len() int           { return len(h) }
func (h readings) Less(i, j int) bool { return h[i].order < h[j].order }
func (h readings) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *readings) Push(x any)        { *h = append(*h, x.(reading)) }
func (h *readings) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

// next moves the top on.
func (h *readings) next() {
	top := &(*h)[0]
	if top.i++; top.i == top.n {
		heap.Pop(h)
		return
	}
	top.order = top.at(top.i)
	heap.Fix(h, 0)
}

// scan looks at every message, without the lock.
func (r *reader) scan() {
	l := r.log
	var copied [maxStep]*message.Message
	for looked := 0; ; looked += maxStep {
		if r.after < l.floor || looked >= maxLooked { // what was discarded meanwhile is for the next page to tell
			r.stop(r.after)
			return
		}
		all := copied[:min(maxStep, l.order-r.after)]
		if len(all) == 0 {
			r.end()
			return
		}
		for i := range all {
			all[i] = l.records.at(int(r.after-l.floor) + i).m
		}
		if !r.choose(all) {
			return
		}
	}
}

// choose takes the messages that match. It reports false when the page is full. The lock is let go meanwhile.
func (r *reader) choose(all []*message.Message) bool {
	r.log.mu.Unlock()
	defer r.log.mu.Lock()
	for _, m := range all {
		if r.set.Message(m) && !r.add(m) {
			return false
		}
		r.after = m.Order
	}
	return true
}

// last finds where the last messages begin. A single subtopic is looked up; for others it looks at every message from the newest on, without the lock, and gives up for this page after maxLooked:
// proceed is false then, and the next page goes on.
func (r *reader) last(c channel.Cursor) (asked criterion, proceed bool) {
	l := r.log
	if topics, exact := r.set.Exact(); exact && len(topics) == 1 {
		t := l.topics[topics[0]]
		if t == nil || uint64(t.n) < c.Last {
			r.after = l.floor
			return above(0), true
		}
		r.after = t.at(t.n-int(c.Last)) - 1
		return nothing, true
	}
	if c.Below == 0 {
		c.Below = l.order + 1
	}
	var copied [maxStep]*message.Message
	for looked := 0; c.Last > 0 && c.Below > l.floor+1; looked += maxStep {
		if looked >= maxLooked {
			r.page.Done, r.page.Next = false, c
			return asked, false
		}
		all := copied[:min(maxStep, c.Below-l.floor-1)]
		c.Below -= uint64(len(all))
		for i := range all {
			all[i] = l.records.at(int(c.Below-l.floor) - 1 + i).m
		}
		l.mu.Unlock()
		for i := len(all) - 1; i >= 0 && c.Last > 0; i-- {
			if r.set.Message(all[i]) {
				c.Last, c.Begin = c.Last-1, all[i].Order
			}
		}
		l.mu.Lock()
	}
	if c.Last > 0 { // fewer than were asked for
		r.after = l.floor
		return above(0), true
	}
	r.after = c.Begin - 1
	return above(r.after), true
}
