package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// How a set moves to another channel while it is served by one: by itself to a better one, after a fallback, or because it is told to. The other channel has to prove itself first, beside the one in use and
// with control lines only. Then it is attached, the requests without an answer are sent again there, and the old connection is closed. What that still brings until then counts: lines are
// numbered by the server, and what comes twice is known by its number.

// proof is a channel that has proved itself and is not attached.
type proof struct {
	channel Channel
	attach  func(context.Context) (link, error) // to be called once, unless drop is
	drop    func()
}

// move is an attempt to go to one of some channels.
type move struct {
	to       []Channel  // in the order to try them; nil: those of the kind that was asked for
	kind     Kind       // that was asked for; empty: nobody did, these are better
	answer   chan error // capacity 1, for who asked
	finished context.CancelFunc

	done  chan struct{} // closed when the following are set
	found *proof        // nil: none has proved itself
	err   error         // why
}

var errMoved = errors.New("another channel takes over")

// MoveTo goes on over a channel of that kind, the first of the set's list that proves itself, and returns when it is attached. Nothing is lost or doubled by it, and what is under way goes on; if no channel
// of the kind can be used, the set stays where it is, unless that is lost meanwhile, and the error says why. Afterwards it returns to better channels by itself, unless Options.UpgradeDelay is negative. Where the set
// is connected over that kind already, nothing happens. It waits for a connection if there is none. Not to be called by Options.OnEvent.
func (cs *ChannelSet) MoveTo(ctx context.Context, kind Kind) error {
	cs.begin()
	m := &move{kind: kind, answer: make(chan error, 1)}
	var err error
	select {
	case cs.moves <- m:
		select {
		case err = <-m.answer:
		case <-ctx.Done():
			err = cs.gaveUp(ctx)
		case <-cs.over:
			err = cs.endError()
		}
	case <-ctx.Done():
		err = cs.gaveUp(ctx)
	case <-cs.over:
		err = cs.endError()
	}
	return wrap(fmt.Sprintf("move to %s", kind), err)
}

// mover is what run knows of moving; nobody else uses it.
type mover struct {
	now     *move     // under way; nil: none
	arrived *move     // that has succeeded, and is not told yet; nil: none
	next    time.Time // when to look for a better channel; zero: there is none
	attempt int       // how often that was done, for the pauses
}

// settle is for a channel that begins to be served.
func (cs *ChannelSet) settle(at Channel) {
	cs.mover.next = time.Time{}
	if i := cs.place(at); i > 0 && cs.opts.UpgradeDelay > 0 {
		pause := cs.opts.UpgradeDelay
		for n := cs.mover.attempt; n > 0 && pause < cs.opts.MaxUpgradeDelay; n-- {
			pause *= 2
		}
		pause = min(pause, cs.opts.MaxUpgradeDelay)
		cs.mover.next = time.Now().Add(pause/2 + rand.N(pause/2+1))
	}
}

// place is where a channel stands in the set's list.
func (cs *ChannelSet) place(at Channel) int {
	return slices.IndexFunc(cs.channels, func(c Channel) bool { return c.URL == at.URL && c.Kind == at.Kind })
}

// advance does what is due about moving, without waiting. errMoved says that a channel has proved itself.
func (cs *ChannelSet) advance(at Channel) error {
	v := &cs.mover
	switch {
	case v.now != nil:
		select {
		case <-v.now.done:
			if v.now.found != nil {
				return errMoved
			}
			if v.now.kind == "" {
				cs.opts.Logger.Debug().Err(v.now.err).Msg("no better channel can be used")
			}
			cs.endMove(v.now.err)
			cs.settle(at)
		default:
		}
	case !v.next.IsZero() && !time.Now().Before(v.next):
		v.attempt++
		cs.startMove(at, &move{to: slices.Clone(cs.channels[:cs.place(at)])})
	default:
		select {
		case m := <-cs.moves:
			cs.startMove(at, m)
		default:
		}
	}
	return nil
}

// untilMove is how long it takes until something is due, if nothing else happens.
func (cs *ChannelSet) untilMove() time.Duration {
	if cs.mover.now != nil || cs.mover.next.IsZero() {
		return time.Hour
	}
	return time.Until(cs.mover.next)
}

// moved is closed when the move under way has an outcome; asks brings the next that is asked for.
func (cs *ChannelSet) moved() (moved <-chan struct{}, asks <-chan *move) {
	if cs.mover.now != nil {
		return cs.mover.now.done, nil
	}
	return nil, cs.moves
}

