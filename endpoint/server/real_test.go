package server_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
	"sluice/flexsession"
)

// The most important rows of the table once more, on sockets of the machine and by its clock. Times are short; that something happens is waited for, that it happens late is not held against it.

// town is a server on a port of the machine, and what its listeners hear.
type town struct {
	*endpointtest.Rig
	t     *testing.T
	addr  string
	began time.Time
	heard chan ending

	mu    sync.Mutex
	conns []*net.TCPConn // dialled
	past  []ending       // heard, and not asked for yet
}

type ending struct {
	id    string
	cause flexsession.Cause
	at    time.Time
}

// settle starts one. All its times are short.
func settle(t *testing.T, change func(*channel.ChannelDefinition)) *town {
	t.Helper()
	w := &town{t: t, heard: make(chan ending, 1000)}
	ends := func(id string, c flexsession.Cause) { w.heard <- ending{id, c, time.Now()} }
	opts := endpointtest.Options(func(o *server.Options) {
		o.FlexClient.Listeners = []flexsession.Listener{{
			SessionDestroyed:       func(s flexsession.Session, c flexsession.Cause) { ends(s.ID(), c) },
			ClientDestroyed:        func(c *flexsession.FlexClient, cause flexsession.Cause) { ends(c.ID(), cause) },
			MessageClientDestroyed: func(s *flexsession.MessageClient, c flexsession.Cause) { ends(s.ID(), c) },
		}}
		channels(func(c *channel.ChannelDefinition) {
			c.ServerHeartbeat, c.DeadPeerTimeout = 200*time.Millisecond, 600*time.Millisecond
			c.ReliableReconnectDuration, c.ReloadGrace = time.Second, time.Second
			if change != nil {
				change(c)
			}
		})(o)
		o.Listeners[0].Addr = "127.0.0.1:0"
	})
	s, err := server.New(opts)
	if err == nil {
		err = s.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	w.addr, w.began = s.Addr("main").String(), time.Now()
	w.Rig = &endpointtest.Rig{T: t, Server: s, HTTP: w.dialler()}
	t.Cleanup(func() { w.shutDown() })
	return w
}

// dialler reaches the server, whatever host a URL names, over connections that can be cut.
func (w *town) dialler() *http.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", w.addr)
		if err != nil {
			return nil, err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.conns = append(w.conns, c.(*net.TCPConn))
		return c, nil
	}}
	w.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (w *town) shutDown() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := w.Server.Shutdown(ctx); err != nil {
		w.t.Errorf("shutdown: %v", err)
	}
}

// cut resets all connections that were dialled (RFC 9293 section 3.5.2).
func (w *town) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.began = time.Now()
	for _, c := range w.conns {
		c.SetLinger(0)
		c.Close()
	}
	w.conns = nil
}

// wantEnd waits for the end of what has that id, and sees that it came by that code, and not before its time.
func (w *town) wantEnd(id string, code message.Code, least time.Duration) {
	w.t.Helper()
	e := w.end(id)
	if after := e.at.Sub(w.began); e.cause.Code != code || after < least {
		w.t.Errorf("it ended by %v after %v, want %v after %v", e.cause, after, code, least)
	}
}

func (w *town) end(id string) ending {
	w.t.Helper()
	for _, e := range w.past {
		if e.id == id {
			return e
		}
	}
	for late := time.After(20 * time.Second); ; {
		select {
		case e := <-w.heard:
			if w.past = append(w.past, e); e.id == id {
				return e
			}
		case <-late:
			w.t.Fatal("it lives on")
		}
	}
}

// session is the id of the one that c is attached under, once it is, and has confirmed at least so many lines: a poll may be on its way yet.
func (w *town) session(c *endpointtest.Client, confirmed uint64) string {
	w.t.Helper()
	for late := time.Now().Add(20 * time.Second); time.Now().Before(late); time.Sleep(time.Millisecond) {
		if f := w.Server.Registry().Lookup(c.ID).Facts(); f.Transport == c.Kind && f.Confirmed >= confirmed {
			return f.Sessions[0]
		}
	}
	w.t.Fatal("the client is not attached")
	return ""
}

// onSockets runs f for each kind of channel, all at the same time, with a client that has subscribed to chat.
func onSockets(t *testing.T, change func(*channel.ChannelDefinition), f func(t *testing.T, w *town, c *endpointtest.Client, sub, session string)) {
	t.Parallel()
	for _, kind := range endpointtest.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := settle(t, change)
			c := w.Connect(kind)
			sub := c.Subscribe("chat", "")
			confirmed := uint64(0)
			if kind == channel.LongPoll { // the poll that is held now is not the one that brought the subscription-state
				confirmed = 1
			}
			session := w.session(c, confirmed)
			w.began = time.Now()
			f(t, w, c, sub, session)
		})
	}
}

