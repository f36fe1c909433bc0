package bench

import (
	"fmt"
	"strings"

	"sluice/channel/message"
)

// flood is more than may wait for a client.
const flood = 1100

// slow subscribes to much, takes what the window lets through, and never confirms any of it.
func slow(g *guest, ch string) error {
	if err := g.connect(ch); err != nil {
		return err
	}
	if err := g.subscribe("soak", g.own()); err != nil {
		return err
	}
	if ch != "websocket" {
		g.drop(false) // it does not come for it either
	}
	if err := g.flood(flood, MinSize); err != nil {
		return err
	}
	if g.link != nil {
		return g.wantEnd(patience, message.CodeSlowConsumer)
	}
	return g.late(message.CodeSlowConsumer)
}

// flood publishes n messages of about size bytes to the guest's own subtopic, by another client.
func (g *guest) flood(n, size int) error {
	other := g.w.guest(g.ctx, g.rng)
	defer other.drop(false)
	if err := other.greet("streaming"); err != nil {
		return err
	}
	const batch = 100
	for sent := 0; sent < n; sent += batch {
		var lines strings.Builder
		for i := range min(batch, n-sent) {
			fmt.Fprintf(&lines, `{"type":"async","messageId":"f%d",%s}`+"\n", sent+i, publication(g.own(), string(stamp{number: uint32(sent + i)}.body(size))))
			if lines.Len() > 48<<10 { // of 64 KiB that a request may have
				if _, err := other.post(lines.String()); err != nil {
					return err
				}
				lines.Reset()
			}
		}
		if lines.Len() > 0 {
			if _, err := other.post(lines.String()); err != nil {
				return err
			}
		}
	}
	return other.leave()
}

// breakPromise promises heartbeats, answers pings, and lets no heartbeat follow.
func breakPromise(g *guest, ch string) error {
	g.promise = soakDeadPeer / 8
	if err := arrive(g, ch); err != nil {
		return err
	}
	if ch == "longpoll" { // each poll is a sign of life: it polls no more
		g.promise = 0
		return cutForGoodFrom(g)
	}
	if err := g.lost(2*soakDeadPeer + patience); err != nil {
		return err
	}
	g.promise = 0
	g.end = nil // of the connection alone
	if err := g.listen(ch); err != nil {
		return fmt.Errorf("come back after a silence: %w", err)
	}
	return g.leave()
}

func cutForGoodFrom(g *guest) error {
	g.drop(false)
	if err := g.away(soakReconnect + soakMargin); err != nil {
		return err
	}
	return g.late(message.CodeClientVanished)
}

// freeze is a process that is stopped: it reads nothing and writes nothing, but its machine acknowledges.
func freeze(g *guest, ch string) error {
	g.promise = soakDeadPeer / 4
	if err := arrive(g, ch); err != nil {
		return err
	}
	g.link.still.Store(true)
	if err := g.away(2*soakDeadPeer + soakReconnect + soakMargin); err != nil {
		return err
	}
	return g.late(message.CodeClientVanished)
}

// takeNothing does not read, while there is much for it.
func takeNothing(g *guest, ch string) error {
	if err := arrive(g, ch); err != nil {
		return err
	}
	if tcp, ok := g.link.conn.(interface{ SetReadBuffer(int) error }); ok {
		if err := tcp.SetReadBuffer(4096); err != nil {
			return err
		}
	}
	g.link.still.Store(true)
	if err := g.flood(200, 8<<10); err != nil {
		return err
	}
	if err := g.away(2*soakDeadPeer + soakReconnect + soakMargin); err != nil {
		return err
	}
	return g.late(message.CodeClientVanished, message.CodeSlowConsumer)
}

// deafSocket leaves the server's pings unanswered.
func deafSocket(g *guest) error {
	if err := arrive(g, "websocket"); err != nil {
		return err
	}
	g.link.deaf.Store(true)
	if err := g.lost(soakDeadPeer + patience); err != nil {
		return err
	}
	if err := g.endedBy(message.CodeMissedPong); err != nil {
		return err
	}
	return cutForGoodFrom(g)
}

// idleSocket answers pings, and neither asks nor confirms anything.
func idleSocket(g *guest) error {
	if err := g.connect("websocket"); err != nil {
		return err
	}
	if err := g.wantEnd(soakIdle+patience, message.CodeIdleTimeout); err != nil {
		return err
	}
	return cutForGoodFrom(g)
}

// idleStream has its stream, and shows no sign of life: its session times out.
func idleStream(g *guest) error {
	if err := g.connect("streaming"); err != nil {
		return err
	}
	return g.wantEnd(soakSession+patience, message.CodeSessionTimeout)
}
