package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"sluice/channel/message"
)

// session is what is known of one client of the server (its FlexClient): who it is, how far it has received and how far it has sent.
// A new one begins when the server has ended the old one. All fields are guarded by ChannelSet.mu.
type session struct {
	id, secret string // empty until connect is acknowledged
	connectID  string // messageId of the connect under way
	terms      terms
	attach     uint64 // the highest attach number used

	window    window
	received  uint64               // the number of the last counted line in the inbox or beyond
	handed    tally                // what the application has taken
	confirmed tally                // what of that was confirmed
	oldest    time.Time            // when the first unconfirmed line was handed over; zero: none is
	asked     map[string]*Consumer // by messageId of the subscribe request
	active    map[string]*Consumer // by subscription id

	seq     uint64  // the last one given to a request
	got     uint64  // every reply up to here has come
	toldGot uint64  // and the server knows
	open    []*call // sent under this session and not answered, or behind one that is not; in the order of seq
	byID    map[string]*call

	spoke    time.Time // when this side last sent anything that is answered
	heard    time.Time // when the server last sent a line
	promised bool      // the server knows how long this side may be silent
	pingID   string    // the heartbeat that is not answered yet
	pinged   time.Time // when it was sent
}

// tally counts lines and their bytes.
type tally struct{ lines, bytes uint64 }

func newSession() *session {
	return &session{
		window: window{Messages: 1024, Bytes: 1 << 20}, // until the server tells its own
		asked:  make(map[string]*Consumer), active: make(map[string]*Consumer), byID: make(map[string]*call),
	}
}

// attachment is one try to receive: a WebSocket, a stream or one poll. Its fields are guarded by ChannelSet.mu.
type attachment struct {
	number   uint64
	last     uint64        // the number of the last counted line it brought
	on       bool          // it was answered by attached
	opened   chan struct{} // closed by the first line
	attached chan struct{} // closed by attached
	streamID string        // of a stream that is open: by which it is attached later
	began    bool
	forIDs   []string      // the subscriptions the next message is for
	merged   uint64        // how many older ones it stands for
	answered bool          // of a poll: its acknowledgement has come
	pause    time.Duration // and asked for this pause before the next one
}

// newAttachment takes the next attach number and returns it with the line that asks for it.
func (cs *ChannelSet) newAttachment() *attachment {
	a := cs.unnumbered()
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.session.number(a)
	return a
}

// unnumbered is an attachment that is still to be made.
func (cs *ChannelSet) unnumbered() *attachment {
	return &attachment{opened: make(chan struct{}), attached: make(chan struct{})}
}

// number takes the next attach number. The caller holds ChannelSet.mu.
func (s *session) number(a *attachment) {
	s.attach++
	a.number = s.attach
}

// receive takes one line of the server. a is where it came in, nil for the answer of a POST. An error ends the link.
func (cs *ChannelSet) receive(a *attachment, raw []byte) error {
	l, err := parseLine(raw)
	if err != nil {
		return err
	}
	cs.mu.Lock()
	cs.session.heard = time.Now()
	if a != nil && !a.began {
		a.began, a.streamID = true, l.StreamID
		close(a.opened)
	}
	cs.mu.Unlock()
	switch l.Type {
	case "acknowledge":
		return cs.acknowledged(a, l)
	case "error":
		return cs.refused(l)
	case "control":
		return cs.control(a, l)
	}
	if a == nil {
		return fmt.Errorf("the server pushed a line of type %q in the answer of a request", l.Type)
	}
	return cs.count(a, 1, len(raw)+1, l)
}

func (cs *ChannelSet) acknowledged(a *attachment, l *line) error {
	cs.mu.Lock()
	s := cs.session
	switch l.CorrelationID {
	case "":
	case s.connectID:
		defer cs.mu.Unlock()
		cs.toldLocked()
		return s.connected(l)
	case s.pingID:
		s.pingID = ""
		cs.toldLocked()
	}
	if a != nil && len(l.Headers) > 0 {
		var h struct{ DSPollWait int64 }
		if json.Unmarshal(l.Headers, &h) == nil {
			a.answered, a.pause = true, millis(h.DSPollWait)
		}
	}
	c := s.answer(l.CorrelationID)
	cs.mu.Unlock()
	if c != nil {
		cs.poke() // there may be something to tell, and room for more
		c.finish(l, nil)
	}
	return nil
}

// connected takes over what the acknowledgement of connect says.
func (s *session) connected(l *line) error {
	var h handshake
	if err := json.Unmarshal(l.Headers, &h); err != nil || h.DSId == "" {
		return errors.New("the server acknowledged the connect without a DSId")
	}
	if len(l.Body) > 0 {
		if err := json.Unmarshal(l.Body, &s.terms); err != nil {
			return fmt.Errorf("read the acknowledgement of connect: %w", err)
		}
	}
	s.id, s.secret, s.connectID = h.DSId, h.DSSecret, ""
	return nil
}