// A connection that is reset. The WebSocket's session ends at once, that of HTTP lives; the client lives on for its time.
func TestRealCut(t *testing.T) {
	onSockets(t, nil, func(t *testing.T, w *town, c *endpointtest.Client, sub, session string) {
		w.cut()
		if c.Kind == channel.WebSocket {
			w.wantEnd(session, message.CodeConnectionLost, 0)
		}
		w.wantEnd(c.ID, message.CodeClientVanished, time.Second)
		w.wantEnd(sub, message.CodeClientVanished, time.Second)
		if alive := w.Server.Registry().Session(session) != nil; alive != (c.Kind != channel.WebSocket) {
			t.Errorf("the session lives: %v", alive)
		}
		_, lines, _ := w.Post("/longpoll", pingLine, c.Auth()...)
		if lines[0].Text("reason") != message.GoneExpired || lines[0].Code() != message.CodeClientVanished {
			t.Errorf("too late it is told %v", lines)
		}
	})
}

// As in LCDS a client dies with its WebSocket, whether that breaks or is closed in order.
func TestRealWebSocketAsInLCDS(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		do   func(w *town, c *endpointtest.Client)
		code message.Code
	}{
		"it breaks":   {func(w *town, _ *endpointtest.Client) { w.cut() }, message.CodeConnectionLost},
		"it is ended": {func(_ *town, c *endpointtest.Client) { c.CloseWebSocket() }, message.CodeConnectionClosed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := settle(t, func(c *channel.ChannelDefinition) { c.ReliableReconnectDuration = 0 })
			c := w.Connect(channel.WebSocket)
			sub := c.Subscribe("chat", "")
			session := w.session(c, 0)
			tc.do(w, c)
			for _, id := range []string{session, c.ID, sub} {
				w.wantEnd(id, tc.code, 0)
			}
		})
	}
}

// Who comes back in time, on another kind of channel, has lost nothing.
func TestRealResume(t *testing.T) {
	long := func(c *channel.ChannelDefinition) { c.ReliableReconnectDuration = 20 * time.Second }
	onSockets(t, long, func(t *testing.T, w *town, c *endpointtest.Client, _, _ string) {
		w.cut()
		w.Post("/longpoll/chat", `"meanwhile"`)
		back := map[channel.Kind]channel.Kind{channel.WebSocket: channel.LongPoll, channel.LongPoll: channel.Streaming, channel.Streaming: channel.WebSocket}[c.Kind]
		var got []endpointtest.Line
		switch back {
		case channel.LongPoll:
			_, got, _ = w.Post("/longpoll", c.PollLine(50, 1), c.Auth()...)
		case channel.Streaming:
			resp := w.Do("POST", "/streaming?command=open", `{"type":"control","operation":"attach","attach":50,"have":1}`, c.Auth()...)
			defer resp.Body.Close()
			r := bufio.NewReader(resp.Body)
			for len(got) < 3 {
				line, err := r.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, endpointtest.ReadLines(t, strings.NewReader(line))...)
			}
		default:
			ws := w.NewClient(channel.WebSocket)
			ws.Dial()
			ws.Send(attachFrame(c, 50, 1))
			got = []endpointtest.Line{ws.Next(), ws.Next()}
		}
		var bodies []string
		for _, line := range got {
			if line.Text("type") == "async" {
				bodies = append(bodies, line.Text("body"))
			}
		}
		if len(bodies) != 1 || bodies[0] != "meanwhile" {
			t.Errorf("on %s it got %v, want the message that was sent meanwhile", back, got)
		}
	})
}

// A session without activity times out, also under an open stream, a poll that is held, and the socket of its cookie.
func TestRealSessionTimeout(t *testing.T) {
	short := func(c *channel.ChannelDefinition) { c.SessionTimeout, c.WaitInterval = time.Second, -1 }
	onSockets(t, short, func(t *testing.T, w *town, c *endpointtest.Client, _, session string) {
		if c.Kind == channel.WebSocket {
			page := w.Connect(channel.LongPoll)
			c = w.Connect(channel.WebSocket, "Cookie", page.Cookie)
			session = w.session(c, 0)
		}
		if line := c.WantEnd(message.CodeSessionTimeout); line["value"] != time.Second.Minutes() {
			t.Errorf("it was told %v", line)
		}
		w.wantEnd(session, message.CodeSessionTimeout, time.Second)
		w.wantEnd(c.ID, message.CodeSessionTimeout, time.Second)
	})
}

