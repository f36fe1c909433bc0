//go:build linux && netns

package faults

import (
	"testing"
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

// What is sent to nobody: the kernel finds that nothing is acknowledged, unless the client's promise is over before. The times are those of docs/dead-peers.md.
func TestCables(t *testing.T) {
	t.Parallel()
	unacknowledged := lost{message.CodeUnacknowledgedBytes, deadPeer, beaten + deadPeer, false}
	socket := unacknowledged
	socket.most += goodbye // where the pong is missed before
	silent := lost{message.CodeMissedHeartbeats, deadPeer - promise, deadPeer, false}
	silentSocket := silent
	silentSocket.most += goodbye
	answered := lost{message.CodeConnectionClosed, 0, parked, false}
	kept := func(l lost) lost { l.kept = true; return l }

	faults := map[string]func(*cable){"pulled": (*cable).pull, "cut": (*cable).cut, "forgotten": (*cable).forget}
	all := []string{"pulled", "cut", "forgotten"}
	const beating = ", heartbeats of the client"
	for _, c := range []struct {
		name    string
		kind    channel.Kind
		promise time.Duration
		faults  []string
		change  func(*channel.ChannelDefinition)
		want    lost
	}{
		{"websocket", channel.WebSocket, 0, all, as, socket},
		{"websocket" + beating, channel.WebSocket, promise, all, unbeaten, silentSocket},
		{"streaming", channel.Streaming, 0, all, as, unacknowledged},
		{"streaming" + beating, channel.Streaming, promise, []string{"pulled", "cut"}, unbeaten, silent},
		{"longpoll", channel.LongPoll, 0, all, as, answered},
		{"longpoll" + beating, channel.LongPoll, promise, []string{"pulled", "cut"}, patient, silent},

		// The heartbeats of HTTP find their way on new connections: the client is alive, and only its stream or poll is lost.
		{"streaming" + beating, channel.Streaming, 2 * longer, []string{"forgotten"}, back, kept(unacknowledged)},
		{"longpoll" + beating, channel.LongPoll, 2 * longer, []string{"forgotten"}, back, kept(answered)},

		// TCP keep-alive finds what nothing is sent to. dead-peer-timeout-millis takes the place of its count.
		{"longpoll, keep-alive", channel.LongPoll, 0, []string{"cut"}, probed(deadPeer), lost{message.CodeUnacknowledgedBytes, time.Second, 2 * time.Second, false}},
		{"longpoll, keep-alive alone", channel.LongPoll, 0, []string{"cut"}, probed(0), lost{message.CodeUnacknowledgedBytes, 2 * time.Second, 3 * time.Second, false}},
		{"streaming, keep-alive alone", channel.Streaming, 0, []string{"cut"}, probed(0), lost{message.CodeUnacknowledgedBytes, 2 * time.Second, 3 * time.Second, false}},
		{"websocket, keep-alive alone", channel.WebSocket, 0, []string{"cut"}, probed(0), lost{message.CodeUnacknowledgedBytes, 2 * time.Second, 3 * time.Second, false}},
	} {
		for _, fault := range c.faults {
			t.Run(c.name+" "+fault, func(t *testing.T) {
				t.Parallel()
				way := newCable(t)
				w := newWorld(t, way.server, c.change)
				w.client(w.url, c.kind, c.promise, way.in()...)
				w.wantLost(w.fault(func() { faults[fault](way) }), c.want)
			})
		}
	}
}

// back gives clients a longer time to come back.
func back(c *channel.ChannelDefinition) { c.ReliableReconnectDuration = longer }

// probed leaves silent connections to TCP keep-alive: after a second of silence two probes, a second apart.
func probed(deadPeer time.Duration) func(*channel.ChannelDefinition) {
	return func(c *channel.ChannelDefinition) {
		unbeaten(c)
		patient(c)
		c.DeadPeerTimeout = deadPeer
		c.KeepAlive = &channel.KeepAlive{Enabled: true, Idle: time.Second, Interval: time.Second, Count: 2}
	}
}
