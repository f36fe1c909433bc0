package flexsession

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/memengine"
	"sluice/channel/message"
	"sluice/heartbeat"
)

// house is a broker and a registry in a bubble.
type house struct {
	broker   *channel.MessageBroker
	registry *Registry
	def      *channel.ChannelDefinition
}

func newHouse(t testing.TB, change func(*Options)) *house {
	t.Helper()
	broker, err := channel.NewMessageBroker(channel.Options{
		Destinations: []channel.DestinationDefinition{{ID: "chat", AllowSubtopics: true, SubtopicSeparator: "."}, {ID: "quiet", SubscriptionTimeout: time.Minute}},
		Engine:       memengine.New(memengine.Options{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	wheel := heartbeat.New(heartbeat.Options{})
	opts := Options{Wheel: wheel}
	if change != nil {
		change(&opts)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { wheel.Run(ctx) })
	running.Go(func() { broker.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	return &house{broker, NewRegistry(opts), &channel.ChannelDefinition{ID: "test", Kind: channel.WebSocket}}
}

func (h *house) client(t testing.TB) *FlexClient {
	t.Helper()
	c, _, err := h.registry.NewClient(h.def, Peer{}, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// topics are subtopics without a selector.
func topics(subtopics ...string) (all []message.Topic) {
	for _, subtopic := range subtopics {
		all = append(all, message.Topic{Subtopic: subtopic})
	}
	return all
}

func (h *house) subscribe(t testing.TB, c *FlexClient, subtopics ...string) *MessageClient {
	t.Helper()
	s, err := c.Subscribe(h.broker.Destination("chat"), topics(subtopics...), "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (h *house) publish(t testing.TB, subtopic string, n int) {
	t.Helper()
	var batch []*message.Message
	for i := range n {
		m, err := message.New("chat", []string{subtopic}, fmt.Appendf(nil, "%d", i), nil, fmt.Sprint(i), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		batch = append(batch, m)
	}
	h.broker.Publish(batch, func(_ int, err *message.Error) {
		if err != nil {
			t.Error(err)
		}
	})
}

// transport notes what a client says to it.
type transport struct {
	mu        sync.Mutex
	wakes     int
	displaced uint64
	ended     *Cause
	http      bool
	def       *channel.ChannelDefinition // nil: any, by http
	session   Session
}

func (tr *transport) cause() *Cause { tr.mu.Lock(); defer tr.mu.Unlock(); return tr.ended }

func (tr *transport) Wake()                  { tr.mu.Lock(); tr.wakes++; tr.mu.Unlock() }
func (tr *transport) Displace(attach uint64) { tr.mu.Lock(); tr.displaced = attach; tr.mu.Unlock() }
func (tr *transport) End(c Cause)            { tr.mu.Lock(); tr.ended = &c; tr.mu.Unlock() }
func (tr *transport) Session() Session       { return tr.session }
func (tr *transport) EndsClient() bool       { return false }
func (tr *transport) Retime()                {}
func (tr *transport) Channel() *channel.ChannelDefinition {
	if tr.def != nil {
		return tr.def
	}
	if tr.http {
		return &channel.ChannelDefinition{ID: "test", Kind: channel.LongPoll}
	}
	return &channel.ChannelDefinition{ID: "test", Kind: channel.WebSocket}
}

func bubble(t *testing.T, change func(*Options), f func(t *testing.T, h *house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newHouse(t, change)) })
}

// However many messages a batch brings, the transport is woken once.
func TestOneWakeForABatch(t *testing.T) {
	bubble(t, nil, func(t *testing.T, h *house) {
		c, tr := h.client(t), &transport{}
		h.subscribe(t, c, "a", "*")
		h.subscribe(t, c, "a")
		c.Attach(tr, 1, 0)
		h.publish(t, "a", 100)
		synctest.Wait()
		if tr.wakes != 1 {
			t.Errorf("%d wakes for one batch of 100 messages", tr.wakes)
		}
		if waiting, _ := c.Depth(); waiting != 100+2 {
			t.Errorf("%d lines wait, want each message once and two subscription-states", waiting)
		}
	})
}

func TestSlowConsumer(t *testing.T) {
	for name, limit := range map[string]func(*Options){
		"messages": func(o *Options) { o.MaxWaitingMessages = 10 },
		"bytes":    func(o *Options) { o.MaxWaitingBytes = 1000 },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, limit, func(t *testing.T, h *house) {
				slow, tr, fast := h.client(t), &transport{}, h.client(t)
				h.subscribe(t, slow, "a")
				h.subscribe(t, fast, "b")
				slow.Attach(tr, 1, 0)
				h.publish(t, "a", 50)
				synctest.Wait()
				if tr.ended == nil || tr.ended.Code != message.CodeSlowConsumer {
					t.Fatalf("the slow one ended with %v", tr.ended)
				}
				if n, _ := h.registry.Count(); n != 1 || h.broker.Destination("chat").Subscribers() != 1 {
					t.Errorf("%d clients and %d subscriptions are left, want those of the other one", n, h.broker.Destination("chat").Subscribers())
				}
			})
		})
	}
}

func TestAttachRules(t *testing.T) {
	bubble(t, nil, func(t *testing.T, h *house) {
		c := h.client(t)
		h.subscribe(t, c, "a")
		first, second, third := &transport{http: true}, &transport{http: true}, &transport{http: true}
		c.Attach(first, 5, 0)
		if a := c.Attach(second, 4, 0); a.Displaced != 5 || first.displaced != 0 {
			t.Errorf("a lower attach: %+v, and the other was displaced by %d", a, first.displaced)
		}
		equal := c.Attach(second, 5, 0)
		if equal.Displaced != 0 || first.displaced != 5 {
			t.Errorf("an equal attach: %+v, and the other was displaced by %d", equal, first.displaced)
		}
		last := c.Attach(third, 6, 0)
		if b, _ := c.Take(equal.Epoch, nil, 1<<20); len(b) > 0 {
			t.Errorf("a displaced transport was given %q", b)
		}
		if b, _ := c.Take(last.Epoch, nil, 1<<20); len(b) == 0 {
			t.Error("the attached one was given nothing")
		}
		if a := c.Attach(third, 7, 99); !a.Gone || a.Reason != message.GoneAhead {
			t.Errorf("an attach that has more than was sent: %+v", a)
		}
		c.Detach(second, Because(message.CodeConnectionLost)) // late news of the old connection
		again := c.Attach(third, 8, 0)
		if b, _ := c.Take(again.Epoch, nil, 1<<20); len(b) == 0 {
			t.Error("the loss of the old connection has hurt the new one")
		}
	})
}

// Each object is created once and destroyed once, however many end it at a time, and nothing of it is left.
func TestEndsOnce(t *testing.T) {
	var mu sync.Mutex
	count := map[string]int{}
	add := func(what string) { mu.Lock(); count[what]++; mu.Unlock() }
	listen := func(o *Options) {
		o.Listeners = []Listener{{
			ClientCreated:          func(*FlexClient) { add("clients") },
			ClientDestroyed:        func(*FlexClient, Cause) { add("clients ended") },
			MessageClientCreated:   func(*MessageClient) { add("subscriptions") },
			MessageClientDestroyed: func(*MessageClient, Cause) { add("subscriptions ended") },
			SessionCreated:         func(Session) { add("sessions") },
			SessionDestroyed:       func(Session, Cause) { add("sessions ended") },
		}}
	}
	bubble(t, listen, func(t *testing.T, h *house) {
		def := &channel.ChannelDefinition{ID: "longpoll", Kind: channel.LongPoll, SessionTimeout: time.Minute}
		var all sync.WaitGroup
		for range 200 {
			record, _ := h.registry.NewRecord(def)
			c, _, err := h.registry.NewClient(h.def, Peer{}, record, false)
			if err != nil {
				t.Fatal(err)
			}
			c.Use(record.Session(def, Peer{}, 0))
			s := h.subscribe(t, c, "a")
			all.Go(func() { c.End(Because(message.CodeAdministrator)) })
			all.Go(func() { record.End(Because(message.CodeSessionInvalidated)) })
			all.Go(func() { c.Unsubscribe(s.ID(), "") })
			all.Go(func() { h.publish(t, "a", 3) })
			all.Go(func() { c.Detach(&transport{}, Because(message.CodeConnectionLost)) })
		}
		all.Wait()
		synctest.Wait()
		for _, what := range []string{"clients", "subscriptions", "sessions"} {
			if count[what] != 200 || count[what+" ended"] != 200 {
				t.Errorf("%s: %d created, %d ended", what, count[what], count[what+" ended"])
			}
		}
		g := h.registry
		if len(g.clients)+len(g.sessions)+len(g.records)+len(g.users) != 0 || h.broker.Destination("chat").Subscribers() != 0 {
			t.Error("something is left of them")
		}
	})
}

func TestRememberedEnds(t *testing.T) {
	few := func(o *Options) { o.RememberEnds = 3 }
	bubble(t, few, func(t *testing.T, h *house) {
		var ids, secrets []string
		for range 5 {
			c, secret, _ := h.registry.NewClient(h.def, Peer{}, nil, false)
			c.End(Because(message.CodeAdministrator))
			ids, secrets = append(ids, c.ID()), append(secrets, secret)
		}
		if _, cause := h.registry.Client(ids[4], secrets[4]); cause == nil || cause.Code != message.CodeAdministrator {
			t.Errorf("the last one ended because of %v", cause)
		}
		if _, cause := h.registry.Client(ids[4], secrets[3]); cause != nil {
			t.Error("a wrong secret was told why")
		}
		if _, cause := h.registry.Client(ids[0], secrets[0]); cause != nil || len(h.registry.ends) != 3 {
			t.Errorf("%d ends are remembered, want 3", len(h.registry.ends))
		}
	})
}

func TestLimits(t *testing.T) {
	limits := func(o *Options) { o.MaxClients, o.MaxClientsPerSession, o.MaxSubscriptions = 3, 2, 2 }
	bubble(t, limits, func(t *testing.T, h *house) {
		r, _ := h.registry.NewRecord(&channel.ChannelDefinition{})
		h.registry.NewClient(h.def, Peer{}, r, false)
		c, _, _ := h.registry.NewClient(h.def, Peer{}, r, false)
		if _, _, err := h.registry.NewClient(h.def, Peer{}, r, false); err == nil || err.Code != message.CodeLimitClientsPerSession || err.Value != 2 {
			t.Errorf("a third client of a session: %v", err)
		}
		h.client(t)
		if _, _, err := h.registry.NewClient(h.def, Peer{}, nil, false); err == nil || err.Code != message.CodeLimitClients || err.Value != 3 {
			t.Errorf("a fourth client: %v", err)
		}
		h.subscribe(t, c, "a")
		h.subscribe(t, c, "b")
		if _, err := c.Subscribe(h.broker.Destination("chat"), topics("c"), ""); err == nil || err.Code != message.CodeLimitSubscriptions {
			t.Errorf("a third subscription: %v", err)
		}
	})
}

// A subscribe that is refused at its second subtopic leaves nothing behind.
func TestRefusedSubscribe(t *testing.T) {
	bubble(t, nil, func(t *testing.T, h *house) {
		c := h.client(t)
		if _, err := c.Subscribe(h.broker.Destination("chat"), topics("a", "b..c"), ""); err == nil || err.Code != message.CodeBadSubtopic {
			t.Errorf("got %v", err)
		}
		s := h.subscribe(t, c, "a")
		if err := s.Change(topics("x", ".y"), topics("a"), ""); err == nil || fmt.Sprint(s.Topics()) != "[a]" {
			t.Errorf("a refused change: %v, topics now %v", err, s.Topics())
		}
		if waiting, _ := c.Depth(); waiting != 1 {
			t.Errorf("%d lines, want one subscription-state", waiting)
		}
	})
}

func BenchmarkDeliver(b *testing.B) {
	for _, subs := range []int{1, 100, 1000, 10000} {
		b.Run(fmt.Sprintf("subs=%d", subs), func(b *testing.B) {
			h := newHouse(b, nil)
			time.Sleep(10 * time.Millisecond)
			transports := make([]*transport, subs)
			clients := make([]*FlexClient, subs)
			epochs := make([]uint64, subs)
			for i := range subs {
				clients[i], transports[i] = h.client(b), &transport{}
				h.subscribe(b, clients[i], "a")
				epochs[i] = clients[i].Attach(transports[i], 1, 0).Epoch
			}
			batch := make([]*message.Message, 32)
			for i := range batch {
				batch[i], _ = message.New("chat", []string{"a"}, []byte(`"x"`), nil, "m", time.Now())
			}
			buf := make([]byte, 0, 64<<10)
			done := make(chan struct{}, 1)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n++
				h.broker.Publish(batch, func(i int, _ *message.Error) {
					if i == len(batch)-1 {
						done <- struct{}{}
					}
				})
				<-done
				for i, c := range clients {
					buf, _ = c.Take(epochs[i], buf[:0], 1<<20)
					c.Confirm(c.out.sent())
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*subs*len(batch)), "ns/delivery")
		})
	}
}
