package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"sluice/channel/client"
	"sluice/channel/message"
)

// guest is one client of a soak or a chaos. It speaks the protocol by itself, line by line, so that it can break it at any place. One goroutine uses it.
type guest struct {
	w   *world
	at  map[string]place // channels by id, as it reaches them
	ctx context.Context
	rng *rand.Rand

	id, secret, cookie string
	seq, attach, have  uint64 // as in docs/protocol.md sections 3 and 4
	got, confirmed     uint64
	window             window
	promise            time.Duration // the heartbeat it promises with whatever it sends; 0: none

	link    *link // what it receives by; nil: nothing
	channel string
	pollAt  time.Time // when the next poll is due; zero: none is
	pausing time.Duration
	thrown  int // counted lines that had come, and were given up with their connection

	end    *serverLine // the end it was told, by disconnect or gone
	moved  bool        // it was told that a newer connection took over
	hear   func(stamp)
	others func(serverLine) // what is neither a message nor about the connection; may be nil
}

// patience is how long a guest waits for what the server owes it at once. A machine with much to do has its moments.
const patience = 15 * time.Second

var errQuiet = errors.New("nothing came")

func (g *guest) kind() client.Kind { return g.at[g.channel].kind }

func (g *guest) token() string {
	if g.id == "" {
		return ""
	}
	return g.id + "." + g.secret
}

// connect makes the client over the channel, and attaches there.
func (g *guest) connect(channel string) error {
	if err := g.greet(channel); err != nil {
		return err
	}
	if g.kind() == client.WebSocket {
		return nil
	}
	return g.listen(channel)
}

const connectLine = `{"type":"command","operation":"client_ping","messageId":"c","headers":{"DSId":"nil"}`

// greet makes the client. Over HTTP nothing is attached yet.
func (g *guest) greet(channel string) error {
	g.channel = channel
	if g.kind() != client.WebSocket {
		answer, err := g.post(connectLine + g.promised() + "}")
		if err != nil {
			return err
		}
		return g.welcome(answer)
	}
	l, err := openSocket(g.ctx, g.at[channel].url)
	if err != nil {
		return err
	}
	g.attach++
	g.link = l
	if err := g.send(fmt.Sprintf(`%s,"attach":%d%s}`, connectLine, g.attach, g.promised())); err != nil {
		return err
	}
	answer, err := g.until(func(l serverLine) bool { return l.CorrelationID == "c" })
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if err := g.welcome(answer); err != nil {
		return err
	}
	_, err = g.until(func(l serverLine) bool { return l.Operation == "attached" })
	return err
}

func (g *guest) welcome(l serverLine) error {
	if l.Headers.DSId == "" {
		return fmt.Errorf("connect: %s", l.raw)
	}
	g.id, g.secret = l.Headers.DSId, l.Headers.DSSecret
	g.w.connected.Add(1)
	return nil
}

// promised is the field that promises the next heartbeat.
func (g *guest) promised() string {
	if g.promise == 0 {
		return ""
	}
	return fmt.Sprintf(`,"heartbeat":%d`, g.promise.Milliseconds())
}

// listen attaches over a new connection of the channel, in place of the one there is, and waits until that is so, but for a poll.
func (g *guest) listen(channel string) error {
	err := g.reach(channel)
	if err != nil || g.kind() == client.LongPoll { // what became of a poll is told by its answer, which is held
		return err
	}
	_, err = g.until(func(l serverLine) bool { return l.Operation == "attached" && l.Attach == g.attach })
	return err
}

