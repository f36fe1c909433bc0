package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// call is one request and what its answer means here.
type call struct {
	op       string // login, logout, subscribe, unsubscribe, multi_subscribe, disconnect or publish
	id       string // messageId
	line     []byte // the line without its seq and without the closing brace
	seq      uint64 // given when it is first sent
	sent     time.Time
	onLink   bool // it was sent on the present link
	answered bool
	internal bool // made by the set itself for a new session; made again for the next
	slot     bool // it holds one of the MaxOpen slots
	consumer *Consumer

	cs   *ChannelSet
	done func(*line, error) // called once, without a lock; must not block
}

// finish gives the answer to whoever waits for it. Only the one who took c out of the queue or of session.byID calls it.
func (c *call) finish(l *line, err error) {
	if c.slot {
		<-c.cs.slots
	}
	if c.done != nil {
		c.done(l, err)
	}
}

// newCall makes a request. fields are further members of the line, in pairs of a name and JSON.
func (cs *ChannelSet) newCall(op string, fields ...any) (*call, error) {
	c := &call{op: op, id: cs.newID(), cs: cs}
	return c, c.write(op, fields...)
}

// write makes the line of a call.
func (c *call) write(op string, fields ...any) error {
	c.line = nil
	if op == "publish" {
		c.line = append(c.line, `{"type":"async"`...)
	} else {
		c.line = append(c.line, `{"type":"command","operation":"`+op+`"`...)
	}
	fields = append(fields, "messageId", c.id)
	for i := 0; i < len(fields); i += 2 {
		value, ok := fields[i+1].(json.RawMessage) // encoded already
		if !ok {
			var err error
			if value, err = encode(fields[i+1]); err != nil {
				return fmt.Errorf("encode the %s: %w", fields[i], err)
			}
		}
		c.line = append(c.line, `,"`+fields[i].(string)+`":`...)
		c.line = append(c.line, value...)
	}
	return nil
}

func (cs *ChannelSet) newID() string { return cs.prefix + strconv.FormatUint(cs.ids.Add(1), 10) }

// submit puts c into the queue, once there is a slot for it. A set that was not connected yet begins to.
func (cs *ChannelSet) submit(ctx context.Context, c *call) error {
	cs.begin()
	select {
	case cs.slots <- struct{}{}:
	default:
		select {
		case cs.slots <- struct{}{}:
		case <-ctx.Done():
			return cs.gaveUp(ctx)
		case <-cs.over:
			return cs.endError()
		}
	}
	c.slot = true
	cs.mu.Lock()
	if cs.finished {
		cs.mu.Unlock()
		<-cs.slots
		return cs.endError()
	}
	cs.queue = append(cs.queue, c)
	cs.mu.Unlock()
	cs.poke()
	return nil
}

// ask submits c and waits for its answer.
func (cs *ChannelSet) ask(ctx context.Context, c *call) (*line, error) {
	type answer struct {
		line *line
		err  error
	}
	got := make(chan answer, 1)
	after := c.done
	c.done = func(l *line, err error) {
		if after != nil {
			after(l, err)
		}
		got <- answer{l, err}
	}
	if err := cs.submit(ctx, c); err != nil {
		return nil, err
	}
	select {
	case a := <-got:
		return a.line, a.err
	case <-ctx.Done():
		if cs.withdraw(c) {
			err := cs.gaveUp(ctx)
			c.finish(nil, err)
			return nil, err
		}
		return nil, fmt.Errorf("%w (%w)", ErrInDoubt, context.Cause(ctx))
	}
}

// withdraw takes c out of the queue; false if it was sent already.
func (cs *ChannelSet) withdraw(c *call) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	i := slices.Index(cs.queue, c)
	if i < 0 {
		return false
	}
	cs.queue = slices.Delete(cs.queue, i, i+1)
	return true
}

const (
	maxFrame = 64 << 10 // bounds what is put into one frame or body, in bytes, unless one line alone is larger
	besides  = 256      // of that, what a confirmation and a heartbeat may take
)

// nextFrame returns what is to be sent now, or nil and how long that may wait. Calls that can never be sent are returned too.
func (cs *ChannelSet) nextFrame(now time.Time) (frame []byte, wait time.Duration, tooLarge []*call, err error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	s := cs.session
	if wait, err = cs.overdueLocked(now); err != nil {
		return nil, 0, nil, err
	}
	if len(cs.tried) > 0 && s.pingID == "" {
		return cs.pingLocked(now), 0, nil, nil
	}
	limit := maxFrame
	if s.terms.MaxRequestSize > 0 {
		limit = min(limit, s.terms.MaxRequestSize)
	}
	body, tooLarge := cs.requestsLocked(now, limit-besides)
	confirmAt := s.oldest.Add(s.confirmInterval())
	if !s.oldest.IsZero() && !s.confirmDue() && now.Before(confirmAt) {
		wait = min(wait, confirmAt.Sub(now))
	}
	due := !s.oldest.IsZero() && (s.confirmDue() || !now.Before(confirmAt))
	if due || s.got-s.toldGot >= uint64(cs.opts.MaxOpen)/2+1 || len(body) > 0 && (s.got > s.toldGot || s.handed.lines > s.confirmed.lines) {
		frame = s.confirm()
	}
	frame = append(frame, body...)
	if len(body) > 0 {
		s.spoke = now
	}
	if every := cs.everyLocked(); every > 0 {
		silent := now.Sub(s.spoke)
		if silent >= every || len(frame) > 0 && !s.promised {
			frame = append(cs.pingLocked(now), frame...)
		}
		wait = min(wait, every-silent)
	}
	if len(frame) > 0 {
		return frame, 0, tooLarge, nil
	}
	return nil, wait, tooLarge, nil
}

