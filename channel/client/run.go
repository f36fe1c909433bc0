package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"
)

// link is one connection that is attached, or, of a long-poll channel, about to be.
type link interface {
	// post hands lines to the server. Over HTTP it returns when their answers have been received.
	post(ctx context.Context, frame []byte) error
	// down is closed when nothing is received any more.
	down() <-chan struct{}
	// close ends the link, waits for its goroutine, and returns why nothing was received any more.
	close() error
}

// run connects, serves the connection, and connects again, until the set ends.
func (cs *ChannelSet) run() {
	var tries, short int // times in a row that nothing was reached; that a connection did not last
	for {
		began := time.Now()
		l, kind, resumed, err := cs.open()
		event := Event{Kind: Unreachable, Err: err}
		if err == nil {
			tries = 0
			err = cs.serve(l, kind, resumed)
			event = Event{Kind: Disconnected, Channel: kind, Err: err}
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
		if gone := new(goneError); errors.As(err, &gone) || cs.wasUnwelcome() {
			cs.renew()
		}
		event.Delay = cs.delay(short, err)
		cs.tell(event)
		timer := time.NewTimer(event.Delay)
		select {
		case <-timer.C:
		case <-cs.ctx.Done():
			timer.Stop()
		}
	}
}

// delay returns the pause before the next try. It is drawn at random so that the clients of a server that ended do not all come back at once.
func (cs *ChannelSet) delay(failures int, err error) time.Duration {
	d := cs.opts.MinDelay
	for ; failures > 1 && d < cs.opts.MaxDelay; failures-- {
		d *= 2
	}
	d = min(d, cs.opts.MaxDelay)
	d = d/2 + rand.N(d/2+1)
	if after := retryAfter(err); after > 0 {
		d = max(d, after+rand.N(after))
	}
	return d
}

// wasUnwelcome tells whether the login of the last session was refused for now, and forgets it.
func (cs *ChannelSet) wasUnwelcome() bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	was := cs.unwelcome != nil
	cs.unwelcome = nil
	return was
}

// open tries the channels in order and returns the first link, and whether the server went on with the client there was.
// The error is the server's last word if it was that on every channel.
func (cs *ChannelSet) open() (l link, kind Kind, resumed bool, err error) {
	if cs.channels == nil {
		if cs.channels, err = cs.opts.locate(cs.ctx, cs.http.client); err != nil {
			return nil, "", false, err
		}
	}
	var failures error
	hopeful := false
	for _, channel := range cs.channels {
		before := cs.identity()
		l, err = cs.openChannel(channel)
		if gone := new(goneError); errors.As(err, &gone) && before != "" {
			if gone.cause.final() {
				return nil, channel.Kind, false, err
			}
			cs.renew()
			l, err = cs.openChannel(channel)
		}
		if err == nil {
			return l, channel.Kind, before != "" && before == cs.identity(), nil
		}
		if cs.ctx.Err() != nil {
			return nil, channel.Kind, false, ErrClosed
		}
		hopeful = hopeful || !isFinal(err)
		if unreachable := new(net.OpError); failures != nil && errors.As(err, &unreachable) && strings.Contains(failures.Error(), unreachable.Error()) {
			continue // told already: the channels of one server fail alike
		}
		err = fmt.Errorf("%s: %w", channel.Kind, err)
		if failures != nil {
			err = fmt.Errorf("%w; %w", failures, err)
		}
		failures = err
	}
	if hopeful && isFinal(failures) {
		failures = errors.New(failures.Error()) // one channel may not be used, but others may yet come up
	}
	cs.channels = nil // they may have moved
	return nil, "", false, failures
}

func (cs *ChannelSet) openChannel(c Channel) (link, error) {
	ctx, cancel := context.WithTimeoutCause(cs.ctx, cs.opts.ConnectTimeout,
		fmt.Errorf("not attached within %v", cs.opts.ConnectTimeout))
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

// serve sends what is to be sent until the link or the set ends, and returns why.
func (cs *ChannelSet) serve(l link, kind Kind, resumed bool) error {
	cs.mu.Lock()
	for _, c := range cs.session.open {
		c.onLink = false
	}
	cs.session.pingID, cs.session.spoke = "", time.Now()
	cs.session.toldGot = 0 // what told it may have been lost with the last link, and of a poll's attach nobody knows when it arrives
	cs.mu.Unlock()
	err := cs.pump(l, kind, resumed)
	why := l.close()
	var said *Error
	if cs.ctx.Err() == nil && (err == errLinkLost || errors.As(why, &said)) {
		return why // the server's own word explains more than a write that failed
	}
	return err
}

func (cs *ChannelSet) pump(l link, kind Kind, resumed bool) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	welcomed := false
	for {
		if err := cs.welcome(&welcomed, kind, resumed); err != nil {
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
		timer.Reset(wait)
		select {
		case <-cs.wake:
		case <-timer.C:
		case <-l.down():
			return errLinkLost
		case <-cs.ctx.Done():
			return ErrClosed
		}
	}
}

var errLinkLost = errors.New("the connection was lost")

// welcome tells of the connection, once the login that belongs to it is answered; the error is the login's.
func (cs *ChannelSet) welcome(welcomed *bool, kind Kind, resumed bool) error {
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
	cs.lastErr = nil
	cs.mu.Unlock()
	cs.tell(Event{Kind: Connected, Channel: kind, Resumed: resumed})
	select {
	case <-cs.ready:
	default:
		close(cs.ready)
	}
	return nil
}
