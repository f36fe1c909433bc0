package server_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// bulk is a message's body that fills buffers quickly.
var bulk = strings.Repeat("x", 16<<10)

// flood publishes n messages of bulk to chat and takes them off the client that does it.
func flood(c *endpointtest.Client, n int) {
	for range n {
		c.Publish("chat", "", bulk)
		c.WantMessages(bulk)
	}
}

// frozenSocket is a client on a WebSocket that has subscribed to chat and does not read any more, with more under way than its buffers hold.
func frozenSocket(t *testing.T, r *endpointtest.Rig) *endpointtest.Raw {
	t.Helper()
	c := r.RawSocket()
	c.Frame(endpointtest.Fin|endpointtest.Text, `{"type":"command","operation":"client_ping","headers":{"DSId":"nil"},"attach":1}
{"type":"command","operation":"subscribe","destination":"chat"}`)
	c.NextLine()
	clog(t, r, c)
	return c
}

// frozenStream is the same on a stream.
func frozenStream(t *testing.T, r *endpointtest.Rig) *endpointtest.Raw {
	t.Helper()
	c := r.NewClient(channel.Streaming)
	_, lines, _ := r.Post("/streaming", `{"type":"command","operation":"client_ping","headers":{"DSId":"nil"}}
{"type":"command","operation":"subscribe","destination":"chat"}`)
	c.Adopt(lines[0])
	return streamOf(t, r, c)
}

func streamOf(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) *endpointtest.Raw {
	t.Helper()
	raw := r.Raw()
	raw.Request("POST", "/streaming?command=open", `{"type":"control","operation":"attach","attach":1,"have":0}`, "Authorization: Bearer "+c.ID+"."+c.Secret)
	raw.Head()
	clog(t, r, raw)
	return raw
}

// clog freezes c and publishes more than its buffers hold.
func clog(t *testing.T, r *endpointtest.Rig, c *endpointtest.Raw) {
	t.Helper()
	synctest.Wait()
	c.Freeze()
	other := r.Connect(channel.WebSocket)
	for range 20 {
		other.Publish("chat", "", bulk)
	}
	other.Vanish()
	synctest.Wait()
}

// A WebSocket that takes nothing for write-timeout-millis ends with its session and its client; who comes back learns why. Others get their messages meanwhile, without delay.
func TestFrozenWebSocket(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		other := r.Connect(channel.WebSocket)
		other.Subscribe("chat", "")
		began := time.Now()
		frozen := frozenSocket(t, r)
		id := ""
		for _, c := range r.Server.Registry().Clients() {
			if c.ID() != other.ID {
				id = c.ID()
			}
		}
		for range 20 {
			other.WantMessages(bulk)
		}
		if time.Since(began) != 0 {
			t.Errorf("others were held up for %v", time.Since(began))
		}
		time.Sleep(9 * time.Second)
		if r.Server.Registry().Lookup(id) == nil {
			t.Fatal("it ended before its time")
		}
		time.Sleep(2 * time.Second)
		if clients, sessions := r.Server.Registry().Count(); clients != 1 || sessions != 1 {
			t.Errorf("%d clients and %d sessions live, want the other's", clients, sessions)
		}
		frozen.Thaw()
		frozen.WantClosed()
		flood(other, 1)
	})
}

// A stream that takes nothing ends; its client lives on, and gets everything on its next stream.
func TestFrozenStream(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		frozen := frozenStream(t, r)
		time.Sleep(11 * time.Second)
		frozen.Thaw()
		frozen.WantClosed()
		clients := r.Server.Registry().Clients()
		if len(clients) != 1 || clients[0].Facts().Transport != "" || clients[0].Facts().Unconfirmed+clients[0].Facts().Waiting != 21 {
			t.Fatalf("%d clients, the first %+v", len(clients), clients[0].Facts())
		}
	})
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := r.NewClient(channel.Streaming)
		_, lines, _ := r.Post("/streaming", `{"type":"command","operation":"client_ping","headers":{"DSId":"nil"}}
{"type":"command","operation":"subscribe","destination":"chat"}`)
		c.Adopt(lines[0])
		streamOf(t, r, c)
		time.Sleep(11 * time.Second)
		c.OpenStream()
		if line := c.Next(); line.Text("type") != "subscription-state" {
			t.Fatal(line)
		}
		for range 20 {
			c.WantMessages(bulk)
		}
	})
}

