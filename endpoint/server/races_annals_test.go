package server_test

import (
	"fmt"
	"sync"
	"testing"
	"weak"

	"sluice/channel/message"
	"sluice/endpoint/server"
	"sluice/flexsession"
)

// annals keep account of the lives of everything that listeners are told of. They hold none of it.
type annals struct {
	mu    sync.Mutex
	lives map[string]*lived
	alive []func() bool // of each: whether anything still holds it
}

// lived is one life.
type lived struct {
	created, destroyed int
	code               message.Code
	early              bool // destroyed before it was created
}

func newAnnals() *annals { return &annals{lives: make(map[string]*lived)} }

func (b *annals) at(what, id string) *lived {
	e := b.lives[what+" "+id]
	if e == nil {
		e = &lived{}
		b.lives[what+" "+id] = e
	}
	return e
}

func created[T any](b *annals, what, id string, object *T) {
	held := weak.Make(object)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at(what, id).created++
	b.alive = append(b.alive, func() bool { return held.Value() != nil })
}

func (b *annals) destroyed(what, id string, c flexsession.Cause) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.at(what, id)
	e.destroyed++
	e.code, e.early = c.Code, e.early || e.created == 0
}

// listen writes them.
func (b *annals) listen(o *server.Options) {
	o.FlexClient.Listeners = append(o.FlexClient.Listeners, flexsession.Listener{
		SessionCreated: func(s flexsession.Session) {
			switch s := s.(type) {
			case *flexsession.WebSocketSession:
				created(b, "session", s.ID(), s)
			case *flexsession.StreamingSession:
				created(b, "session", s.ID(), s)
			case *flexsession.LongPollSession:
				created(b, "session", s.ID(), s)
			}
		},
		SessionDestroyed:       func(s flexsession.Session, c flexsession.Cause) { b.destroyed("session", s.ID(), c) },
		ClientCreated:          func(c *flexsession.FlexClient) { created(b, "client", c.ID(), c) },
		ClientDestroyed:        func(c *flexsession.FlexClient, cause flexsession.Cause) { b.destroyed("client", c.ID(), cause) },
		MessageClientCreated:   func(s *flexsession.MessageClient) { created(b, "subscription", s.ID(), s) },
		MessageClientDestroyed: func(s *flexsession.MessageClient, c flexsession.Cause) { b.destroyed("subscription", s.ID(), c) },
	})
}

// check fails the test unless each life began once, and then ended once. It adds the ends to ended, by code.
func (b *annals) check(t *testing.T, ended map[message.Code]int) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, e := range b.lives {
		if e.created != 1 || e.destroyed != 1 || e.early {
			t.Errorf("%s: created %d times, destroyed %d times (%v), destroyed first: %v", id, e.created, e.destroyed, e.code, e.early)
		}
		ended[e.code]++
	}
}

// held is how many objects something still holds.
func (b *annals) held() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, alive := range b.alive {
		if alive() {
			n++
		}
	}
	return n
}

func (b *annals) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return fmt.Sprintf("%d lives", len(b.lives))
}
