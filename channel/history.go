package channel

import (
	"errors"
	"time"

	"sluice/channel/message"
)

// History is how much of the past a destination keeps: the oldest message goes when there are more of them, more bytes, or it is older. The zero value keeps none.
type History struct {
	MaxMessages int           // properties/server/history/max-messages; zero or less: no history
	MaxBytes    int           // properties/server/history/max-bytes: of their encoded lines; zero or less: no limit
	MaxAge      time.Duration // properties/server/history/time-minutes; zero or less: no limit
}

// Kept reports whether there is any.
func (h History) Kept() bool { return h.MaxMessages > 0 }

// DefaultMaxLastValues is how many subtopics a last-value destination keeps the newest message of, where nothing is said.
const DefaultMaxLastValues = 10000

// The errors of [Historian.Since] and [Historian.LastValues].
var (
	// ErrNoHistory says that the destination keeps no history, or no last values.
	ErrNoHistory = errors.New("channel: the destination does not keep that")
	// ErrBadPosition says that a position is not one that this kind of engine ever gave out.
	ErrBadPosition = errors.New("channel: not a position")
)

// From says which part of a [Cursor] counts.
type From uint8

// Where a page may begin.
const (
	FromNow      From = iota // behind the newest message: an empty page, which tells where that is
	FromPosition             // behind Position
	FromLast                 // so that Last messages that match are left, or all there are
	FromTime                 // with the first message that the server took at Time or later
	FromEarliest             // with the oldest message that is kept
	FromOrder                // behind Order: where the page before it ended
)

// Cursor is where a page begins. The zero value is behind the newest message. [Page.Next] is the engine's to fill in: hand it back as it is.
type Cursor struct {
	From     From
	Position Position  // FromPosition
	Last     uint64    // FromLast
	Time     time.Time // FromTime
	Order    uint64    // FromOrder

	Below uint64 // FromLast, under way: what has this order and above was looked at
	Begin uint64 // FromLast, under way: the oldest that was found
}

// MaxPage is the most messages that a page has.
const MaxPage = 1000

// Query asks for a page.
type Query struct {
	Topics []string // as of [Subscription.Add]: subtopics, "" for the messages without one, or patterns; a message that several of them match is there once
	Cursor Cursor
	Limit  int // messages of the page; zero or less, or more than MaxPage, is MaxPage
}

// Page is a part of the past, in order.
//
// What is missing comes before the messages of the page. A page may be empty and yet not be the last: one call looks at a bounded number of messages, of which perhaps none matches.
type Page struct {
	Messages []*message.Message
	Missing  *Missing // nil: complete; nothing that matches lay between the cursor and the first message and is gone
	Next     Cursor   // goes on behind this page, also when it was the last: then with what comes after Head
	Done     bool     // nothing that matches is left up to Head

	// Where the destination was when the page was read; of a page that is not the last, when that was begun.
	Head     uint64   // Order of the newest message, whatever its subtopics; 0: there was none
	Position Position // of Head, also where there was none; empty without history
}

// Missing is what a page should have and has not: messages that came after From, up to and with To. It errs on the safe side: where the engine no longer knows whether a message that is gone would have
// matched, it says that one is missing.
type Missing struct {
	From Position // what was asked for; empty: it was not asked for by position
	To   Position
}

// Kept is what a destination keeps now.
type Kept struct {
	Messages int // of the history
	Bytes    int // of their lines

	LastValues          int    // subtopics whose newest message is kept
	ForgottenLastValues uint64 // since the start: subtopics that had to give way to others
}

// Historian is the part of an [Engine] that keeps the past. Its methods are safe for concurrent use with everything else, do not wait for deliveries, and delay publishers by microseconds at most.
type Historian interface {
	// Configure says what destinations there are and what they keep. It is called before the first message, and again whenever that changes: history that a destination no longer keeps is forgotten,
	// and one that is added begins with the next message.
	Configure(destinations []DestinationDefinition)

	// Since reads a page of the history. A message that a deliver call has begun with is in the history of its destination before.
	//
	// A position of another epoch (of another start of the server, or of another destination) is not an error: all that is kept is read, and something is missing. The errors are ErrNoHistory, which
	// FromNow and FromOrder never get, and ErrBadPosition.
	Since(destination string, want Query) (Page, error)

	// LastValues reads a page of the newest messages of each subtopic that matches, in their order: each of them as it is when its page is read. It begins with the oldest of them, or FromNow or
	// FromOrder as Since does; nothing is ever missing, because it does not promise more than the newest. ErrNoHistory: the destination keeps none.
	LastValues(destination string, want Query) (Page, error)

	// Kept is what a destination keeps now; the zero value for one that is not known.
	Kept(destination string) Kept
}

// Since reads a page of what the destination has kept ([Historian.Since]). The caller has checked the topics and the rights.
func (d *Destination) Since(want Query) (Page, error) { return d.broker.engine.Since(d.id, want) }

// LastValues reads a page of the newest messages of its subtopics ([Historian.LastValues]).
func (d *Destination) LastValues(want Query) (Page, error) {
	return d.broker.engine.LastValues(d.id, want)
}

// Kept is what the destination keeps now.
func (d *Destination) Kept() Kept { return d.broker.engine.Kept(d.id) }
