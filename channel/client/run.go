package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"sluice/channel/message"
)

// link is one connection that is attached, or, of a long-poll channel, about to be.
type link interface {
	// post hands lines to the server. Over HTTP it returns when their answers have been received.
	post(ctx context.Context, frame []byte) error
	// down is closed when nothing is received any more.
	down() <-chan struct{}
	// recede makes no attachments any more: they would take the client away from the link that follows.
	recede()
	// close ends the link, waits for its goroutine, and returns why nothing was received any more.
	close() error
}

// run connects, serves the connection, and connects again, until the set ends.
func (cs *ChannelSet) run() {
	var tries, short int // times in a row that nothing was reached; that a connection did not last
	var lost time.Time   // when the last connection was lost
	for {
		began := time.Now()
		l, at, resumed, err := cs.open()
		event, kind := Event{Kind: Unreachable}, at.Kind
		if err == nil {
			tries = 0
			kind, err = cs.serveAll(l, at, resumed)
			event = Event{Kind: Disconnected, Channel: kind}
			lost = time.Now()
		} else {
			tries++
		}
		short++
		if time.Since(began) > cs.opts.MaxDelay {
			short = 0
		}
		switch {
		case cs.ctx.Err() != nil:
			cs.finish(kind, ErrClosed)
			return
		case isFinal(err), cs.opts.MaxAttempts > 0 && tries >= cs.opts.MaxAttempts:
			cs.finish(kind, fmt.Errorf("client: %w", err))
			return
		}
		cs.mu.Lock()
		cs.lastErr = err
		cs.mu.Unlock()
		if gone := new(goneError); errors.As(err, &gone) {
			cs.renew(gone.cause)
		} else if cs.wasUnwelcome() {
			cs.renew(causeOf(err))
		}
		cs.http.refresh()
		event.Err, event.Cause = err, causeOf(err)
		event.Delay = cs.delay(short, cs.longestPause(lost), err)
		cs.tell(event)
		timer := time.NewTimer(event.Delay)
		select {
		case <-timer.C:
		case <-cs.ctx.Done():
			timer.Stop()
		}
	}
}

// delay returns the pause before the next try, at most most unless the server asks for more. It is drawn at random so that the clients of a server
// that ended do not all come back at once.
func (cs *ChannelSet) delay(failures int, most time.Duration, err error) time.Duration {
	d := cs.opts.MinDelay
	for ; failures > 1 && d < most; failures-- {
		d *= 2
	}
	d = min(d, most)
	d = d/2 + rand.N(d/2+1)
	if after := retryAfter(err); after > 0 {
		d = max(d, after+rand.N(after))
	}
	return d
}

// longestPause bounds the pause: a client that the server still keeps comes back while it does.
func (cs *ChannelSet) longestPause(lost time.Time) time.Duration {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if kept := cs.session.terms.reconnect(); time.Since(lost) < kept {
		return min(cs.opts.MaxDelay, max(kept/4, time.Millisecond))
	}
	return cs.opts.MaxDelay
}

// wasUnwelcome tells whether the login of the last session was refused for now, and forgets it.
func (cs *ChannelSet) wasUnwelcome() bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	was := cs.unwelcome != nil
	cs.unwelcome = nil
	return was
}

// serveAll serves a link, and those that take over from it, until the last one or the set ends. It returns where it was then, and why.
func (cs *ChannelSet) serveAll(l link, at Channel, resumed bool) (Kind, error) {
	event := Event{Kind: Connected, Channel: at.Kind, Resumed: resumed}
	for {
		began := time.Now()
		next, to, err := cs.serve(l, at, event)
		if cs.place(at) <= 0 && time.Since(began) > cs.opts.MaxDelay {
			cs.mover.attempt = 0 // it has lasted
		}
		if err != nil {
			return at.Kind, err
		}
		event = Event{Kind: Moved, Channel: to.Kind, From: at.Kind, Resumed: true}
		l, at = next, to
	}
}

// open tries the channels in order and returns the first link, and whether the server went on with the client there was.
// The error is the server's last word if it was that on every channel.
func (cs *ChannelSet) open() (l link, at Channel, resumed bool, err error) {
	if cs.channels == nil {
		if cs.channels, err = cs.opts.locate(cs.ctx, cs.http.client); err != nil {
			return nil, Channel{}, false, err
		}
	}
	before := cs.identity()
	var failures *unreachable
	for _, channel := range cs.channels {
		began, known := time.Now(), cs.identity() != ""
		l, err = cs.openChannel(channel)
		if gone := new(goneError); errors.As(err, &gone) && known {
			if gone.cause.final() {
				return nil, channel, false, err
			}
			cs.renew(gone.cause)
			l, err = cs.openChannel(channel)
		}
		if err == nil {
			return l, channel, before != "" && before == cs.identity(), nil
		}
		if cs.ctx.Err() != nil {
			return nil, channel, false, ErrClosed
		}
		cs.failed(channel, time.Since(began), err)
		failures = failures.and(channel, err)
	}
	cs.channels = nil // they may have moved
	return nil, Channel{}, false, failures
}

