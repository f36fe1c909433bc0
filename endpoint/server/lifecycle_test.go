package server_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
	"sluice/flexsession"
)

// lives records what listeners hear.
type lives struct {
	mu     sync.Mutex
	events []string
}

func (l *lives) note(event string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, event)
}

func (l *lives) sorted() []string {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(slices.Values(l.events))
}

func (l *lives) listen(o *server.Options) {
	o.FlexClient.Listeners = append(o.FlexClient.Listeners, flexsession.Listener{
		SessionCreated:       func(s flexsession.Session) { l.note("session " + string(s.Kind())) },
		SessionDestroyed:     func(s flexsession.Session, c flexsession.Cause) { l.note("session ended " + c.Code.Info().Name) },
		ClientCreated:        func(*flexsession.FlexClient) { l.note("client") },
		ClientDestroyed:      func(_ *flexsession.FlexClient, c flexsession.Cause) { l.note("client ended " + c.Code.Info().Name) },
		MessageClientCreated: func(*flexsession.MessageClient) { l.note("subscription") },
		MessageClientDestroyed: func(_ *flexsession.MessageClient, c flexsession.Cause) {
			l.note("subscription ended " + c.Code.Info().Name)
		},
	})
}

func (l *lives) want(t *testing.T, events ...string) {
	t.Helper()
	slices.Sort(events)
	if got := l.sorted(); !slices.Equal(got, events) {
		t.Errorf("listeners heard\n%q, want\n%q", got, events)
	}
}

// The seed's first rule: whatever ends a socket ends its session at once, and with it the client and its subscriptions.
func TestWebSocketEndsItsSession(t *testing.T) {
	for name, end := range map[string]struct {
		do   func(c *endpointtest.Client)
		code string
	}{
		"vanishes":      {func(c *endpointtest.Client) { c.Vanish() }, "connection-lost"},
		"closes":        {func(c *endpointtest.Client) { c.CloseWebSocket() }, "connection-closed"},
		"disconnects":   {func(c *endpointtest.Client) { c.Do("command", `"operation":"disconnect"`) }, "client-disconnect"},
		"leaves a page": {func(c *endpointtest.Client) { c.Send(`{"type":"control","operation":"detach"}`) }, "client-detached"},
	} {
		t.Run(name, func(t *testing.T) {
			var l lives
			endpointtest.Run(t, l.listen, func(t *testing.T, r *endpointtest.Rig) {
				c := r.Connect(channel.WebSocket)
				c.Subscribe("chat", "")
				end.do(c)
				time.Sleep(4 * time.Second) // reload-grace-millis, which the client of a page that was left has
				l.want(t, "session websocket", "client", "subscription",
					"session ended "+end.code, "client ended "+end.code, "subscription ended "+end.code)
			})
		})
	}
}

// An HTTP session lives for session-timeout-minutes without activity, however long its requests are over.
func TestSessionTimeout(t *testing.T) {
	for _, kind := range []channel.Kind{channel.Streaming, channel.LongPoll} {
		t.Run(string(kind), func(t *testing.T) {
			var l lives
			endpointtest.Run(t, l.listen, func(t *testing.T, r *endpointtest.Rig) {
				c := r.Connect(kind)
				c.Subscribe("chat", "")
				c.Vanish()
				time.Sleep(14 * time.Minute)
				l.want(t, "session "+string(kind), "client", "subscription")
				time.Sleep(2 * time.Minute)
				l.want(t, "session "+string(kind), "client", "subscription",
					"session ended session-timeout", "client ended session-timeout", "subscription ended session-timeout")
				status, lines, _ := r.Post("/"+string(kind), `{"type":"command","operation":"client_ping"}`, c.Auth()...)
				if status != 401 || lines[0].Text("reason") != "expired" || lines[0].Code() != message.CodeSessionTimeout {
					t.Errorf("afterwards: %d %v, want gone with session-timeout", status, lines)
				}
			})
		})
	}
}

