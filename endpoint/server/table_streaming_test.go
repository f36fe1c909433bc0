package server_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// A streaming client has two connections: what it sends is answered on the one, while the other brings what comes.
func TestStreamingHasTwoConnections(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		rig, wire := wired(r)
		c := rig.Connect(channel.Streaming)
		c.Subscribe("chat", "")
		for i := range 10 {
			c.Publish("chat", "", fmt.Sprint(i))
			c.WantMessages(fmt.Sprint(i))
		}
		if n := len(wire.conns); n != 2 {
			t.Errorf("it took %d connections, want 2", n)
		}
	})
}

// The server writes one null byte after a silence, and none while lines flow.
func TestNullByteOnlyAfterSilence(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.Streaming)
		c.Subscribe("chat", "")
		beats := 0
		for range 5 {
			for range 20 { // just in time
				r.Post("/longpoll/chat", `"x"`)
				c.WantMessages("x")
				time.Sleep(4900 * time.Millisecond)
			}
			if n := c.Heartbeats(); n != beats {
				t.Fatalf("%d null bytes while lines flowed", n-beats)
			}
			time.Sleep(600 * time.Millisecond)
			if n := c.Heartbeats(); n != beats+1 {
				t.Fatalf("%d null bytes after five seconds of silence, want one", n-beats)
			}
			beats++
			r.Post("/longpoll/chat", `"x"`)
			c.WantMessages("x")
			time.Sleep(4900 * time.Millisecond)
		}
	})
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) { // a reader by EventSource gets a comment
		c := r.Raw()
		c.Request("GET", "/streaming/chat", "", "Accept: text/event-stream")
		body := c.Head().Body
		time.Sleep(16 * time.Second)
		got := make([]byte, 100)
		n, _ := body.Read(got)
		for n < len(": open\n\n:\n\n:\n\n:\n\n") {
			more, err := body.Read(got[n:])
			if n += more; err != nil {
				t.Fatal(err)
			}
		}
		if text := string(got[:n]); text != ": open\n\n:\n\n:\n\n:\n\n" {
			t.Errorf("after 16 s it has %q", text)
		}
	})
	for _, off := range []time.Duration{0, -1} {
		endpointtest.Run(t, channels(func(c *channel.ChannelDefinition) { c.ServerHeartbeat = off }), func(t *testing.T, r *endpointtest.Rig) {
			socket, stream := r.Connect(channel.WebSocket), r.Connect(channel.Streaming)
			time.Sleep(10 * time.Minute)
			if n := socket.Heartbeats() + stream.Heartbeats(); n != 0 {
				t.Errorf("%d heartbeats, and they are off", n)
			}
		})
	}
}

// A write that fails, of a heartbeat, of a line, or because nothing is taken any more, closes that stream and nothing else. The session and the client live; the client opens another stream and goes on, with every
// message once and in order.
func TestFailedWriteClosesOnlyTheStream(t *testing.T) {
	broken := func(s *endpointtest.Conn) { s.Freeze(); s.Peer().CloseWrite() }
	for name, tc := range map[string]struct {
		fail  func(*endpointtest.Conn)
		after time.Duration
		code  message.Code
		lines bool // some are sent when it has failed
	}{
		"a heartbeat":           {broken, 6 * time.Second, message.CodeHeartbeatFailed, false},
		"a line":                {broken, 0, message.CodeConnectionLost, true},
		"nothing is taken":      {(*endpointtest.Conn).Freeze, 11 * time.Second, message.CodeWriteTimeout, true},
		"the connection breaks": {(*endpointtest.Conn).Reset, 0, message.CodeConnectionLost, true},
	} {
		t.Run(name, func(t *testing.T) {
			var s *scene
			row := row{}
			set := func(o *server.Options) { s = newScene(t, channel.Streaming, regimes[0], &row, o) }
			endpointtest.Run(t, set, func(t *testing.T, r *endpointtest.Rig) {
				s.open(t, r)
				s.counted = s.ended()
				s.flood(3, "before")
				synctest.Wait()
				s.wire.each(tc.fail)
				want := 3
				if tc.lines {
					s.flood(40, bulk)
					want += 40
				}
				time.Sleep(tc.after)
				synctest.Wait()
				if s.ended()[tc.code] == s.counted[tc.code] {
					t.Errorf("no stream has ended by %v: %v", tc.code, s.ended())
				}
				c := r.Server.Registry().Lookup(s.c.ID)
				if c == nil || c.Facts().Transport != "" || r.Server.Registry().Session(s.session) == nil {
					t.Fatal("the session and the client do not live on without the stream")
				}
				s.flood(3, "after")
				s.wire.each((*endpointtest.Conn).Thaw)
				synctest.Wait()
				s.wire.each(func(c *endpointtest.Conn) { c.Close() })
				s.heard.deaf()
				s.c.OpenStream()
				s.heard.listen(s.c)
				synctest.Wait()
				s.wantOnce(want+3, "after")
			})
		})
	}
}

