package websocket_test

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/endpoint/endpointtest"
)

// polite is a connection that says goodbye before it closes, and waits 5 seconds for a peer that takes nothing: as a tls.Conn does.
type polite struct {
	net.Conn
	under *noted
}

func (p polite) NetConn() net.Conn { return p.under }

func (p polite) Close() error {
	time.Sleep(5 * time.Second)
	return p.under.Close()
}

// noted says when it is closed for the first time.
type noted struct {
	net.Conn
	once   sync.Once
	closed chan time.Time // capacity 1
}

func (n *noted) Close() error {
	n.once.Do(func() { n.closed <- time.Now() })
	return n.Conn.Close()
}

type politeListener struct {
	*endpointtest.Listener
	closed chan time.Time
}

func (l politeListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	under := &noted{Conn: c, closed: l.closed}
	return polite{under, under}, err
}

// The wheel that all connections share closes those that are stuck: it must not wait for the goodbye of TLS to one that takes nothing.
func TestTheWheelDoesNotWaitForAClose(t *testing.T) {
	for name, want := range map[string]time.Duration{"without a goodbye": 2 * time.Second, "stuck": 10 * time.Second} {
		t.Run(name, func(t *testing.T) {
			endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
				inner := *r
				inner.Net = endpointtest.Listen("192.0.2.9:80")
				inner.Net.Buffer = 1 << 10
				closed := make(chan time.Time, 1)
				s := http.Server{Handler: r.Server.Handler("main")}
				go s.Serve(politeListener{inner.Net, closed})
				defer s.Close()
				c := connected(t, &inner)
				if name == "stuck" {
					c.Frame(endpointtest.Fin|endpointtest.Text, `{"type":"command","operation":"subscribe","destination":"chat"}`)
					synctest.Wait()
					c.Freeze()
					r.Post("/longpoll/chat", `"`+strings.Repeat("x", 10<<10)+`"`)
				} else {
					r.Server.Registry().Sessions()[0].Invalidate(goingDown)
				}
				began := time.Now()
				if took := (<-closed).Sub(began); took < want || took > want+time.Second {
					t.Errorf("it was closed after %v, want %v", took, want)
				}
			})
		})
	}
}
