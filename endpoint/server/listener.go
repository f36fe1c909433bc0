package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/rs/zerolog"

	"sluice/channel/message"
	"sluice/endpoint"
)

// listener is one open address and what is served there.
type listener struct {
	Listener // as it began
	terms    atomic.Pointer[terms]
	lasting  *endpoint.Lasting
	handler  http.Handler
	http     http.Server
	net      net.Listener
	reserve  *reserve // of the server
	open_    atomic.Int64
	fresh    freshConns
}

// now is what the listener goes by now.
func (l *listener) now() *terms { return l.terms.Load() }

func (s *Server) newListener(l Listener) (*listener, error) {
	bound := &listener{Listener: l, lasting: endpoint.NewLasting(), reserve: &s.reserve}
	t, err := s.newTerms(l, s.now.Load(), bound.lasting, nil)
	if err != nil {
		return nil, err
	}
	bound.terms.Store(t)
	bound.handler = http.HandlerFunc(bound.serveHTTP)
	errorLog := s.opts().Log("Endpoint.HTTP")
	bound.http = http.Server{
		Handler:           bound.handler,
		ReadHeaderTimeout: l.ReadHeaderTimeout,
		ReadTimeout:       l.ReadHeaderTimeout + l.RequestBodyTimeout, // also of a body that nobody reads; streams and polls lift it
		WriteTimeout:      l.ReadHeaderTimeout + l.RequestBodyTimeout + answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          log.New(debugWriter{errorLog}, "", 0),
		ConnState:         bound.fresh.note,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if refused := counted(c).refused; refused != nil {
				ctx = context.WithValue(ctx, refusedKey{}, refused)
			}
			return endpoint.WithConn(ctx, c)
		},
	}
	if l.IdleTimeout > 0 {
		bound.http.IdleTimeout = min(l.IdleTimeout, idleTimeout)
	}
	return bound, nil
}

// idleTimeout is how long an HTTP connection may wait for its next request.
const idleTimeout = 2 * time.Minute

// debugWriter logs what net/http has to say of its peers: of interest to who looks for it, and anybody on the network can cause any amount of it.
type debugWriter struct{ log zerolog.Logger }

func (w debugWriter) Write(b []byte) (int, error) {
	w.log.Debug().Msg(strings.TrimSpace(string(b)))
	return len(b), nil
}

// freshConns are the connections over which no request has begun. Browsers open them in advance; http.Server.Shutdown gives each of them 5 s.
type freshConns struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

func (f *freshConns) note(c net.Conn, state http.ConnState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if state != http.StateNew {
		delete(f.conns, c)
		return
	}
	if f.conns == nil {
		f.conns = make(map[net.Conn]struct{})
	}
	f.conns[c] = struct{}{}
}

func (f *freshConns) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.conns {
		go c.Close() // TLS says goodbye, which may take a while
	}
}

// open opens the address.
func (l *listener) open() error {
	if l.net = l.Net; l.net != nil {
		return nil
	}
	config := net.ListenConfig{}
	if l.KeepAlive != nil {
		config.KeepAlive = -1 // Accept sets it
	}
	n, err := config.Listen(context.Background(), "tcp", l.Addr)
	if err != nil {
		return err
	}
	l.net = n
	return nil
}

// wrap puts around n what the listener is to do with its connections.
func (l *listener) wrap(n net.Listener) net.Listener {
	n = &countingListener{n, l}
	if l.ProxyProtocol {
		n = &proxyproto.Listener{
			Listener:          n,
			ReadHeaderTimeout: l.ReadHeaderTimeout,
			ConnPolicy: func(o proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
				if l.now().core.Proxies.Trusts(o.Upstream.String()) {
					return proxyproto.REQUIRE, nil
				}
				return proxyproto.SKIP, nil
			},
		}
	}
	if l.now().certificate != nil {
		n = tls.NewListener(n, &tls.Config{
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return l.now().certificate, nil },
			NextProtos:     []string{"h2", "http/1.1"},
		})
	}
	return n
}

func (l *listener) serve() {
	if err := l.http.Serve(l.wrap(l.net)); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		l.now().core.Logger.Error().Err(err).Str("listener", l.ID).Msg("a listener has failed")
	}
}

func (l *listener) stopAccepting() {
	if l.net != nil {
		l.net.Close() // what was accepted goes on
	}
}

// shutdown waits for the requests under way, and cuts them off when ctx ends.
func (l *listener) shutdown(ctx context.Context) error {
	l.fresh.close()
	err := l.http.Shutdown(ctx)
	if err != nil {
		l.http.Close()
	}
	return err
}

// refusedKey is the key of why a connection is refused in its context.
type refusedKey struct{}

// serveHTTP serves a request by the terms as they are when it comes. Connections above a limit are answered with its code and name, and closed: a full server refuses, it does not grow slow.
func (l *listener) serveHTTP(w http.ResponseWriter, r *http.Request) {
	t := l.now()
	if refused, ok := r.Context().Value(refusedKey{}).(*message.Error); ok {
		w.Header().Set("Connection", "close")
		t.refuse(w, r, refused)
		return
	}
	t.stretch(&l.Listener, w)
	t.routes.ServeHTTP(w, r)
}

// answerTimeout is how long an answer may take that is not a stream's or a poll's, which have the write timeout of their channel.
const answerTimeout = time.Minute

// surplusRoom is how many connections above the limit are answered at a time; the rest are closed unanswered.
const surplusRoom = 64

// countingListener counts the open connections of a listener.
type countingListener struct {
	net.Listener
	l *listener
}

func (c *countingListener) Accept() (net.Conn, error) {
	for {
		conn, out, err := c.l.reserve.accept(c.Listener)
		if err != nil {
			return nil, err
		}
		t, n := c.l.now(), int(c.l.open_.Add(1))
		if n > t.MaxConnections+surplusRoom {
			c.l.open_.Add(-1)
			conn.Close()
			c.l.reserve.refill()
			continue
		}
		endpoint.SetKeepAlive(conn, t.KeepAlive) // of one that has ended already there is nothing to set
		accepted := &countedConn{Socket: endpoint.Socket{Conn: conn, KeepAlive: t.KeepAlive}, l: c.l}
		switch {
		case out:
			accepted.refused = message.Errorf(message.CodeLimitDescriptors, "ulimit -n is %d.", descriptorLimit())
		case n > t.MaxConnections:
			accepted.refused = &message.Error{Code: message.CodeLimitConnections, Value: t.MaxConnections}
		}
		return accepted, nil
	}
}

// Close closes the address; that it is closed already, at a shutdown, is no error.
func (c *countingListener) Close() error {
	if err := c.Listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// countedConn gives its place and its descriptor back when it is closed, also after a hijack.
type countedConn struct {
	endpoint.Socket
	l       *listener
	refused *message.Error // what it is answered, and nothing else; nil: it is served
	once    sync.Once
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	c.once.Do(func() { c.l.open_.Add(-1) })
	err := c.Socket.Close()
	c.l.reserve.refill()
	return err
}

// counted finds the countedConn under TLS and PROXY.
func counted(c net.Conn) *countedConn {
	for {
		switch under := c.(type) {
		case *countedConn:
			return under
		case *tls.Conn:
			c = under.NetConn()
		case *proxyproto.Conn:
			c = under.Raw()
		default:
			return &countedConn{}
		}
	}
}