// wantOnce: the client was pushed n messages, none twice, the last one with that body. A message that was lost with a stream and came again counts once.
func (s *scene) wantOnce(n int, last string) {
	s.t.Helper()
	var ids []string
	seen := map[string]bool{}
	body := ""
	for _, line := range s.heard.lines() {
		if id := line.Text("messageId"); line.Text("type") == "async" {
			if seen[id] {
				s.t.Errorf("%s came twice", id)
			}
			seen[id] = true
			ids, body = append(ids, id), line.Text("body")
		}
	}
	if len(ids) != n || body != last {
		s.t.Errorf("%d messages came, the last one %.20q, want %d, the last one %q", len(ids), body, n, last)
	}
}

// A second stream takes the place of the first, which is told so by its last line, and loses nothing on the way.
func TestDuplicateStreamDisplaces(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.Streaming)
		c.Subscribe("chat", "")
		old := listen(t, c)
		began := time.Now()
		second := r.Raw()
		second.Request("POST", "/streaming?command=open", `{"type":"control","operation":"attach","attach":7,"have":1}`, "Authorization: "+c.Auth()[1])
		second.Head()
		r.Post("/longpoll/chat", `"on the second"`)
		time.Sleep(time.Minute)
		last, closed := old.ending()
		if last.Text("operation") != "displaced" || last["attach"] != 7.0 || closed == nil || len(old.lines()) != 2 {
			t.Errorf("the first stream got %v, want displaced and the end", old.lines())
		}
		if told := old.last(began); told.after != 0 {
			t.Errorf("it was told %v", told)
		}
		if f := r.Server.Registry().Lookup(c.ID).Facts(); f.Transport != channel.Streaming || f.Unconfirmed != 1 {
			t.Errorf("the client is %+v", f)
		}
		r.Post("/streaming", `{"type":"control","operation":"confirm","have":2}`, c.Auth()...)
		if n := r.Server.Registry().Lookup(c.ID).Facts().Unconfirmed; n != 0 {
			t.Errorf("%d lines are unconfirmed", n)
		}
	})
}

// With invalidate-messageclient-on-streaming-close the subscriptions of a client end when its stream does, and its next attach tells it. A stream that was displaced did not end in that sense: the client
// has a newer one.
func TestSubscriptionsEndWithTheStream(t *testing.T) {
	on := channels(func(c *channel.ChannelDefinition) { c.InvalidateSubscriptionsOnStreamClose = true })
	for name, tc := range map[string]struct {
		set  func(*server.Options)
		do   func(s *scene)
		code message.Code // 0: they go on
	}{
		"off, and it breaks":    {nil, func(s *scene) { s.c.DropStream() }, 0},
		"off, and it is closed": {nil, (*scene).close, 0},
		"on, and it breaks":     {on, func(s *scene) { s.c.DropStream() }, message.CodeConnectionLost},
		"on, and it is closed":  {on, (*scene).close, message.CodeStreamClosed},
		"on, and it cannot write": {on, func(s *scene) {
			s.wire.each(func(c *endpointtest.Conn) { c.Freeze(); c.Peer().CloseWrite() })
			time.Sleep(6 * time.Second)
		}, message.CodeHeartbeatFailed},
		"on, and it is displaced":  {on, (*scene).reopen, 0},
		"on, and it is a poll now": {on, func(s *scene) { s.Post("/longpoll", s.c.PollLine(900, 0), s.c.Auth()...) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var s *scene
			row := row{set: tc.set}
			set := func(o *server.Options) { s = newScene(t, channel.Streaming, regimes[0], &row, o) }
			endpointtest.Run(t, set, func(t *testing.T, r *endpointtest.Rig) {
				s.open(t, r)
				s.from()
				tc.do(s)
				synctest.Wait()
				if got := s.book.end(s.sub, s.began); got.code != tc.code {
					t.Errorf("the subscription ended: %v, want %v", got, tc.code)
				}
				if s.book.end(s.c.ID, s.began).code != 0 {
					t.Error("the client ended")
				}
				_, lines, _ := s.Post("/longpoll", s.c.PollLine(1000, 1), s.c.Auth()...)
				told := lines[1]
				if tc.code == 0 {
					if told.Text("operation") == "subscription_invalidate" {
						t.Errorf("the client is told %v", told)
					}
				} else if told.Text("operation") != "subscription_invalidate" || told.Text("clientId") != s.sub || told.Code() != tc.code || told.Text("setting") != "invalidate-messageclient-on-streaming-close" ||
					told.Text("incident") != s.book.cause(s.sub).Incident {
					t.Errorf("the client is told %v, want that its subscription ended by %v", told, tc.code)
				}
			})
		})
	}
}

// reopen opens another stream of the client, as a page does that has lost patience with the first.
func (s *scene) reopen() {
	second := s.Raw()
	second.Request("POST", "/streaming?command=open", `{"type":"control","operation":"attach","attach":7,"have":1}`, "Authorization: "+s.c.Auth()[1])
	second.Head()
}
