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

	"golang.org/x/crypto/bcrypt"

	"sluice/channel/client"
)

// SoakOptions says how a server is to be soaked. Those without a default must be there.
type SoakOptions struct {
	URL, Internal string // the server's, which has SoakFiles
	Seed          uint64 // decides who does what, in which order

	Duration time.Duration // how long guests come and go; they do at least until each kind of visit was paid once. 0: 10 minutes
	Visitors int           // guests at a time; 0: 40
	Faithful int           // honest clients that stay; 0: 9
	Programs int           // honest ones by the Go client; 0: 3
	Rounds   int           // how many times the heap is compared with that after the first round; 0: one round a minute, at least 2

	Stop     func() error // ends the server in order, at the end of the soak; nil: it goes on
	Log      *ServerLog   // what the server has written, whose errors are faults; nil: it is not looked at
	Progress io.Writer    // a terminal, for the progress bar; nil: none
}

func (o *SoakOptions) defaults() {
	if o.Duration <= 0 {
		o.Duration = 10 * time.Minute
	}
	if o.Visitors <= 0 {
		o.Visitors = 40
	}
	if o.Faithful <= 0 {
		o.Faithful = 9
	}
	if o.Programs <= 0 {
		o.Programs = 3
	}
	if o.Rounds <= 0 {
		o.Rounds = max(2, int(o.Duration/time.Minute))
	}
}

//go:embed soak-config.xml
var soakConfig []byte

// What soak-config.xml and its password file know.
const (
	soakPassword = "wonderland"
	soakKey      = "soak-operator-key"
)

// soakFiles are the files of a server that is to be soaked.
func soakFiles() (map[string][]byte, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(soakPassword), bcrypt.MinCost)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{configFile: soakConfig, "passwords": fmt.Appendf(nil, "alice:%s:friends\n", hash)}, nil
}

// soak is one run.
type soak struct {
	*world
	opts SoakOptions

	phase      atomic.Int32
	published  []atomic.Uint32 // by honest client, programs last: its last message that was acknowledged
	subscribed sync.WaitGroup  // those honest clients that are not there yet
	troubles   atomic.Int64

	// What follows is guarded by world.mu, as the ledgers of the witnesses are.
	deck      []visit // not yet dealt
	dealt     *rand.Rand
	paid      map[string]int // visits that went as they should
	witnesses []witness
}

// count runs f while no ledger changes.
func (s *soak) count(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// deal takes the next visit off the deck, which holds each of them once, and is shuffled anew when it is empty.
func (s *soak) deal() visit {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.deck) == 0 {
		s.deck = soakVisits()
		s.dealt.Shuffle(len(s.deck), func(i, j int) { s.deck[i], s.deck[j] = s.deck[j], s.deck[i] })
	}
	v := s.deck[len(s.deck)-1]
	s.deck = s.deck[:len(s.deck)-1]
	return v
}

// unpaid is how many kinds of visit were not yet paid.
func (s *soak) unpaid() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range soakVisits() {
		if s.paid[v.name] == 0 {
			n++
		}
	}
	return n
}

// Soak lets clients of every kind come and go, looks at the server meanwhile and afterwards, and reports. An error says that there was nothing to judge.
func Soak(ctx context.Context, opts SoakOptions) (*SoakReport, error) {
	opts.defaults()
	w, err := newWorld(opts.URL, opts.Internal, opts.Visitors, map[string]client.Kind{
		"frail": client.WebSocket, "strict-streaming": client.Streaming, "strict-longpoll": client.LongPoll,
	})
	if err != nil {
		return nil, err
	}
	defer w.http.CloseIdleConnections()
	s := &soak{
		world: w, opts: opts, published: make([]atomic.Uint32, opts.Faithful+opts.Programs), paid: make(map[string]int),
		dealt: rand.New(rand.NewPCG(opts.Seed, 0)),
	}
	return s.run(ctx)
}