// Requests put the timeout off, also those of a client that only polls; an open stream alone does not: nobody has confirmed anything.
func TestActivity(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		poller := r.Connect(channel.LongPoll)
		poller.Subscribe("chat", "")
		idle, busy := r.Connect(channel.Streaming), r.Connect(channel.Streaming)
		for range 60 {
			time.Sleep(time.Minute)
			busy.Send(`{"type":"command","operation":"client_ping","messageId":"beat"}`)
			busy.Next()
		}
		idle.WantEnd(message.CodeSessionTimeout)
		for _, c := range []*endpointtest.Client{poller, busy} {
			if reply := c.Publish("chat", "", "still here"); reply.Text("type") != "acknowledge" {
				t.Errorf("%s: %v", c.Kind, reply)
			}
		}
	})
}

func TestSessionTimeoutOff(t *testing.T) {
	never := func(o *server.Options) {
		for i := range o.Channels {
			o.Channels[i].SessionTimeout = 0
		}
	}
	endpointtest.Run(t, never, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.Streaming)
		time.Sleep(2 * 24 * time.Hour)
		if reply := c.Publish("chat", "", "days later"); reply.Text("type") != "acknowledge" {
			t.Error(reply)
		}
	})
}

// Disconnect on HTTP ends the client; the session only when invalidate-session-on-disconnect says so, and then the other tab is told why.
func TestDisconnectWithTwoTabs(t *testing.T) {
	for _, kind := range []channel.Kind{channel.Streaming, channel.LongPoll} {
		for _, invalidate := range []bool{false, true} {
			name := string(kind)
			if invalidate {
				name += " invalidates"
			}
			t.Run(name, func(t *testing.T) {
				set := func(o *server.Options) {
					for i := range o.Channels {
						o.Channels[i].InvalidateSessionOnDisconnect = invalidate
					}
				}
				endpointtest.Run(t, set, func(t *testing.T, r *endpointtest.Rig) {
					one := r.Connect(kind)
					two := r.Connect(kind, "Cookie", one.Cookie)
					synctest.Wait() // the first polls are under way
					if sessions := r.Server.Registry().Sessions(); len(sessions) != 1 {
						t.Fatalf("%d sessions, want one for both tabs", len(sessions))
					}
					if reply := one.Do("command", `"operation":"disconnect"`); reply.Text("type") != "acknowledge" {
						t.Fatal(reply)
					}
					one.WantEnd(message.CodeClientDisconnect)
					if invalidate {
						two.WantEnd(message.CodeSessionInvalidated)
					} else if reply := two.Publish("chat", "", "x"); reply.Text("type") != "acknowledge" {
						t.Errorf("the other tab: %v", reply)
					}
					want := 1
					if invalidate {
						want = 0
					}
					synctest.Wait()
					if sessions := r.Server.Registry().Sessions(); len(sessions) != want {
						t.Errorf("%d sessions afterwards, want %d", len(sessions), want)
					}
				})
			})
		}
	}
}

// On a WebSocket the setting has no say: the session ends in any case, and the socket is closed with 1000 after the acknowledgement.
func TestDisconnectOnWebSocket(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.WebSocket)
		if reply := c.Do("command", `"operation":"disconnect"`); reply.Text("type") != "acknowledge" {
			t.Fatal(reply)
		}
		c.WantEnd(message.CodeClientDisconnect)
		if line := c.Next(); line["status"] != 1000.0 {
			t.Errorf("closed with %v, want 1000", line)
		}
	})
}

// A stream that ends does not end its client: what was sent and not confirmed comes again on the next stream, and what came meanwhile follows.
func TestStreamLostAndReopened(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c, other := r.Connect(channel.Streaming), r.Connect(channel.WebSocket)
		c.Subscribe("chat", "")
		other.Publish("chat", "", "before")
		c.WantMessages("before")
		c.DropStream()
		if line := c.Next(); line.Text("type") != "closed" {
			t.Fatal(line)
		}
		other.Publish("chat", "", "meanwhile 1")
		other.Publish("chat", "", "meanwhile 2")
		c.OpenStream()
		c.WantMessages("meanwhile 1", "meanwhile 2")
	})
}