// A client for which more waits than it may leave unread is a slow consumer on every transport: it ends, what waited is forgotten, and who comes back learns why.
func TestSlowConsumer(t *testing.T) {
	few := func(o *server.Options) { o.FlexClient.MaxWaitingMessages, o.FlexClient.Window.Messages = 10, 5 }
	endpointtest.Each(t, few, func(t *testing.T, r *endpointtest.Rig, other *endpointtest.Client) {
		c := r.NewClient(other.Kind)
		switch other.Kind {
		case channel.WebSocket:
			frozenSocket(t, r)
		case channel.Streaming:
			frozenStream(t, r)
		default: // one that does not poll
			_, lines, _ := r.Post("/longpoll", `{"type":"command","operation":"client_ping","headers":{"DSId":"nil"}}
{"type":"command","operation":"subscribe","destination":"chat"}`)
			c.Adopt(lines[0])
			clog(t, r, r.Raw())
		}
		time.Sleep(time.Minute)
		if clients, sessions := r.Server.Registry().Count(); clients != 1 {
			t.Errorf("%d clients and %d sessions live, want one client", clients, sessions)
		}
		if n := r.Server.Broker().Destination("chat").Subscribers(); n != 0 {
			t.Errorf("%d subscriptions are open", n)
		}
		if other.Kind == channel.LongPoll {
			status, lines, _ := r.Post("/longpoll", c.PollLine(1, 0), c.Auth()...)
			if status != 401 || lines[0].Code() != message.CodeSlowConsumer || lines[0].Text("reason") != message.GoneExpired {
				t.Errorf("afterwards: %d %v", status, lines)
			}
		}
		other.Subscribe("chat", "")
	})
}

// A slow consumer that still reads, and confirms nothing, is told: the last line has the code, the setting and its value. (Each poll confirms.)
func TestSlowConsumerIsTold(t *testing.T) {
	few := func(o *server.Options) { o.FlexClient.MaxWaitingMessages, o.FlexClient.Window.Messages = 10, 5 }
	for _, kind := range []channel.Kind{channel.WebSocket, channel.Streaming} {
		t.Run(string(kind), func(t *testing.T) {
			endpointtest.Run(t, few, func(t *testing.T, r *endpointtest.Rig) {
				c, other := r.Connect(kind), r.Connect(channel.WebSocket)
				c.Subscribe("chat", "")
				for i := range 20 {
					other.Publish("chat", "", fmt.Sprint(i))
				}
				line := c.WantEnd(message.CodeSlowConsumer)
				if line.Text("setting") != "max-waiting-messages" || line["value"] != 10.0 || line.Text("reconnect") != "yes" {
					t.Errorf("%v does not tell the limit", line)
				}
			})
		})
	}
}

// A WebSocket whose replies are left unread is a slow consumer as well.
func TestUnreadReplies(t *testing.T) {
	small := func(o *server.Options) { o.FlexClient.MaxWaitingBytes = 32 << 10 }
	endpointtest.Run(t, small, func(t *testing.T, r *endpointtest.Rig) {
		c := r.RawSocket()
		c.Frame(endpointtest.Fin|endpointtest.Text, `{"type":"command","operation":"client_ping","headers":{"DSId":"nil"},"attach":1}`)
		c.NextLine()
		c.Freeze()
		ping := `{"type":"command","operation":"client_ping","messageId":"` + strings.Repeat("x", 200) + `"}`
		for range 1000 {
			if _, err := io.WriteString(c.Conn, endpointtest.FrameHead(endpointtest.Fin|endpointtest.Text, len(ping))+ping); err != nil {
				break // it has had enough
			}
		}
		time.Sleep(5 * time.Second)
		if clients, sessions := r.Server.Registry().Count(); clients+sessions != 0 {
			t.Errorf("%d clients and %d sessions live on", clients, sessions)
		}
	})
}

