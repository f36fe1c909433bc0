package flexsession

import (
	"sync"
	"sync/atomic"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/heartbeat"
)

// Options configures a Registry. Zero fields get the defaults named.
type Options struct {
	Window               Window        // max-unconfirmed-messages (1024) and max-unconfirmed-bytes (1 MiB)
	MaxWaitingMessages   int           // max-waiting-messages (10000)
	MaxWaitingBytes      int           // max-waiting-bytes (4 MiB)
	MaxSubscriptions     int           // max-subscriptions of one client (1000)
	MaxOpenRequests      int           // max-open-requests: replies kept for one client (256)
	MaxKeptReplyBytes    int           // max-kept-reply-bytes: the same in bytes, of which the last reply may be more (1 MiB)
	MaxClients           int           // max-clients in all (200000)
	MaxClientsPerSession int           // max-clients-per-session (100)
	MaxSessions          int           // max-sessions: login records, one for each cookie (200000)
	ClientTimeout        time.Duration // flex-client/timeout-minutes: how long a client outlives its last session; 0: not at all
	MaxAttributes        int           // max-attributes of one session or client (100)
	MaxAttributeBytes    int           // max-attribute-bytes: of one attribute, its name and its value in JSON (4096)
	RememberEnds         int           // max-remembered-ends: how many ended clients can still be told why (10000)

	Node      string           // opaque tag at the front of each DSId, so that another node can tell whose it is
	Wheel     *heartbeat.Wheel // for the session timeouts; required
	Listeners []Listener
	Store     Store               // of the stored halves of records; nil: there are none
	Latency   func(time.Duration) // told how long some messages took from publish to a connection; may be nil
}

func (o *Options) defaults() {
	def := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	def(&o.Window.Messages, 1024)
	def(&o.Window.Bytes, 1<<20)
	def(&o.MaxWaitingMessages, 10000)
	def(&o.MaxWaitingBytes, 4<<20)
	def(&o.MaxSubscriptions, 1000)
	def(&o.MaxOpenRequests, 256)
	def(&o.MaxKeptReplyBytes, 1<<20)
	def(&o.MaxClients, 200000)
	def(&o.MaxClientsPerSession, 100)
	def(&o.MaxSessions, 200000)
	def(&o.RememberEnds, 10000)
	def(&o.MaxAttributes, 100)
	def(&o.MaxAttributeBytes, 4096)
	if o.Node == "" {
		o.Node = randomText(3)
	}
	if o.Store == nil {
		o.Store = noStore{}
	}
	if o.Latency == nil {
		o.Latency = func(time.Duration) {}
	}
}

// Registry is the table of live sessions, records and clients. Safe for concurrent use. It starts goroutines only while clients read the past, and those end by themselves.
type Registry struct {
	opts atomic.Pointer[Options]                               // its limits may be replaced; the rest stays as it is
	defs atomic.Pointer[map[string]*channel.ChannelDefinition] // by id, as they are now; nil: as they were from the beginning

	readers readers // of the past

	mu       sync.Mutex // guards the following
	clients  map[string]*FlexClient
	users    map[string]map[*FlexClient]struct{}
	sessions map[string]Session
	records  map[string]*Record
	ends     map[string]end // of clients that ended a little while ago
	order    deque[string]  // the keys of ends, oldest first
	closed   *Cause         // no new clients any more
}

// end is what is remembered of an ended client, so that one who comes late learns why.
type end struct {
	secret secretHash
	cause  Cause
	facts  Facts
	at     time.Time
}

// NewRegistry makes an empty one.
func NewRegistry(opts Options) *Registry {
	opts.defaults()
	g := &Registry{
		clients:  make(map[string]*FlexClient),
		users:    make(map[string]map[*FlexClient]struct{}),
		sessions: make(map[string]Session),
		records:  make(map[string]*Record),
		ends:     make(map[string]end),
		readers:  readers{page: pageSize},
	}
	g.opts.Store(&opts)
	return g
}

// options are what the registry goes by now. What may change in them is in [Registry.Reconfigure].
func (g *Registry) options() *Options { return g.opts.Load() }

