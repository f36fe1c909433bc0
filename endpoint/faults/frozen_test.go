//go:build linux

package faults

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

// hung are what becomes of the connections of a program that hangs on a machine that lives: its kernel goes on to acknowledge. A proxy that accepts and swallows looks the same. The times are those
// of docs/dead-peers.md.
var hung = []struct {
	kind    channel.Kind
	promise time.Duration
	lost
}{
	{channel.WebSocket, 0, lost{message.CodeMissedPong, deadPeer, late20(heartbeat) + deadPeer + goodbye, false}},
	{channel.WebSocket, promise, lost{message.CodeMissedHeartbeats, deadPeer - promise, deadPeer + goodbye, false}},
	{channel.Streaming, promise, lost{message.CodeMissedHeartbeats, deadPeer - promise, deadPeer, false}},
	{channel.LongPoll, promise, lost{message.CodeMissedHeartbeats, deadPeer - promise, deadPeer, false}},
	{channel.LongPoll, 0, lost{message.CodeConnectionClosed, 0, parked, false}}, // answered, for all that the server knows
}

// late20 is a heartbeat's time with its spread: up to a twentieth more.
func late20(d time.Duration) time.Duration { return d + d/20 }

func each(t *testing.T, f func(t *testing.T, i int)) {
	for i, c := range hung {
		name := string(c.kind)
		if c.promise > 0 {
			name += " with heartbeats"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, i)
		})
	}
}

// A process that is stopped.
func TestFrozen(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, i int) {
		w := newWorld(t, "127.0.0.1", nil)
		c := w.client(w.url, hung[i].kind, hung[i].promise)
		w.wantLost(w.fault(func() { c.Process.Signal(syscall.SIGSTOP) }), hung[i].lost)
	})
}

// A proxy that goes on to accept, and passes nothing on any more, in either direction: no FIN, no RST.
func TestSwallowed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, i int) {
		w := newWorld(t, "127.0.0.1", nil)
		p := newProxy(t, w.s.Addr("main").String())
		w.client("http://"+p.Addr().String(), hung[i].kind, hung[i].promise)
		w.wantLost(w.fault(func() { p.swallows.Store(true) }), hung[i].lost)
	})
}

// A process that is stopped while there is much for it: write-timeout-millis ends what takes nothing.
func TestFrozenAndFed(t *testing.T) {
	t.Parallel()
	for _, kind := range []channel.Kind{channel.WebSocket, channel.Streaming} { // a poll's answer is short
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "127.0.0.1", nil)
			c := w.client(w.url, kind, 0)
			w.wantLost(w.fault(func() {
				c.Process.Signal(syscall.SIGSTOP)
				w.fill()
			}), lost{message.CodeWriteTimeout, stuck, 2 * stuck, false})
		})
	}
}

// Nobody looks for a stream's reader that promises no heartbeats and is sent no more than its buffers take: the stream stays, and the client with it.
func TestFrozenAndNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "127.0.0.1", nil)
	c := w.client(w.url, channel.Streaming, 0)
	w.fault(func() { c.Process.Signal(syscall.SIGSTOP) })
	time.Sleep(heartbeat + deadPeer + stuck + reconnect + late)
	if clients, _ := w.s.Registry().Count(); clients != 1 || len(w.ends("connection ended")) != 0 {
		t.Errorf("%d clients\n%s", clients, w.text())
	}
}

// proxy passes connections on, until it swallows.
type proxy struct {
	net.Listener
	to       string
	swallows atomic.Bool
	all      sync.WaitGroup

	mu    sync.Mutex // guards the following
	conns []net.Conn
	over  bool
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l, to: to}
	p.all.Go(p.accept)
	t.Cleanup(p.end)
	return p
}

func (p *proxy) accept() {
	for {
		in, err := p.Accept()
		if err != nil {
			return
		}
		p.keep(in)
		if p.swallows.Load() {
			p.all.Go(func() { io.Copy(io.Discard, in) })
			continue
		}
		out, err := net.Dial("tcp", p.to)
		if err != nil {
			fmt.Println("the proxy:", err)
			continue
		}
		p.keep(out)
		p.all.Go(func() { p.pass(in, out) })
		p.all.Go(func() { p.pass(out, in) })
	}
}

// keep notes a connection that is to be closed at the end, or closes it.
func (p *proxy) keep(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, c)
	if p.over {
		c.Close()
	}
}

// pass passes what comes in on to out, and an end as well, until it swallows both.
func (p *proxy) pass(in, out net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := in.Read(buf)
		swallowed := p.swallows.Load()
		switch {
		case err != nil && swallowed:
			return
		case err != nil:
			out.Close()
			return
		case !swallowed:
			out.Write(buf[:n])
		}
	}
}

func (p *proxy) end() {
	p.Close()
	p.mu.Lock()
	p.over = true
	for _, c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.all.Wait()
}
