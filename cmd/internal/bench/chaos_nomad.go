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
	"sync/atomic"
	"time"

	"sluice/channel/client"
	"sluice/endpoint/faults"
)

// nomad is a client as programs have it: the Go client. Of its three channels only one leads anywhere at a time; when that ends it goes on by the one that does then, and knows nothing of what is done to it. Now
// and then nothing is done to it, and it is told to move.
type nomad struct {
	c       *chaos
	number  int
	rng     *rand.Rand
	ear     *ear
	set     *client.ChannelSet
	proxies map[string]*faults.Proxy // by channel
	open    atomic.Pointer[[]string] // the channels that lead somewhere
	pending atomic.Int64             // publications that are not acknowledged
	now     chan client.Kind         // capacity 1: the channel that it has attached to last

	mu      sync.Mutex // guards the following
	known   bool       // it has a client at the server
	leaving bool
}

func (c *chaos) nomad(number int) (*nomad, error) {
	n := &nomad{c: c, number: number, rng: rand.New(rand.NewPCG(c.opts.Seed, uint64(number))), ear: c.ears[number], proxies: make(map[string]*faults.Proxy), now: make(chan client.Kind, 1)}
	home := soakChannels[number%len(soakChannels)]
	n.open.Store(&[]string{home})
	var channels []client.Channel
	for _, ch := range soakChannels {
		proxy, err := faults.NewProxy(strings.TrimPrefix(c.url, "http://"))
		if err != nil {
			return nil, err
		}
		n.proxies[ch] = proxy
		at := *c.at[ch].url
		at.Host = proxy.Addr().String()
		channels = append(channels, client.Channel{Kind: c.at[ch].kind, URL: at.String()})
	}
	var err error
	n.set, err = client.New(client.Options{Channels: channels, Dial: n.dial, OnEvent: n.event, MinDelay: 2 * time.Millisecond, MaxDelay: 20 * time.Millisecond, RequestTimeout: patience, UpgradeDelay: -1})
	return n, err
}

var errBlocked = errors.New("blocked on the way")

// dial connects by the channels that lead somewhere.
func (n *nomad) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	for _, open := range *n.open.Load() {
		if addr == n.proxies[open].Addr().String() {
			return new(net.Dialer).DialContext(ctx, network, addr)
		}
	}
	return nil, errBlocked
}

// event hears what the set has to say: that it had to begin anew, or has ended, is a fault.
func (n *nomad) event(e client.Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case e.Kind == client.Connected, e.Kind == client.Moved:
		if !e.Resumed {
			n.c.connected.Add(1)
			if n.known {
				n.c.fail("a program", fmt.Errorf("had to begin anew: %v", e.Cause))
			}
		}
		n.known = true
		select {
		case <-n.now:
		default:
		}
		n.now <- e.Channel
	case e.Kind == client.Ended && !n.leaving:
		n.c.fail("a program", fmt.Errorf("its set has ended: %v", e.Err))
	}
}

// run lives until ctx ends, or chaos is over.
func (n *nomad) run(ctx context.Context) {
	defer func() {
		for _, p := range n.proxies {
			p.Close()
		}
	}()
	err := n.live(ctx)
	n.mu.Lock()
	n.leaving = true
	n.mu.Unlock()
	if err == nil && ctx.Err() == nil {
		bye, cancel := context.WithTimeout(ctx, patience)
		err = n.set.Disconnect(bye)
		cancel()
	}
	n.set.Close()
	if err != nil && ctx.Err() == nil {
		n.ear.failed.Store(true)
		n.c.fail("a program", err)
	}
}

func (n *nomad) live(ctx context.Context) error {
	if _, err := n.set.SubscribeFunc(ctx, chaosDestination, group(n.number), func(m *client.Message) { n.c.hear(n.ear, m, &n.c.tally.down) }); err != nil {
		return err
	}
	n.c.absent.Add(-1)
	where := string(<-n.now)
	home := where
	sender := n.c.sender(n.set, fmt.Sprintf("up.%d", n.number))
	var sent uint32
	next := time.Now()
	for n.c.phase.Load() != phaseOver {
		busy := n.c.phase.Load() == phaseBusy
		n.c.resting[n.number].Store(!busy && where == home && n.pending.Load() == 0)
		var err error
		switch {
		case busy && time.Now().After(next):
			where, err = n.move(ctx, where, soakChannels[(channelIndex(where)+1+n.rng.IntN(2))%3])
			next = time.Now().Add(about(n.rng, roverPause))
		case !busy && where != home:
			where, err = n.move(ctx, where, home)
		}
		for k := sender.due(busy, float64(n.c.opts.Rate)/float64(len(n.c.published))); k > 0 && err == nil; k-- {
			sent++
			n.pending.Add(1)
			err = sender.send(ctx, stamp{n.number, sent, time.Now().UnixNano()}, func() {
				n.pending.Add(-1)
				n.c.published[n.number].Add(1)
				n.c.tally.up.Add(1)
			})
		}
		if err != nil {
			return err
		}
		select {
		case kind := <-n.now: // lost and found there
			where = string(kind)
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// move blocks the way it takes, and opens another; or it opens that, and has it taken.
func (n *nomad) move(ctx context.Context, from, to string) (string, error) {
	way := n.rng.IntN(4)
	if way == 3 {
		n.open.Store(&[]string{from, to})
		limited, cancel := context.WithTimeout(ctx, 2*patience)
		defer cancel()
		if n.set.MoveTo(limited, n.c.at[to].kind) != nil {
			way = 1 // a busy machine has not let the channel prove itself in time: it is driven there
		}
	}
	n.open.Store(&[]string{to})
	switch proxy := n.proxies[from]; way {
	case 0:
		proxy.CutAfter(n.rng.IntN(500))
		if !sleepUntil(ctx, time.Now().Add(time.Duration(n.rng.Int64N(int64(50*time.Millisecond))))) {
			return from, ctx.Err()
		}
		proxy.Cut(false)
	case 1:
		proxy.Cut(false)
	case 2:
		proxy.Cut(true)
	}
	timer := time.NewTimer(2 * patience)
	defer timer.Stop()
	for {
		select {
		case kind := <-n.now:
			if string(kind) != to {
				continue
			}
			if n.c.phase.Load() == phaseBusy {
				n.c.tally.switched(from, to, len(ways), false) // what it has not confirmed is its own affair
			}
			return to, nil
		case <-timer.C:
			return from, fmt.Errorf("client %d: went from %s to %s, and is not there after %v", n.number, from, to, 2*patience)
		case <-n.set.Done():
			return from, n.set.Err()
		case <-ctx.Done():
			return from, ctx.Err()
		}
	}
}

// hear hands a message to an ear, and counts it.
func (c *chaos) hear(e *ear, m *client.Message, count *atomic.Int64) {
	if s, ok := readStamp(slices.Concat([]byte(`"body":`), m.Body)); ok {
		e.hear(s)
		if count != nil {
			count.Add(1)
		}
	}
}