// NewClient makes a client that connects from peer on the channel of def, under r if it is not nil, and returns the secret, which is not kept.
func (g *Registry) NewClient(def *channel.ChannelDefinition, peer Peer, r *Record, unreliable bool) (c *FlexClient, secret string, err *message.Error) {
	secret = randomText(18)
	c = &FlexClient{id: g.options().Node + "-" + randomText(15), secret: hashSecret(secret), unreliable: unreliable, created: time.Now(), registry: g}
	c.owner = g
	c.out.timed, c.out.forgets = g.timed, unreliable
	c.presence.def, c.presence.told, c.peer = def, def, peer
	if r != nil {
		c.record, c.principal = r, r.Principal()
		c.fromRecord = c.principal != nil
	}
	if err := g.enter(c); err != nil {
		return nil, "", err
	}
	c.mu.Lock()
	c.presence.def = g.definition(def) // now that a change finds the client
	c.watchLogin()
	c.watch() // over HTTP it is not held by any connection yet
	c.mu.Unlock()
	g.clientCreated(c)
	if r != nil { // from here on the record may end it, and what hears of ends has heard of it
		if err := r.start(c, g.options().MaxClientsPerSession); err != nil {
			c.End(Because(err.Code))
			return nil, "", err
		}
		if p := r.Principal(); c.hasRecordsUser() && (p == nil || p.Name != c.user()) { // who logged out meanwhile has not seen this one
			c.End(Because(message.CodeLogout))
			return nil, "", &message.Error{Code: message.CodeUnknownClient}
		}
	}
	return c, secret, nil
}

// enter puts a new client into the table, if there is room.
func (g *Registry) enter(c *FlexClient) *message.Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed != nil:
		return &message.Error{Code: g.closed.Code, RetryAfter: g.closed.RetryAfter}
	case len(g.clients) >= g.options().MaxClients:
		return &message.Error{Code: message.CodeLimitClients, Value: g.options().MaxClients}
	}
	g.clients[c.id] = c
	g.userChangedLocked(c, nil, c.principal)
	return nil
}

func (g *Registry) timed(at int64) { g.options().Latency(time.Duration(time.Now().UnixNano() - at)) }

// Client finds a client by id and secret. A nil client comes with the cause of its end, if that is remembered; otherwise the id is unknown or the secret is wrong,
// which look the same.
func (g *Registry) Client(id, secret string) (*FlexClient, *Cause) {
	g.mu.Lock()
	c, e := g.clients[id], g.ends[id]
	g.mu.Unlock()
	switch {
	case c != nil && c.secret.matches(secret):
		return c, nil
	case c == nil && e.cause.Code != 0 && e.secret.matches(secret):
		return nil, &e.cause
	}
	return nil, nil
}

// Lookup finds a client by id alone, for operators.
func (g *Registry) Lookup(id string) *FlexClient {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.clients[id]
}

// Clients are all live clients, in no order.
func (g *Registry) Clients() []*FlexClient {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]*FlexClient, 0, len(g.clients))
	for _, c := range g.clients {
		all = append(all, c)
	}
	return all
}

// OfUser are the live clients of a user, in no order.
func (g *Registry) OfUser(name string) []*FlexClient {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]*FlexClient, 0, len(g.users[name]))
	for c := range g.users[name] {
		all = append(all, c)
	}
	return all
}

// EndUser ends all that a user has: the records on which he is logged in, so that no cookie lets him in again, and his clients. It returns how many clients those were, and whether there was anything.
func (g *Registry) EndUser(name string, cause Cause) (clients int, found bool) {
	his := g.OfUser(name)
	for _, r := range g.allRecords() {
		if p := r.Principal(); p != nil && p.Name == name {
			found = r.End(cause) || found
		}
	}
	for _, c := range his {
		c.End(cause) // if its record has not
	}
	return len(his), found || len(his) > 0
}

// Sessions are all live sessions, in no order.
func (g *Registry) Sessions() []Session {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]Session, 0, len(g.sessions))
	for _, s := range g.sessions {
		all = append(all, s)
	}
	return all
}

// Session finds a session by its id.
func (g *Registry) Session(id string) Session {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sessions[id]
}

// Count says how many clients and sessions live.
func (g *Registry) Count() (clients, sessions int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.clients), len(g.sessions)
}