func (cs *ChannelSet) openChannel(c Channel) (link, error) {
	cs.mu.Lock()
	cs.channel = c
	cs.mu.Unlock()
	limit := cs.opts.connectTimeout(c)
	ctx, cancel := context.WithTimeoutCause(cs.ctx, limit, vanished("not attached within %v", limit))
	defer cancel()
	switch c.Kind {
	case WebSocket:
		return cs.openWebSocket(ctx, c.URL)
	case Streaming:
		return cs.openStream(ctx, c.URL)
	default:
		return cs.openPolls(ctx, c.URL)
	}
}

// identity returns the id of the present session, empty before connect.
func (cs *ChannelSet) identity() string {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.session.id
}

// serve sends what is to be sent until the link or the set ends, and returns why, or until another link takes over, and returns that.
func (cs *ChannelSet) serve(l link, at Channel, event Event) (next link, to Channel, err error) {
	cs.settle(at)
	cs.mu.Lock()
	for _, c := range cs.session.open {
		c.onLink = false
	}
	cs.session.pingID, cs.session.spoke = "", time.Now()
	cs.connected = true
	cs.session.toldGot = 0 // what told it may have been lost with the last link, and of a poll's attach nobody knows when it arrives
	cs.mu.Unlock()
	if err = cs.pump(l, at, event); err == errMoved {
		to = cs.mover.now.found.channel
		l.recede()
		next, err = cs.goOver()
	}
	cs.dropMove(err)
	if err != nil {
		cs.tellMove(err)
	}
	cs.mu.Lock()
	cs.connected = next != nil
	cs.mu.Unlock()
	why := l.close()
	if next != nil {
		return next, to, nil
	}
	asleep := new(Error)
	if errors.As(err, &asleep) && asleep.Code == message.CodeClientAsleep {
		return nil, at, err // what the server said meanwhile is as old as the sleep was long; it says it again
	}
	if cs.ctx.Err() == nil && (err == errLinkLost || said(why)) {
		return nil, at, why // the server's own word explains more than a write that failed
	}
	return nil, at, err
}

func (cs *ChannelSet) pump(l link, at Channel, event Event) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	welcomed := false
	for {
		if err := cs.welcome(&welcomed, event); err != nil {
			return err
		}
		cs.tellBacklogs(at.Kind)
		if err := cs.advance(at); err != nil {
			return err
		}
		frame, wait, tooLarge, err := cs.nextFrame(time.Now())
		for _, c := range tooLarge {
			c.finish(nil, ErrTooLarge)
		}
		if err != nil {
			return err
		}
		if frame != nil {
			if err := l.post(cs.ctx, frame); err != nil {
				return err
			}
			continue
		}
		wait = max(0, min(wait, lookEvery, cs.untilMove()))
		timer.Reset(wait)
		began, down := cs.wall(), false
		moved, asks := cs.moved()
		select {
		case <-moved:
		case m := <-asks:
			cs.startMove(at, m)
		case <-cs.wake:
		case <-timer.C:
		case <-l.down():
			down = true
		case <-cs.ctx.Done():
			return ErrClosed
		}
		if err := cs.slept(began, wait); err != nil {
			return err
		}
		if down {
			return errLinkLost
		}
	}
}

// tellBacklogs tells of what the server has warned.
func (cs *ChannelSet) tellBacklogs(kind Kind) {
	cs.mu.Lock()
	backlogs := cs.backlogs
	cs.backlogs = nil
	cs.mu.Unlock()
	for _, b := range backlogs {
		cs.tell(Event{Kind: Slow, Channel: kind, Backlog: &b})
	}
}

var errLinkLost = errors.New("the connection was lost")

// welcome tells of the connection, once the login that belongs to it is answered; the error is the login's.
func (cs *ChannelSet) welcome(welcomed *bool, event Event) error {
	cs.mu.Lock()
	unwelcome, greeting := cs.unwelcome, cs.greeting
	cs.mu.Unlock()
	if unwelcome != nil {
		return fmt.Errorf("login: %w", unwelcome)
	}
	if greeting || *welcomed {
		return nil
	}
	*welcomed = true
	cs.mu.Lock()
	event.User, event.Cause = cs.user, cs.replaced
	cs.lastErr, cs.replaced = nil, nil
	cs.mu.Unlock()
	cs.tell(event)
	cs.tellMove(nil)
	select {
	case <-cs.ready:
	default:
		close(cs.ready)
	}
	return nil
}
