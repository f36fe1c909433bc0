package flexsession

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sluice/channel"
)

// Peer is what is known of the other side of a session when it is made.
type Peer struct {
	RemoteAddr string // the client's address; behind a trusted proxy the one that the proxy names
	UserAgent  string
	Secure     bool // TLS, here or at a trusted proxy
}

// Session is LCDS's FlexSession: what the server knows of one WebSocket connection, or of one cookie on HTTP, at one kind of endpoint. Safe for concurrent use.
type Session interface {
	ID() string
	Kind() channel.Kind
	Endpoint() string // id of the channel it was made on
	Peer() Peer
	Created() time.Time
	Clients() []*FlexClient
	Served() int           // how many clients have used it so far
	User() string          // of the record, or else of a client that uses it or was the last to; "" for nobody
	Connections() int      // open sockets, streams or waiting polls
	Invalidate(Cause) bool // ends it; reports whether this call did

	// What a program remembers with it, as for [Attributes]: of a WebSocketSession until it ends, of the others until their record does.
	SetAttribute(name string, value any) error
	RemoveAttribute(name string) error
	Attribute(name string, into any) (bool, error)
	AttributeNames() []string

	add(*FlexClient) bool
	drop(*FlexClient)
}

// base is what the three subclasses share.
type base struct {
	id       string
	def      *channel.ChannelDefinition
	peer     Peer
	created  time.Time
	registry *Registry
	life     lifetime

	mu      sync.Mutex    // guards the following
	clients []*FlexClient // one, or those of a browser's tabs
	served  int
	user    string // of one that has left
	ended   bool
}

func (s *base) ID() string         { return s.id }
func (s *base) Kind() channel.Kind { return s.def.Kind }
func (s *base) Endpoint() string   { return s.def.ID }
func (s *base) Peer() Peer         { return s.peer }
func (s *base) Created() time.Time { return s.created }

func (s *base) Clients() []*FlexClient {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.clients)
}

// add notes that c uses the session. It reports false when that has ended.
func (s *base) add(c *FlexClient) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	s.clients = append(s.clients, c)
	s.served++
	return true
}

func (s *base) Served() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.served
}

func (s *base) User() string {
	for _, c := range s.Clients() {
		if user := c.user(); user != "" {
			return user
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.user
}

func (s *base) drop(c *FlexClient) {
	user := c.user() // without s.mu: a client holds its own lock when it takes that
	s.mu.Lock()
	defer s.mu.Unlock()
	s.user = cmp.Or(user, s.user)
	s.clients = slices.DeleteFunc(s.clients, func(o *FlexClient) bool { return o == c })
}

// finish takes the session out of everything. It reports false when it has ended before.
func (s *base) finish(self Session, cause Cause) bool {
	user := s.User()
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return false
	}
	s.ended = true
	clients := s.clients
	s.clients, s.user = nil, user
	s.mu.Unlock()
	for _, c := range clients {
		c.leave(self)
	}
	s.registry.sessionEnded(self, &s.life, cause)
	return true
}

// Socket is what a WebSocketSession needs of its connection. Its methods are called from any goroutine and must not block.
type Socket interface {
	End(Cause)
	Retime() // the definition of its channel is another one now: go by its times
}

// WebSocketSession is the session of one WebSocket. It dies with the socket, whatever the reason, and the socket with it. (LCDS: RTMPFlexSession.)
type WebSocketSession struct {
	base
	Attributes
	socket Socket
	record *Record // of the cookie that came with the upgrade; nil without one
}

// Record is the login record that came with the upgrade, or nil.
func (s *WebSocketSession) Record() *Record { return s.record }

// Connections is 1.
func (s *WebSocketSession) Connections() int { return 1 }

// Invalidate ends the session and closes the socket with the cause.
func (s *WebSocketSession) Invalidate(cause Cause) bool {
	cause = cause.WithIncident()
	if !s.finish(s, cause) {
		return false
	}
	s.Attributes.close()
	s.socket.End(cause)
	return true
}

// httpSession is what StreamingSession and LongPollSession share: they are views of a record, and end with it.
type httpSession struct {
	base
	*Attributes // of the record
	record      *Record
	limit       atomic.Int64 // max-persistent-connections-per-session for this user agent; 0: none
}

// Record is the login record the session is a view of.
func (s *httpSession) Record() *Record { return s.record }

// User is that of the record, or else as for the other sessions.
func (s *httpSession) User() string {
	if p := s.record.Principal(); p != nil {
		return p.Name
	}
	return s.base.User()
}

// Connections counts the open streams and waiting polls of the cookie: browsers limit them together, so the limit does as well (BlazeDS: user-agent-settings).
func (s *httpSession) Connections() int { return s.record.connections() }

// Open takes a place for one more stream or waiting poll. It reports false, with the limit, when the session has as many as it may; otherwise the caller owes a Close.
func (s *httpSession) Open() (limit int, ok bool) {
	limit = int(s.limit.Load())
	return limit, s.record.open(limit)
}

// Close gives the place back.
func (s *httpSession) Close() { s.record.close() }

// StreamingSession is the session of a cookie at a streaming endpoint: it owns the open streams, and outlives each of them. (LCDS: a StreamingNIOHTTP endpoint's session.)
type StreamingSession struct{ httpSession }

// Invalidate ends the record the session is a view of, and all its clients.
func (s *StreamingSession) Invalidate(cause Cause) bool { return s.record.End(cause) }

// LongPollSession is the session of a cookie at a long-poll endpoint: it owns the waiting polls. (LCDS: NIOHTTPFlexSession.)
type LongPollSession struct{ httpSession }

// Invalidate ends the record the session is a view of, and all its clients.
func (s *LongPollSession) Invalidate(cause Cause) bool { return s.record.End(cause) }