// run is the soak from its first client to its last.
func (s *soak) run(ctx context.Context) (*SoakReport, error) {
	r := &SoakReport{Seed: s.opts.Seed, soak: s}
	if err := s.warmUp(ctx); err != nil {
		return nil, err
	}
	var err error
	if r.base, err = s.stable(ctx, soakSession+patience); err != nil {
		return nil, err
	}
	life, hangUp := context.WithCancel(ctx)
	defer hangUp()
	go s.stalls.watch(life)
	var running sync.WaitGroup
	if err = s.settleIn(life, &running); err == nil {
		err = s.rounds(life, r)
	}
	s.phase.Store(phaseOver)
	if err != nil {
		hangUp()
	}
	running.Wait()
	if err != nil {
		return nil, err
	}
	s.http.CloseIdleConnections()
	if r.end, _, err = s.settle(ctx, soakReconnect+soakSession+patience, func(v *vitals) bool {
		return v.living() == 0 && v.Timers <= r.base.Timers && v.Goroutines <= r.base.Goroutines && v.Descriptors <= r.base.Descriptors
	}); err != nil {
		return nil, err
	}
	if err := s.farewell(ctx); err != nil {
		s.fail("the shutdown", err)
	}
	r.judge()
	return r, nil
}

// settleIn starts the honest, and waits until each is subscribed: from then on they hear everything.
func (s *soak) settleIn(ctx context.Context, running *sync.WaitGroup) error {
	s.subscribed.Add(len(s.published))
	for i := range s.opts.Faithful {
		running.Go(s.faithful(ctx, i).run)
	}
	for i := range s.opts.Programs {
		p, err := s.program(s.opts.Faithful + i)
		if err != nil {
			return err
		}
		running.Go(func() { p.run(ctx) })
	}
	all := make(chan struct{})
	go func() {
		s.subscribed.Wait()
		close(all)
	}()
	select {
	case <-all:
		return nil
	case <-time.After(2 * patience):
		s.mu.Lock()
		defer s.mu.Unlock()
		return fmt.Errorf("the honest clients could not subscribe: %v", s.faults)
	}
}

// warmUp pays each channel a visit, so that what is made once is there before anything is compared with it.
func (s *soak) warmUp(ctx context.Context) error {
	for _, ch := range soakChannels {
		g := s.guest(ctx, rand.New(rand.NewPCG(s.opts.Seed, 0)))
		err := polite(g, ch)
		g.drop(false)
		if err != nil {
			return fmt.Errorf("the first visit, %s: %w", ch, err)
		}
	}
	s.http.CloseIdleConnections()
	return nil
}

// rounds lets guests come and go for the time there is, and takes the heap each time when only the honest are there.
func (s *soak) rounds(ctx context.Context, r *SoakReport) error {
	bar := s.progress()
	defer bar()
	for round := range s.opts.Rounds {
		s.phase.Store(phaseBusy)
		s.crowd(ctx, s.opts.Duration/time.Duration(s.opts.Rounds), round == 0)
		s.phase.Store(phaseQuiet)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := s.rest(ctx, r); err != nil {
			return err
		}
		if round == 0 && s.faulty() {
			break // it is broken, however long it is looked at
		}
	}
	return nil
}

// crowd has guests come and go for d, and with all until each kind of visit was paid. Those who have come stay to the end of their visit.
func (s *soak) crowd(ctx context.Context, d time.Duration, all bool) {
	until := time.Now().Add(d)
	latest := until.Add(2 * time.Minute) // a visit that always fails is never paid
	var crowd sync.WaitGroup
	for i := range s.opts.Visitors {
		rng := rand.New(rand.NewPCG(s.opts.Seed, 1000+uint64(i)))
		crowd.Go(func() {
			for ctx.Err() == nil && (time.Now().Before(until) || all && s.unpaid() > 0 && time.Now().Before(latest)) {
				s.receive(ctx, rng)
				sleepUntil(ctx, time.Now().Add(time.Duration(rng.Int64N(int64(200*time.Millisecond)))))
			}
		})
	}
	crowd.Wait()
}

// receive has one guest pay one visit.
func (s *soak) receive(ctx context.Context, rng *rand.Rand) {
	v := s.deal()
	g := s.guest(ctx, rng)
	err := v.run(g)
	g.drop(false)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		s.fail(v.name, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paid[v.name]++
}

// rest waits until only the honest are there, and have heard everything; then the heap is what it is because of them.
func (s *soak) rest(ctx context.Context, r *SoakReport) error {
	s.http.CloseIdleConnections()
	n := len(s.published)
	v, ok, err := s.settle(ctx, soakReconnect+soakSession+patience, func(v *vitals) bool {
		return v.Clients == n && v.Subscriptions == n && s.heard() == nil
	})
	if err != nil {
		return err
	}
	if wrong := s.heard(); wrong != nil {
		s.fail("the honest", wrong)
	}
	if !ok {
		s.fail("after all guests have gone", fmt.Errorf("%d honest clients are there, and the server has %v", n, v))
	}
	heap, err := s.heap(ctx)
	r.Heaps = append(r.Heaps, heap)
	return err
}