// NewRecord makes a login record on the channel of def, whose session settings it follows. It is refused when there are as many as there may be.
func (g *Registry) NewRecord(def *channel.ChannelDefinition) (*Record, *message.Error) {
	r := g.newRecord(randomText(18), def)
	g.mu.Lock()
	full := len(g.records) >= g.options().MaxSessions
	if !full {
		g.records[r.id] = r
	}
	g.mu.Unlock()
	if full {
		return nil, &message.Error{Code: message.CodeLimitSessions, Value: g.options().MaxSessions}
	}
	r.watch(0)
	return r, nil
}

// NewGuestRecord makes a record for one client that uses HTTP without a cookie. It ends with that client, so it needs no limit of its own.
func (g *Registry) NewGuestRecord(def *channel.ChannelDefinition) *Record {
	r := g.newRecord(randomText(18), def)
	r.guest = true
	g.mu.Lock()
	g.records[r.id] = r
	g.mu.Unlock()
	r.watch(0)
	return r
}

func (g *Registry) newRecord(id string, def *channel.ChannelDefinition) *Record {
	r := &Record{id: id, created: time.Now(), registry: g}
	r.def.Store(def)
	r.owner, r.record = g, r
	return r
}

// Record finds a live login record by its inner id.
func (g *Registry) Record(id string) *Record {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.records[id]
}

// Records says how many login records live.
func (g *Registry) Records() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.records)
}

// NewWebSocketSession makes the session of a socket that was just opened; r is the record of the cookie that came with it, or nil.
func (g *Registry) NewWebSocketSession(def *channel.ChannelDefinition, peer Peer, socket Socket, r *Record) *WebSocketSession {
	s := &WebSocketSession{base: base{id: randomText(12), def: def, peer: peer, created: time.Now(), registry: g}, socket: socket, record: r}
	s.owner = g
	g.sessionEntered(s)
	g.sessionCreated(s, &s.life)
	return s
}

// Close refuses new clients with the cause and ends all sessions, records and clients.
func (g *Registry) Close(cause Cause) {
	g.mu.Lock()
	if g.closed == nil {
		g.closed = &cause
	}
	records := make([]*Record, 0, len(g.records))
	for _, r := range g.records {
		records = append(records, r)
	}
	g.mu.Unlock()
	g.leave(records)
	for _, c := range g.Clients() {
		c.End(cause)
	}
	for _, r := range records {
		r.End(cause)
	}
	for _, s := range g.Sessions() {
		s.Invalidate(cause)
	}
}

// Closed is the cause with which new clients are refused; nil while they are taken.
func (g *Registry) Closed() *Cause {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed
}

// Refuse makes the registry refuse new clients with the cause.
func (g *Registry) Refuse(cause Cause) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = &cause
}

func (g *Registry) clientEnded(c *FlexClient, principal *channel.Principal, cause Cause) {
	facts := c.Facts()
	g.mu.Lock()
	delete(g.clients, c.id)
	g.userChangedLocked(c, principal, nil)
	for g.order.len() >= g.options().RememberEnds {
		delete(g.ends, *g.order.front())
		g.order.pop()
	}
	g.ends[c.id] = end{c.secret, cause, facts, time.Now()}
	g.order.push(c.id)
	g.mu.Unlock()
	g.clientDestroyed(c, cause)
}

// userChanged keeps the table of users. The caller holds the client's lock, so that its end comes before or after; the registry's own is taken behind it, never before it.
func (g *Registry) userChanged(c *FlexClient, before, after *channel.Principal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.userChangedLocked(c, before, after)
}

func (g *Registry) userChangedLocked(c *FlexClient, before, after *channel.Principal) {
	if before != nil {
		delete(g.users[before.Name], c)
		if len(g.users[before.Name]) == 0 {
			delete(g.users, before.Name)
		}
	}
	if after != nil {
		if g.users[after.Name] == nil {
			g.users[after.Name] = make(map[*FlexClient]struct{}, 1)
		}
		g.users[after.Name][c] = struct{}{}
	}
}

func (g *Registry) recordEnded(r *Record, token string, forget bool) {
	g.mu.Lock()
	delete(g.records, r.id)
	g.mu.Unlock()
	if forget {
		g.options().Store.Forget(r.id, token)
	}
}
