// Package bench puts a Sluice server under load, measures it, and checks every delivery: each message carries its publisher, a number that
// is dense per publisher and subtopic, and the time it was sent, so that loss, duplicates and disorder are counted exactly, per consumer.
//
// The consumers are as light as can be (one goroutine, one small buffer, no JSON decoder), so that one process holds ten thousand of them
// and the server stays the bottleneck; they confirm as the protocol asks. The publishers are real clients (channel/client).
//
// Without a rate the load is a closed loop: a message is published only when all but InFlight of those before it have reached everyone.
// So nothing piles up, and the figure is what the server sustains. With a rate it is an open loop, and latency counts from the moment a
// message was due, whether or not it could be sent then.
//
// Server and generator should be two processes; [StartServer] makes the second. Memory and CPU of the server are read from /proc, and are
// left out where there is none.
package bench
