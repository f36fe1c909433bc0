package channel

import (
	"slices"
	"strings"

	"sluice/channel/message"
)

// Subscription is the interest of one Subscriber in subtopics of one Destination. Its methods are safe for concurrent use and do not block.
type Subscription struct {
	id         string
	dest       *Destination
	subscriber Subscriber

	members []*member // by topic; guarded by dest.mu
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
// without a subtopic, and only for them. It may have [MaxSubtopicParts] parts. It is refused with subtopics-not-allowed, bad-subtopic, wildcard-not-allowed, already-subscribed or, once s
// is closed, not-subscribed.
func (s *Subscription) Add(subtopic string) *message.Error {
	wild, err := s.dest.checkSubscribe(subtopic)
	if err != nil {
		return err
	}
	s.dest.mu.Lock()
	defer s.dest.mu.Unlock()
	if s.closed {
		return &message.Error{Code: message.CodeNotSubscribed}
	}
	i, there := s.find(subtopic)
	if there {
		return message.Errorf(message.CodeAlreadySubscribed, "%q", subtopic)
	}
	m := &member{sub: s, topic: strings.Clone(subtopic)} // not a part of a whole request, kept for as long as the subscription lives
	s.members = slices.Insert(s.members, i, m)
	s.dest.index.add(m, wild)
	return nil
}

// Remove ends the subscription to a subtopic and reports whether there was one.
func (s *Subscription) Remove(subtopic string) bool {
	s.dest.mu.Lock()
	defer s.dest.mu.Unlock()
	i, there := s.find(subtopic)
	if there {
		s.dest.index.remove(s.members[i])
		s.members = slices.Delete(s.members, i, i+1)
	}
	return there
}

// find returns where a topic is or belongs. The caller holds dest.mu.
func (s *Subscription) find(topic string) (i int, there bool) {
	return slices.BinarySearchFunc(s.members, topic, func(m *member, topic string) int { return strings.Compare(m.topic, topic) })
}

// Topics returns the subtopics, sorted; "" stands for the messages without one.
func (s *Subscription) Topics() []string {
	s.dest.mu.Lock()
	defer s.dest.mu.Unlock()
	topics := make([]string, len(s.members))
	for i, m := range s.members {
		topics[i] = m.topic
	}
	return topics
}

// Matches reports whether s is subscribed to m now.
func (s *Subscription) Matches(m *message.Message) bool {
	s.dest.mu.Lock()
	defer s.dest.mu.Unlock()
	if m.Destination != s.dest.id {
		return false
	}
	if len(m.Subtopics) == 0 {
		_, there := s.find("")
		return there
	}
	for _, subtopic := range m.Subtopics {
		for _, member := range s.members {
			if matchSubtopic(member.topic, subtopic, s.dest.index.separator) {
				return true
			}
		}
	}
	return false
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
		s.dest.index.remove(m)
	}
	s.members = nil
	s.dest.subscribers.Add(-1)
}
