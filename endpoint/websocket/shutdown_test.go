package websocket_test

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/flexsession"
)

var goingDown = flexsession.Because(message.CodeServerShutdown)

// A connection that was kept alive could become a socket after all sockets had been told to end, and held up the shutdown.
func TestUpgradeAfterTheEnd(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Raw()
		c.Request("GET", "/config.json", "")
		c.Answer()
		r.Server.Registry().Close(goingDown)
		c.Request("GET", "/websocket", "", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
		resp, lines := c.Answer()
		if resp.StatusCode != http.StatusServiceUnavailable || len(lines) != 1 || lines[0].Code() != message.CodeServerShutdown || resp.Header.Get("Retry-After") != "1" {
			t.Errorf("%d %v %v", resp.StatusCode, lines, resp.Header)
		}
		if _, sessions := r.Server.Registry().Count(); sessions != 0 {
			t.Errorf("%d sessions", sessions)
		}
	})
}

// late runs something when a connection is taken over, in the middle of an upgrade.
type late struct {
	http.ResponseWriter
	run func()
}

func (l late) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	l.run()
	return http.NewResponseController(l.ResponseWriter).Hijack()
}

// A socket that was being opened while all others ended is told as well.
func TestUpgradeDuringTheEnd(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		inner := *r
		inner.Net = endpointtest.Listen("192.0.2.9:80")
		end := func() { r.Server.Registry().Close(goingDown) }
		s := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { r.Server.Handler("main").ServeHTTP(late{w, end}, req) })}
		go s.Serve(inner.Net)
		defer s.Close()
		inner.RawSocket().WantGoodbye(message.CodeServerShutdown, 0)
		synctest.Wait()
		if _, sessions := r.Server.Registry().Count(); sessions != 0 {
			t.Errorf("%d sessions", sessions)
		}
	})
}

// faulty are connections whose writes, once that is asked for, wait and then panic.
type faulty struct {
	net.Listener
	armed atomic.Bool
	fail  chan struct{}
}

type faultyConn struct {
	net.Conn
	l *faulty
}

func (l *faulty) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &faultyConn{c, l}, err
}

func (c *faultyConn) Write(b []byte) (int, error) {
	if c.l.armed.Load() {
		<-c.l.fail
		panic("a write fails")
	}
	return c.Conn.Write(b)
}

// A writer that fails badly ends its connection, also while the reader waits for it to make room.
func TestPanicWhileWriting(t *testing.T) {
	var causes []flexsession.Cause
	l := flexsession.Listener{SessionDestroyed: func(_ flexsession.Session, c flexsession.Cause) { causes = append(causes, c) }}
	endpointtest.Run(t, listening(l), func(t *testing.T, r *endpointtest.Rig) {
		inner := *r
		inner.Net = endpointtest.Listen("192.0.2.9:80")
		bad := &faulty{Listener: inner.Net, fail: make(chan struct{})}
		s := http.Server{Handler: r.Server.Handler("main")}
		go s.Serve(bad)
		defer s.Close()
		c := connected(t, &inner)
		synctest.Wait()
		bad.armed.Store(true)
		const ping = `{"type":"command","operation":"client_ping","messageId":"p"}`
		c.Frame(endpointtest.Fin|endpointtest.Text, ping)
		synctest.Wait() // its answer is being written
		c.Frame(endpointtest.Fin|endpointtest.Text, strings.Repeat(ping+"\n", 1000))
		synctest.Wait()
		close(bad.fail)
		synctest.Wait()
		if _, sessions := r.Server.Registry().Count(); sessions != 0 || len(causes) != 1 || causes[0].Code != message.CodeInternalError {
			t.Errorf("%d sessions are left, ended: %v", sessions, causes)
		}
	})
}
