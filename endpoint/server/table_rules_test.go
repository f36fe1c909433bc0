package server_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// within makes all clients those that may be away for so long.
func within(d time.Duration) func(*server.Options) {
	return channels(func(c *channel.ChannelDefinition) { c.ReliableReconnectDuration = d })
}

// A client that lost its connection, of whatever kind, comes back on whatever kind in its time, has lost nothing and gets nothing twice, and its request that was under way is not run again. Late, it is told why.
func TestComingBack(t *testing.T) {
	for _, from := range endpointtest.Kinds {
		for _, to := range endpointtest.Kinds {
			t.Run(fmt.Sprintf("%s to %s", from, to), func(t *testing.T) {
				endpointtest.Run(t, within(15*time.Second), func(t *testing.T, r *endpointtest.Rig) {
					c := r.Connect(from)
					c.Subscribe("chat", "")
					r.Post("/longpoll/chat", `"1"`)
					c.WantMessages("1")
					again := `{"type":"async","messageId":"m2","seq":2,"destination":"chat","body":"2"}`
					c.Vanish()
					r.Post("/longpoll", again, c.Auth()...) // its acknowledgement and its message get lost
					for _, gap := range []time.Duration{14 * time.Second, time.Minute} {
						r.Post("/longpoll/chat", `"3"`)
						time.Sleep(gap)
						answer := comeBack(r, to, c, int(gap/time.Second), 2, again)
						if gap == time.Minute {
							if answer[0].Text("reason") != message.GoneExpired || answer[0].Code() != message.CodeClientVanished || answer[0].Text("setting") != "reliable-reconnect-duration-millis" {
								t.Errorf("too late it is told %v", answer)
							}
							return
						}
						var got []string
						for _, line := range answer {
							if line.Text("type") == "async" {
								got = append(got, line.Text("body"))
							}
							if line.Text("type") == "error" {
								t.Errorf("the request that came again: %v", line)
							}
						}
						if text := strings.Join(got, " "); text != "2 3" {
							t.Errorf("it got %q, want 2 and 3", text)
						}
					}
				})
			})
		}
	}
}

// comeBack attaches c anew over a kind of channel, sends a line again, says what came within a second, and is gone again.
func comeBack(r *endpointtest.Rig, kind channel.Kind, c *endpointtest.Client, attach, have int, again string) (lines []endpointtest.Line) {
	switch kind {
	case channel.WebSocket:
		ws := r.NewClient(kind)
		ws.Dial()
		ws.Send(attachFrame(c, attach, have) + "\n" + again)
		time.Sleep(time.Second)
		for len(ws.Pushed()) > 0 {
			lines = append(lines, ws.Next())
		}
		ws.Vanish()
	case channel.Streaming:
		resp := r.Do("POST", "/streaming?command=open", fmt.Sprintf(`{"type":"control","operation":"attach","attach":%d,"have":%d}`, attach, have), c.Auth()...)
		got := make(chan []byte)
		go func() {
			data, _ := io.ReadAll(resp.Body)
			got <- data
		}()
		_, replies, _ := r.Post("/streaming", again, c.Auth()...)
		time.Sleep(time.Second)
		resp.Body.Close()
		lines = append(endpointtest.ReadLines(r.T, bytes.NewReader(<-got)), replies...)
	default:
		_, replies, _ := r.Post("/longpoll", again, c.Auth()...)
		_, lines, _ = r.Post("/longpoll", c.PollLine(attach, have), c.Auth()...)
		lines = append(lines, replies...)
	}
	return lines
}

// What a client that holds nothing does over HTTP puts its end off, and so does the pause that a poller was told.
func TestAwayButNotSilent(t *testing.T) {
	pauses := func(o *server.Options) {
		within(15 * time.Second)(o)
		o.Channels[2].WaitInterval, o.Channels[2].PollingInterval = 0, 40*time.Second
	}
	endpointtest.Run(t, pauses, func(t *testing.T, r *endpointtest.Rig) {
		lives := func(c *endpointtest.Client) bool { return r.Server.Registry().Lookup(c.ID) != nil }
		c, poller := r.Connect(channel.WebSocket), r.NewClient(channel.LongPoll)
		c.Vanish()
		for range 10 {
			time.Sleep(14 * time.Second)
			r.Post("/streaming", pingLine, c.Auth()...)
		}
		if time.Sleep(14 * time.Second); !lives(c) {
			t.Error("its requests have not put its end off")
		}
		if time.Sleep(2 * time.Second); lives(c) {
			t.Error("it lives on")
		}
		_, lines, _ := r.Post("/longpoll", connectLine)
		poller.Adopt(lines[0])
		r.Post("/longpoll", poller.PollLine(1, 0), poller.Auth()...)
		if time.Sleep(54 * time.Second); !lives(poller) {
			t.Error("the pause has not put its end off")
		}
		if time.Sleep(2 * time.Second); lives(poller) {
			t.Error("the poller lives on")
		}
	})
}

