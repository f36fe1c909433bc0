package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"sluice/channel/client"
)

// The driver and the witness are left in peace: by them it is known what should be heard, and what was said.

// calm makes a client that goes straight to the server.
func (c *chaos) calm() (*client.ChannelSet, error) {
	return client.New(client.Options{
		Channels: []client.Channel{{Kind: client.WebSocket, URL: c.at["websocket"].url.String()}},
		OnEvent: func(e client.Event) {
			switch {
			case e.Kind == client.Connected && !e.Resumed:
				c.connected.Add(1)
			case e.Kind == client.Disconnected:
				c.fail("a client that was left in peace", fmt.Errorf("lost its connection: %v", e.Err))
			}
		},
	})
}

// witness hears all that the clients publish: each message once, in the order of its publisher.
func (c *chaos) witness(ctx context.Context) (*client.ChannelSet, error) {
	set, err := c.calm()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ear := c.ears[len(c.ears)-1]
	_, err = set.SubscribeFunc(ctx, chaosDestination, "up.*", func(m *client.Message) { c.hear(ear, m, nil) })
	return set, err
}

// driver publishes what the clients hear, while they are busy.
func (c *chaos) driver(ctx context.Context, running *sync.WaitGroup) (*client.ChannelSet, error) {
	set, err := c.calm()
	if err != nil {
		return nil, err
	}
	running.Go(func() {
		if err := c.drive(ctx, set); err != nil && ctx.Err() == nil {
			c.fail("the driver", err)
		}
	})
	return set, nil
}

func (c *chaos) drive(ctx context.Context, set *client.ChannelSet) error {
	rng := rand.New(rand.NewPCG(c.opts.Seed, 1<<32))
	var senders []*sender
	for g := range chaosGroups {
		senders = append(senders, c.sender(set, group(g)))
	}
	sent := make([]uint32, chaosGroups)
	for c.phase.Load() != phaseOver {
		busy := c.phase.Load() == phaseBusy
		for k := senders[0].due(busy, float64(c.opts.Rate)*chaosGroups/float64(len(c.published))); k > 0; k-- {
			g := rng.IntN(chaosGroups)
			sent[g]++
			c.unsettled.Add(1)
			if err := senders[g].send(ctx, stamp{g, sent[g], time.Now().UnixNano()}, func() {
				c.driven[g].Add(1)
				c.unsettled.Add(-1)
			}); err != nil {
				return err
			}
		}
		if !sleepUntil(ctx, time.Now().Add(5*time.Millisecond)) {
			return ctx.Err()
		}
	}
	return nil
}

// sender publishes at a rate, by the Go client. One goroutine uses it.
type sender struct {
	c        *chaos
	producer client.Producer
	last     time.Time
	owed     float64
}

func (c *chaos) sender(set *client.ChannelSet, subtopic string) *sender {
	return &sender{c: c, producer: client.Producer{Set: set, Destination: chaosDestination, Subtopic: subtopic}}
}

// due is how many messages are due now, at so many a second.
func (s *sender) due(busy bool, rate float64) (n int) {
	now := time.Now()
	if busy && !s.last.IsZero() {
		s.owed = min(rate, s.owed+now.Sub(s.last).Seconds()*rate) // at most a second late
		n = int(s.owed)
		s.owed -= float64(n)
	}
	s.last = now
	return n
}

// send publishes a message; done is called when it was acknowledged.
func (s *sender) send(ctx context.Context, st stamp, done func()) error {
	return s.producer.Send(ctx, st.body(chaosSize), func(err error) {
		if err != nil {
			s.c.fail("a publication by the Go client", err)
			return
		}
		done()
	})
}
