package flexsession

import (
	"slices"
	"sync/atomic"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/heartbeat"
)

// MessageClient is one subscription of a FlexClient: a Consumer on one destination with one or more subtopics.
type MessageClient struct {
	client *FlexClient
	sub    *channel.Subscription
	dest   *interest
	idle   *heartbeat.Idle // over subscription-timeout-minutes; nil: it has none
	closed bool            // guarded by client.mu
	asked  *asked          // the frequency it keeps to; nil: none was asked for. Guarded by client.mu
	life   lifetime

	attends    *Attend                            // how it takes part in presence; nil: as a member like any other
	attendance atomic.Pointer[channel.Attendance] // its part in it; nil: its destination keeps none

	replay *replay // its way through the past; nil: it is live. Guarded by client.mu
	first  uint64  // number of the first message that is delivered to it live: those before it were replayed. Guarded by client.mu
	got    uint64  // the broker's count at the last message that was put into the outbox for it. Guarded by client.mu

	changes, seen uint32 // how often what it chooses was changed, and how many of these the last Deliver knew of. Guarded by client.mu
}

// ID is the clientId by which requests and deliveries name the subscription.
func (s *MessageClient) ID() string { return s.sub.ID() }

// Destination is the id of the destination.
func (s *MessageClient) Destination() string { return s.sub.Destination().Definition().ID }

// Topics are the subtopics, "" for the messages without one.
func (s *MessageClient) Topics() []string { return s.sub.Topics() }

// Client is whose subscription it is.
func (s *MessageClient) Client() *FlexClient { return s.client }

// Deliver puts m into the client's outbox, once for all of its subscriptions that match and are live. It implements channel.Subscriber.
func (s *MessageClient) Deliver(m *message.Message, sub *channel.Subscription) (owed bool) {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.replay != nil {
		s.replay.ignored = m.Order // it comes, in its place
		return false
	}
	if s.closed || c.ended != nil || m.Order < s.first || s.got == sub.Number() {
		return false
	}
	if s.seen != s.changes { // m may have been under way, and chosen by what the subscription no longer has
		if s.seen = s.changes; !s.sub.Matches(m) {
			return false
		}
	}
	s.got = sub.Number()
	if len(s.dest.members) == 1 {
		return s.pass(m, nil)
	}
	to := []string{s.ID()}
	for _, other := range s.dest.members {
		if other != s && other.replay == nil && m.Order >= other.first && other.got != s.got && other.sub.Matches(m) {
			other.got = s.got
			other.touch()
			to = append(to, other.ID())
		}
	}
	return s.pass(m, to)
}

// put puts m into the outbox, with the line that says which subscriptions it is for; nil: there is only one. The caller holds client.mu.
func (s *MessageClient) put(m *message.Message, to []string) (owed bool) {
	s.touch()
	e := entry{m: m, in: s.dest, at: m.Published.UnixNano()}
	if to != nil {
		e.extra().head = message.AppendFor(nil, message.For{ClientIDs: to})
	}
	return s.client.push(e)
}

// alone names the subscription if its client has others on the destination. The caller holds client.mu.
func (s *MessageClient) alone() []string {
	if len(s.dest.members) == 1 {
		return nil
	}
	return []string{s.ID()}
}

// touch notes that something is sent to the subscription.
func (s *MessageClient) touch() {
	if s.idle != nil {
		s.idle.Touch()
	}
}

// Flush implements channel.Subscriber.
func (s *MessageClient) Flush() { s.client.Flush() }

// Subscribe makes a subscription on d with the given subtopics ("" for messages without one), and puts a subscription-state line where it takes effect. The caller has checked the user's rights.
func (c *FlexClient) Subscribe(d *channel.Destination, topics []message.Topic, correlationID string) (*MessageClient, *message.Error) {
	s, _, err := c.SubscribeFrom(d, topics, channel.Cursor{}, Attend{}, correlationID)
	return s, err
}

