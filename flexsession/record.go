package flexsession

import (
	"sync"
	"sync/atomic"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/heartbeat"
)

// Record is the login record behind one cookie: the user, the clients started under it, and the HTTP sessions that are its views. Where the cookie does not come
// back it belongs to the one client that was made with it. It ends after session-timeout-minutes without activity, and its sessions and clients with it.
type Record struct {
	id       string                                    // stable: the cookie's token changes at login, this does not
	def      atomic.Pointer[channel.ChannelDefinition] // of the channel it was made on, as it is now
	created  time.Time
	registry *Registry
	idle     heartbeat.Idle
	guest    bool // ends with its only client: no cookie will come back for it
	restored bool // it comes from the store

	Attributes // of all its sessions

	// Cookie serialises changes of the cookie's stored half, and of what is in it; whoever loads and commits it holds it.
	Cookie sync.Mutex

	mu        sync.Mutex // guards the following
	token     string     // the cookie's value, so that the stored half can go when the record ends; "" as long as none has come to a restored one
	stored    bool       // it has a cookie, and so a stored half
	lost      bool       // its cookie was taken away or could not be set: nobody finds it any more
	principal *channel.Principal
	sessions  map[string]Session // by endpoint id
	clients   map[*FlexClient]struct{}
	open_     int
	ended     bool
	cause     Cause // with ended
}

// ID is the record's inner id. It is never shown to a client.
func (r *Record) ID() string { return r.id }

// Touch notes activity, which puts off the session timeout. It is cheap.
func (r *Record) Touch() { r.idle.Touch() }

// Principal is the logged-in user, or nil.
func (r *Record) Principal() *channel.Principal {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.principal
}

// SetToken notes the cookie's value and returns the one before; "" when there was none. It reports false when the record has ended: the value is worth nothing.
func (r *Record) SetToken(token string) (old string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return "", false
	}
	old, r.token, r.stored, r.lost = r.token, token, token != "", token == ""
	return old, true
}

// DropToken makes the record one without a cookie. It returns the value as far as it was known, and whether there was a cookie.
func (r *Record) DropToken() (old string, had bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, had = r.token, r.stored
	r.token, r.stored, r.lost = "", false, true
	return old, had
}

// HasCookie says whether some value of the cookie is good for the record, and so whether it has a stored half.
func (r *Record) HasCookie() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stored
}

// Guest says whether the record belongs to one client that uses no cookie.
func (r *Record) Guest() bool { return r.guest }

// login makes p the user, unless another one is.
func (r *Record) login(p *channel.Principal) *message.Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.principal != nil && r.principal.Name != p.Name {
		return message.Errorf(message.CodeAlreadyLoggedIn, "as %s", r.principal.Name)
	}
	r.principal = p
	return nil
}

// logout takes the user off the record, and what was remembered with it. A store that fails at this has said so.
func (r *Record) logout() {
	r.Cookie.Lock()
	defer r.Cookie.Unlock()
	r.mu.Lock()
	r.principal = nil
	r.mu.Unlock()
	r.clear()
	_ = r.keep(nil)
}

// watch begins the session timeout of a record that was not active for that long.
func (r *Record) watch(idle time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	r.def.Store(r.registry.definition(r.def.Load())) // now that a change finds the record
	r.idle.StartSince(r.registry.options().Wheel, idle, r.def.Load().SessionTimeout, r.late)
}

func (r *Record) late() { go r.expire() } // the wheel must not wait for listeners

// expire ends the record for want of activity. The client of a guest record that has moved to a WebSocket does not use it now, and is not ended by it.
func (r *Record) expire() {
	d := r.def.Load().SessionTimeout
	if d <= 0 || r.idle.Since() < d { // it has changed at the last moment
		r.redefine(r.def.Load())
		return
	}
	if r.guest {
		for _, c := range r.members() {
			if c.onSocket() {
				r.watch(0)
				return
			}
		}
	}
	r.End(Cause{Code: message.CodeSessionTimeout, Value: d.Minutes()})
}

// InvalidateOnDisconnect says whether a disconnect message ends the record (invalidate-session-on-disconnect of the channel it was made on).
func (r *Record) InvalidateOnDisconnect() bool { return r.def.Load().InvalidateSessionOnDisconnect }

