package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
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
	Listener
	core    *endpoint.Core
	handler http.Handler
	http    http.Server
	tls     *tls.Config
	net     net.Listener
	reserve *reserve // of the server
	open_   atomic.Int64
	fresh   freshConns
}

func (s *Server) newListener(l Listener) (*listener, error) {
	core := s.shared
	core.Proxies = endpoint.NewProxies(l.TrustedProxies)
	core.Gate = endpoint.NewGate(l.MaxNewSessions, s.opts.MaxCounted)
	core.Lasting = endpoint.NewLasting()
	core.Limits.RequestTimeout, core.Limits.Handshake = l.RequestBodyTimeout, l.HandshakeTimeout
	bound := &listener{Listener: l, core: &core, reserve: &s.reserve}
	if l.CertificateFile != "" || l.PrivateKeyFile != "" {
		cert, err := tls.LoadX509KeyPair(l.CertificateFile, l.PrivateKeyFile)
		if err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		bound.tls = &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}}
	}
	bound.handler = bound.limited(s.routes(bound))
	errorLog := s.opts.Log("Endpoint.HTTP")
	bound.http = http.Server{
		Handler:           bound.handler,
		ReadHeaderTimeout: l.ReadHeaderTimeout,
		ReadTimeout:       l.ReadHeaderTimeout + l.RequestBodyTimeout, // also of a body that nobody reads; streams and polls lift it
		WriteTimeout:      l.ReadHeaderTimeout + l.RequestBodyTimeout + answerTimeout,
		IdleTimeout:       2 * time.Minute,
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
	return bound, nil
}

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
				if l.core.Proxies.Trusts(o.Upstream.String()) {
					return proxyproto.REQUIRE, nil
				}
				return proxyproto.SKIP, nil
			},
		}
	}
	if l.tls != nil {
		n = tls.NewListener(n, l.tls)
	}
	return n
}

func (l *listener) serve() {
	if err := l.http.Serve(l.wrap(l.net)); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		l.core.Logger.Error().Err(err).Str("listener", l.ID).Msg("a listener has failed")
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

// limited answers connections above a limit with its code and name, and closes them: a full server refuses, it does not grow slow.
func (l *listener) limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refused, ok := r.Context().Value(refusedKey{}).(*message.Error); ok {
			w.Header().Set("Connection", "close")
			l.core.Refuse(w, r, refused)
			return
		}
		next.ServeHTTP(w, r)
	})
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
		n := int(c.l.open_.Add(1))
		if n > c.l.MaxConnections+surplusRoom {
			c.l.open_.Add(-1)
			conn.Close()
			c.l.reserve.refill()
			continue
		}
		endpoint.SetKeepAlive(conn, c.l.KeepAlive) // of one that has ended already there is nothing to set
		accepted := &countedConn{Socket: endpoint.Socket{Conn: conn, KeepAlive: c.l.KeepAlive}, l: c.l}
		switch {
		case out:
			accepted.refused = message.Errorf(message.CodeLimitDescriptors, "ulimit -n is %d.", descriptorLimit())
		case n > c.l.MaxConnections:
			accepted.refused = &message.Error{Code: message.CodeLimitConnections, Value: c.l.MaxConnections}
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
	err := c.Conn.Close()
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