// confirm returns the line that tells what was received, and takes it as told.
func (s *session) confirm() []byte {
	s.tell()
	return fmt.Appendf(nil, `{"type":"control","operation":"confirm","have":%d,"got":%d}`+"\n", s.handed.lines, s.got)
}

// tell takes what was received as told to the server.
func (s *session) tell() {
	s.confirmed, s.toldGot, s.oldest = s.handed, s.got, time.Time{}
}

// requestsLocked returns the lines of the requests that are to go on this link: first those that were sent on an earlier one, then new ones.
func (cs *ChannelSet) requestsLocked(now time.Time, limit int) (body []byte, tooLarge []*call) {
	s := cs.session
	add := func(c *call) bool {
		line := fmt.Appendf(c.line[:len(c.line):len(c.line)], `,"seq":%d}`+"\n", c.seq)
		if len(body) > 0 && len(body)+len(line) > limit {
			return false
		}
		body = append(body, line...)
		c.sent, c.onLink = now, true
		return true
	}
	for _, c := range s.open {
		if !c.answered && !c.onLink && !add(c) {
			return body, nil
		}
	}
	open := uint64(256)
	if s.terms.MaxOpenRequests > 0 {
		open = s.terms.MaxOpenRequests
	}
	for len(cs.queue) > 0 && s.seq < s.got+open {
		c := cs.queue[0]
		if s.tooLarge(c) {
			tooLarge = append(tooLarge, c)
		} else {
			c.seq = s.seq + 1
			if !add(c) {
				break
			}
			s.seq++
			s.open = append(s.open, c)
			s.byID[c.id] = c
			if c.consumer != nil && c.op == "subscribe" {
				s.asked[c.id] = c.consumer
			}
		}
		cs.queue[0] = nil
		cs.queue = cs.queue[1:]
	}
	return body, tooLarge
}

// tooLarge tells whether the server would refuse c for its size; such a frame would end the connection.
func (s *session) tooLarge(c *call) bool {
	size := len(c.line) + 32
	return s.terms.MaxMessageSize > 0 && size > s.terms.MaxMessageSize || s.terms.MaxRequestSize > 0 && size+besides > s.terms.MaxRequestSize
}

// renew begins a new session in place of one that the server has ended, for that reason. Whatever can be asked again is; the rest is answered in doubt.
func (cs *ChannelSet) renew(why *Error) {
	cs.mu.Lock()
	old := cs.session
	cs.session, cs.replaced = newSession(), why
	if cs.channel.wishes.forget {
		cs.user, cs.password = "", ""
	}
	again := cs.introductionLocked()
	var over, doubt, vain []*call
	for _, c := range old.open {
		switch {
		case c.answered || c.internal:
		case c.op == "subscribe" || c.op == "login":
			c.seq, c.onLink = 0, false
			if c.consumer != nil {
				c.consumer.writeLocked(c) // it may have begun, so that it stands elsewhere now
			}
			again = append(again, c)
		case c.op == "publish":
			doubt = append(doubt, c)
		case c.op == "multi_subscribe":
			vain = append(vain, c)
		default:
			over = append(over, c) // unsubscribe, disconnect, logout: the client is gone, and with it what they were to end
		}
	}
	for _, c := range cs.queue {
		switch {
		case c.internal:
		case c.op == "unsubscribe":
			over = append(over, c)
		case c.op == "multi_subscribe":
			vain = append(vain, c)
		default:
			again = append(again, c)
		}
	}
	cs.queue = again
	cs.mu.Unlock()
	for _, c := range over {
		c.finish(&line{}, nil)
	}
	for _, c := range doubt {
		c.finish(nil, ErrInDoubt)
	}
	for _, c := range vain {
		c.finish(nil, errRenewed)
	}
}

// introductionLocked returns what a new session has to say first: the login, and the subscriptions there were.
func (cs *ChannelSet) introductionLocked() []*call {
	var calls []*call
	if cs.user != "" {
		cs.greeting = true
		calls = append(calls, cs.loginCall(cs.user, cs.password, func(_ *line, err error) {
			cs.mu.Lock()
			cs.greeting = false
			var e *Error
			if errors.As(err, &e) {
				if e.Reconnect != "after" {
					e.Reconnect = "no" // a wrong password does not become right by trying again
				}
				cs.unwelcome = e
			}
			cs.mu.Unlock()
			cs.poke()
		}))
		calls[0].internal = true
	}
	for _, c := range cs.consumers {
		if c.subscribed {
			again := c.subscribeCallLocked()
			again.internal = true
			c.unnameLocked()
			calls = append(calls, again)
		}
	}
	return calls
}