// SubscribeFrom is Subscribe for a subscription that begins in the past, with the messages from there on. What it says of where the subscription stands is also in the subscription-state line; another one
// ("live") stands where the past ends, and a loss line where something of it is missing. A destination with last values brings the newest message of each subtopic first to who does not ask for more.
// The errors of the past are history-not-kept and bad-field; as says how it takes part in presence, whose error is presence-not-kept.
func (c *FlexClient) SubscribeFrom(d *channel.Destination, topics []message.Topic, begin channel.Cursor, as Attend, correlationID string) (*MessageClient, message.Standing, *message.Error) {
	var standing message.Standing
	if err := c.roomFor(1, len(topics)); err != nil {
		return nil, standing, err
	}
	if err := as.check(d); err != nil {
		return nil, standing, err
	}
	s := &MessageClient{client: c, attends: as.kept(), closed: true} // until all its topics are known to be good
	past, lost, err := s.past(d, begin)
	if err != nil {
		return nil, standing, err
	}
	s.replay = past
	s.sub = d.Subscribe(randomText(12), s)
	for _, topic := range topics {
		if err := s.sub.Add(topic); err != nil {
			s.sub.Close()
			return nil, standing, err
		}
	}
	var first channel.Page
	if standing.Asked = lost; past != nil {
		if first, err = past.first(); err != nil {
			s.sub.Close()
			return nil, standing, err
		}
		standing = past.standing(first)
	}
	c.mu.Lock()
	if c.ended != nil {
		c.mu.Unlock()
		s.sub.Close()
		return nil, standing, &message.Error{Code: message.CodeUnknownClient}
	}
	s.closed = false
	c.keep(s)
	s.watch(d.Definition().SubscriptionTimeout)
	c.topics += len(topics)
	s.attend()
	c.push(own(stateLine("subscribe", s, correlationID, standing)))
	if lost {
		s.lose(string(begin.Position), "")
	}
	if past != nil {
		c.replays = append(c.replays, past)
		past.take(first)
		c.readOn()
	}
	c.mu.Unlock()
	c.registry.messageClientCreated(s)
	c.Flush()
	s.attendance.Load().Update()
	return s, standing, nil
}

// watch begins the subscription's timeout, if it has one.
func (s *MessageClient) watch(limit time.Duration) {
	if limit <= 0 {
		return
	}
	s.idle = new(heartbeat.Idle)
	s.idle.Start(s.client.registry.options().Wheel, limit, s.late(limit))
}

// rewatch makes the subscription's timeout another one. What was sent to it counts. The caller holds client.mu.
func (s *MessageClient) rewatch(limit time.Duration) {
	if s.idle == nil {
		s.watch(limit)
		return
	}
	s.idle.Retime(limit, s.late(limit))
}

// late is what happens when nothing was sent to the subscription for the limit.
func (s *MessageClient) late(limit time.Duration) func() {
	return func() {
		go s.client.invalidate(s, Cause{Code: message.CodeSubscriptionTimeout, Value: limit.Minutes()}) // the wheel must not wait for listeners
	}
}

// close takes the subscription out of the broker and of presence, and stops its clock. The caller holds no lock.
func (s *MessageClient) close() {
	s.sub.Close()
	s.attendance.Load().Update()
	if s.idle != nil {
		s.idle.Stop()
	}
}

// roomFor says whether the client may have so many more subscriptions and subtopics: both are held to max-subscriptions.
func (c *FlexClient) roomFor(subs, topics int) *message.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	limit := c.registry.options().MaxSubscriptions
	if len(c.subs)+subs > limit || c.topics+topics > limit {
		return &message.Error{Code: message.CodeLimitSubscriptions, Value: limit}
	}
	return nil
}

// keep enters s into the client's tables. The caller holds c.mu.
func (c *FlexClient) keep(s *MessageClient) {
	if c.subs == nil {
		c.subs = make(map[string]*MessageClient, 1)
	}
	c.subs[s.ID()] = s
	in := c.interest(s.sub.Destination())
	if in == nil {
		in = &interest{dest: s.sub.Destination()}
		c.dests = append(c.dests, in)
	}
	s.dest = in
	in.members = append(in.members, s)
}

// interest is what the client has on d, or nil. The caller holds c.mu.
func (c *FlexClient) interest(d *channel.Destination) *interest {
	for _, in := range c.dests {
		if in.dest == d {
			return in
		}
	}
	return nil
}

// Subscription is the client's subscription of that id, or nil.
func (c *FlexClient) Subscription(id string) *MessageClient {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.subs[id]
}

// Subscriptions are all of the client's, in no order.
func (c *FlexClient) Subscriptions() []*MessageClient {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*MessageClient, 0, len(c.subs))
	for _, s := range c.subs {
		all = append(all, s)
	}
	return all
}

