package flexsession

import (
	"errors"
	"time"

	"sluice/channel/message"
)

// errAhead: the client confirms lines that were never sent to it.
var errAhead = errors.New("flexsession: more lines confirmed than were sent")

// entry is one counted line on its way into an outbox. The line's bytes are shared by all its receivers.
type entry struct {
	m    *message.Message // nil: the line is the server's own
	in   *interest        // whose books the message is in; nil: in nobody's
	at   int64            // when it was published, in Unix nanoseconds, for the few whose way is timed; 0: not this one
	more *more            // what few entries have; nil: nothing of it
}

// more is what few entries have.
type more struct {
	line  []byte   // the server's own
	head  []byte   // the uncounted lines before it: for how many older messages it stands, and, when the client has several subscriptions on its destination, which it is for
	count uint64   // the older messages that it stands for
	key   mergeKey // by which newer ones stand for it; its head is the one without that number
	keyed bool     // key is known
	loss  *loss    // a loss line, which is written when it gets its number
}

// own is a line of the server's own.
func own(line []byte) entry { return entry{more: &more{line: line}} }

// extra is what e has of more, to be changed.
func (e *entry) extra() *more {
	if e.more == nil {
		e.more = new(more)
	}
	return e.more
}

func (e *entry) line() []byte {
	if e.m == nil {
		return e.more.line
	}
	return e.m.Line
}

func (e *entry) head() []byte {
	if e.more == nil {
		return nil
	}
	return e.more.head
}

func (e *entry) loss() *loss {
	if e.more == nil {
		return nil
	}
	return e.more.loss
}

// merged is for how many older messages e stands.
func (e *entry) merged() uint64 {
	if e.more == nil {
		return 0
	}
	return e.more.count
}

// expired says whether it is a message whose time is over.
func (e *entry) expired() bool {
	return e.m != nil && !e.m.Expires.IsZero() && e.m.Expired(time.Now())
}

func (e *entry) size() int { return len(e.line()) + len(e.head()) }

// numbered is a line that has its number. It is kept until it is confirmed.
type numbered struct {
	m    *message.Message
	more *more
}

// as is the entry that n was.
func (n *numbered) as() entry { return entry{m: n.m, more: n.more} }

// outbox holds what a client has not confirmed: unconfirmed lines, which have their number and keep their place, and behind them those that wait. Numbers are positions: confirmed+1 is the number of the first
// unconfirmed line, so they cost no memory and do not travel. (XMPP stream management, XEP-0198, counts in the same way.)
type outbox struct {
	unconfirmed deque[numbered]
	confirmed   uint64 // lines the client has confirmed
	size        int    // bytes of the unconfirmed
	given       int32  // of the unconfirmed, the ones the attached transport has been given
	forgets     bool   // nothing is kept: what is handed over is confirmed

	near   bool // the client was warned, and is not far from all limits yet
	wait   waiting
	strain *strain // nil: it never was near

	entered uint64         // lines that ever entered
	timed   func(at int64) // takes the way of a timed line when it is first handed over; nil: nobody asks
}

// timeEvery is how many lines of a client there are to one that is timed.
const timeEvery = 64

// waiting is how many lines have no number.
func (o *outbox) waiting() int { return int(o.wait.n) }

// waitingBytes is how many bytes those lines have, without loss lines.
func (o *outbox) waitingBytes() int { return o.wait.size }

// sent is the number of the last numbered line.
func (o *outbox) sent() uint64 { return o.confirmed + uint64(o.unconfirmed.len()) }

func (o *outbox) push(e entry) {
	if o.entered++; o.entered%timeEvery != 1 || o.timed == nil {
		e.at = 0
	}
	h := o.wait.push(e, o.entered)
	if m := e.in.conflating(); m != nil {
		m.entered(&o.wait.at(h).entry, h)
	}
	if o.strain != nil && o.strain.agenda != nil {
		o.expects(&e, h)
	}
}

// rewind makes the next take begin with the first unconfirmed line: a new transport is attached.
func (o *outbox) rewind() { o.given = 0 }

