package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sluice/channel/client"
	"sluice/channel/message"
)

// soakLies are the visits of those who do not keep to the protocol.
func soakLies() []visit {
	all := []visit{
		{"lie: binary frame", func(g *guest) error { return badFrame(g, 2, "{}", message.CodeProtocolError) }},
		{"lie: reserved opcode", func(g *guest) error { return badFrame(g, 3, "{}", message.CodeProtocolError) }},
		{"lie: reserved bits", func(g *guest) error { return badFrame(g, 0x70|1, "{}", message.CodeProtocolError) }},
		{"lie: long ping", func(g *guest) error { return badFrame(g, 9, strings.Repeat("x", 200), message.CodeProtocolError) }},
		{"lie: huge frame", func(g *guest) error { return badFrame(g, 1, strings.Repeat("x", 70<<10), message.CodeMessageTooLarge) }},
		{"lie: half a frame", halfFrame},
		{"lie: a socket without a client", mute},
		{"lie: a socket of secrets", wrongSecrets},
		{"lie: two on one number", displaced},
		{"lie: a poll without a number", badPoll},
		{"lie: unknown stream", unknownStream},
		{"lie: wrong ticket", wrongTicket},
		{"lie: wrong key", wrongKey},
	}
	for _, ch := range soakChannels {
		all = append(all,
			visit{"lie: bad lines " + ch, func(g *guest) error { return badLines(g, ch) }},
			visit{"lie: wrong numbers " + ch, func(g *guest) error { return wrongNumbers(g, ch) }},
			visit{"lie: more than was sent " + ch, func(g *guest) error { return ahead(g, ch) }})
	}
	for _, text := range []string{
		"", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "GET / HTTP/1.1\r\nHost: x\r\n", "GET /websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: close\r\n\r\n",
		"POST /longpoll HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"type\"",
		"POST /streaming HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /" + strings.Repeat("x", 40<<10) + " HTTP/1.1\r\n",
	} {
		all = append(all, visit{fmt.Sprintf("lie: bytes %.12q", text), func(g *guest) error { return stray(g, text) }})
	}
	return all
}

// badFrame ends the socket with the code; the client has lost its connection, or, for a fault of its own, its life.
func badFrame(g *guest, opcode byte, payload string, code message.Code) error {
	if err := arrive(g, "websocket"); err != nil {
		return err
	}
	if err := g.frame(opcode, payload); err != nil && !isReset(err) {
		return err
	}
	if err := g.lost(patience); err != nil {
		return err
	}
	if g.end != nil { // a reset may have overtaken it
		if err := g.endedBy(code); err != nil {
			return err
		}
	}
	return g.late(code)
}

// halfFrame begins a frame and never ends it.
func halfFrame(g *guest) error {
	if err := arrive(g, "websocket"); err != nil {
		return err
	}
	g.link.deaf.Store(true) // a pong would be the rest of the frame
	whole := frame(1, []byte(detachLine))
	if _, err := g.link.conn.Write(whole[:1+g.rng.IntN(len(whole)-1)]); err != nil {
		return err
	}
	if err := g.lost(soakHandshake + patience); err != nil {
		return err
	}
	return g.endedBy(message.CodeRequestTimeout)
}

// mute opens a socket and says nothing.
func mute(g *guest) error {
	l, err := openSocket(g.ctx, g.at["websocket"].url)
	if err != nil {
		return err
	}
	g.link, g.channel = l, "websocket"
	return g.wantEnd(soakHandshake+patience, message.CodeHandshakeTimeout)
}

// wrongSecrets tries to be somebody else, whom this does not concern.
func wrongSecrets(g *guest) error {
	if err := arrive(g, "websocket"); err != nil {
		return err
	}
	thief := g.w.guest(g.ctx, g.rng)
	defer thief.drop(false)
	for _, ch := range soakChannels {
		thief.id, thief.secret, thief.attach = g.id, g.secret[:len(g.secret)-1]+"_", 100
		if g.secret[len(g.secret)-1] == '_' {
			thief.secret = g.secret[:len(g.secret)-1] + "-"
		}
		if err := thief.listen(ch); err == nil {
			_, _ = thief.until(func(serverLine) bool { return false })
		}
		if thief.end == nil || thief.end.Reason != message.GoneUnknown {
			return fmt.Errorf("a wrong secret on %s: %+v", ch, thief.end)
		}
		thief.drop(false)
		thief.end = nil
	}
	if err := g.exchange(2); err != nil {
		return err
	}
	return g.leave()
}

// displaced attaches twice: the newer one wins, and the older one cannot come again.
func displaced(g *guest) error {
	if err := arrive(g, "websocket"); err != nil {
		return err
	}
	old := *g
	g.link = nil
	g.attach += 5
	if err := g.listen("streaming"); err != nil {
		return err
	}
	if err := old.wantEnd(patience, message.CodeDisplaced); err != nil {
		return err
	}
	if !old.moved {
		return fmt.Errorf("displaced was not told before %s", old.end.raw)
	}
	old.drop(false)
	old.end = nil
	l, err := openSocket(g.ctx, g.at["websocket"].url)
	if err != nil {
		return err
	}
	old.link = l
	defer old.drop(false)
	old.attach++
	if err := old.send(old.attachLine(fmt.Sprintf(`"DSId":%q,"secret":%q,`, old.id, old.secret))); err != nil {
		return err
	}
	if _, err := old.until(func(l serverLine) bool { return l.Operation == "displaced" }); err != nil {
		return err
	}
	if err := g.exchange(1); err != nil {
		return err
	}
	return g.leave()
}

