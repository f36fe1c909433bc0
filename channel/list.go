package channel

import "sync/atomic"

// member is one subtopic of one subscription.
type member struct {
	sub   *Subscription
	topic string
	gone  atomic.Bool // no longer subscribed; lists drop it when they are next copied
}

// list holds the members of one subtopic or pattern, in the order they came. It is changed under the lock of its destination and walked without any:
// an addition shows behind what a walk has seen, a removal marks the member, and both are constant time but for a copy now and then.
type list struct {
	block atomic.Pointer[block]
	live  int // members that are not gone
}

// block is the array of a list. Its first n slots are filled and do not change.
type block struct {
	slots []*member
	n     atomic.Int64
}

// members returns what a delivery walks. Some of them may be gone.
func (l *list) members() []*member {
	b := l.block.Load()
	if b == nil {
		return nil
	}
	return b.slots[:b.n.Load()]
}

func (l *list) add(m *member) {
	l.live++
	b := l.block.Load()
	if b == nil || int(b.n.Load()) == len(b.slots) {
		b = l.copy(2*l.live - 1) // one for the first, then twice as many each time
	}
	n := b.n.Load()
	b.slots[n] = m
	b.n.Store(n + 1)
}

// remove marks m and copies the list when most of it is gone. It reports whether the list is empty now.
func (l *list) remove(m *member) (empty bool) {
	m.gone.Store(true)
	l.live--
	if len(l.members()) > 2*l.live {
		l.copy(l.live + l.live/2)
	}
	return l.live == 0
}

// copy moves those who are not gone into a new block.
func (l *list) copy(room int) *block {
	b := &block{slots: make([]*member, room)}
	n := 0
	for _, m := range l.members() {
		if !m.gone.Load() {
			b.slots[n] = m
			n++
		}
	}
	b.n.Store(int64(n))
	l.block.Store(b)
	return b
}