// startMove begins to look whether a channel can be used.
func (cs *ChannelSet) startMove(at Channel, m *move) {
	cs.mover.now, m.done = m, make(chan struct{})
	if m.kind != "" {
		if m.kind == at.Kind {
			cs.endMove(nil)
			return
		}
		for _, c := range cs.channels {
			if c.Kind == m.kind {
				m.to = append(m.to, c)
			}
		}
		m.err = fmt.Errorf("%q is none of the set's channels", m.kind)
	}
	ctx, cancel := context.WithCancel(cs.ctx)
	m.finished = cancel
	cs.running.Go(func() {
		defer close(m.done)
		for _, c := range m.to {
			if m.found, m.err = cs.prove(ctx, c); m.err == nil || ctx.Err() != nil {
				return
			}
		}
	})
}

// endMove forgets the move under way and tells who asked for it.
func (cs *ChannelSet) endMove(err error) {
	cs.mover.now.end(err)
	cs.mover.now = nil
}

func (m *move) end(err error) {
	if m.finished != nil {
		m.finished()
	}
	if m.answer != nil {
		m.answer <- err
	}
}

// tellMove tells who asked for it that a move is done, with err if that was in vain all the same.
func (cs *ChannelSet) tellMove(err error) {
	if m := cs.mover.arrived; m != nil {
		cs.mover.arrived = nil
		m.end(err)
	}
}

// dropMove gives up the move under way, if there is one, because of err.
func (cs *ChannelSet) dropMove(err error) {
	m := cs.mover.now
	if m == nil {
		return
	}
	m.finished()
	<-m.done
	if m.found != nil {
		m.found.drop()
	}
	cs.endMove(err)
}

// goOver attaches the channel that has proved itself.
func (cs *ChannelSet) goOver() (link, error) {
	p := cs.mover.now.found
	cs.mover.now.found = nil
	cs.mu.Lock()
	cs.channel = p.channel
	cs.mu.Unlock()
	limit := cs.opts.connectTimeout(p.channel)
	ctx, cancel := context.WithTimeoutCause(cs.ctx, limit, vanished("not attached within %v", limit))
	defer cancel()
	l, err := p.attach(ctx)
	if err != nil {
		cs.endMove(err)
		return nil, err
	}
	cs.mover.now, cs.mover.arrived = nil, cs.mover.now
	return l, nil
}

// prove finds out whether c can be used, beside the channel that is.
func (cs *ChannelSet) prove(ctx context.Context, c Channel) (*proof, error) {
	limit := cs.opts.connectTimeout(c)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, vanished("nothing came back within %v", limit))
	defer cancel()
	switch c.Kind {
	case WebSocket:
		return cs.proveWebSocket(ctx, c)
	case Streaming:
		return cs.proveStream(ctx, c)
	default:
		return cs.provePolls(ctx, c)
	}
}

// proveWebSocket asks for a sign of life on a socket of its own, which the server gives also where nobody has attached.
func (cs *ChannelSet) proveWebSocket(ctx context.Context, c Channel) (*proof, error) {
	w, err := cs.dialWebSocket(ctx, c.URL)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { w.conn.Close() })
	err = w.echo(ctx, cs.newID())
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		w.conn.Close()
		return nil, withCause(ctx, err)
	}
	return &proof{channel: c, drop: w.hangUp, attach: func(ctx context.Context) (link, error) { return w.open(ctx, false) }}, nil
}

// proveStream opens a stream that is not attached: what it says first tells that nothing on the way holds it back.
func (cs *ChannelSet) proveStream(ctx context.Context, c Channel) (*proof, error) {
	a := cs.unnumbered()
	s := cs.startStream(c.URL, a, nil)
	if err := s.await(ctx, a, a.opened); err != nil {
		return nil, err
	}
	return &proof{channel: c, drop: func() { _ = s.close() }, attach: func(ctx context.Context) (link, error) {
		if err := cs.exchange(ctx, c.URL, cs.attachStreamLine(a), nil); err != nil {
			_ = s.close()
			return nil, err
		}
		if err := s.await(ctx, a, a.attached); err != nil {
			return nil, err
		}
		return s, nil
	}}, nil
}

// provePolls makes a request that asks nothing.
func (cs *ChannelSet) provePolls(ctx context.Context, c Channel) (*proof, error) {
	ping := fmt.Appendf(nil, `{"type":"command","operation":"client_ping","messageId":%q}`+"\n", cs.newID())
	if err := cs.exchange(ctx, c.URL, ping, nil); err != nil {
		return nil, err
	}
	return &proof{channel: c, drop: func() {}, attach: func(ctx context.Context) (link, error) { return cs.startPolls(ctx, c.URL) }}, nil
}