// badPoll leaves the number out, and puts a poll beside others.
func badPoll(g *guest) error {
	if err := g.greet("longpoll"); err != nil {
		return err
	}
	l, err := g.post(`{"type":"command","operation":"poll","messageId":"p"}`)
	if err := refused(message.CodeBadField, l, err); err != nil {
		return err
	}
	l, err = g.post(`{"type":"command","operation":"poll","messageId":"p","attach":1}` + "\n" + `{"type":"command","operation":"client_ping"}`)
	if err := refused(message.CodePollNotAlone, l, err); err != nil {
		return err
	}
	return g.leave()
}

func unknownStream(g *guest) error {
	if err := g.connect("streaming"); err != nil {
		return err
	}
	_, l, err := g.fetch(http.MethodPost, g.at["streaming"].url.String()+"?command=close&streamId=nothing", "")
	if err := refused(message.CodeUnknownStream, l, err); err != nil {
		return err
	}
	return g.leave()
}

func wrongTicket(g *guest) error {
	_, l, err := g.fetch(http.MethodGet, g.at["streaming"].url.String()+"/soak/x?ticket=none", "")
	return refused(message.CodeBadTicket, l, err)
}

func wrongKey(g *guest) error {
	status, _, err := g.fetch(http.MethodGet, g.w.url+"/api/v1/info", "", "Authorization", "Bearer guess")
	if err == nil && status != http.StatusUnauthorized {
		err = fmt.Errorf("a wrong key: HTTP status %d", status)
	}
	return err
}

// badLines are refused, each for itself, and harm nothing else.
func badLines(g *guest, ch string) error {
	if err := arrive(g, ch); err != nil {
		return err
	}
	for _, bad := range []struct {
		line string
		code message.Code
	}{
		{`this is no JSON`, message.CodeBadMessage},
		{`{"messageId":"x","type":"async"}`, message.CodeBadMessage},
		{`{"type":"async","body":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, message.CodeMessageTooDeep},
		{`{"type":"async","messageId":"x","destination":"soak","body":"` + strings.Repeat("x", 40<<10) + `"}`, message.CodeMessageTooBig},
		{"{\"type\":\"async\",\"body\":\"\xff\"}", message.CodeBadText},
		{`{"type":"async","messageId":"x","body":1}`, message.CodeBadField},
		{`{"type":"song","messageId":"x"}`, message.CodeUnknownType},
		{`{"type":"command","operation":"fly","messageId":"x"}`, message.CodeUnknownOperation},
		{`{"type":"async","messageId":"x","destination":"nowhere","body":1}`, message.CodeUnknownDestination},
	} {
		l, err := g.reply(bad.line)
		if err := refused(bad.code, l, err); err != nil {
			return err
		}
	}
	if err := g.exchange(2); err != nil {
		return err
	}
	return g.leave()
}

// reply sends a line that is no proper request, and takes the next reply there is.
func (g *guest) reply(line string) (serverLine, error) {
	if g.link.kind != client.WebSocket {
		return g.post(line)
	}
	if err := g.send(line); err != nil {
		return serverLine{}, err
	}
	return g.until(func(l serverLine) bool { return l.Type == "error" || l.Type == "acknowledge" })
}

// wrongNumbers leaves out a number, and repeats one.
func wrongNumbers(g *guest, ch string) error {
	if err := arrive(g, ch); err != nil {
		return err
	}
	seq := g.seq
	g.seq += 7
	l, err := g.again("async", publication(g.own(), `"too early"`))
	if err := refused(message.CodeUplinkGap, l, err); err != nil {
		return err
	}
	g.seq = seq
	if err := g.exchange(1); err != nil {
		return err
	}
	if err := granted(g.again("async", publication(g.own(), `"once more"`))); err != nil { // its reply comes again; it is not run
		return err
	}
	if err := g.exchange(1); err != nil { // and so nothing else is heard
		return err
	}
	return g.leave()
}

// ahead confirms what it never got. The client lives on, and so it may go as one should.
func ahead(g *guest, ch string) error {
	if err := arrive(g, ch); err != nil {
		return err
	}
	have := g.have
	g.have = 1000
	if err := g.confirm(); err != nil {
		return err
	}
	g.have = have
	for g.end == nil {
		if _, err := g.next(patience); err != nil {
			return fmt.Errorf("more confirmed than was sent: %w", err)
		}
	}
	if g.end.Reason != message.GoneAhead {
		return fmt.Errorf("more confirmed than was sent: %s", g.end.raw)
	}
	g.end = nil
	return g.leave()
}

// stray writes bytes to the server, and is cut off, whatever they are.
func stray(g *guest, text string) error {
	at, _ := url.Parse(g.w.url)
	conn, err := dial(g.ctx, at, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(g.ctx, func() { conn.Close() })
	defer stop()
	if _, err := io.WriteString(conn, text); err != nil {
		return err
	}
	_ = conn.SetReadDeadline(time.Now().Add(2*soakHandshake + patience))
	if _, err := io.Copy(io.Discard, conn); err != nil && !strings.Contains(err.Error(), "reset") {
		return fmt.Errorf("want the connection ended: %w", err)
	}
	return nil
}
