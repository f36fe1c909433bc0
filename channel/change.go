package channel

import (
	"slices"
	"strings"

	"sluice/channel/message"
)

// Change is a change of a subscription that is ready to be made: what is dear about it has been done. It is for one goroutine, which ends it with Apply or Drop.
type Change struct {
	sub    *Subscription
	add    []*member
	wild   []bool // of add
	remove []message.Topic
}

// Prepare checks subtopics and compiles selectors, as [Subscription.Add] does, and changes nothing yet.
func (s *Subscription) Prepare(add, remove []message.Topic) (*Change, *message.Error) {
	c := &Change{sub: s, remove: remove}
	for _, topic := range add {
		if err := c.prepare(topic); err != nil {
			c.Drop()
			return nil, err
		}
	}
	return c, nil
}

func (c *Change) prepare(topic message.Topic) *message.Error {
	d := c.sub.dest
	wild, err := d.checkSubscribe(topic.Subtopic)
	if err != nil {
		return err
	}
	if topic.Selector != "" && d.Definition().DisallowSelectors {
		return &message.Error{Code: message.CodeBadSelector, Detail: "the destination allows none", Setting: "allow-selectors", Value: false}
	}
	if slices.ContainsFunc(c.add, func(m *member) bool { return m.is(topic) }) {
		return alreadySubscribed(topic)
	}
	choice, err := d.broker.choices.take(topic.Selector)
	if err != nil {
		return err
	}
	subtopic := strings.Clone(topic.Subtopic) // not a part of a whole request, kept for as long as the subscription lives
	c.add = append(c.add, &member{sub: c.sub, topic: subtopic, choice: choice})
	c.wild = append(c.wild, wild)
	return nil
}

// Growth is by how many subtopics the subscription would grow now.
func (c *Change) Growth() int {
	c.sub.dest.mu.Lock()
	defer c.sub.dest.mu.Unlock()
	return len(c.add) - len(c.gone())
}

// gone are the members that are to be removed. The caller holds dest.mu.
func (c *Change) gone() []*member {
	var gone []*member
	for _, topic := range c.remove {
		if i, there := c.sub.find(topic); there && !slices.Contains(gone, c.sub.members[i]) {
			gone = append(gone, c.sub.members[i])
		}
	}
	return gone
}

// Apply makes the change as a whole: each message is for the subscription as it was, if it was under way already, or as it becomes. What is removed and added again is
// there afterwards. It is refused with already-subscribed or, once the subscription is closed, not-subscribed, and changes nothing then.
func (c *Change) Apply() *message.Error {
	s := c.sub
	s.dest.mu.Lock()
	defer s.dest.mu.Unlock()
	if s.closed {
		c.Drop()
		return &message.Error{Code: message.CodeNotSubscribed}
	}
	gone := c.gone()
	for _, m := range c.add {
		topic := message.Topic{Subtopic: m.topic, Selector: m.choice.text()}
		if i, there := s.find(topic); there && !slices.Contains(gone, s.members[i]) {
			c.Drop()
			return alreadySubscribed(topic)
		}
	}
	s.remove(gone)
	for i, m := range c.add {
		at, _ := s.find(message.Topic{Subtopic: m.topic, Selector: m.choice.text()})
		s.members = slices.Insert(s.members, at, m)
		s.dest.index.add(m, c.wild[i])
	}
	return nil
}

// Drop gives the change up.
func (c *Change) Drop() {
	for _, m := range c.add {
		c.sub.dest.broker.choices.give(m.choice)
	}
	c.add = nil
}

func alreadySubscribed(topic message.Topic) *message.Error {
	if topic.Selector == "" {
		return message.Errorf(message.CodeAlreadySubscribed, "%q", topic.Subtopic)
	}
	return message.Errorf(message.CodeAlreadySubscribed, "%q with the selector %.60q", topic.Subtopic, topic.Selector)
}
