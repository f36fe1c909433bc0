//go:build linux

package faults

import (
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
			p, err := NewProxy(w.s.Addr("main").String())
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			w.client("http://"+p.Addr().String(), c.kind, c.promise)
			w.wantLost(w.fault(func() {
				p.Next(Weather{Swallow: true})
				p.Now(Weather{Swallow: true})
			}), c.lost)
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
	w := newWorld(t, "127.0.0.1", func(c *channel.ChannelDefinition) { c.SessionTimeout = time.Hour }) // else it ends, on a machine that is slow
	c := w.client(w.url, channel.Streaming, 0)
	w.fault(func() { c.Process.Signal(syscall.SIGSTOP) })
	time.Sleep(heartbeat + deadPeer + stuck + reconnect + late)
	if clients, _ := w.s.Registry().Count(); clients != 1 || w.has(connectionEnded) {
		t.Errorf("%d clients\n%s", clients, w.text())
	}
}
