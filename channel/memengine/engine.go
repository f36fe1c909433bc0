package memengine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

// Options configure an Engine. The zero value is ready to use.
type Options struct {
	// MaxPending is how many messages may be taken and not yet delivered before publishers wait. A batch is taken whole, so there may be one
	// batch more. Zero or less means 65536.
	MaxPending int

	// Now is the clock by which history grows old. Nil means time.Now.
	Now func() time.Time
}

const (
	defaultMaxPending = 65536

	// maxBatch bounds what is delivered between two flushes: enough to fill a write of 64 KiB with small messages, and far below what a subscriber
	// may leave waiting.
	maxBatch = 256

	// maxTurns is how many batches a publisher delivers before it hands over.
	maxTurns = 4

	// sweepEvery is how often history that has a time limit is looked through for what is too old, besides whenever it is read or grows.
	sweepEvery = 10 * time.Second
)

// Engine carries messages within this process. All methods are safe for concurrent use.
type Engine struct {
	maxPending int
	now        func() time.Time
	logs       atomic.Pointer[map[string]*log] // by destination; replaced whole, under mu

	mu         sync.Mutex // guards the following
	changed    sync.Cond  // on mu: there is room, or work for Run, or the end has come
	deliver    func(batch []*message.Message)
	pipe       []*message.Message // from head on: taken and not yet delivered
	head       int
	strays     uint64 // messages for destinations that are not configured
	waiting    int    // publishers that wait for room
	delivering bool   // somebody delivers, or Run is about to
	handedOver bool   // that somebody is to be Run
	ended      bool
	sweeper    *time.Timer // armed while a destination has a time limit and Run runs; nil: not armed
}

var _ channel.Engine = (*Engine)(nil)

// New makes an engine. It starts no goroutine.
func New(opts Options) *Engine {
	e := &Engine{maxPending: opts.MaxPending, now: opts.Now}
	if e.now == nil {
		e.now = time.Now
	}
	e.logs.Store(&map[string]*log{})
	if e.maxPending <= 0 {
		e.maxPending = defaultMaxPending
	}
	e.changed.L = &e.mu
	return e
}

// Run makes the engine take messages until ctx ends, and helps to deliver them. It returns when everything it took has been delivered.
// A second call returns an error.
func (e *Engine) Run(ctx context.Context, deliver func(batch []*message.Message)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.deliver != nil {
		return errors.New("memengine: Run was called before")
	}
	e.deliver = deliver
	e.arm()
	if e.pending() > 0 { // taken before
		e.delivering, e.handedOver = true, true
	}
	stop := context.AfterFunc(ctx, e.end)
	defer stop()
	for !e.ended || e.delivering {
		if e.handedOver {
			e.handedOver = false
			e.drain(0)
			continue
		}
		e.changed.Wait()
	}
	for e.sweeper != nil && !e.sweeper.Stop() {
		e.changed.Wait()
	}
	return nil
}

// end stops the taking.
func (e *Engine) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ended = true
	e.changed.Broadcast()
}

// Publish numbers the messages, keeps those whose destination has history, appends the batch to what is to be delivered, and calls done for each message before it returns. It waits while MaxPending messages are not yet delivered.
// Before Run it takes up to MaxPending messages, which are delivered when Run begins, and refuses more with overloaded; after the end of Run's context it refuses with
// server-shutdown.
func (e *Engine) Publish(batch []*message.Message, done func(i int, p channel.Position, err error)) {
	if len(batch) == 0 {
		return
	}
	deliverer, err := e.take(batch)
	if deliverer {
		defer e.turn() // deferred: were done to panic, everyone else would wait for ever
	}
	for i, m := range batch {
		var p channel.Position
		if err == nil {
			p = channel.Position(m.Position())
		}
		done(i, p, err)
	}
}

// take appends the batch to what is to be delivered. It reports whether the caller is to deliver.
func (e *Engine) take(batch []*message.Message) (deliverer bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for e.pending() >= e.maxPending && e.deliver != nil && !e.ended {
		e.waiting++
		e.changed.Wait()
		e.waiting--
	}
	switch {
	case e.ended:
		return false, &message.Error{Code: message.CodeServerShutdown}
	case e.pending() >= e.maxPending: // and nobody is there to deliver
		return false, &message.Error{Code: message.CodeOverloaded}
	}
	e.number(batch)
	e.pipe = append(e.pipe, batch...)
	if e.deliver == nil {
		return false, nil
	}
	deliverer = !e.delivering
	e.delivering = true
	return deliverer, nil
}

func (e *Engine) pending() int { return len(e.pipe) - e.head }

// turn is a publisher's turn to deliver.
func (e *Engine) turn() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.drain(maxTurns)
}

// drain delivers until nothing is left or, where turns is not zero, until that many batches have been delivered and Run is to go on. The caller
// holds mu and is the only one who delivers; mu is released while messages are delivered. Others append meanwhile, which leaves the batch
// as it is.
func (e *Engine) drain(turns int) {
	for turn := 1; e.pending() > 0; turn++ {
		batch := e.pipe[e.head:min(e.head+maxBatch, len(e.pipe)):len(e.pipe)]
		e.mu.Unlock()
		e.deliver(batch)
		e.mu.Lock()
		e.drop(len(batch))
		if turn == turns && e.pending() > 0 {
			e.handedOver = true
			e.changed.Broadcast()
			return
		}
	}
	e.delivering = false
	if e.ended {
		e.changed.Broadcast()
	}
}

// drop takes n delivered messages off. When more than half of the array is behind the head, the rest moves to the front: that costs no more than
// delivering did.
func (e *Engine) drop(n int) {
	clear(e.pipe[e.head : e.head+n])
	e.head += n
	if e.head >= e.pending() {
		rest := copy(e.pipe, e.pipe[e.head:])
		clear(e.pipe[rest:])
		e.pipe, e.head = e.pipe[:rest], 0
	}
	if e.waiting > 0 {
		e.changed.Broadcast()
	}
}