// An idle connection is closed. The session goes with the WebSocket, and stays on HTTP.
func TestRealIdleTimeout(t *testing.T) {
	short := func(c *channel.ChannelDefinition) { c.IdleTimeout, c.WaitInterval = time.Second, -1 }
	onSockets(t, short, func(t *testing.T, w *town, c *endpointtest.Client, _, session string) {
		if line := c.WantEnd(message.CodeIdleTimeout); line["value"] != time.Second.Minutes() {
			t.Errorf("it was told %v", line)
		}
		if c.Kind == channel.WebSocket {
			w.wantEnd(session, message.CodeIdleTimeout, 0)
		} else if w.Server.Registry().Session(session) == nil {
			t.Error("the session has ended")
		}
		w.wantEnd(c.ID, message.CodeClientVanished, time.Second)
	})
}

// A peer that reads and never answers a ping is found, and told.
func TestRealMissedPong(t *testing.T) {
	t.Parallel()
	w := settle(t, nil)
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	connect := `{"type":"command","operation":"client_ping","messageId":"c","headers":{"DSId":"nil"},"attach":1}`
	io.WriteString(conn, "GET /websocket HTTP/1.1\r\nHost: sluice.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	r := bufio.NewReader(conn)
	if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp, err)
	}
	io.WriteString(conn, endpointtest.FrameHead(endpointtest.Fin|endpointtest.Text, len(connect))+connect)
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	all, err := io.ReadAll(r)
	if err != nil || !strings.Contains(string(all), "\x89\x00") || !strings.Contains(string(all), `"operation":"disconnect","code":4021,"name":"missed-pong"`) || !strings.HasSuffix(string(all), "\x0f\xb5missed-pong") {
		t.Errorf("it was sent %q, %v, want pings, and the end by missed-pong", all, err)
	}
	if after := time.Since(w.began); after < 800*time.Millisecond {
		t.Errorf("that took %v, want a ping's and a dead peer's time", after)
	}
}

// A page that is left has its grace: a reload goes on, and who does not come back ends.
func TestRealReload(t *testing.T) {
	onSockets(t, nil, func(t *testing.T, w *town, c *endpointtest.Client, _, session string) {
		c.Send(`{"type":"control","operation":"detach"}`)
		c.WantEnd(message.CodeClientDetached)
		w.Post("/longpoll/chat", `"meanwhile"`)
		_, lines, _ := w.Post("/longpoll", c.PollLine(50, 1), c.Auth()...)
		if lines[0].Text("operation") != "attached" || lines[1].Text("body") != "meanwhile" {
			t.Fatalf("the page that was loaded again got %v", lines)
		}
		if c.Kind == channel.WebSocket {
			w.wantEnd(session, message.CodeClientDetached, 0)
		}
		w.began = time.Now()
		w.Post("/longpoll", `{"type":"control","operation":"detach"}`, c.Auth()...)
		w.wantEnd(c.ID, message.CodeClientDetached, time.Second)
	})
}

// A server that is shut down tells everybody, on whatever they hold, and leaves nothing.
func TestRealShutdown(t *testing.T) {
	t.Parallel()
	w := settle(t, nil)
	var all []*endpointtest.Client
	for _, kind := range endpointtest.Kinds {
		c := w.Connect(kind)
		w.session(c, 0)
		all = append(all, c)
	}
	w.shutDown()
	for _, c := range all {
		if line := c.WantEnd(message.CodeServerShutdown); line.Text("reconnect") != "after" || line["retryAfterMillis"].(float64) < 1000 {
			t.Errorf("%s was told %v", c.Kind, line)
		}
		if closed := c.Next(); c.Kind == channel.WebSocket && closed["status"] != 4007.0 {
			t.Errorf("the socket was closed by %v", closed)
		}
		w.wantEnd(c.ID, message.CodeServerShutdown, 0)
	}
	registry := w.Server.Registry()
	if clients, sessions := registry.Count(); clients+sessions+registry.Records()+w.Server.Timers() != 0 {
		t.Errorf("%d clients, %d sessions, %d records and %d timers are left", clients, sessions, registry.Records(), w.Server.Timers())
	}
}
