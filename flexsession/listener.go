package flexsession

// Listener hears of the lives of sessions, clients and subscriptions: each is created once and destroyed once. The functions are called without locks held, on the goroutine that
// did it, and must not block; any of them may be nil. (LCDS: FlexSessionListener, FlexClientListener, MessageClientListener.)
type Listener struct {
	SessionCreated         func(Session)
	SessionDestroyed       func(Session, Cause)
	ClientCreated          func(*FlexClient)
	ClientDestroyed        func(*FlexClient, Cause)
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

func (g *Registry) sessionCreated(s Session) {
	g.each(func(l Listener) {
		if l.SessionCreated != nil {
			l.SessionCreated(s)
		}
	})
}

func (g *Registry) sessionEnded(s Session, cause Cause) {
	g.mu.Lock()
	delete(g.sessions, s.ID())
	g.mu.Unlock()
	g.each(func(l Listener) {
		if l.SessionDestroyed != nil {
			l.SessionDestroyed(s, cause)
		}
	})
}

func (g *Registry) messageClientCreated(s *MessageClient) {
	g.each(func(l Listener) {
		if l.MessageClientCreated != nil {
			l.MessageClientCreated(s)
		}
	})
}

func (g *Registry) messageClientDestroyed(s *MessageClient, cause Cause) {
	g.each(func(l Listener) {
		if l.MessageClientDestroyed != nil {
			l.MessageClientDestroyed(s, cause)
		}
	})
}
