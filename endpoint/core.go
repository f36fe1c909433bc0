package endpoint

import (
	"bytes"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/flexsession"
	"sluice/heartbeat"
)

// Core is what all endpoints of a listener work with. Its fields are set before the first request and not changed after that: a reload of the configuration makes another one.
type Core struct {
	Broker    *channel.MessageBroker
	Registry  *flexsession.Registry
	Wheel     *heartbeat.Wheel
	Passwords *flexsession.Passwords // nil: nobody can log in
	Basic     map[string]bool        // ids of the constraints with auth-method Basic
	Cookies   *Cookies
	Limits    Limits
	Gate      *Gate
	Logins    *Logins
	Tickets   *Tickets
	Proxies   *Proxies
	Diagnose  *Diagnostics  // whose reports of failover are wanted
	Config    func() []byte // what clients are told of the configuration (docs/protocol.md section 9)
	Logger    zerolog.Logger
	Stats     *Stats
	Open      *Tracker
	Lasting   *Lasting                 // the listener's
	LoggedIn  func(*channel.Principal) // told of each login after it has taken effect, to see whether it holds; may be nil
}

// Limits bounds what one connection or request may ask for.
type Limits struct {
	ConfirmInterval time.Duration // confirm-interval-millis, told to clients
	RequestTimeout  time.Duration // request-body-timeout-millis: for a body, and for one frame from its first byte to its last
	Handshake       time.Duration // handshake-timeout-millis: how long a WebSocket may be open without a client
	MaxOpenRequests int           // max-open-requests, told to clients
	MaxReplies      int           // max-waiting-bytes: replies a WebSocket leaves unread
	CookieName      string        // session-cookie-name
	CookieSecure    string        // session-cookie-secure: auto, true or false
}

// Stats counts what passes through the endpoints. All fields are safe for concurrent use.
type Stats struct {
	MessagesIn   atomic.Uint64 // published by clients and accepted
	BytesOut     atomic.Uint64
	Writes       atomic.Uint64
	RequestError func(code message.Code)                                               // a request or connection was refused
	ConnOpened   func(endpoint string)                                                 // a socket, stream or poll begins
	ConnEnded    func(Connection, flexsession.Cause)                                   // … and ends
	FailedOver   func(*flexsession.FlexClient, flexsession.Peer, flexsession.Failover) // a client reports which channels did not work
	BadFailover  func()                                                                // … in a way that cannot be read
}

func (s *Stats) refused(code message.Code) {
	if s.RequestError != nil {
		s.RequestError(code)
	}
}

// Opened notes that a connection of the endpoint begins.
func (s *Stats) Opened(endpoint string) {
	if s.ConnOpened != nil {
		s.ConnOpened(endpoint)
	}
}

// Ended notes that a connection has ended. The cause has the incident that the peer was told, if it was told one.
func (s *Stats) Ended(c Connection, cause flexsession.Cause) {
	if s.ConnEnded != nil {
		s.ConnEnded(c, cause)
	}
}

// Connection is one that has ended: a socket, a stream, or the answer to a poll.
type Connection struct {
	Endpoint string // id of the channel
	Kind     channel.Kind
	Session  flexsession.Session
	Client   *flexsession.FlexClient // nil: nobody had connected on it
	Began    time.Time
	Bytes    uint64 // written
}

func (s *Stats) failedOver(c *flexsession.FlexClient, p flexsession.Peer, f flexsession.Failover) {
	if s.FailedOver != nil {
		s.FailedOver(c, p, f)
	}
}

func (s *Stats) badReport() {
	if s.BadFailover != nil {
		s.BadFailover()
	}
}

// Wrote notes one write of n bytes.
func (s *Stats) Wrote(n int) {
	s.Writes.Add(1)
	s.BytesOut.Add(uint64(n))
}

// maxBatch is how many lines are decoded before they are worked on: a decoded line is many times as large as a short one was.
const maxBatch = 256

// Decode reads the first lines of a frame or body that came on the channel of def, at most a batch; rest is what follows them. errs[i] says what is wrong with line i.
func (k *Core) Decode(data []byte, def *channel.ChannelDefinition) (reqs []*message.Request, errs []*message.Error, rest []byte) {
	limits := message.Limits{MaxSize: def.MaxMessageSize, MaxDepth: message.MaxDepth}
	data, rest = cut(data, maxBatch)
	for line := range message.Lines(data) {
		req, err := message.Decode(line, limits)
		reqs, errs = append(reqs, req), append(errs, err)
	}
	return reqs, errs, rest
}

// cut cuts data behind its line number n. What means nothing is not at the beginning of either part: where there is a part, there is something in it.
func cut(data []byte, n int) (head, rest []byte) {
	const nothing = "\x00 \t\r\n"
	data = bytes.TrimLeft(data, nothing)
	end := 0
	for range n {
		i := bytes.IndexByte(data[end:], '\n')
		if i < 0 {
			return data, nil
		}
		end += i + 1
	}
	return data[:end], bytes.TrimLeft(data[end:], nothing)
}

// PeerOf says who sends r, by what trusted proxies say.
func (k *Core) PeerOf(r *http.Request) flexsession.Peer {
	addr, secure := k.Proxies.Client(r)
	return flexsession.Peer{RemoteAddr: addr, UserAgent: bounded(r.UserAgent(), 256), Secure: secure}
}

func bounded(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}