// Session is the record's view at the endpoint of def, made at its first use. It is nil when the record has ended.
func (r *Record) Session(def *channel.ChannelDefinition, peer Peer, limit int) Session {
	r.mu.Lock()
	if r.ended {
		r.mu.Unlock()
		return nil
	}
	if s := r.sessions[def.ID]; s != nil {
		setLimit(s, limit)
		r.mu.Unlock()
		return s
	}
	var s Session
	var h *httpSession
	if def.Kind == channel.Streaming {
		streaming := &StreamingSession{}
		s, h = streaming, &streaming.httpSession
	} else {
		longpoll := &LongPollSession{}
		s, h = longpoll, &longpoll.httpSession
	}
	h.id, h.def, h.peer, h.created, h.registry = randomText(12), def, peer, time.Now(), r.registry
	h.record, h.Attributes = r, &r.Attributes
	h.limit.Store(int64(limit))
	if r.restored {
		h.created = r.created // it goes on
	}
	if r.sessions == nil {
		r.sessions = make(map[string]Session, 1)
	}
	r.sessions[def.ID] = s
	r.registry.sessionEntered(s) // under r.mu: the record's end finds it there
	r.mu.Unlock()
	r.registry.sessionCreated(s, &h.life)
	return s
}

func (r *Record) connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open_
}

func (r *Record) open(limit int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if limit > 0 && r.open_ >= limit {
		return false
	}
	r.open_++
	return true
}

func (r *Record) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open_--
}

// start enters a client made under the record. It is refused when the record, or the client, has ended, or the record holds as many as it may.
func (r *Record) start(c *FlexClient, limit int) *message.Error {
	if err := r.enter(c, limit); err != nil {
		return err
	}
	if cause := c.Ended(); cause != nil { // and has looked for itself here before. Not under r.mu: who logs in holds the client's lock when he takes that
		r.drop(c, *cause)
		return &message.Error{Code: message.CodeUnknownClient}
	}
	return nil
}

func (r *Record) enter(c *FlexClient, limit int) *message.Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return &message.Error{Code: message.CodeUnknownClient}
	}
	if len(r.clients) >= limit {
		return &message.Error{Code: message.CodeLimitClientsPerSession, Value: limit}
	}
	if r.clients == nil {
		r.clients = make(map[*FlexClient]struct{}, 1)
	}
	r.clients[c] = struct{}{}
	return nil
}

// drop takes a client out that has ended, for that cause. A record that no cookie can lead back to ends with its last client: a guest's, and one whose cookie could not be set.
func (r *Record) drop(c *FlexClient, cause Cause) {
	r.mu.Lock()
	delete(r.clients, c)
	over := (r.guest || r.lost) && len(r.clients) == 0
	r.mu.Unlock()
	if over {
		r.End(cause)
	}
}

// members are the clients started under the record.
func (r *Record) members() []*FlexClient {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*FlexClient, 0, len(r.clients))
	for c := range r.clients {
		all = append(all, c)
	}
	return all
}

// Ended is why the record ended, or nil while it lives. Its clients end a moment later.
func (r *Record) Ended() *Cause {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ended {
		return nil
	}
	cause := r.cause
	return &cause
}

// End ends the record, its sessions and its clients. Only the first End has an effect.
func (r *Record) End(cause Cause) bool {
	cause = cause.WithIncident()
	r.mu.Lock()
	if r.ended {
		r.mu.Unlock()
		return false
	}
	r.ended, r.cause = true, cause
	sessions, token, stored := r.sessions, r.token, r.stored
	r.sessions = nil
	r.mu.Unlock()
	r.Attributes.close()

	r.idle.Stop()
	r.registry.recordEnded(r, token, stored && cause.Code != message.CodeServerShutdown) // the next process may go on with it
	for _, c := range r.members() {
		if cause.Code != message.CodeSessionTimeout || !c.orphan(r, cause) {
			c.End(cause)
		}
	}
	for _, s := range sessions {
		switch s := s.(type) {
		case *StreamingSession:
			s.finish(s, cause)
		case *LongPollSession:
			s.finish(s, cause)
		}
	}
	return true
}
