package channel

import "sync/atomic"

// Books are what became of the messages of a destination, each counted once for each client it was for. At any moment when nothing is under way, accepted is the sum of what was sent, merged, expired,
// dropped and abandoned, and of what still waits. Whoever owns the clients writes them.
type Books struct {
	Accepted  atomic.Uint64 // put into a client's outbox
	_         [56]byte      // the writers of what follows are others
	Sent      atomic.Uint64 // handed to a connection for the first time, with a number: delivered once, or the client ends
	Merged    atomic.Uint64 // a newer one with the same key stands for it
	Expired   atomic.Uint64 // its time to live was over before it was sent
	Dropped   atomic.Uint64 // by the slow-consumer-policy; the client is told
	Abandoned atomic.Uint64 // the client ended
}

// Books are the destination's.
func (d *Destination) Books() *Books { return &d.books }

// SlowPolicy says what happens when as many messages wait for a client as may: slow-consumer-policy.
type SlowPolicy string

// The policies.
const (
	SlowDisconnect SlowPolicy = "disconnect"  // the client ends; also the zero SlowPolicy
	SlowDropOldest SlowPolicy = "drop-oldest" // the oldest go, and the client is told how many and where
	SlowConflate   SlowPolicy = "conflate"    // a newer message stands for the older ones with the same key, and says for how many; where that is not enough, as drop-oldest
)

// Drops says whether messages may be lost by it.
func (p SlowPolicy) Drops() bool { return p == SlowDropOldest || p == SlowConflate }
