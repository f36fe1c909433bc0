package channel

import (
	"context"

	"sluice/channel/message"
)

// Position is where a message stands in the history of its destination. It is opaque outside the engine: stored, handed back, compared for equality,
// never computed with. It has [message.PositionSize] bytes, letters, digits, '-' and '_'. The zero Position means that no history is kept.
type Position string

// Engine carries messages between brokers and gives them their order.
//
// Run calls deliver with the messages of all publishers, each message once, in the order that every broker sees. Calls do not overlap, a batch is not
// empty and belongs to the engine again when deliver returns. Run returns when ctx has ended and the last deliver has returned; it is called once.
//
// Publish takes a batch and returns soon: it is bounded in flight, and waits while too much is under way. It calls done exactly once for each
// message, i being its index, in the order of the batch and, for one producer after another of its own calls, in the order of the calls: with the
// Position once the message has its place, or with an error, and then the message is not delivered. An *message.Error among them goes to the client
// as it is. Once ctx has ended that is an error too. Before Run an engine keeps messages for it, or refuses them. The batch belongs to the caller again when Publish returns; done may
// come later, from any goroutine, and must not block. Publish must not be called from within deliver.
//
// Before anyone else sees a message, the engine numbers it ([message.Message].Order: increasing within the destination, from 1 or above) and, where its destination keeps history, writes its Position into
// its line. A message is published once.
type Engine interface {
	Run(ctx context.Context, deliver func(batch []*message.Message)) error
	Publish(batch []*message.Message, done func(i int, p Position, err error))
	Historian
}

// Subscriber is what a Destination needs of a client. Deliver must not block. It reports true when this is the first delivery since the last Flush:
// the caller then owes it one Flush after the batch. Both are called from one goroutine at a time for one broker, and never with a lock of this
// package held.
//
// A client with several subscriptions on one destination gets several calls for one message, one per subscription, with no other message of that
// destination in between: it can merge them by remembering the last message.
type Subscriber interface {
	Deliver(m *message.Message, s *Subscription) (owed bool)
	Flush()
}