// Unsubscribe ends a subscription and puts a subscription-state line where it takes effect: no message for it follows that line.
func (c *FlexClient) Unsubscribe(id, correlationID string) *message.Error {
	c.mu.Lock()
	s := c.subs[id]
	if s == nil {
		c.mu.Unlock()
		return message.Errorf(message.CodeNotSubscribed, "%s", id)
	}
	c.remove(s)
	c.push(own(stateLine("unsubscribe", s, correlationID, message.Standing{})))
	c.mu.Unlock()
	s.close()
	c.registry.messageClientDestroyed(s, Because(message.CodeClientDisconnect))
	c.Flush()
	return nil
}

// Change adds and removes subtopics of a subscription, or gives them other selectors (multi_subscribe), and puts a subscription-state line exactly where that takes effect: what comes before the line was
// chosen as it was, what follows as it is now, and what both choose comes once. Where anything is refused, nothing changes.
func (s *MessageClient) Change(add, remove []message.Topic, correlationID string) *message.Error {
	c := s.client
	change, err := s.sub.Prepare(add, remove) // without the lock, for which deliveries wait
	if err != nil {
		return err
	}
	c.mu.Lock()
	if err := s.change(change); err != nil {
		c.mu.Unlock()
		return err
	}
	c.reviewGate(s.dest)
	c.push(own(stateLine("multi_subscribe", s, correlationID, message.Standing{})))
	c.mu.Unlock()
	c.Flush()
	s.attendance.Load().Update()
	return nil
}

// change makes a change if there is room for it. The caller holds c.mu.
func (s *MessageClient) change(change *channel.Change) *message.Error {
	c, growth := s.client, change.Growth()
	limit := c.registry.options().MaxSubscriptions
	switch {
	case s.closed || c.ended != nil:
		change.Drop()
		return message.Errorf(message.CodeNotSubscribed, "%s", s.ID())
	case growth > 0 && c.topics+growth > limit:
		change.Drop()
		return &message.Error{Code: message.CodeLimitSubscriptions, Value: limit}
	}
	if err := change.Apply(); err != nil {
		return err
	}
	c.topics += growth
	s.changes++
	return nil
}

// remove takes s out of the client's tables; nothing is delivered by it any more. The caller holds c.mu.
func (c *FlexClient) remove(s *MessageClient) {
	delete(c.subs, s.ID())
	c.topics -= s.sub.Len()
	s.closed = true
	s.endReplay()
	s.dest.members = slices.DeleteFunc(s.dest.members, func(o *MessageClient) bool { return o == s })
	c.reviewGate(s.dest)
	if len(s.dest.members) == 0 {
		c.dests = slices.DeleteFunc(c.dests, func(in *interest) bool { return in == s.dest })
	}
}

// Review ends the subscriptions that may does not allow, each with a counted line that says why. It is for a client that comes to another channel, or whose rights
// have changed.
func (c *FlexClient) Review(may func(*MessageClient) *message.Error) {
	for _, s := range c.Subscriptions() {
		if err := may(s); err != nil {
			c.invalidate(s, Cause{Code: err.Code, Detail: err.Detail})
		}
	}
}

// invalidate ends a subscription that its client did not ask to end.
func (c *FlexClient) invalidate(s *MessageClient, cause Cause) {
	cause = cause.WithIncident()
	c.mu.Lock()
	if c.subs[s.ID()] != s {
		c.mu.Unlock()
		return
	}
	c.remove(s)
	c.push(own(message.AppendSubscriptionInvalidate(nil, message.SubscriptionInvalidate{Destination: s.Destination(), ClientID: s.ID(), End: cause.End()})))
	c.mu.Unlock()
	s.close()
	c.registry.messageClientDestroyed(s, cause)
	c.Flush()
}

// Push hands m, a message on d, to the client alone, for those of its subscriptions that match. It reports whether there was one.
func (c *FlexClient) Push(d *channel.Destination, m *message.Message) bool {
	c.mu.Lock()
	in := c.interest(d)
	if in == nil || c.ended != nil {
		c.mu.Unlock()
		return false
	}
	var to []string
	for _, s := range in.members {
		if s.sub.Matches(m) {
			to = append(to, s.ID())
		}
	}
	if to == nil {
		c.mu.Unlock()
		return false
	}
	e := entry{m: m, in: in}
	if len(in.members) > 1 {
		e.extra().head = message.AppendFor(nil, message.For{ClientIDs: to})
	}
	c.push(e)
	c.mu.Unlock()
	c.Flush()
	return true
}

func stateLine(operation string, s *MessageClient, correlationID string, standing message.Standing) []byte {
	return message.AppendSubscriptionState(nil, message.SubscriptionState{
		Operation: operation, Destination: s.Destination(), ClientID: s.ID(), CorrelationID: correlationID, Standing: standing,
	})
}