// confirm forgets the lines up to number have.
func (o *outbox) confirm(have uint64) error {
	if have > o.sent() {
		return errAhead
	}
	for o.confirmed < have {
		e := o.unconfirmed.front().as()
		o.size -= e.size()
		o.unconfirmed.pop()
		o.confirmed++
		if o.given > 0 {
			o.given--
		}
	}
	return nil
}

// take appends to buf what the attached transport is to write next: first the unconfirmed lines it was not given, but for those that have expired, which are only counted; then waiting lines, which get
// their numbers, as far as the window goes. It stops before buf is longer than limit, unless one line alone is; more says that there is something left which could go at once.
func (o *outbox) take(buf []byte, limit int, w Window) (_ []byte, more bool) {
	start := len(buf)
	buf = o.warn(buf)
	if buf, more = o.again(buf, start, limit); more {
		return buf, true
	}
	var books sentBooks
	defer books.close()
	for {
		h := o.head()
		if h == 0 {
			return buf, false
		}
		e := &o.wait.at(h).entry
		if !o.fits(e, w) {
			return buf, false
		}
		if len(buf) > start && len(buf)+e.size() > limit {
			return buf, true
		}
		buf = append(buf, e.head()...)
		buf = append(buf, e.line()...)
		books.sent(e.in)
		o.number(h)
	}
}

// again appends the unconfirmed lines that the transport was not given.
func (o *outbox) again(buf []byte, start, limit int) (_ []byte, more bool) {
	skipped := uint64(0)
	skip := func() {
		if skipped > 0 {
			buf = message.AppendSkip(buf, message.Skip{Count: skipped})
			skipped = 0
		}
	}
	for ; int(o.given) < o.unconfirmed.len(); o.given++ {
		e := o.unconfirmed.at(int(o.given)).as()
		if e.expired() {
			skipped++
			continue
		}
		skip()
		if len(buf) > start && len(buf)+e.size() > limit {
			return buf, true
		}
		buf = append(buf, e.head()...)
		buf = append(buf, e.line()...)
	}
	skip()
	return buf, false
}

// number moves a line from those that wait to the unconfirmed ones.
func (o *outbox) number(h int32) {
	e := &o.wait.at(h).entry
	if e.at != 0 {
		o.timed(e.at)
	}
	if l := e.loss(); l != nil {
		l.in.numbered(l)
	}
	if o.forgets {
		o.confirmed++
	} else {
		o.unconfirmed.push(numbered{e.m, e.more})
		o.size += e.size()
		o.given++
	}
	o.forget(h)
}

// forget takes a line out of those that wait, and what was noted of it.
func (o *outbox) forget(h int32) {
	o.left(h)
	o.wait.remove(h)
	if o.wait.n == 0 && o.strain != nil {
		o.strain.agenda = nil
	}
}

func (o *outbox) left(h int32) {
	if e := &o.wait.at(h).entry; e.in.conflating() != nil {
		e.in.left(e, h)
	}
}

// head is the line that gets the next number; 0: none waits. Those before it that have expired are dropped.
func (o *outbox) head() int32 {
	for {
		h := o.wait.first
		if h == 0 {
			return 0
		}
		e := &o.wait.at(h).entry
		switch {
		case e.m == nil && e.loss() != nil:
			e.more.line = e.loss().line()
			return h
		case !e.expired():
			return h
		}
		o.expire(h)
	}
}

// expire drops a message whose time is over.
func (o *outbox) expire(h int32) {
	o.wait.at(h).in.expired()
	o.forget(h)
}

// fits says whether the window lets e have a number. One line always may, however long it is.
func (o *outbox) fits(e *entry, w Window) bool {
	return o.unconfirmed.len() == 0 || (o.unconfirmed.len() < w.Messages && o.size+e.size() <= w.Bytes)
}

// ready says whether take would yield anything.
func (o *outbox) ready(w Window) bool {
	if int(o.given) < o.unconfirmed.len() || o.warns() {
		return true
	}
	h := o.head()
	return h != 0 && o.fits(&o.wait.at(h).entry, w)
}

// abandon gives up what waits: the client has ended.
func (o *outbox) abandon() {
	for h := o.wait.first; h != 0; h = o.wait.at(h).next {
		o.wait.at(h).in.abandoned()
	}
}