// answer finds the request with that id, takes it as answered, and moves got on. Nil if there is none.
func (s *session) answer(id string) *call {
	c := s.byID[id]
	if c == nil {
		return nil
	}
	delete(s.byID, id)
	c.answered = true
	for len(s.open) > 0 && s.open[0].answered {
		s.got = s.open[0].seq
		s.open[0] = nil
		s.open = s.open[1:]
	}
	return c
}

func (cs *ChannelSet) refused(l *line) error {
	e := l.error()
	cs.mu.Lock()
	s := cs.session
	if e.Code == message.CodeUplinkGap {
		defer cs.mu.Unlock()
		if l.Expect <= s.got { // it asks for what it has answered: it cannot go on with this client
			return &goneError{reason: "uplink-gap", cause: e}
		}
		return e // attach anew; all that was not answered is then sent again, in order
	}
	if l.CorrelationID != "" && l.CorrelationID == s.connectID {
		cs.mu.Unlock()
		return e
	}
	if l.CorrelationID == s.pingID {
		s.pingID = ""
	}
	c := s.answer(l.CorrelationID)
	cs.mu.Unlock()
	if c == nil {
		cs.opts.Logger.Warn().Err(e).Msg("the server refused something it does not name")
		return nil
	}
	cs.poke()
	c.finish(nil, e)
	return nil
}

func (cs *ChannelSet) control(a *attachment, l *line) error {
	switch l.Operation {
	case "gone":
		return &goneError{reason: l.Reason, cause: l.error()}
	case "disconnect":
		return l.error()
	}
	if a == nil {
		return nil // the rest is about an attachment
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	switch l.Operation {
	case "attached":
		a.last = l.Have
		if l.Window.Messages > 0 && l.Window.Bytes > 0 {
			cs.session.window = l.Window
		}
		if l.ReconnectMillis != nil {
			cs.session.terms.spans = l.spans
		}
		if !a.on {
			a.on = true
			close(a.attached)
		}
	case "displaced":
		e := (&Error{Code: message.CodeDisplaced}).complete()
		if a.number < cs.session.attach {
			e.Reconnect = "yes" // by this very client
		}
		return e
	case "for":
		a.forIDs = l.ClientIDs
	case "slow":
		cs.backlogs = slices.DeleteFunc(cs.backlogs, func(b Backlog) bool { return b.Destination == l.Destination })
		cs.backlogs = append(cs.backlogs, Backlog{Destination: l.Destination, Waiting: l.Waiting, Limit: l.Limit, Setting: l.Setting})
		cs.poke()
	case "merged":
		a.merged = l.Count
	case "skip":
		return cs.countLocked(a, l.Count, 0, nil)
	}
	return nil
}

func (cs *ChannelSet) count(a *attachment, n uint64, size int, l *line) error {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.countLocked(a, n, size, l)
}

// countLocked gives a counted line (or n skipped ones) its number and puts it into the inbox, unless an earlier attachment brought it.
func (cs *ChannelSet) countLocked(a *attachment, n uint64, size int, l *line) error {
	s, ids, merged := cs.session, a.forIDs, a.merged
	a.forIDs, a.merged = nil, 0
	if !a.on {
		return errors.New("the server pushed a line before it said attached")
	}
	a.last += n
	if a.last <= s.received {
		return nil
	}
	if a.last > s.handed.lines+2*s.window.Messages+16 {
		return fmt.Errorf("the server sent more than its window of %d messages", s.window.Messages)
	}
	s.received = a.last
	e := entry{session: s, number: a.last, size: size, line: l, merged: merged}
	if l != nil {
		s.route(&e, ids)
	}
	cs.inbox = append(cs.inbox, e)
	signal(cs.arrived)
	return nil
}

// handedOver notes that the application has taken e, and wakes the loop when that is to be confirmed.
func (cs *ChannelSet) handedOver(e entry) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	s := e.session
	s.handed.lines = e.number
	s.handed.bytes += uint64(e.size)
	first := s.oldest.IsZero()
	if first {
		s.oldest = time.Now()
	}
	if first || s.confirmDue() {
		cs.poke()
	}
	if len(cs.inbox) == 0 {
		signal(cs.drained)
	}
}

// confirmDue tells whether a quarter of the window is handed over and not confirmed.
func (s *session) confirmDue() bool {
	return (s.handed.lines-s.confirmed.lines)*4 >= s.window.Messages || (s.handed.bytes-s.confirmed.bytes)*4 >= s.window.Bytes
}

// confirmInterval is how long a line may stay unconfirmed.
func (s *session) confirmInterval() time.Duration {
	if s.terms.ConfirmIntervalMillis > 0 {
		return millis(s.terms.ConfirmIntervalMillis)
	}
	return 5 * time.Second
}

// signal wakes whoever waits on ch, a channel of capacity 1 that is never closed.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
