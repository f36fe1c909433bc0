// Package channel routes messages: a [MessageBroker] holds the configured [Destination]s, an [Engine] carries what is published between brokers, and each
// Destination hands it to the [Subscription]s whose subtopics match. It also holds the definitions of channels, destinations and security constraints as
// services-config.xml gives them.
//
// Order: the engine fixes the order of messages, and every subscriber of a destination sees its messages in that order. All deliveries of one message come
// one after the other, before those of the next, from one goroutine at a time. After a batch, each subscriber that asked for it is flushed once: a
// small write costs as much as a batch of thirty.
//
// Blocking: deliveries hold no lock of this package, so a Subscriber may take its own lock in Deliver, and may call into its subscriptions under that
// lock. Subscribing and unsubscribing are amortised constant time however many subscribers a subtopic has, and a delivery that is under way goes on beside
// them: it may still call Deliver once after Remove or Close has returned. A subscriber that must know asks [Subscription.Matches] under its own lock.
// Publish blocks only as the engine does.
//
// The past: a destination may keep history, and the newest message of each subtopic. Both are the engine's ([Historian]); it numbers a message, and keeps it, before anyone is told of it. So a subscriber that
// is in the index, and drops what it is told until it has read a page that reaches beyond that, has neither a gap nor a message twice.
//
// Closing: the broker starts no goroutine. [MessageBroker.Run] ends with its context, after the last delivery has returned.
package channel
