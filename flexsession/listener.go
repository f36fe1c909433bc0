package flexsession

import "sync/atomic"

// Listener hears of the lives of sessions, clients and subscriptions. Of each of them it hears exactly once that it was created and, after that has returned, exactly once that it was destroyed, and why.
// The order of events of different objects is not promised. The functions are called without locks held, on the goroutine that did it (a destruction that comes while the creation is still being told: on that
// of the creation), from many goroutines at once, and must not block; they may call everything in this package, and end what they are told of. Any of them may be nil.
// (LCDS: FlexSessionListener, FlexClientListener, MessageClientListener.)
type Listener struct {
	SessionCreated         func(Session)
	SessionDestroyed       func(Session, Cause)
	ClientCreated          func(*FlexClient)
	ClientDestroyed        func(*FlexClient, Cause)
	ClientSlow             func(*FlexClient, Slow) // it reads too slowly: once, until less than half of what may wait does
	MessageClientCreated   func(*MessageClient)
	MessageClientDestroyed func(*MessageClient, Cause)
}

func (g *Registry) each(f func(Listener)) {
	for _, l := range g.options().Listeners {
		f(l)
	}
}

func (g *Registry) sessionEntered(s Session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sessions[s.ID()] = s
}

func (g *Registry) sessionCreated(s Session, life *lifetime) {
	g.each(func(l Listener) {
		if l.SessionCreated != nil {
			l.SessionCreated(s)
		}
	})
	life.begun()
}

func (g *Registry) sessionEnded(s Session, life *lifetime, cause Cause) {
	g.mu.Lock()
	delete(g.sessions, s.ID())
	g.mu.Unlock()
	life.over(func() {
		g.each(func(l Listener) {
			if l.SessionDestroyed != nil {
				l.SessionDestroyed(s, cause)
			}
		})
	})
}

func (g *Registry) clientCreated(c *FlexClient) {
	g.each(func(l Listener) {
		if l.ClientCreated != nil {
			l.ClientCreated(c)
		}
	})
	c.life.begun()
}

func (g *Registry) clientDestroyed(c *FlexClient, cause Cause) {
	c.life.over(func() {
		g.each(func(l Listener) {
			if l.ClientDestroyed != nil {
				l.ClientDestroyed(c, cause)
			}
		})
	})
}

func (g *Registry) clientSlow(c *FlexClient, s Slow) {
	g.each(func(l Listener) {
		if l.ClientSlow != nil {
			l.ClientSlow(c, s)
		}
	})
}

func (g *Registry) messageClientCreated(s *MessageClient) {
	g.each(func(l Listener) {
		if l.MessageClientCreated != nil {
			l.MessageClientCreated(s)
		}
	})
	s.life.begun()
}

func (g *Registry) messageClientDestroyed(s *MessageClient, cause Cause) {
	s.life.over(func() {
		g.each(func(l Listener) {
			if l.MessageClientDestroyed != nil {
				l.MessageClientDestroyed(s, cause)
			}
		})
	})
}

// lifetime keeps the two events of an object in their order: its end may come while listeners are still told of its beginning, on another goroutine or by one of them. Neither waits for the other.
type lifetime struct {
	state atomic.Pointer[func()] // nil: the beginning is not told; &told: it is; else: what tells of the end, as soon as it is
}

var told = func() {}

// begun notes that the beginning was told, and tells of an end that has come meanwhile.
func (l *lifetime) begun() {
	if !l.state.CompareAndSwap(nil, &told) {
		(*l.state.Load())()
	}
}

// over has tell called: now, or when the beginning was told. It is called once.
func (l *lifetime) over(tell func()) {
	if !l.state.CompareAndSwap(nil, &tell) {
		tell()
	}
}
