package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"sluice/channel/client"
)

// program is an honest client as programs have it: the Go client, by which nothing may be lost or doubled either. Its connections are cut now and then, and it knows nothing of that.
type program struct {
	s      *soak
	number int
	rng    *rand.Rand
	set    *client.ChannelSet
	ledger *ledger

	mu      sync.Mutex // guards the following
	conns   map[net.Conn]struct{}
	client  bool // it has one at the server
	leaving bool
}

func (s *soak) program(number int) (*program, error) {
	p := &program{s: s, number: number, rng: rand.New(rand.NewPCG(s.opts.Seed, uint64(number))), ledger: s.witness(fmt.Sprintf("program %d", number)), conns: make(map[net.Conn]struct{})}
	var channels []client.Channel
	for i := range soakChannels {
		at := s.at[soakChannels[(number+i)%len(soakChannels)]]
		channels = append(channels, client.Channel{Kind: at.kind, URL: at.url.String()})
	}
	var err error
	p.set, err = client.New(client.Options{
		Channels: channels, Dial: p.dial, OnEvent: p.event,
		MinDelay: 50 * time.Millisecond, MaxDelay: 500 * time.Millisecond, RequestTimeout: soakReconnect,
	})
	return p, err
}

// dial connects, and keeps the connection in mind.
func (p *program) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[conn] = struct{}{}
	return &forgotten{conn, p}, nil
}

// forgotten is a connection that is forgotten when it is closed.
type forgotten struct {
	net.Conn
	p *program
}

func (c *forgotten) Close() error {
	c.p.mu.Lock()
	delete(c.p.conns, c.Conn)
	c.p.mu.Unlock()
	return c.Conn.Close()
}

// cut breaks all its connections.
func (p *program) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		if tcp, ok := conn.(*net.TCPConn); ok && p.rng.IntN(2) == 0 {
			_ = tcp.SetLinger(0)
		}
		conn.Close() // the client closes it once more, and then it is forgotten
	}
}

// event hears what the set has to say: that it had to begin anew, or has ended, is a fault.
func (p *program) event(e client.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case e.Kind == client.Connected && !e.Resumed && p.client:
		p.s.fail("a program", fmt.Errorf("had to begin anew: %v", e.Cause))
	case e.Kind == client.Connected:
		if !e.Resumed {
			p.s.connected.Add(1)
		}
		p.client = true
	case e.Kind == client.Ended && !p.leaving:
		p.s.fail("a program", fmt.Errorf("its set has ended: %v", e.Err))
	}
}

// run lives until ctx ends, or the soak has the honest leave.
func (p *program) run(ctx context.Context) {
	err := p.live(ctx)
	p.mu.Lock()
	p.leaving = true
	p.mu.Unlock()
	if err == nil && ctx.Err() == nil {
		bye, cancel := context.WithTimeout(ctx, patience)
		err = p.set.Disconnect(bye)
		cancel()
	}
	p.set.Close()
	if err != nil && ctx.Err() == nil {
		p.s.fail("a program", err)
	}
}

func (p *program) live(ctx context.Context) error {
	_, err := p.set.SubscribeFunc(ctx, "soak", faithfulTopic, func(m *client.Message) {
		if s, ok := readStamp(slices.Concat([]byte(`"body":`), m.Body)); ok {
			p.s.count(func() { p.ledger.record(s) })
		}
	})
	if err != nil {
		return err
	}
	p.s.subscribed.Done()
	producer := client.Producer{Set: p.set, Destination: "soak", Subtopic: faithfulTopic}
	var trouble time.Time
	for p.s.phase.Load() != phaseOver {
		if p.s.phase.Load() == phaseBusy {
			if now := time.Now(); now.After(trouble) {
				p.cut() // in the middle of the next publication, as it happens
				p.s.troubles.Add(1)
				trouble = now.Add(about(p.rng, troublePause))
			}
			number := p.s.published[p.number].Load() + 1
			sending, cancel := context.WithTimeout(ctx, patience)
			err := producer.Publish(sending, stamp{p.number, number, time.Now().UnixNano()}.body(100))
			cancel()
			if err != nil {
				return err
			}
			p.s.published[p.number].Add(1)
		}
		if !sleepUntil(ctx, time.Now().Add(about(p.rng, faithfulPause))) {
			return ctx.Err()
		}
	}
	return nil
}

// about is half of d, or more, up to half as much again.
func about(rng *rand.Rand, d time.Duration) time.Duration {
	return d/2 + time.Duration(rng.Int64N(int64(d)))
}

// witness makes the ledger of one who hears what the honest publish.
func (s *soak) witness(name string) *ledger {
	l := newLedger(len(s.published))
	s.count(func() { s.witnesses = append(s.witnesses, witness{name, l}) })
	return l
}

// witness is one who hears what the honest publish. Its ledger is guarded by soak.mu.
type witness struct {
	name string
	*ledger
}

// heard says what is wrong with what they have heard; nil: nothing.
func (s *soak) heard() error {
	published := make([]uint32, len(s.published))
	for i := range published {
		published[i] = s.published[i].Load()
	}
	var wrong []string
	s.count(func() {
		for _, w := range s.witnesses {
			if lost := w.lost(published); lost+w.twice+w.late+w.strange > 0 {
				wrong = append(wrong, fmt.Sprintf("%s: %d lost %v, %d doubled, %d out of order, %d strange", w.name, lost, w.holes(published), w.twice, w.late, w.strange))
			}
		}
	})
	if wrong == nil {
		return nil
	}
	return errors.New(strings.Join(wrong, "; "))
}
