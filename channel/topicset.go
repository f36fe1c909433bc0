package channel

import (
	"strings"

	"sluice/channel/message"
)

// TopicSet tells which messages a subscription to some topics gets. It is never changed. The zero value matches nothing.
type TopicSet struct {
	separator string
	exact     map[string]struct{}
	topics    []string // the same
	patterns  []string // those with a wildcard
}

// NewTopicSet makes the set of topics, which are well-formed, as of [Subscription.Add].
func NewTopicSet(topics []string, separator string) TopicSet {
	s := TopicSet{separator: separator, exact: make(map[string]struct{}, len(topics))}
	for _, topic := range topics {
		if strings.Contains(topic, wildcard) { // stands for a whole part, else the topic would not be well-formed
			s.patterns = append(s.patterns, topic)
		} else if _, twice := s.exact[topic]; !twice {
			s.exact[topic] = struct{}{}
			s.topics = append(s.topics, topic)
		}
	}
	return s
}

// Exact returns the topics, each once, when none of them has a wildcard. They must not be changed.
func (s TopicSet) Exact() (topics []string, ok bool) { return s.topics, len(s.patterns) == 0 }

// Subtopic reports whether messages of subtopic match; "" are those without one.
func (s TopicSet) Subtopic(subtopic string) bool {
	if _, there := s.exact[subtopic]; there {
		return true
	}
	for _, pattern := range s.patterns {
		if matchSubtopic(pattern, subtopic, s.separator) {
			return true
		}
	}
	return false
}

// Message reports whether m matches.
func (s TopicSet) Message(m *message.Message) bool {
	if len(m.Subtopics) == 0 {
		return s.Subtopic("")
	}
	for _, subtopic := range m.Subtopics {
		if s.Subtopic(subtopic) {
			return true
		}
	}
	return false
}
