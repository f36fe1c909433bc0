package flexsession

import "errors"

// errAhead: the client confirms lines that were never sent to it.
var errAhead = errors.New("flexsession: more lines confirmed than were sent")

// entry is one counted line in an outbox. The line's bytes are shared by all its receivers.
type entry struct {
	line []byte
	head []byte // the uncounted line before it that says which subscriptions it is for, when the client has several on its destination
	at   int64  // when it was published, in Unix nanoseconds, for the few whose way is timed; 0: not this one
}

func (e *entry) size() int { return len(e.head) + len(e.line) }

// outbox holds what a client has not confirmed. The lines at its front have their number: they are unconfirmed and keep their place. Those
// behind are waiting. Numbers are positions: confirmed+1 is the number of the front line, so they cost no memory and do not travel.
// (XMPP stream management, XEP-0198, counts in the same way.)
type outbox struct {
	queue       deque[entry]
	confirmed   uint64 // lines the client has confirmed
	numbered    int    // lines at the front that have their number
	given       int    // of these, the ones the attached transport has been given
	numberedLen int    // bytes of the numbered lines
	waitingLen  int    // bytes of the waiting lines

	entered uint64         // lines that ever entered
	timed   func(at int64) // takes the way of a timed line when it is first handed over; nil: nobody asks
}

// timeEvery is how many lines of a client there are to one that is timed.
const timeEvery = 64

// waiting is how many lines have no number.
func (o *outbox) waiting() int { return o.queue.len() - o.numbered }

// waitingBytes is how many bytes these have.
func (o *outbox) waitingBytes() int { return o.waitingLen }

// sent is the number of the last numbered line.
func (o *outbox) sent() uint64 { return o.confirmed + uint64(o.numbered) }

func (o *outbox) push(e entry) {
	if o.entered++; o.entered%timeEvery != 1 || o.timed == nil {
		e.at = 0
	}
	o.queue.push(e)
	o.waitingLen += e.size()
}

// rewind makes the next take begin with the first unconfirmed line: a new transport is attached.
func (o *outbox) rewind() { o.given = 0 }

// confirm forgets the lines up to number have.
func (o *outbox) confirm(have uint64) error {
	if have > o.sent() {
		return errAhead
	}
	for o.confirmed < have {
		o.numberedLen -= o.queue.front().size()
		o.queue.pop()
		o.confirmed++
		o.numbered--
		if o.given > 0 {
			o.given--
		}
	}
	return nil
}

// take appends to buf what the attached transport is to write next: first the unconfirmed lines it was not given, then waiting lines, which get
// their numbers, as far as the window goes. It stops before buf is longer than limit, unless one line alone is; more says that there is something left
// which could go at once.
func (o *outbox) take(buf []byte, limit int, w Window) (_ []byte, more bool) {
	start := len(buf)
	for o.given < o.queue.len() {
		e := o.queue.at(o.given)
		if o.given == o.numbered && !o.fits(e, w) {
			return buf, false
		}
		if len(buf) > start && len(buf)+e.size() > limit {
			return buf, true
		}
		if o.given == o.numbered {
			o.numbered++
			o.numberedLen += e.size()
			o.waitingLen -= e.size()
			if e.at != 0 {
				o.timed(e.at)
			}
		}
		buf = append(buf, e.head...)
		buf = append(buf, e.line...)
		o.given++
	}
	return buf, false
}

// fits says whether the window lets e have a number. One line always may, however long it is.
func (o *outbox) fits(e *entry, w Window) bool {
	return o.numbered == 0 || (o.numbered < w.Messages && o.numberedLen+e.size() <= w.Bytes)
}

// ready says whether take would yield anything.
func (o *outbox) ready(w Window) bool {
	if o.given < o.numbered {
		return true
	}
	return o.given < o.queue.len() && o.fits(o.queue.at(o.given), w)
}