// The answer of a poll that was lost on the way comes again with the next poll.
func TestPollAnswerLost(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := r.NewClient(channel.LongPoll)
		_, lines, _ := r.Post("/longpoll", `{"type":"command","operation":"client_ping","messageId":"c","headers":{"DSId":"nil"}}
{"type":"command","operation":"subscribe","messageId":"s","seq":1,"destination":"chat"}
{"type":"async","messageId":"m","seq":2,"destination":"chat","body":"once"}`)
		c.Adopt(lines[0])
		for attach := 1; attach <= 3; attach++ { // the client got nothing of the first two, or so it says
			_, lines, _ := r.Post("/longpoll", c.PollLine(attach, 0), c.Auth()...)
			if len(lines) != 4 || lines[2].Text("body") != "once" {
				t.Fatalf("poll %d: %v", attach, lines)
			}
		}
		_, lines, _ = r.Post("/longpoll", c.PollLine(4, 2), c.Auth()...)
		if len(lines) != 2 {
			t.Errorf("after all was confirmed: %v", lines)
		}
	})
}

// Moving to another transport takes the client along; the connection it left is told, and nothing is lost or doubled.
func TestMoveToAnotherTransport(t *testing.T) {
	var l lives
	endpointtest.Run(t, l.listen, func(t *testing.T, r *endpointtest.Rig) {
		c, other := r.Connect(channel.Streaming), r.Connect(channel.LongPoll)
		c.Subscribe("chat", "")
		other.Publish("chat", "", "1")
		c.WantMessages("1")
		ws := r.NewClient(channel.WebSocket)
		ws.Dial()
		ws.Send(`{"type":"control","operation":"attach","DSId":"` + c.ID + `","secret":"` + c.Secret + `","attach":2,"have":1}`)
		if line := ws.Next(); line.Text("operation") != "attached" || line["have"] != 1.0 {
			t.Fatalf("attach: %v", line)
		}
		ws.WantMessages("1") // have 1 was the subscription-state: this one was not confirmed
		if line := c.Next(); line.Text("operation") != "displaced" {
			t.Fatalf("the stream got %v, want displaced", line)
		}
		other.Publish("chat", "", "2")
		ws.WantMessages("2")
		late := r.Do("POST", "/streaming?command=open", `{"type":"control","operation":"attach","attach":1,"have":0}`, c.Auth()...)
		defer late.Body.Close()
		lines := endpointtest.ReadLines(t, late.Body)
		if len(lines) != 2 || lines[1].Text("operation") != "displaced" || lines[1]["attach"] != 2.0 {
			t.Errorf("an attach that comes late: %v, want displaced", lines)
		}
	})
}

// A WebSocket that was opened with a cookie ends with its record; one without has no such tie.
func TestWebSocketUnderACookie(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		tab := r.Connect(channel.LongPoll)
		tied := r.Connect(channel.WebSocket, "Cookie", tab.Cookie)
		free := r.Connect(channel.WebSocket)
		tab.Vanish()
		for range 20 { // the socket keeps the record alive
			time.Sleep(time.Minute)
			tied.Ask(`{"type":"command","operation":"client_ping","messageId":"beat"}`, "beat")
		}
		if tied.Publish("chat", "", "x").Text("type") != "acknowledge" {
			t.Fatal("the record ended although the socket was busy")
		}
		time.Sleep(16 * time.Minute)
		tied.WantEnd(message.CodeSessionTimeout)
		if reply := free.Publish("chat", "", "x"); reply.Text("type") != "acknowledge" {
			t.Errorf("the socket without a cookie: %v", reply)
		}
	})
}

// Server heartbeats come after silence only, and do not keep a session alive.
func TestServerHeartbeat(t *testing.T) {
	for _, kind := range []channel.Kind{channel.WebSocket, channel.Streaming} {
		t.Run(string(kind), func(t *testing.T) {
			endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
				c, other := r.Connect(kind), r.Connect(channel.WebSocket)
				c.Subscribe("chat", "")
				for range 10 {
					time.Sleep(4 * time.Second)
					other.Publish("chat", "", "x")
					c.WantMessages("x")
				}
				if n := c.Heartbeats(); n != 0 {
					t.Errorf("%d heartbeats while messages flowed", n)
				}
				time.Sleep(26 * time.Second)
				if n := c.Heartbeats(); n != 5 && n != 4 {
					t.Errorf("%d heartbeats in 26 s of silence, want 5", n)
				}
			})
		})
	}
}
