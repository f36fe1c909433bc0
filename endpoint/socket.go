package endpoint

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"sluice/channel"
)

// Socket is a connection of one of the server's listeners: what all its layers (PROXY, TLS) stand on. It knows what was set on it, and what it failed of: net/http tells its handlers only that
// the peer is gone. Tune and LastError find it under its layers. All methods may be called from any goroutine.
type Socket struct {
	net.Conn
	KeepAlive *channel.KeepAlive // of the listener, and set by it; nil: as Go sets it

	def atomic.Pointer[channel.ChannelDefinition] // whose settings are set; nil: of none yet

	mu     sync.Mutex // guards the following
	failed error
	told   chan struct{} // closed when failed is known, or never will be; nil: nobody waits
	closed bool
}

func (s *Socket) socket() *Socket { return s }

// Read implements net.Conn.
func (s *Socket) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if err != nil {
		err = s.Note(err)
	}
	return n, err
}

// Write implements net.Conn.
func (s *Socket) Write(b []byte) (int, error) {
	n, err := s.Conn.Write(b)
	if err != nil {
		err = s.Note(err)
	}
	return n, err
}

// Close implements net.Conn. Nobody is told a cause after it.
func (s *Socket) Close() error {
	err := s.Conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.tell()
	return err
}

// tell ends the waiting for the cause. The caller holds s.mu.
func (s *Socket) tell() {
	if s.told != nil {
		close(s.told)
		s.told = nil
	}
}

// Note remembers err, which reading or writing failed of, if it says what became of the peer: not a deadline, or a Close of this side. The kernel tells the cause once, to whoever asks first; who
// asks next reads a mere end, or writes to a broken pipe. So Note returns the cause in place of those.
func (s *Socket) Note(err error) error {
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
		return err
	}
	if s.echoes(err) {
		s.await()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil || weak(s.failed) && !weak(err) {
		s.failed = err
	}
	if !weak(s.failed) {
		s.tell()
	}
	if weak(err) {
		return s.failed
	}
	return err
}

// weak says whether err may follow from another one: an end in order is not the last word either, as long as the other direction lives.
func weak(err error) bool { return err == io.EOF || errors.Is(err, syscall.EPIPE) }

// echoes says whether err follows from another one, which somebody else was told and notes at any moment.
func (s *Socket) echoes(err error) bool {
	tcp := tcpOf(s)
	return tcp != nil && (errors.Is(err, syscall.EPIPE) || err == io.EOF && dead(tcp))
}

// await waits until the cause is known, but not for ever: a broken pipe may be one by itself (RFC 9293: a reset after the end).
func (s *Socket) await() {
	s.mu.Lock()
	if s.failed != nil || s.closed { // with an end in order before it, nobody else is told anything
		s.mu.Unlock()
		return
	}
	if s.told == nil {
		s.told = make(chan struct{})
	}
	told := s.told
	s.mu.Unlock()
	select {
	case <-told:
	case <-time.After(causeWait):
	}
}

// causeWait is how long a goroutine of a connection that is dead may wait for another's word of why.
const causeWait = time.Second

// socketOf finds the Socket under the layers of c, else the lowest layer; both may be nil.
func socketOf(c net.Conn) (*Socket, net.Conn) {
	for {
		switch layer := c.(type) {
		case interface{ socket() *Socket }:
			return layer.socket(), c
		case interface{ NetConn() net.Conn }: // tls.Conn
			c = layer.NetConn()
		case interface{ Raw() net.Conn }: // proxyproto.Conn
			c = layer.Raw()
		default:
			return nil, c
		}
	}
}

// tcpOf is the TCP connection that c stands on; nil where that is something else.
func tcpOf(c net.Conn) *net.TCPConn {
	s, c := socketOf(c)
	if s != nil {
		c = s.Conn
	}
	tcp, _ := c.(*net.TCPConn)
	return tcp
}

// connKey is the key of a request's connection in its context.
type connKey struct{}

// WithConn is for http.Server.ConnContext: ConnOf finds c for each request that comes over it.
func WithConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// ConnOf is the connection that r came over, with HTTP/2 one of many requests on it. It is nil where WithConn was not called: for a program that serves the handlers by an http.Server of its own.
func ConnOf(r *http.Request) net.Conn {
	c, _ := r.Context().Value(connKey{}).(net.Conn)
	return c
}

// Tune sets on c what the channel of def says of its sockets: dead-peer-timeout-millis and socket-keepalive-enabled with its times. Requests of several channels may follow each other on
// one connection, or share it (HTTP/2): what was set last holds. It does nothing, at the cost of a comparison, where that is set already, and where c is nil or not TCP. An error is that of a
// connection that has ended.
func Tune(c net.Conn, def *channel.ChannelDefinition) error {
	tcp := tcpOf(c)
	if tcp == nil {
		return nil
	}
	keepAlive := def.KeepAlive
	if s, _ := socketOf(c); s != nil {
		before := s.def.Swap(def)
		if before == def {
			return nil
		}
		if keepAlive = s.keepAliveOf(def); keepAlive == s.keepAliveOf(before) {
			keepAlive = nil // it is set
		}
	}
	return errors.Join(setDeadPeer(tcp, def.DeadPeerTimeout), SetKeepAlive(tcp, keepAlive))
}

// keepAliveOf is what holds for requests of the channel of def; nil: of none yet.
func (s *Socket) keepAliveOf(def *channel.ChannelDefinition) *channel.KeepAlive {
	if def != nil && def.KeepAlive != nil {
		return def.KeepAlive
	}
	return s.KeepAlive
}

// SetKeepAlive sets the TCP keep-alive of c: SO_KEEPALIVE and its times, in whole seconds, of which zero is the operating system's own. It does nothing where k is nil and where c is not TCP.
func SetKeepAlive(c net.Conn, k *channel.KeepAlive) error {
	tcp, ok := c.(*net.TCPConn)
	if !ok || k == nil {
		return nil
	}
	if !k.Enabled {
		return tcp.SetKeepAlive(false)
	}
	own := func(d time.Duration) time.Duration { // zero would be Go's own, 15 s
		if d <= 0 {
			return -1
		}
		return d
	}
	count := k.Count
	if count <= 0 {
		count = -1
	}
	return tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: own(k.Idle), Interval: own(k.Interval), Count: count})
}
