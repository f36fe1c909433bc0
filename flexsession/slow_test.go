package flexsession

import (
	"fmt"
	"testing"
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

// drowsy is a client whose transport takes nothing, subscribed to chat, and what hears of its slowness.
func drowsy(t *testing.T, h *house) (c *FlexClient, push func(n int), take func() string) {
	t.Helper()
	c = h.client(t)
	epoch := c.Attach(&transport{}, 1, 0).Epoch
	s := h.subscribe(t, c, "a")
	c.Take(epoch, nil, 1<<20)
	c.Confirm(c.out.sent())
	push = func(n int) {
		for i := range n {
			m, err := message.New("chat", []string{"a"}, fmt.Appendf(nil, "%d", i), nil, "m", time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if !c.Push(s.sub.Destination(), m) {
				t.Fatal("nobody wants it")
			}
		}
	}
	take = func() string {
		buf, _ := c.Take(epoch, nil, 1<<20)
		c.Confirm(c.out.sent())
		return string(buf)
	}
	return c, push, take
}

// A slow client is told of, and warned, once for each time that it was far from its limits before.
func TestSlowIsToldOnce(t *testing.T) {
	for name, set := range map[string]func(o *Options, d *channel.DestinationDefinition){
		"of the client":      func(o *Options, _ *channel.DestinationDefinition) { o.MaxWaitingMessages = 20 },
		"of the destination": func(_ *Options, d *channel.DestinationDefinition) { d.MaxWaitingMessages = 20 },
	} {
		t.Run(name, func(t *testing.T) {
			var heard []Slow
			def := channel.DestinationDefinition{ID: "chat", AllowSubtopics: true}
			change := func(o *Options) {
				set(o, &def)
				o.Listeners = append(o.Listeners, Listener{ClientSlow: func(_ *FlexClient, s Slow) { heard = append(heard, s) }})
			}
			bubble(t, change, func(t *testing.T, h *house) {
				if err := h.broker.Reconfigure([]channel.DestinationDefinition{def, {ID: "quiet", SubscriptionTimeout: time.Minute}}, nil); err != nil {
					t.Fatal(err)
				}
				c, push, take := drowsy(t, h)
				c.window = Window{Messages: 6, Bytes: 1 << 20}
				for _, step := range []struct{ push, take, want int }{
					{14, 0, 0}, {1, 0, 1}, {1, 0, 1}, // 16 wait
					{0, 1, 1}, {5, 0, 1}, // 10 at least wait all the time
					{0, 1, 1}, {7, 0, 2}, // from 9 to 16
				} {
					push(step.push)
					for range step.take {
						take()
					}
					if len(heard) != step.want {
						t.Fatalf("after %+v, with %d waiting, it was told of %v", step, c.out.waiting(), heard)
					}
				}
				if heard[1] != (Slow{Destination: "chat", Setting: "max-waiting-messages", Waiting: 15, Limit: 20}) {
					t.Errorf("%+v", heard[1])
				}
			})
		})
	}
}

// A client that was behind once does not hold the memory for ever, and a slot of what was lost does not keep its message.
func TestWaitingLetsManySlotsGo(t *testing.T) {
	bubble(t, nil, func(t *testing.T, h *house) {
		c, push, take := drowsy(t, h)
		push(1000)
		if len(c.out.wait.slots) < 1000 {
			t.Fatalf("%d slots", len(c.out.wait.slots))
		}
		take()
		if c.out.wait.slots != nil {
			t.Errorf("nobody waits in %d slots", len(c.out.wait.slots))
		}
		push(3)
		take()
		for i, n := range c.out.wait.slots {
			if n.m != nil || n.more != nil || n.in != nil {
				t.Errorf("slot %d holds %+v", i, n.entry)
			}
		}
	})
}

// Where a history is kept priority has no say: who has received a position has received all before it.
func TestPriorityAndHistory(t *testing.T) {
	m, err := message.New("chat", nil, []byte("1"), map[string]any{"DSPriority": 9}, "m", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if p := urgency(m); p != 9 {
		t.Errorf("%d, want its own", p)
	}
	if !m.SetPosition("12345678901234567890") {
		t.Fatal("it takes no position")
	}
	if p := urgency(m); p != message.DefaultPriority {
		t.Errorf("%d, although it has a position", p)
	}
}

// Each message that comes for a slow consumer is in the books, also those that come between its verdict and its end.
func TestBooksOfASlowConsumer(t *testing.T) {
	bubble(t, func(o *Options) { o.MaxWaitingMessages = 3 }, func(t *testing.T, h *house) {
		c, _, _ := drowsy(t, h)
		in := c.dests[0]
		m, _ := message.New("chat", []string{"a"}, []byte("1"), nil, "m", time.Now())
		c.mu.Lock()
		for range 6 {
			c.push(entry{m: m, in: in})
		}
		c.mu.Unlock()
		<-c.Done()
		if b := in.books(); b != (Books{Accepted: 6, Abandoned: 6}) {
			t.Errorf("%+v", b)
		}
		if n := h.broker.Destination("chat").Books().Abandoned.Load(); n != 6 {
			t.Errorf("the destination knows of %d", n)
		}
	})
}
