// Package memengine is the engine for one server: messages go through memory, and what is kept of them is kept there.
//
// Publishers share one log. Whoever appends to it while nobody delivers becomes the one who delivers, so that a message reaches the subscribers on
// the publisher's own goroutine, without a switch; all others only append and go on. A publisher that has delivered for a few turns hands the work to
// the goroutine of Run, so that nobody is held up for long by the messages of others.
//
// History: each destination numbers its messages and keeps the newest, bounded in messages, bytes and time; so it is always one piece without a hole, and a number says where its message is. An index by
// subtopic makes a page of single subtopics cost what it reads; a page with a wildcard looks at a bounded number of messages, a few hundred at a time, without a lock while it compares. Whether something is
// missing is told by the newest discarded message of each subtopic, for the subtopics that were discarded from last; for all others by the newest of those forgotten. Positions are of one start of the
// server: nothing is kept over it.
//
// Order: one for all messages, the order in which they are taken. Blocking: Publish waits while MaxPending messages are not yet delivered. Closing: once the context of
// Run has ended nothing is taken any more and those who wait are refused; what had been taken is still delivered before Run returns.
package memengine
