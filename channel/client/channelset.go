package client

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"sluice/channel/message"
)

// ChannelSet is one client of the server over an ordered list of channels. Make it with New.
type ChannelSet struct {
	opts     Options
	prefix   string        // of message ids
	ids      atomic.Uint64 // the last message id
	slots    chan struct{} // one element per open call
	http     *httpClient
	ctx      context.Context
	cancel   context.CancelCauseFunc
	channels []Channel // those there are, with their URLs; nil: to be asked for. Only run uses it
	mover    mover     // likewise
	moves    chan *move
	wall     func() time.Time
	wake     chan struct{} // capacity 1: there is something to send
	arrived  chan struct{} // capacity 1: there is something in the inbox
	drained  chan struct{} // capacity 1: the inbox has become empty
	ready    chan struct{} // closed by the first Connected
	over     chan struct{} // closed when the set has ended
	running  sync.WaitGroup

	mu             sync.Mutex // guards the following
	started        bool
	finished       bool
	leaving        bool      // Disconnect, Logout or Close asked for the end
	connected      bool      // a link is served
	channel        Channel   // the one that is tried or used
	backlogs       []Backlog // that were not told yet, one for each destination
	replaced       *Error    // why the last client had ended; nil once that was told
	tried          []try     // the channels that failed, and the server does not know of
	reported       int       // how many of them the last report named
	err            error     // why it ended; set with finished
	lastErr        error     // the latest failure to connect; nil while connected
	user, password string    // for the login of each new session
	greeting       bool      // that login is under way
	unwelcome      *Error    // and this was its answer
	session        *session
	queue          []*call // not sent yet
	inbox          []entry // received, not handed to the application
	consumers      []*Consumer
}

// New returns a ChannelSet that is not connected yet, or an error about its options. It begins to connect with the first Connect, Login,
// Subscribe, Publish or Send.
func New(opts Options) (*ChannelSet, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	var seed [8]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, fmt.Errorf("client: make ids: %w", err)
	}
	cs := &ChannelSet{
		opts: opts, prefix: hex.EncodeToString(seed[:]) + "-", slots: make(chan struct{}, opts.MaxOpen), http: newHTTPClient(opts),
		moves: make(chan *move), wake: make(chan struct{}, 1), arrived: make(chan struct{}, 1), drained: make(chan struct{}, 1),
		ready: make(chan struct{}), over: make(chan struct{}),
		session: newSession(), user: opts.User, password: opts.Password, wall: wallClock,
	}
	cs.ctx, cs.cancel = context.WithCancelCause(context.Background())
	cs.queue = cs.introductionLocked()
	return cs, nil
}

// Connect begins to connect, unless that has begun, and waits until a channel is attached and the login, if there is one, has succeeded.
// When ctx ends first, it returns the latest failure, and the set goes on trying until Close; call Connect again to wait longer.
// When the set has ended, it returns why.
//
// It need not be called: whatever else needs a connection begins to connect as well, and waits for it as long as its own ctx allows.
// Connect is for those who want to know first.
func (cs *ChannelSet) Connect(ctx context.Context) error {
	cs.begin()
	select {
	case <-cs.ready:
		return nil
	case <-cs.over:
		return cs.endError()
	case <-ctx.Done():
		return wrap("connect", cs.gaveUp(ctx))
	}
}

// begin starts the set's goroutines, unless that has been done or the set has ended.
func (cs *ChannelSet) begin() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if !cs.started && !cs.finished {
		cs.started = true
		cs.running.Go(cs.run)
		cs.running.Go(cs.dispatch)
	}
}

// gaveUp says that ctx has ended and, while nothing is connected, why that is.
func (cs *ChannelSet) gaveUp(ctx context.Context) error {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.lastErr != nil {
		return fmt.Errorf("%w (%w)", context.Cause(ctx), cs.lastErr)
	}
	return context.Cause(ctx)
}

// Login makes user the user of this client, and of those that follow it after a reconnect. It waits for the answer.
func (cs *ChannelSet) Login(ctx context.Context, user, password string) error {
	_, err := cs.ask(ctx, cs.loginCall(user, password, func(_ *line, err error) {
		if err == nil {
			cs.mu.Lock()
			cs.user, cs.password = user, password
			cs.mu.Unlock()
		}
	}))
	return wrap("login", err)
}

