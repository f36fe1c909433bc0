package channel

import (
	"sync/atomic"

	"sluice/channel/message"
)

// member is one subtopic of one subscription, with a selector or without.
type member struct {
	sub    *Subscription
	topic  string
	choice *choice // nil: all messages of the subtopic

	// gone is the number of the first message of the destination that it no longer gets; 0: it is subscribed. Lists drop it when they are next copied.
	gone atomic.Uint64
}

// is says whether it is the one for t.
func (m *member) is(t message.Topic) bool {
	return m.topic == t.Subtopic && m.choice.text() == t.Selector
}

// covers says whether m is for the subtopic, whatever the selector.
func (m *member) covers(msg *message.Message, separator string) bool {
	if len(msg.Subtopics) == 0 {
		return m.topic == ""
	}
	for _, subtopic := range msg.Subtopics {
		if matchSubtopic(m.topic, subtopic, separator) {
			return true
		}
	}
	return false
}

// list holds the members of one subtopic or pattern, in the order they came. It is used under the lock of its destination, but what members returned is
// walked without any: an addition stands behind it, a removal marks the member, and both are constant time but for a copy now and then.
type list struct {
	slots []*member // some of them gone; a slot that is filled does not change
	live  int       // members that are not gone
}

// members returns those of this moment, for a delivery to walk. Some of them may be gone, or go meanwhile.
func (l *list) members() []*member { return l.slots }

func (l *list) add(m *member) {
	l.live++
	if len(l.slots) == cap(l.slots) {
		l.copy(2*l.live - 1) // one for the first, then twice as many each time
	}
	l.slots = append(l.slots, m)
}

// remove marks m, which is gone for the messages from the given number on, and copies the list when most of it is gone. It reports whether the list is empty now.
func (l *list) remove(m *member, from uint64) (empty bool) {
	m.gone.Store(from)
	l.live--
	if len(l.slots) > 2*l.live {
		l.copy(l.live + l.live/2)
	}
	return l.live == 0
}

// copy moves those who are not gone into a new array.
func (l *list) copy(room int) {
	slots := make([]*member, 0, room)
	for _, m := range l.slots {
		if m.gone.Load() == 0 {
			slots = append(slots, m)
		}
	}
	l.slots = slots
}
