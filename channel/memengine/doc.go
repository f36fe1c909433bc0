// Package memengine is the engine for one server: messages go through memory, nothing is kept.
//
// Publishers share one log. Whoever appends to it while nobody delivers becomes the one who delivers, so that a message reaches the subscribers on
// the publisher's own goroutine, without a switch; all others only append and go on. A publisher that has delivered for a few turns hands the work to
// the goroutine of Run, so that nobody is held up for long by the messages of others.
//
// Order: one for all messages, the order of the log. Blocking: Publish waits while MaxPending messages are not yet delivered. Closing: once the context of
// Run has ended nothing is taken any more and those who wait are refused; what had been taken is still delivered before Run returns.
package memengine
