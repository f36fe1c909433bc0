package client

import "time"

// From says where in the past of its destination a Consumer begins. The zero From is now: with what is published after it has subscribed. All others need a destination with history: elsewhere [Last],
// [Since] and [Earliest] are refused (code 4552), and of a position [Recovered] says that nothing behind it is there.
type From struct {
	position string
	header   string
	value    int64
}

// After is behind a position: that of a message ([Message.Position]) or of a Consumer ([Consumer.Position]), of this program or of an earlier one. The empty position is now.
func After(position string) From { return From{position: position} }

// Last is with the last n messages that match, or as many as there are.
func Last(n int) From { return From{header: "DSLast", value: int64(max(n, 0))} }

// Since is with the messages that the server took at t or later.
func Since(t time.Time) From { return From{header: "DSSince", value: max(t.UnixMilli(), 1)} }

// Earliest is with the oldest message that is still there.
func Earliest() From { return From{header: "DSSince"} }

// ConsumerEventKind says what a subscription has to tell besides messages.
type ConsumerEventKind string

const (
	// Recovered: the Consumer has begun in the past, or gone on behind its position with a new client of the server. ConsumerEvent.Complete says whether all of that
	// is there; else a Loss follows that says what is missing. Then the messages come, then Live.
	Recovered ConsumerEventKind = "recovered"
	// Loss: messages are missing, here in the order, that the Consumer should have had and will not get.
	Loss ConsumerEventKind = "loss"
	// Live: all of the past has come. What follows is new.
	Live ConsumerEventKind = "live"
)

// What ConsumerEvent.Reason may say; servers may have further reasons.
const (
	LossHistory      = "history"          // the past that was asked for is gone, or some of it
	LossSlowConsumer = "slow-consumer"    // this client was too slow, and slow-consumer-policy let its messages go
	LossNotKept      = "history-not-kept" // the server has made a new client, and the destination keeps no history: what was published meanwhile is gone. Concluded by this side
)

// ConsumerEvent tells a Consumer's application what is neither a message nor its end.
type ConsumerEvent struct {
	Kind     ConsumerEventKind
	Complete bool   // of Recovered
	Reason   string // of Loss
	Count    uint64 // of Loss: how many are missing; 0: it is not known
	From, To string // of Loss, positions: what came after From and up to To is missing; empty: not known. Of Recovered and Live, To is where the Consumer now stands
}