func (cs *ChannelSet) loginCall(user, password string, done func(*line, error)) *call {
	c, err := cs.newCall("login", "destination", "auth", "body", base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
	if err != nil {
		panic(err) // texts always encode
	}
	c.done = done
	return c
}

// Logout logs the user out, which ends the client and this set.
func (cs *ChannelSet) Logout(ctx context.Context) error { return cs.leave(ctx, "logout") }

// Disconnect takes leave of the server in order: what was published before is sent first. Then it closes the set, whatever the answer. It waits for the
// answer, and if need be for a connection to ask on, for as long as ctx allows; [ChannelSet.Close] does not.
// Not to be called by a callback.
func (cs *ChannelSet) Disconnect(ctx context.Context) error { return cs.leave(ctx, "disconnect") }

func (cs *ChannelSet) leave(ctx context.Context, op string) error {
	defer cs.stop()
	cs.mu.Lock()
	started := cs.started
	cs.leaving = true
	cs.mu.Unlock()
	if !started {
		return nil
	}
	var c *call
	var err error
	if op == "logout" {
		c, err = cs.newCall(op, "destination", "auth")
	} else {
		c, err = cs.newCall(op)
	}
	if err == nil {
		_, err = cs.ask(ctx, c)
	}
	if errors.Is(err, ErrClosed) {
		return nil // the end came before the answer
	}
	return wrap(op, err)
}

// farewell is how long Close waits for the server's answer.
const farewell = time.Second

// Close ends the set and returns when its goroutines have ended. Calls fail, consumers end. While a channel is attached it takes leave as Disconnect does,
// within at most a second: else the server would keep the client for its return. More than one Close is one; the second does not wait for that.
// Not to be called by a callback or by Options.OnEvent, which it waits for.
func (cs *ChannelSet) Close() error {
	cs.mu.Lock()
	polite := cs.connected && !cs.leaving && !cs.finished
	cs.mu.Unlock()
	if polite {
		ctx, cancel := context.WithTimeout(cs.ctx, farewell)
		defer cancel()
		_ = cs.leave(ctx, "disconnect") // whether the server was told is nothing that can be mended
	}
	cs.stop()
	return nil
}

// stop ends the set at once.
func (cs *ChannelSet) stop() {
	cs.mu.Lock()
	cs.leaving = true
	idle := !cs.started
	cs.started = true
	cs.mu.Unlock()
	cs.cancel(ErrClosed)
	if idle {
		cs.finish("", nil)
		cs.endConsumers()
	}
	cs.running.Wait()
	cs.http.close()
}

// Done is closed when the set has ended: by the server's word or by this side.
func (cs *ChannelSet) Done() <-chan struct{} { return cs.over }

// Err returns why the set has ended: nil while it has not, ErrClosed if this side ended it, else what the server said.
func (cs *ChannelSet) Err() error {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.err
}

func (cs *ChannelSet) endError() error {
	if err := cs.Err(); err != nil {
		return err
	}
	return ErrClosed
}

// finish ends the set: everything that waits gets its answer. The dispatcher ends the consumers once it has handed over what came before.
func (cs *ChannelSet) finish(kind Kind, err error) {
	cs.mu.Lock()
	if cs.finished {
		cs.mu.Unlock()
		return
	}
	cs.finished = true
	event := Event{Kind: Ended, Channel: kind, Err: err, Cause: causeOf(err)}
	if cs.leaving {
		if event.Cause == nil || event.Cause.Kind != EndLeft {
			event.Cause = concluded(message.CodeClientDisconnect, "")
		}
		event.Err, err = nil, ErrClosed
	}
	cs.err = err
	queue, open := cs.queue, cs.session.open
	cs.queue, cs.session.open = nil, nil
	cs.mu.Unlock()
	close(cs.over)
	for _, c := range queue {
		if !c.internal {
			c.finish(nil, err)
		}
	}
	for _, c := range open {
		if !c.answered && !c.internal {
			c.finish(nil, fmt.Errorf("%w (%w)", ErrInDoubt, err))
		}
	}
	cs.tell(event)
}

func (cs *ChannelSet) tell(e Event) {
	entry := cs.opts.Logger.Info()
	if e.Kind == Disconnected || e.Kind == Unreachable || e.Kind == Slow || e.Kind == Ended && e.Err != nil {
		entry = cs.opts.Logger.Warn().Err(e.Err)
	}
	if e.Cause != nil {
		entry = entry.Int("code", int(e.Cause.Code)).Str("cause", e.Cause.Name)
		if e.Cause.Incident != "" {
			entry = entry.Str("incident", e.Cause.Incident)
		}
	}
	if b := e.Backlog; b != nil {
		entry = entry.Str("destination", b.Destination).Uint64("waiting", b.Waiting).Uint64("limit", b.Limit).Str("setting", b.Setting)
	}
	entry.Str("channel", string(e.Channel)).Bool("resumed", e.Resumed).Dur("delay", e.Delay).Msg(string(e.Kind))
	cs.opts.OnEvent(e)
}

// poke wakes the loop that sends.
func (cs *ChannelSet) poke() { signal(cs.wake) }

func wrap(op string, err error) error {
	if err != nil {
		return fmt.Errorf("client: %s: %w", op, err)
	}
	return nil
}
