package flexsession

import (
	"bytes"

	"sluice/channel/message"
)

// uplink orders what a client sends by its seq, runs each request once, and keeps the replies until the client has got them.
type uplink struct {
	last  uint64         // the highest seq that was started
	kept  deque[*answer] // replies to the last requests, that of last at the end; those before the client has got
	bytes int            // of the kept replies
}

// answer is the kept reply to seq, or nil.
func (u *uplink) answer(seq uint64) *answer {
	if seq > u.last || u.last-seq >= uint64(u.kept.len()) {
		return nil
	}
	return *u.kept.at(u.kept.len() - 1 - int(u.last-seq))
}

// full says why no further reply can be kept; nil: one can.
func (u *uplink) full(limits *Options) *message.Error {
	switch {
	case u.kept.len() >= limits.MaxOpenRequests:
		return &message.Error{Code: message.CodeTooManyRequests, Value: limits.MaxOpenRequests}
	case u.bytes >= limits.MaxKeptReplyBytes:
		return &message.Error{Code: message.CodeTooManyRequests, Setting: "max-kept-reply-bytes", Value: limits.MaxKeptReplyBytes}
	}
	return nil
}

// answer is the reply to one numbered request, or the place where it will stand.
type answer struct {
	line []byte
	then []func([]byte) // who asked again before it was ready
}

// maxRepeats bounds how often one request may be repeated while it is still being worked on.
const maxRepeats = 8

// Begin says what is to be done with a request. run: do it, and hand the reply to the returned reply function, which keeps it and
// passes it on. Otherwise the reply was or will be handed to send from here. A request without seq is always run, and not kept.
// The caller holds the lock of Serially, so that requests of one client begin one at a time.
func (c *FlexClient) Begin(req *message.Request, send func([]byte)) (reply func([]byte), run bool) {
	if !req.HasSeq {
		return send, true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	u := &c.up
	switch {
	case req.Seq <= u.last:
		if a := u.answer(req.Seq); a == nil {
			// The client said that it has this reply; only a confused one asks again.
			send(message.AppendError(nil, &message.Error{Code: message.CodeUplinkGap, CorrelationID: req.MessageID, Expect: u.last + 1}))
		} else if a.line != nil {
			send(a.line)
		} else if len(a.then) < maxRepeats {
			a.then = append(a.then, send)
		} else {
			send(message.AppendError(nil, &message.Error{Code: message.CodeTooManyRequests, CorrelationID: req.MessageID, Value: maxRepeats}))
		}
		return nil, false
	case req.Seq > u.last+1:
		send(message.AppendError(nil, &message.Error{Code: message.CodeUplinkGap, CorrelationID: req.MessageID, Expect: u.last + 1}))
		return nil, false
	}
	if err := u.full(c.registry.options()); err != nil {
		send(message.AppendError(nil, err.To(req.MessageID)))
		return nil, false
	}
	a := &answer{}
	u.last = req.Seq
	u.kept.push(a)
	return func(line []byte) { c.answered(req.Seq, a, line, send) }, true
}

// answered keeps the reply, unless the client has ended or does not want it any more, and passes it on to everyone who asked.
func (c *FlexClient) answered(seq uint64, a *answer, line []byte, send func([]byte)) {
	c.mu.Lock()
	then := a.then
	a.then = nil
	if c.up.answer(seq) == a {
		a.line = bytes.Clone(line)
		c.up.bytes += len(line)
	}
	c.mu.Unlock()
	send(line)
	for _, again := range then {
		again(line)
	}
}

// Got forgets the replies up to seq: the client has them.
func (c *FlexClient) Got(seq uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := &c.up
	for u.kept.len() > 0 && u.last-uint64(u.kept.len()-1) <= seq {
		u.bytes -= len((*u.kept.front()).line)
		u.kept.pop()
	}
}
