package websocket

import (
	"bufio"
	"net"
	"net/http"
	"sync"

	"github.com/go-chi/chi/v5"
	"github.com/gorilla/websocket"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint"
	"sluice/flexsession"
)

// Subprotocol is the one the endpoint speaks, for clients that ask for one (RFC 6455 section 1.9).
const Subprotocol = "sluice"

// Endpoint serves one WebSocket channel.
type Endpoint struct {
	core     *endpoint.Core
	def      *channel.ChannelDefinition
	upgrader websocket.Upgrader
	headers  http.Header // http-response-headers: gorilla writes the answer itself
	now      *endpoint.Current
	pools    *pools
}

// pools are what sockets are lent.
type pools struct {
	buffers buffers
	readers readers
}

// Mount adds the endpoint's route to r.
func Mount(r chi.Router, core *endpoint.Core, def *channel.ChannelDefinition) {
	e := &Endpoint{core: core, def: def, headers: endpoint.Headers(def), now: core.Lasting.Channel(core, def), pools: &pools{}}
	e.upgrader = websocket.Upgrader{
		Subprotocols:    []string{Subprotocol},
		WriteBufferPool: &sync.Pool{},                             // gorilla writes no messages, so no connection needs a buffer for them
		CheckOrigin:     func(*http.Request) bool { return true }, // Guard has
		Error: func(w http.ResponseWriter, r *http.Request, status int, reason error) {
			core.Refuse(w, r, message.Errorf(message.CodeBadRequest, "%v", reason))
		},
	}
	r.With(core.Guard(def)).Get(def.Path, e.upgrade)
}

// upgrade makes a socket of the request and returns; net/http's buffers go with it.
func (e *Endpoint) upgrade(w http.ResponseWriter, r *http.Request) {
	if closed := e.core.Registry.Closed(); closed != nil { // the connection is older than that
		e.core.Refuse(w, r, &message.Error{Code: closed.Code, RetryAfter: closed.RetryAfter})
		return
	}
	if !e.core.Open.Enter(e.def.ID, e.def.MaxConnections) {
		e.core.Refuse(w, r, &message.Error{Code: message.CodeLimitConnections, Value: e.def.MaxConnections})
		return
	}
	hijack := &hijacker{ResponseWriter: w, readers: &e.pools.readers}
	ws, err := e.upgrader.Upgrade(hijack, r, e.headers)
	if err != nil {
		e.core.Open.Leave(e.def.ID)
		return // answered, or nobody is there to be answered
	}
	c := newConn(e, ws, hijack)
	c.session = e.core.Registry.NewWebSocketSession(e.def, e.core.PeerOf(r), c, e.core.CookieRecord(r))
	e.core.Stats.Opened(e.def.ID)
	closed := e.core.Registry.Closed() // meanwhile: who ended all sessions did not see this one. Once it is started its client may have its turn in a drain
	c.start()
	if closed != nil {
		c.End(*closed)
	}
}

// hijacker gives gorilla a small reader that we can look into, and a connection on which only its handshake is written.
type hijacker struct {
	http.ResponseWriter
	readers *readers
	conn    net.Conn
	reader  *bufio.Reader
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if rw.Reader.Buffered() > 0 { // RFC 6455 section 4.1: a client waits for the handshake
		conn.Close()
		return nil, nil, net.ErrClosed
	}
	h.conn = conn
	h.reader = new(bufio.Reader)
	h.readers.lend(h.reader, conn)
	return &handshakeOnly{Conn: conn}, bufio.NewReadWriter(h.reader, rw.Writer), nil
}

// handshakeOnly passes the first write, the 101, and drops gorilla's later ones.
type handshakeOnly struct {
	net.Conn
	done bool
}

func (c *handshakeOnly) Write(b []byte) (int, error) {
	if c.done {
		return len(b), nil
	}
	c.done = true
	return c.Conn.Write(b)
}

var _ flexsession.Transport = (*conn)(nil)
