package endpointtest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
)

// The addresses are of the blocks kept for documentation (RFC 5737).
const (
	defaultListen = "198.51.100.1:80"
	clientHost    = "192.0.2.1"
	firstPort     = 40000
	backlog       = 128
	defaultBuffer = 64 << 10
)

// Listener is one address of a network in memory. All methods may be called from any goroutine.
type Listener struct {
	// Buffer is how many bytes each direction of a connection holds between writer and reader. Zero or less means 64 KiB. Set it before the first Dial.
	Buffer int

	addr    net.Addr
	ports   atomic.Int32
	waiting chan *Conn // dialled and not yet accepted
	done    chan struct{}
	close   sync.Once
}

var _ net.Listener = (*Listener)(nil)

// Listen makes a network with one listener, whose address is addr, like "198.51.100.1:80", which is also what "" means. It panics on what is not an address.
func Listen(addr string) *Listener {
	if addr == "" {
		addr = defaultListen
	}
	return &Listener{addr: address(addr), waiting: make(chan *Conn, backlog), done: make(chan struct{})}
}

// Accept returns the server's side of the next connection, a *[Conn]. After Close the error is net.ErrClosed.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.done:
		return nil, l.fail("accept", net.ErrClosed)
	default:
	}
	select {
	case c := <-l.waiting:
		return c, nil
	case <-l.done:
		return nil, l.fail("accept", net.ErrClosed)
	}
}

// Close ends Accept and refuses those who dial from now on. Connections that were not accepted are reset, the others live on.
func (l *Listener) Close() error {
	err := l.fail("close", net.ErrClosed)
	l.close.Do(func() {
		err = nil
		close(l.done)
		l.abandon()
	})
	return err
}

// abandon resets what nobody will accept.
func (l *Listener) abandon() {
	for {
		select {
		case c := <-l.waiting:
			c.Reset()
		default:
			return
		}
	}
}

// Addr is the address given to Listen, a *net.TCPAddr.
func (l *Listener) Addr() net.Addr { return l.addr }

// Dial connects from 192.0.2.1 and a port of its own. As with TCP it does not wait for Accept, but for a place in the backlog of
// 128, until ctx ends. After the listener's Close the error is ECONNREFUSED. The connection is a *[Conn].
func (l *Listener) Dial(ctx context.Context) (net.Conn, error) {
	c, err := l.DialFrom(ctx, "")
	if err != nil {
		return nil, err
	}
	return c, nil
}

// DialContext is Dial in the shape that http.Transport and WebSocket dialers want. It connects to the listener, whatever network and addr say.
func (l *Listener) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return l.Dial(ctx)
}

// DialFrom is Dial from the address local, like "192.0.2.7:1234", of which it makes no other use: two connections may have the same. It panics on what is
// not an address.
func (l *Listener) DialFrom(ctx context.Context, local string) (*Conn, error) {
	if local == "" {
		local = fmt.Sprintf("%s:%d", clientHost, firstPort+(l.ports.Add(1)-1)%(1<<16-firstPort))
	}
	size := l.Buffer
	if size <= 0 {
		size = defaultBuffer
	}
	client, server := newPair(address(local), l.addr, size)
	select {
	case <-l.done:
		return nil, l.fail("dial", syscall.ECONNREFUSED)
	case <-ctx.Done():
		return nil, l.fail("dial", ctx.Err())
	default:
	}
	select {
	case l.waiting <- server:
	case <-l.done:
		return nil, l.fail("dial", syscall.ECONNREFUSED)
	case <-ctx.Done():
		return nil, l.fail("dial", ctx.Err())
	}
	select {
	case <-l.done: // Close came in between, and may have looked before this one was there
		l.abandon()
	default:
	}
	return client, nil
}

func (l *Listener) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Addr: l.addr, Err: err}
}

func address(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }
