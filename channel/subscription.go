package channel

import (
	"cmp"
	"slices"
	"strings"

	"sluice/channel/message"
)

// Subscription is the interest of one Subscriber in subtopics of one Destination, each with a selector or without. Its methods are safe for concurrent use and do not block; a selector that no other
// subscription has is compiled, which may take milliseconds.
type Subscription struct {
	id         string
	dest       *Destination
	subscriber Subscriber

	members []*member // by topic and selector; guarded by dest.mu
	closed  bool      // guarded by dest.mu

	last uint64 // number of the last message that was delivered; belongs to the delivering goroutine
}

// ID is the id that Subscribe was given: the clientId of the protocol.
func (s *Subscription) ID() string { return s.id }

// Number is the destination's number of the message that was delivered last: equal for all subscriptions of a client that one message matches. It is for
// Deliver, on the delivering goroutine.
func (s *Subscription) Number() uint64 { return s.last }

// Destination is what s is a subscription of.
func (s *Subscription) Destination() *Destination { return s.dest }

// Add subscribes to a subtopic, which may have wildcards: "*" in the middle is exactly one part, at the end one or more. "" is for the messages
// without a subtopic, and only for them. It may have [MaxSubtopicParts] parts. Of its messages those come that its selector chooses; the same subtopic may be there with several selectors, and a
// message that more than one of them choose comes once. The frequency is not looked at.
//
// It is refused with subtopics-not-allowed, bad-subtopic, wildcard-not-allowed, bad-selector, already-subscribed or, once s is closed, not-subscribed.
func (s *Subscription) Add(topic message.Topic) *message.Error {
	c, err := s.Prepare([]message.Topic{topic}, nil)
	if err != nil {
		return err
	}
	return c.Apply()
}

// Remove ends the subscription to a subtopic under a selector, and reports whether there was one.
func (s *Subscription) Remove(topic message.Topic) bool {
	s.dest.mu.Lock()
	defer s.dest.mu.Unlock()
	i, there := s.find(topic)
	if there {
		s.remove(s.members[i : i+1])
	}
	return there
}

// remove takes members out, for the messages that have no number yet. The caller holds dest.mu.
func (s *Subscription) remove(gone []*member) {
	from := s.dest.published.Load() + 1
	gone = slices.Clone(gone)
	s.members = slices.DeleteFunc(s.members, func(m *member) bool { return slices.Contains(gone, m) })
	for _, m := range gone {
		s.dest.index.remove(m, from)
		s.dest.broker.choices.give(m.choice)
	}
}

// find returns where a topic is or belongs. The caller holds dest.mu.
func (s *Subscription) find(topic message.Topic) (i int, there bool) {
	return slices.BinarySearchFunc(s.members, topic, func(m *member, t message.Topic) int {
		return cmp.Or(strings.Compare(m.topic, t.Subtopic), strings.Compare(m.choice.text(), t.Selector))
	})
}

// Topics returns the subtopics, sorted, each once; "" stands for the messages without one.
func (s *Subscription) Topics() []string {
	s.dest.mu.Lock()
	defer s.dest.mu.Unlock()
	topics := make([]string, len(s.members))
	for i, m := range s.members {
		topics[i] = m.topic
	}
	return slices.Compact(topics)
}

// Selections returns the subtopics with their selectors, sorted.
func (s *Subscription) Selections() []message.Topic {
	s.dest.mu.Lock()
	defer s.dest.mu.Unlock()
	topics := make([]message.Topic, len(s.members))
	for i, m := range s.members {
		topics[i] = message.Topic{Subtopic: m.topic, Selector: m.choice.text()}
	}
	return topics
}

// Len is how many there are.
func (s *Subscription) Len() int {
	s.dest.mu.Lock()
	defer s.dest.mu.Unlock()
	return len(s.members)
}

// Matches reports whether s is subscribed to m now, which may be any message, of the past too. The lock of the destination is not held while selectors look at it.
func (s *Subscription) Matches(m *message.Message) bool {
	var room [8]*choice
	all, choices := s.candidates(m, room[:0])
	if all {
		return true
	}
	for _, c := range choices {
		if c.selector.Match(m) {
			return true
		}
	}
	return false
}

// candidates appends the selectors of which one has to choose m; all: there is a subtopic of m without a selector.
func (s *Subscription) candidates(m *message.Message, into []*choice) (all bool, choices []*choice) {
	if m.Destination != s.dest.id {
		return false, nil
	}
	s.dest.mu.Lock()
	defer s.dest.mu.Unlock()
	for _, member := range s.members {
		switch {
		case !member.covers(m, s.dest.index.separator):
		case member.choice == nil:
			return true, nil
		default:
			into = append(into, member.choice)
		}
	}
	return false, into
}

// Close ends the subscription to everything. Closing again does nothing.
func (s *Subscription) Close() {
	s.dest.mu.Lock()
	defer s.dest.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	for _, m := range s.members {
		s.dest.index.remove(m, 1) // for the message under way as well
		s.dest.broker.choices.give(m.choice)
	}
	s.members = nil
	s.dest.subscribers.Add(-1)
}