// Activity is what comes from the client, and what it has confirmed. What was written to it proves nothing, nor do the server's heartbeats and what answers them.
func TestWhatIsActivity(t *testing.T) {
	for _, kind := range []channel.Kind{channel.WebSocket, channel.Streaming} {
		for _, confirms := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s confirms %v", kind, confirms), func(t *testing.T) {
				endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
					page := r.Connect(channel.LongPoll) // makes the cookie
					c := r.Connect(kind, "Cookie", page.Cookie)
					page.Vanish()
					c.Subscribe("chat", "")
					for i := range 16 {
						r.Post("/longpoll/chat", `"x"`)
						time.Sleep(time.Minute)
						if confirms {
							c.Send(fmt.Sprintf(`{"type":"control","operation":"confirm","have":%d}`, i+2))
						}
					}
					if lives := r.Server.Registry().Lookup(c.ID) != nil; lives != confirms {
						t.Errorf("the client lives: %v, want %v", lives, confirms)
					}
				})
			})
		}
	}
}

// A connection is idle without messages in either direction and without heartbeats of the client; each of these puts it off.
func TestWhatIsNotIdle(t *testing.T) {
	idle := channels(func(c *channel.ChannelDefinition) {
		c.IdleTimeout, c.WaitInterval, c.SessionTimeout = 10*time.Minute, -1, 0
	})
	for name, do := range map[string]func(r *endpointtest.Rig, c *endpointtest.Client){
		"messages":         func(r *endpointtest.Rig, _ *endpointtest.Client) { r.Post("/longpoll/chat", `"x"`) },
		"heartbeats":       func(_ *endpointtest.Rig, c *endpointtest.Client) { c.Ask(pingLine, "ping") },
		"requests on HTTP": func(r *endpointtest.Rig, c *endpointtest.Client) { r.Post("/streaming", pingLine, c.Auth()...) },
	} {
		t.Run(name, func(t *testing.T) {
			endpointtest.Each(t, idle, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
				c.Subscribe("chat", "")
				ear := listen(t, c)
				for range 5 {
					time.Sleep(9 * time.Minute)
					do(r, c)
				}
				for _, line := range ear.lines() {
					if line.Text("type") != "async" {
						t.Errorf("it got %v", line)
					}
				}
			})
		})
	}
}

// The settings of a session are those of the channel on which the cookie's record was made; how long a client may be away is up to the channel it was on last.
func TestWhoseSettings(t *testing.T) {
	differ := func(o *server.Options) {
		socket, stream, poll := &o.Channels[0], &o.Channels[1], &o.Channels[2]
		stream.SessionTimeout, poll.SessionTimeout = 10*time.Minute, time.Minute
		stream.InvalidateSessionOnDisconnect = true
		socket.ReliableReconnectDuration, stream.ReliableReconnectDuration, poll.ReliableReconnectDuration = 0, 20*time.Second, 40*time.Second
		poll.WaitInterval = -1
	}
	endpointtest.Run(t, differ, func(t *testing.T, r *endpointtest.Rig) {
		page := r.Connect(channel.Streaming)
		c := r.Connect(channel.LongPoll, "Cookie", page.Cookie)
		began := time.Now()
		c.WantEnd(message.CodeSessionTimeout)
		if d := time.Since(began); d < 10*time.Minute || d > 10*time.Minute+time.Second {
			t.Errorf("the session has timed out after %v, want the ten minutes of the streaming channel", d)
		}
	})
	endpointtest.Run(t, differ, func(t *testing.T, r *endpointtest.Rig) {
		page := r.Connect(channel.Streaming)
		c := r.Connect(channel.LongPoll, "Cookie", page.Cookie)
		c.Do("command", `"operation":"disconnect"`)
		page.WantEnd(message.CodeSessionInvalidated)
	})
	endpointtest.Run(t, differ, func(t *testing.T, r *endpointtest.Rig) {
		away := func(c *endpointtest.Client) (d time.Duration) {
			for began := time.Now(); r.Server.Registry().Lookup(c.ID) != nil; time.Sleep(time.Second) {
				d = time.Since(began)
			}
			return d.Truncate(time.Second)
		}
		one, two := r.Connect(channel.WebSocket), r.Connect(channel.Streaming)
		comeBack(r, channel.WebSocket, two, 5, 0, pingLine)
		comeBack(r, channel.Streaming, one, 5, 0, pingLine)
		synctest.Wait()
		if r.Server.Registry().Lookup(two.ID) != nil {
			t.Error("a client that was on a WebSocket last has not ended with it")
		}
		if d := away(one); d < 19*time.Second || d > 21*time.Second {
			t.Errorf("a client that was on a stream last has ended after %v, want 20s", d)
		}
	})
}

