package flexsession

import (
	"runtime"
	"sync"
	"testing"

	"sluice/channel"
	"sluice/channel/message"
)

// ledger is what listeners heard of each object.
type ledger struct {
	mu   sync.Mutex
	told map[any]string
}

func (l *ledger) add(object any, what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told[object] += what
}

// listener writes down "+" for each creation, slowly, and "-" for each destruction.
func (l *ledger) listener() Listener {
	created := func(object any) {
		runtime.Gosched() // time for the end to come in between
		l.add(object, "+")
	}
	return Listener{
		SessionCreated:         func(s Session) { created(s) },
		SessionDestroyed:       func(s Session, _ Cause) { l.add(s, "-") },
		ClientCreated:          func(c *FlexClient) { created(c) },
		ClientDestroyed:        func(c *FlexClient, _ Cause) { l.add(c, "-") },
		MessageClientCreated:   func(s *MessageClient) { created(s) },
		MessageClientDestroyed: func(s *MessageClient, _ Cause) { l.add(s, "-") },
	}
}

// check fails the test unless of at least so many objects each was created once, and then destroyed once.
func (l *ledger) check(t *testing.T, least int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.told) < least {
		t.Errorf("heard of %d objects, want %d", len(l.told), least)
	}
	wrong := map[string]int{}
	for object, told := range l.told {
		if told != "+-" {
			wrong[told]++
			if wrong[told] == 1 {
				t.Errorf("of a %T was told %s", object, told)
			}
		}
	}
	if len(wrong) > 0 {
		t.Errorf("of %d objects: %v", len(l.told), wrong)
	}
}

// Whoever ends it, and whenever: of each object it is told that it was created, and then that it was destroyed, once each.
func TestCreatedComesBeforeDestroyed(t *testing.T) {
	var l1, l2 ledger
	l1.told, l2.told = map[any]string{}, map[any]string{}
	h := newHouse(t, func(o *Options) { o.Listeners = []Listener{l1.listener(), l2.listener()} })
	streaming := &channel.ChannelDefinition{ID: "streaming", Kind: channel.Streaming}
	cause := Because(message.CodeAdministrator)
	const rounds = 1000
	for range rounds {
		r, err := h.registry.NewRecord(polling)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		all.Go(func() { r.Session(polling, Peer{}, 0) })
		all.Go(func() { r.Session(streaming, Peer{}, 0) })
		all.Go(func() {
			c, _, err := h.registry.NewClient(h.def, Peer{}, r, false)
			if err != nil {
				return
			}
			subscribed := make(chan struct{})
			all.Go(func() {
				defer close(subscribed)
				c.Subscribe(h.broker.Destination("chat"), topics("a"), "")
			})
			runtime.Gosched()
			c.End(cause)
			<-subscribed
		})
		all.Go(func() { // an operator looks, and ends what there is
			for range 3 {
				runtime.Gosched()
				for _, c := range h.registry.Clients() {
					c.End(cause)
				}
				for _, s := range h.registry.Sessions() {
					s.Invalidate(cause)
				}
			}
		})
		all.Go(func() { h.registry.NewWebSocketSession(h.def, Peer{}, deadSocket{}, nil).Invalidate(cause) })
		all.Wait()
		r.End(cause)
	}
	l1.check(t, 2*rounds)
	l2.check(t, 2*rounds)
}

type deadSocket struct{}

func (deadSocket) End(Cause) {}
func (deadSocket) Retime()   {}

// A listener may end what it is told of; whoever listens after it hears of both all the same, in their order.
func TestListenerEndsWhatBegins(t *testing.T) {
	l := ledger{told: map[any]string{}}
	cause := Because(message.CodeAdministrator)
	var refusing bool // clients, too
	refuse := Listener{
		SessionCreated: func(s Session) { s.Invalidate(cause) },
		ClientCreated: func(c *FlexClient) {
			if refusing {
				c.End(cause)
			}
		},
		MessageClientCreated: func(s *MessageClient) { s.Client().Unsubscribe(s.ID(), "") },
	}
	h := newHouse(t, func(o *Options) { o.Listeners = []Listener{refuse, l.listener()} })
	c := h.client(t)
	if _, err := c.Subscribe(h.broker.Destination("chat"), topics("a"), ""); err != nil {
		t.Fatal(err)
	}
	c.End(cause)
	refusing = true
	h.registry.NewClient(h.def, Peer{}, nil, false)
	h.registry.NewWebSocketSession(h.def, Peer{}, deadSocket{}, nil)
	r, err := h.registry.NewRecord(polling)
	if err != nil {
		t.Fatal(err)
	}
	r.Session(polling, Peer{}, 0)
	l.check(t, 5)
	if clients, sessions := h.registry.Count(); clients+sessions+h.registry.Records() != 0 {
		t.Errorf("%d clients, %d sessions and %d records are left", clients, sessions, h.registry.Records())
	}
}
