package channel

import (
	"runtime/debug"

	"sluice/channel/message"
)

// delivery hands the engine's messages to the subscribers. It belongs to the goroutine that delivers, one at a time, and keeps its arrays from batch
// to batch: nothing is allocated per subscriber.
type delivery struct {
	broker *MessageBroker
	number uint64       // of the message under way, among those of all destinations
	lists  [][]*member  // of the message under way: who was subscribed when it got its number
	owed   []Subscriber // of the batch under way: who gets a Flush
}

// batch delivers some messages in their order, then flushes each subscriber that asked for it once.
func (w *delivery) batch(batch []*message.Message) {
	byID := w.broker.table.Load().byID
	for _, m := range batch {
		if d := byID[m.Destination]; d != nil { // other brokers may have other destinations
			w.message(d, m)
		}
	}
	for next := 0; next < len(w.owed); {
		next = w.flush(next)
	}
	clear(w.owed)
	w.owed = w.owed[:0]
}

// message delivers one message to every subscription that matches, once. Under the destination's lock it gets its number, which says once for all what
// of a change of subscriptions it comes before or after.
func (w *delivery) message(d *Destination, m *message.Message) {
	w.lists = w.lists[:0]
	w.number++
	d.mu.Lock()
	if len(m.Subtopics) == 0 {
		w.lists = d.index.match("", w.lists)
	}
	for _, subtopic := range m.Subtopics {
		w.lists = d.index.match(subtopic, w.lists)
	}
	number, delivered := d.published.Add(1), uint64(0)
	d.mu.Unlock()

	for _, members := range w.lists {
		for next := 0; next < len(members); {
			next = w.walk(members, next, m, number, &delivered)
		}
	}
	d.delivered.Add(delivered)
	clear(w.lists)
}

// walk delivers m, the destination's message of that number, to the members from next on. It returns where to go on: behind the last one, or behind
// one that panicked. That one's client is in an unknown state, but the others must not suffer for it.
func (w *delivery) walk(members []*member, next int, m *message.Message, number uint64, delivered *uint64) (on int) {
	defer func() {
		if cause := recover(); cause != nil {
			w.panicked(cause, members[next].sub, m)
			on = next + 1
		}
	}()
	asked, chosen := (*choice)(nil), true // mostly many in a row have the same
	for ; next < len(members); next++ {
		member := members[next]
		s := member.sub
		if s.last == number {
			continue // another of its topics has matched already
		}
		if gone := member.gone.Load(); gone != 0 && number >= gone {
			continue // it left
		}
		if c := member.choice; c != asked {
			asked, chosen = c, c.chooses(m, w.number)
		}
		if !chosen {
			continue
		}
		s.last = number
		*delivered++
		if s.subscriber.Deliver(m, s) {
			w.owed = append(w.owed, s.subscriber)
		}
	}
	return next
}

// flush flushes the subscribers that are owed it from next on, and returns where to go on, as walk does.
func (w *delivery) flush(next int) (on int) {
	defer func() {
		if cause := recover(); cause != nil {
			w.panicked(cause, nil, nil)
			on = next + 1
		}
	}()
	for ; next < len(w.owed); next++ {
		w.owed[next].Flush()
	}
	return next
}

func (w *delivery) panicked(cause any, s *Subscription, m *message.Message) {
	event := w.broker.logger.Error().Interface("panic", cause).Bytes("stack", debug.Stack())
	if s != nil {
		event = event.Str("destination", s.dest.id).Str("subscription", s.id).Str("message", m.ID)
	}
	event.Msg("a subscriber panicked")
}