// An answer of any other kind that nobody takes is given up as well: the page, the replies to a POST.
func TestFrozenAnswer(t *testing.T) {
	for name, request := range map[string]string{
		"the page":    "GET /sluice.js HTTP/1.1\r\nHost: sluice.test\r\n\r\n",
		"the replies": "POST /longpoll HTTP/1.1\r\nHost: sluice.test\r\nContent-Type: application/json\r\nAuthorization: Bearer %s.%s\r\nContent-Length: 60000\r\n\r\n" + strings.Repeat("bad\n", 15000),
	} {
		t.Run(name, func(t *testing.T) {
			endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
				r.Net.Buffer = 4 << 10
				c := r.Connect(channel.LongPoll)
				if strings.Contains(request, "%s") {
					request = fmt.Sprintf(request, c.ID, c.Secret)
				}
				raw := r.Raw()
				raw.Freeze()
				raw.Send(request)
				time.Sleep(2 * time.Minute)
				raw.Thaw()
				raw.SetReadDeadline(time.Now().Add(time.Second))
				if n, err := io.Copy(io.Discard, raw.Reader); n > 16<<10 || err != nil && strings.Contains(err.Error(), "timeout") {
					t.Errorf("%d bytes came, %v: the server has waited", n, err)
				}
			})
		})
	}
}

// Peers that send a byte a minute: the head has its time, the body has, and also the body of a request that was refused unread.
func TestSlowRequests(t *testing.T) {
	patient := func(o *server.Options) { o.Channels[1].SessionTimeout = 0 }
	endpointtest.Run(t, patient, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.Streaming)
		trickle := func(raw *endpointtest.Raw) {
			for range 60 {
				time.Sleep(time.Minute)
				if _, err := raw.Conn.Write([]byte("x")); err != nil {
					return
				}
			}
			t.Error("the connection is still open after an hour")
		}
		head := r.Raw()
		head.Send("POST /longpoll HTTP/1.1\r\nX-Slow: ")
		trickle(head)

		for _, start := range []string{
			"POST /longpoll HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n",
			"POST /longpoll/chat HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n100\r\n",
			"POST /streaming?command=open HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\nAuthorization: Bearer " + c.ID + "." + c.Secret + "\r\n\r\n",
		} {
			body, began := r.Raw(), time.Now()
			body.Send(start)
			resp, lines := body.Answer()
			if resp.StatusCode != 408 || lines[0].Code() != message.CodeRequestTimeout || lines[0].Text("setting") != "request-body-timeout-millis" || lines[0]["value"] != 30000.0 {
				t.Errorf("%q: %d %v", start, resp.StatusCode, lines)
			}
			if took := time.Since(began); took != 30*time.Second {
				t.Errorf("%q: answered after %v", start, took)
			}
			trickle(body)
		}
		for _, start := range []string{
			"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
			"POST /longpoll HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nContent-Type: text/plain\r\n\r\n",
			"PUT /longpoll HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
			"GET /streaming/nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
		} {
			unread := r.Raw()
			unread.Send(start)
			trickle(unread)
		}
		c.Subscribe("chat", "")
	})
}

// What bounds requests does not bound what is meant to last: streams, polls and sockets are held for as long as they are wanted.
func TestHeldAnswersLast(t *testing.T) {
	patient := func(o *server.Options) { o.Channels[2].WaitInterval = 10 * time.Minute }
	endpointtest.Run(t, patient, func(t *testing.T, r *endpointtest.Rig) {
		var all []*endpointtest.Client
		for _, kind := range endpointtest.Kinds {
			c := r.Connect(kind)
			c.Subscribe("chat", "")
			all = append(all, c)
		}
		resp := r.Do("GET", "/streaming/chat", "", "Accept", "text/event-stream")
		defer resp.Body.Close()
		next := events(t, resp.Body)
		for range 3 {
			time.Sleep(8 * time.Minute)
			all[0].Publish("chat", "", bulk)
			for _, c := range all {
				c.WantMessages(bulk)
				c.Send(`{"type":"command","operation":"client_ping","messageId":"beat"}`)
				c.Next()
			}
			for event := next(); !strings.Contains(event, bulk); event = next() {
				if event == "" {
					t.Fatal("the plain GET has ended")
				}
			}
		}
	})
}
