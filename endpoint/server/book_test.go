package server_test

import (
	"sync"
	"testing"
	"time"

	"sluice/flexsession"
)

// book is what listeners hear of the lives of sessions, clients and subscriptions, by their ids.
type book struct {
	mu    sync.Mutex
	lives map[string]*entry
}

type entry struct {
	what             string
	created, removed int
	cause            flexsession.Cause
	at               time.Time // of its end
}

func (b *book) listener() flexsession.Listener {
	return flexsession.Listener{
		SessionCreated:         func(s flexsession.Session) { b.begins("session", s.ID()) },
		SessionDestroyed:       func(s flexsession.Session, c flexsession.Cause) { b.ends(s.ID(), c) },
		ClientCreated:          func(c *flexsession.FlexClient) { b.begins("client", c.ID()) },
		ClientDestroyed:        func(c *flexsession.FlexClient, cause flexsession.Cause) { b.ends(c.ID(), cause) },
		MessageClientCreated:   func(s *flexsession.MessageClient) { b.begins("subscription", s.ID()) },
		MessageClientDestroyed: func(s *flexsession.MessageClient, c flexsession.Cause) { b.ends(s.ID(), c) },
	}
}

func (b *book) begins(what, id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entry(id)
	e.what = what
	e.created++
}

func (b *book) ends(id string, cause flexsession.Cause) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entry(id)
	e.removed++
	e.cause, e.at = cause, time.Now()
}

// entry is that of id. The caller holds mu.
func (b *book) entry(id string) *entry {
	if b.lives == nil {
		b.lives = map[string]*entry{}
	}
	if b.lives[id] == nil {
		b.lives[id] = new(entry)
	}
	return b.lives[id]
}

// end is how the life of that id ended; the zero end: it goes on.
func (b *book) end(id string, began time.Time) end {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.lives[id]
	if e == nil || e.removed == 0 {
		return end{}
	}
	return end{e.cause.Code, e.at.Sub(began)}
}

func (b *book) cause(id string) flexsession.Cause {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.lives[id]; e != nil {
		return e.cause
	}
	return flexsession.Cause{}
}

// balance: everything was created once and destroyed once.
func (b *book) balance(t *testing.T) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, e := range b.lives {
		if e.created != 1 || e.removed != 1 || e.cause.Code == 0 || e.cause.Incident == "" {
			t.Errorf("the %s %s was created %d times and destroyed %d times, the last time by %+v", e.what, id, e.created, e.removed, e.cause)
		}
	}
}