// reach asks to be attached over a new connection of the channel, in place of the one there is. It gives up what was not taken from the old one.
func (g *guest) reach(channel string) error {
	old := g.link
	g.link, g.pollAt = nil, time.Time{}
	if old != nil {
		defer func() { g.thrown += old.drop(false) }() // behind the attach: that it is displaced is the server's to find
	}
	g.channel = channel
	at := g.at[channel]
	g.attach++
	var err error
	switch at.kind {
	case client.WebSocket:
		if g.link, err = openSocket(g.ctx, at.url); err == nil {
			err = g.send(g.attachLine(fmt.Sprintf(`"DSId":%q,"secret":%q,`, g.id, g.secret)))
		}
	case client.Streaming:
		if g.link, err = openHTTP(g.ctx, at.kind, at.url); err == nil {
			err = g.link.request(at.url, "?command=open", g.token(), g.cookie, []byte(g.attachLine("")))
		}
	default:
		if g.link, err = openHTTP(g.ctx, at.kind, at.url); err == nil {
			g.attach--
			err = g.poll()
		}
	}
	return err
}

func (g *guest) attachLine(who string) string {
	g.confirmed = g.have
	return fmt.Sprintf(`{"type":"control","operation":"attach",%s"attach":%d,"have":%d,"got":%d%s}`, who, g.attach, g.have, g.got, g.promised())
}

// poll sends the next poll.
func (g *guest) poll() error {
	g.attach++
	g.pollAt, g.confirmed = time.Time{}, g.have
	line := fmt.Sprintf(`{"type":"command","operation":"poll","messageId":"poll","attach":%d,"have":%d,"got":%d%s}`, g.attach, g.have, g.got, g.promised())
	return g.link.request(g.at[g.channel].url, "", g.token(), g.cookie, []byte(line))
}

// send writes lines to the socket.
func (g *guest) send(lines string) error { return g.frame(1, lines) }

// frame writes one frame to the socket.
func (g *guest) frame(opcode byte, payload string) error {
	_ = g.link.conn.SetWriteDeadline(time.Now().Add(patience))
	_, err := g.link.conn.Write(frame(opcode, []byte(payload)))
	return err
}

// next takes the next line, if one comes within d (else errQuiet), and polls when it is time.
func (g *guest) next(d time.Duration) (serverLine, error) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		if g.link == nil {
			return serverLine{}, errEnded
		}
		var poll <-chan time.Time
		if !g.pollAt.IsZero() {
			poll = time.After(time.Until(g.pollAt))
		}
		select {
		case line, ok := <-g.link.lines:
			if !ok {
				return serverLine{}, g.link.err
			}
			if line.answer {
				if g.end == nil && !g.moved {
					g.pollAt = time.Now().Add(g.pausing)
				}
				continue
			}
			g.take(line)
			return line, nil
		case <-poll:
			if err := g.poll(); err != nil {
				return serverLine{}, err
			}
		case <-timer.C:
			return serverLine{}, errQuiet
		case <-g.ctx.Done():
			return serverLine{}, g.ctx.Err()
		}
	}
}

// take counts a line and notes what it says of the connection.
func (g *guest) take(l serverLine) {
	switch l.Type {
	case message.TypeAsync:
		g.have++
		if s, ok := readStamp(l.raw); ok && g.hear != nil {
			g.hear(s)
		}
		return
	case "acknowledge":
		if l.CorrelationID == "poll" {
			g.pausing = time.Duration(l.Headers.DSPollWait) * time.Millisecond
		}
		return
	case "error":
		return
	case "control":
	default:
		g.have++
		if g.others != nil {
			g.others(l)
		}
		return
	}
	switch l.Operation {
	case "attached":
		g.window = l.Window
	case "skip":
		g.have += l.Count
	case "displaced":
		g.moved = true
	case "disconnect", "gone":
		g.end = &l
		g.w.told(l)
	}
}

// until takes lines until one fits. An end that comes before is an error.
func (g *guest) until(fits func(serverLine) bool) (serverLine, error) {
	for limit := time.Now().Add(patience); ; {
		l, err := g.next(time.Until(limit))
		switch {
		case err != nil:
			return l, err
		case fits(l):
			return l, nil
		case g.end != nil:
			return l, &endError{*g.end}
		}
	}
}

// endError is an end that the server has told.
type endError struct{ line serverLine }

func (e *endError) Error() string { return "the server ended it: " + string(e.line.raw) }
