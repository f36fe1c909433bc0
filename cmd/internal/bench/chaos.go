package bench

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"sluice/channel/client"
)

// ChaosOptions says what a server is to stand. Those without a default must be there.
type ChaosOptions struct {
	URL, Internal string // the server's, which has the configuration of [StartChaosServer]
	Seed          uint64 // decides who does what, in which order

	Switches int // how often clients are made to go on by another channel, all together; 0: 10,000
	Rate     int // messages a second that they publish, all together, and as many again that are delivered to them; 0: 1,250
	Rovers   int // clients that are written for this, and switch in every way there is; 0: 28
	Programs int // clients by the Go client; 0: 4
	Rounds   int // how many times all come to rest, everything is compared, and the heap with that after the first round; 0: once each 5,000 switches, at least 3 times

	Stop     func() error // ends the server in order, at the end; nil: it goes on
	Log      *ServerLog   // what the server has written, whose errors are faults; nil: it is not looked at
	Progress io.Writer    // a terminal, for the progress bar; nil: none
}

func (o *ChaosOptions) defaults() {
	def := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	def(&o.Switches, 10_000)
	def(&o.Rate, 1250)
	def(&o.Rovers, 28)
	def(&o.Programs, 4)
	def(&o.Rounds, max(3, o.Switches/5000))
}

//go:embed chaos-config.xml
var chaosConfig []byte

const (
	chaosDestination = "chaos"
	chaosGroups      = 4 // over which the clients are spread: those of one hear the same
	chaosSize        = 100
	chaosSession     = 12 * time.Second // session-timeout-minutes
	chaosHeartbeat   = time.Second      // heartbeat-interval-millis
)

// chaos is one run. Its clients are those who are thrown about, rovers first; driver and witness are left in peace.
type chaos struct {
	*world
	opts ChaosOptions

	phase     atomic.Int32
	absent    atomic.Int64    // clients that are not subscribed yet
	published []atomic.Uint32 // by client: its last message that was acknowledged
	resting   []atomic.Bool   // by client: it is where it began, and has nothing open
	driven    []atomic.Uint32 // by group: the last message of the driver
	unsettled atomic.Int64    // the driver's messages that are not acknowledged
	ears      []*ear          // by client; the witness last
	tally     tally
}

// tally counts what was done. It is safe for concurrent use.
type tally struct {
	switches [3][3]atomic.Int64 // from, to: indices of soakChannels
	inFlight atomic.Int64       // of these, with something unconfirmed both ways
	ways     []atomic.Int64     // of these, by way; those of programs last
	thrown   atomic.Int64       // counted lines that had come, were given up with their connection, and had to come again
	repeated atomic.Int64       // requests that were sent once more
	up, down atomic.Int64       // messages: acknowledged to a client, handed to one
}

// all is how many switches there were.
func (t *tally) all() (n int) {
	for from := range t.switches {
		for to := range t.switches[from] {
			n += int(t.switches[from][to].Load())
		}
	}
	return n
}

// switched counts one.
func (t *tally) switched(from, to string, way int, inFlight bool) {
	t.switches[channelIndex(from)][channelIndex(to)].Add(1)
	t.ways[way].Add(1)
	if inFlight {
		t.inFlight.Add(1)
	}
}

func channelIndex(channel string) int {
	for i, ch := range soakChannels {
		if ch == channel {
			return i
		}
	}
	panic("bench: no channel " + channel)
}

// Chaos throws clients about under load, looks whether anything was lost, doubled or out of order, and reports. An error says that there was nothing to judge.
func Chaos(ctx context.Context, opts ChaosOptions) (*ChaosReport, error) {
	c, err := newChaos(opts)
	if err != nil {
		return nil, err
	}
	defer c.http.CloseIdleConnections()
	return c.run(ctx)
}

func newChaos(opts ChaosOptions) (*chaos, error) {
	opts.defaults()
	w, err := newWorld(opts.URL, opts.Internal, opts.Rovers, nil)
	if err != nil {
		return nil, err
	}
	n := opts.Rovers + opts.Programs
	c := &chaos{
		world: w, opts: opts, tally: tally{ways: make([]atomic.Int64, len(ways)+1)},
		published: make([]atomic.Uint32, n), resting: make([]atomic.Bool, n), driven: make([]atomic.Uint32, chaosGroups),
	}
	for i := range n {
		c.ears = append(c.ears, newEar(fmt.Sprintf("client %d", i), chaosGroups, func() []uint32 { // hears its group alone
			heard := make([]uint32, chaosGroups)
			heard[i%chaosGroups] = c.driven[i%chaosGroups].Load()
			return heard
		}))
	}
	c.ears = append(c.ears, newEar("the witness", n, func() []uint32 {
		heard := make([]uint32, n)
		for i := range heard {
			heard[i] = c.published[i].Load()
			if c.ears[i].failed.Load() {
				heard[i] = unknown
			}
		}
		return heard
	}))
	return c, nil
}