// A login over HTTP is that of the cookie, and so of the next tab; one on a WebSocket is its client's alone. A client keeps its user as long as it lives: while it is away, and wherever it attaches.
func TestWhoseLogin(t *testing.T) {
	set := func(o *server.Options) { users(t)(o); within(15 * time.Second)(o) }
	endpointtest.Run(t, set, func(t *testing.T, r *endpointtest.Rig) {
		nextTab := func(cookie string) any {
			_, lines, _ := r.Post("/longpoll", connectLine, "Cookie", cookie)
			return lines[0]["body"].(map[string]any)["user"]
		}
		user := func(c *endpointtest.Client) string {
			if p := r.Server.Registry().Lookup(c.ID).Principal(); p != nil {
				return p.Name
			}
			return ""
		}
		page := r.Connect(channel.Streaming)
		socket := r.Connect(channel.WebSocket, "Cookie", page.Cookie)
		nobody := r.Connect(channel.WebSocket, "Cookie", page.Cookie)
		socket.Do("command", loginFields("bob", "secret"))
		if u := nextTab(page.Cookie); u != nil {
			t.Errorf("after a login on a WebSocket the next tab is %v", u)
		}
		nobody.Vanish()
		_, _, h := r.Post("/streaming", `{"type":"command",`+loginFields("ann", "secret")+`}`, append(page.Auth(), "Cookie", page.Cookie)...)
		cookie, _, _ := strings.Cut(h.Get("Set-Cookie"), ";")
		if u := nextTab(cookie); u != "ann" {
			t.Errorf("after a login over HTTP the next tab is %v", u)
		}
		comeBack(r, channel.LongPoll, nobody, 5, 0, pingLine)
		if u := user(nobody); u != "" {
			t.Errorf("a client that was away while another logged in is %s now", u)
		}
		socket.Vanish()
		for _, kind := range endpointtest.Kinds {
			if comeBack(r, kind, socket, 5, 0, pingLine); user(socket) != "bob" {
				t.Errorf("on %s it is %s, want bob", kind, user(socket))
			}
		}
	})
}

// Who comes with the cookie of another user is not let in by a secret that was somebody's, and the client is unharmed.
func TestSecretOfAnotherUser(t *testing.T) {
	endpointtest.Run(t, users(t), func(t *testing.T, r *endpointtest.Rig) {
		of := func(user string) string { return browse(r, user).cookie }
		ann, bob := of("ann"), of("bob")
		c := r.Connect(channel.Streaming, "Cookie", ann)
		for _, line := range []endpointtest.Line{
			attachedBy(r, c, "Cookie", bob),
			first(r.Post("/longpoll", c.PollLine(5, 0), append(c.Auth(), "Cookie", bob)...)),
			first(r.Post("/streaming?command=open", `{"type":"control","operation":"attach","attach":5,"have":0}`, append(c.Auth(), "Cookie", bob)...)),
		} {
			if line.Text("operation") != "gone" || line.Text("reason") != message.GoneUnknown {
				t.Errorf("with another user's cookie: %v, want gone", line)
			}
		}
		c.Subscribe("chat", "")
		if line := attachedBy(r, c, "Cookie", ann); line.Text("operation") != "attached" {
			t.Errorf("with its own user's cookie: %v", line)
		}
		if line := attachedBy(r, c); line.Text("operation") != "attached" {
			t.Errorf("without a cookie: %v", line)
		}
	})
}

func first(_ int, lines []endpointtest.Line, _ http.Header) endpointtest.Line { return lines[0] }

// attachedBy attaches c to a socket that is opened with the headers, and returns the answer.
func attachedBy(r *endpointtest.Rig, c *endpointtest.Client, headers ...string) endpointtest.Line {
	ws := r.NewClient(channel.WebSocket)
	ws.Dial(headers...)
	ws.Send(attachFrame(c, 7, 0))
	return ws.Next()
}
