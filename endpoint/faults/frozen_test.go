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
var hung = map[string]struct {
	kind    channel.Kind
	promise time.Duration
	change  func(*channel.ChannelDefinition)
	lost
}{
	"websocket":                             {channel.WebSocket, 0, as, lost{message.CodeMissedPong, deadPeer, beaten + deadPeer + goodbye, false}},
	"websocket, heartbeats of the client":   {channel.WebSocket, promise, unbeaten, lost{message.CodeMissedHeartbeats, deadPeer - promise, deadPeer + goodbye, false}},
	"streaming, heartbeats of the client":   {channel.Streaming, promise, as, lost{message.CodeMissedHeartbeats, deadPeer - promise, deadPeer, false}},
	"longpoll, heartbeats of the client":    {channel.LongPoll, promise, patient, lost{message.CodeMissedHeartbeats, deadPeer - promise, deadPeer, false}},
	"longpoll, answered for all it can see": {channel.LongPoll, 0, as, lost{message.CodeConnectionClosed, 0, parked, false}},
}

// beaten is the longest silence of a server with heartbeats: their time, and for the spread a twentieth more.
const beaten = heartbeat + heartbeat/20

// as leaves a channel as it is, unbeaten takes its heartbeats, and patient holds polls for longer than anything takes here.
func as(*channel.ChannelDefinition)         {}
func unbeaten(c *channel.ChannelDefinition) { c.ServerHeartbeat = 0 }
func patient(c *channel.ChannelDefinition)  { c.WaitInterval = 20 * time.Second }

// A process that is stopped.
func TestFrozen(t *testing.T) {
	t.Parallel()
	for name, c := range hung {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "127.0.0.1", c.change)
			p := w.client(w.url, c.kind, c.promise)
			w.wantLost(w.fault(func() { p.Process.Signal(syscall.SIGSTOP) }), c.lost)
		})
	}
}

// A proxy that goes on to accept, and passes nothing on any more, in either direction: no FIN, no RST.
func TestSwallowed(t *testing.T) {
	t.Parallel()
	for name, c := range hung {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "127.0.0.1", c.change)
			p := newProxy(t, w.s.Addr("main").String())
			w.client("http://"+p.Addr().String(), c.kind, c.promise)
			w.wantLost(w.fault(func() { p.swallows.Store(true) }), c.lost)
		})
	}
}

// A process that is stopped while there is much for it: what it does not take fills the buffers of its kernel, whose window closes, and then those of this one, where writes get stuck.
// dead-peer-timeout-millis is for the first, write-timeout-millis for the second.
func TestFrozenAndFed(t *testing.T) {
	t.Parallel()
	alone := func(deadPeer, stuck time.Duration) func(*channel.ChannelDefinition) {
		return func(c *channel.ChannelDefinition) {
			c.DeadPeerTimeout, c.WriteTimeout = deadPeer, stuck
			unbeaten(c)
		}
	}
	for name, c := range map[string]struct {
		kind   channel.Kind
		change func(*channel.ChannelDefinition)
		lost
	}{
		"websocket, its window": {channel.WebSocket, alone(deadPeer, time.Minute), lost{message.CodeUnacknowledgedBytes, deadPeer, deadPeer + filling, false}},
		"websocket, writes":     {channel.WebSocket, alone(0, stuck), lost{message.CodeWriteTimeout, stuck, stuck + filling, false}},
		"streaming, its window": {channel.Streaming, alone(deadPeer, time.Minute), lost{message.CodeUnacknowledgedBytes, deadPeer, deadPeer + filling, false}},
		"streaming, writes":     {channel.Streaming, alone(0, stuck), lost{message.CodeWriteTimeout, stuck, stuck + filling, false}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "127.0.0.1", c.change)
			p := w.client(w.url, c.kind, 0)
			w.wantLost(w.fault(func() {
				p.Process.Signal(syscall.SIGSTOP)
				w.fill()
			}), c.lost)
		})
	}
}

// filling is how long it may take until the buffers are full.
const filling = 500 * time.Millisecond

// Nobody misses a stream's reader that promises no heartbeats and is sent no more than its buffers take: the stream stays, and the client with it.
func TestFrozenAndNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "127.0.0.1")
	c := w.client(w.url, channel.Streaming, 0)
	w.fault(func() { c.Process.Signal(syscall.SIGSTOP) })
	time.Sleep(heartbeat + deadPeer + stuck + reconnect + late)
	if clients, _ := w.s.Registry().Count(); clients != 1 || w.has(connectionEnded) {
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