// run is the chaos from its first client to its last.
func (c *chaos) run(ctx context.Context) (*ChaosReport, error) {
	r := &ChaosReport{Seed: c.opts.Seed, chaos: c}
	if err := c.warmUp(ctx); err != nil {
		return nil, err
	}
	var err error
	if r.base, err = c.stable(ctx, chaosSession+patience); err != nil {
		return nil, err
	}
	life, hangUp := context.WithCancel(ctx)
	defer hangUp()
	go c.stalls.watch(life)
	var running sync.WaitGroup
	leave, err := c.settleIn(life, &running)
	if err == nil {
		err = c.rounds(life, r)
	}
	c.phase.Store(phaseOver)
	if err != nil {
		hangUp()
	}
	running.Wait()
	leave()
	if err != nil {
		return nil, err
	}
	c.http.CloseIdleConnections()
	if r.end, _, err = c.settle(ctx, chaosSession+2*patience, func(v *vitals) bool { return v.leaked(r.base) == nil }); err != nil {
		return nil, err
	}
	if c.opts.Stop != nil {
		if err := c.opts.Stop(); err != nil {
			c.fail("the shutdown", err)
		}
	}
	r.judge()
	return r, nil
}

// warmUp has a client on each channel, so that what is made once is there before anything is compared with it.
func (c *chaos) warmUp(ctx context.Context) error {
	for _, ch := range soakChannels {
		g := c.guest(ctx, rand.New(rand.NewPCG(c.opts.Seed, 0)))
		err := g.connect(ch)
		if err == nil {
			err = g.leave()
		}
		g.drop(false)
		if err != nil {
			return fmt.Errorf("the first client, %s: %w", ch, err)
		}
	}
	c.http.CloseIdleConnections()
	return nil
}

// settleIn starts the clients, and waits until each is subscribed. leave is for the driver and the witness, at the end.
func (c *chaos) settleIn(ctx context.Context, running *sync.WaitGroup) (leave func(), err error) {
	witness, err := c.witness(ctx)
	if err != nil {
		return func() {}, err
	}
	driver, err := c.driver(ctx, running)
	leave = func() {
		for _, set := range []*client.ChannelSet{witness, driver} {
			if set != nil {
				set.Close()
			}
		}
	}
	if err != nil {
		return leave, err
	}
	c.absent.Store(int64(len(c.published)))
	for i := range c.opts.Rovers {
		r, err := c.rover(ctx, i)
		if err != nil {
			return leave, err
		}
		running.Go(r.run)
	}
	for i := range c.opts.Programs {
		p, err := c.nomad(c.opts.Rovers + i)
		if err != nil {
			return leave, err
		}
		running.Go(func() { p.run(ctx) })
	}
	for until := time.Now().Add(2 * patience); c.absent.Load() > 0; {
		if c.faulty() || time.Now().After(until) {
			c.mu.Lock()
			defer c.mu.Unlock()
			return leave, fmt.Errorf("the clients could not subscribe: %v", c.faults)
		}
		if !sleepUntil(ctx, time.Now().Add(10*time.Millisecond)) {
			return leave, ctx.Err()
		}
	}
	return leave, nil
}

// rounds lets chaos reign until there were switches enough. After each round all rest, and everything is compared.
func (c *chaos) rounds(ctx context.Context, r *ChaosReport) error {
	bar := c.progress()
	defer bar()
	for round := range c.opts.Rounds {
		up, down, began := c.tally.up.Load(), c.tally.down.Load(), time.Now()
		c.phase.Store(phaseBusy)
		c.reign(ctx, c.opts.Switches*(round+1)/c.opts.Rounds)
		r.Seconds += time.Since(began).Seconds()
		r.Up += int(c.tally.up.Load() - up)
		r.Down += int(c.tally.down.Load() - down)
		c.phase.Store(phaseQuiet)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := c.rest(ctx, r); err != nil {
			return err
		}
		if c.faulty() {
			break // it is broken, however long it is looked at
		}
	}
	return nil
}

// reign waits until there were so many switches, or there is a fault. That none comes for long is one.
func (c *chaos) reign(ctx context.Context, switches int) {
	for last, since := c.tally.all(), time.Now(); ; {
		n := c.tally.all()
		switch {
		case n >= switches || c.faulty():
			return
		case n > last:
			last, since = n, time.Now()
		case time.Since(since) > 4*patience:
			c.fail("the clients", fmt.Errorf("no switch for %v", 4*patience))
		}
		if !sleepUntil(ctx, time.Now().Add(20*time.Millisecond)) {
			return
		}
	}
}

// rest waits until all have heard everything and lie still. Then the books must balance, and the heap is what it is because of them.
func (c *chaos) rest(ctx context.Context, r *ChaosReport) error {
	c.http.CloseIdleConnections()
	limit := 3 * patience
	if c.faulty() {
		limit = patience // one that has failed never rests
	}
	v, ok, err := c.settle(ctx, limit, func(v *vitals) bool {
		return c.still() && v.Clients == len(c.published)+2 && c.heard() == nil && c.unbalanced(v) == nil
	})
	if err != nil {
		return err
	}
	if !ok {
		for _, why := range []error{c.heard(), c.unbalanced(v)} {
			if why != nil {
				c.fail("at rest", why)
			}
		}
		if !c.faulty() {
			c.fail("at rest", fmt.Errorf("%d clients do not come to rest; the server has %v", len(c.published), v))
		}
	}
	r.Books = v.books[chaosDestination]
	heap, err := c.heap(ctx)
	r.Heaps = append(r.Heaps, heap)
	return err
}

// still tells whether all clients lie still.
func (c *chaos) still() bool {
	for i := range c.resting {
		if !c.resting[i].Load() {
			return false
		}
	}
	return c.unsettled.Load() == 0
}
