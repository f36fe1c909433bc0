package channel

import (
	"slices"
	"sync"
	"sync/atomic"

	"sluice/channel/message"
)

// Destination is a configured place to publish to and subscribe on. Its methods are safe for concurrent use and do not block.
type Destination struct {
	id     string
	broker *MessageBroker
	def    atomic.Pointer[DestinationDefinition]

	mu    sync.Mutex // guards the following, and the subscriptions; never held while a subscriber is called
	index index

	presence atomic.Pointer[presence] // nil: none is kept

	subscribers atomic.Int64
	published   atomic.Uint64 // also the number of the message under way
	delivered   atomic.Uint64
	books       Books
	inbound     inbound
}

// Stats are counts since the start, and what is there now.
type Stats struct {
	Published   uint64 // messages that came, whoever published them
	Delivered   uint64 // messages handed to subscriptions
	Subscribers int    // open subscriptions
}

func newDestination(def DestinationDefinition, b *MessageBroker) *Destination {
	def = def.defaults()
	d := &Destination{id: def.ID, broker: b, index: index{separator: def.SubtopicSeparator, exact: make(map[string]*list)}}
	d.inbound.dest = d
	d.def.Store(&def)
	d.settlePresence()
	return d
}

func (def DestinationDefinition) defaults() DestinationDefinition {
	if def.SubtopicSeparator == "" {
		def.SubtopicSeparator = "."
	}
	if def.MaxPresenceMembers <= 0 {
		def.MaxPresenceMembers = DefaultMaxPresenceMembers
	}
	if def.PresenceInterval <= 0 {
		def.PresenceInterval = DefaultPresenceInterval
	}
	return def
}

// Definition is what the configuration says now ([MessageBroker.Reconfigure]). It must not be changed.
func (d *Destination) Definition() *DestinationDefinition { return d.def.Load() }

// Settle applies the destination's time to live and priority to a message that nobody else has seen yet. Publish does it as well.
func (d *Destination) Settle(m *message.Message) {
	def := d.Definition()
	m.Settle(def.MessageTimeToLive, def.MessagePriority)
}

// Subscribe opens a subscription for sub, without a topic yet. id is the clientId that deliveries are named by; the caller sees to it that it is unique.
func (d *Destination) Subscribe(id string, sub Subscriber) *Subscription {
	d.subscribers.Add(1)
	return &Subscription{id: id, dest: d, subscriber: sub}
}

// Subscribers is the number of open subscriptions.
func (d *Destination) Subscribers() int { return int(d.subscribers.Load()) }

// Stats reads the counters. They are read one by one, so they may differ by what is under way.
func (d *Destination) Stats() Stats {
	return Stats{Published: d.published.Load(), Delivered: d.delivered.Load(), Subscribers: d.Subscribers()}
}

// AllowSend checks whether p may publish over ch: the destination's list of channels (a nil ch is the API and skips it), then its security constraints.
// A nil p is nobody. The errors are channel-not-allowed, login-required and access-denied.
func (d *Destination) AllowSend(ch *ChannelDefinition, p *Principal) *message.Error {
	def := d.Definition()
	return d.allow(def, ch, p, def.SendConstraint)
}

// AllowSubscribe checks whether p may subscribe over ch, as AllowSend does.
func (d *Destination) AllowSubscribe(ch *ChannelDefinition, p *Principal) *message.Error {
	def := d.Definition()
	return d.allow(def, ch, p, def.SubscribeConstraint)
}

func (d *Destination) allow(def *DestinationDefinition, ch *ChannelDefinition, p *Principal, constraint string) *message.Error {
	if ch != nil && len(def.Channels) > 0 && !slices.Contains(def.Channels, ch.ID) {
		return message.Errorf(message.CodeChannelNotAllowed, "destination %q, channel %q", d.id, ch.ID)
	}
	if err := d.broker.Allow(def.Constraint, p); err != nil {
		return err
	}
	return d.broker.Allow(constraint, p)
}

// CheckSend checks the subtopics of a message that is to be published: they must be allowed here, well-formed, of at most
// [MaxSubtopicParts] parts, and without a wildcard.
// The errors are subtopics-not-allowed, bad-subtopic and wildcard-publish.
func (d *Destination) CheckSend(subtopics []string) *message.Error {
	for _, subtopic := range subtopics {
		wild, err := d.checkSubtopic(subtopic)
		if err != nil {
			return err
		}
		if wild {
			return message.Errorf(message.CodeWildcardPublish, "%q", subtopic)
		}
	}
	return nil
}

// checkSubscribe checks a topic of a subscription, and reports whether it has a wildcard.
func (d *Destination) checkSubscribe(subtopic string) (wild bool, err *message.Error) {
	if subtopic == "" {
		return false, nil
	}
	if wild, err = d.checkSubtopic(subtopic); err != nil {
		return false, err
	}
	if wild && d.Definition().DisallowWildcardSubtopics {
		return false, &message.Error{Code: message.CodeWildcardNotAllowed, Value: true}
	}
	return wild, nil
}

func (d *Destination) checkSubtopic(subtopic string) (wild bool, err *message.Error) {
	def := d.Definition()
	if !def.AllowSubtopics {
		return false, &message.Error{Code: message.CodeSubtopicsNotAllowed, Value: false}
	}
	return checkSubtopic(subtopic, def.SubtopicSeparator)
}
