package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
	"sluice/flexsession"
)

func attachFrame(c *endpointtest.Client, attach, have int) string {
	return fmt.Sprintf(`{"type":"control","operation":"attach","DSId":%q,"secret":%q,"attach":%d,"have":%d}`, c.ID, c.Secret, attach, have)
}

// An attach that has no effect leaves the socket free for a connect, and the client unharmed when the socket ends.
func TestFailedAttachChangesNothing(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := r.NewClient(channel.LongPoll)
		_, lines, _ := r.Post("/longpoll", `{"type":"command","operation":"client_ping","messageId":"c1","headers":{"DSId":"nil"}}`)
		c.Adopt(lines[0])
		s := r.NewClient(channel.WebSocket)
		s.Dial()
		s.Send(attachFrame(c, 1, 99))
		if line := s.Next(); line.Text("reason") != "ahead" {
			t.Fatalf("got %v, want gone ahead", line)
		}
		s.Send(`{"type":"command","operation":"client_ping","messageId":"c1","headers":{"DSId":"nil"},"attach":1}`)
		if line := s.Next(); line.Text("type") != "acknowledge" {
			t.Errorf("the connect behind it: %v", line)
		}
		s.Vanish()
		synctest.Wait()
		if status, lines, _ := r.Post("/longpoll", `{"type":"command","operation":"client_ping","messageId":"h"}`, c.Auth()...); status != http.StatusOK {
			t.Errorf("the client afterwards: %d %v", status, lines)
		}
	})
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.Streaming)
		s := r.NewClient(channel.WebSocket)
		s.Dial()
		s.Send(attachFrame(c, 9, 99))
		s.Next()
		s.WantEnd(message.CodeHandshakeTimeout) // it is still without a client
	})
}

// What a client may have is looked at again where it attaches. What it may not have there ends, by a counted line that says why.
func TestRightsAtAttach(t *testing.T) {
	for name, limit := range map[string]struct {
		change func(*server.Options)
		code   message.Code
	}{
		"destination": {func(o *server.Options) { o.Destinations[0].Channels = []string{"longpoll"} }, message.CodeChannelNotAllowed},
		"channel": {func(o *server.Options) {
			o.Constraints = []channel.SecurityConstraint{{ID: "users"}}
			o.Channels[0].Constraint = "users"
		}, message.CodeLoginRequired},
	} {
		t.Run(name, func(t *testing.T) {
			endpointtest.Run(t, limit.change, func(t *testing.T, r *endpointtest.Rig) {
				c := r.NewClient(channel.LongPoll)
				_, lines, _ := r.Post("/longpoll", `{"type":"command","operation":"client_ping","messageId":"c1","headers":{"DSId":"nil"}}
{"type":"command","operation":"subscribe","messageId":"s","destination":"chat"}`)
				c.Adopt(lines[0])
				s := r.NewClient(channel.WebSocket)
				s.Dial()
				s.Send(attachFrame(c, 1, 0))
				for _, want := range []string{"attached", "subscribe"} {
					if line := s.Next(); line.Text("operation") != want {
						t.Fatalf("got %v, want %s", line, want)
					}
				}
				if line := s.Next(); line.Text("operation") != "subscription_invalidate" || line.Text("clientId") != lines[1].Text("clientId") || line.Code() != limit.code {
					t.Fatalf("got %v, want the end of the subscription because of %v", line, limit.code)
				}
				r.Post("/longpoll/chat", `"not for it"`)
				s.Nothing(time.Minute)
			})
		})
	}
}

// A client that polled once, without a cookie, and went back to its WebSocket does not end by the session it no longer uses.
func TestSessionNoLongerUsed(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.WebSocket)
		go r.Post("/longpoll", c.PollLine(5, 0), c.Auth()...)
		synctest.Wait()
		s := r.NewClient(channel.WebSocket)
		s.Dial()
		s.Send(attachFrame(c, 9, 0))
		time.Sleep(time.Hour)
		if r.Server.Registry().Lookup(c.ID) == nil {
			t.Error("the client has ended")
		}
	})
}

// A request that fails badly is answered, and so is its repeat.
func TestPanicIsAnswered(t *testing.T) {
	fail := func(o *server.Options) {
		o.FlexClient.Listeners = []flexsession.Listener{{MessageClientCreated: func(*flexsession.MessageClient) { panic("a listener fails") }}}
	}
	endpointtest.Run(t, fail, func(t *testing.T, r *endpointtest.Rig) {
		c := r.NewClient(channel.LongPoll)
		_, lines, _ := r.Post("/longpoll", `{"type":"command","operation":"client_ping","messageId":"c1","headers":{"DSId":"nil"}}`)
		c.Adopt(lines[0])
		subscribe := `{"type":"command","operation":"subscribe","messageId":"s","seq":1,"destination":"chat"}`
		ctx, stop := context.WithTimeout(context.Background(), time.Minute)
		defer stop()
		for _, want := range []int{http.StatusInternalServerError, http.StatusOK} {
			req, _ := http.NewRequestWithContext(ctx, "POST", r.URL("/longpoll"), strings.NewReader(subscribe))
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Authorization", c.Auth()[1])
			resp, err := r.HTTP.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			lines := endpointtest.ReadLines(t, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != want || len(lines) != 1 || lines[0].Code() != message.CodeInternal {
				t.Errorf("%d %v, want %d and the code internal", resp.StatusCode, lines, want)
			}
		}
	})
}

// mute is an answer that cannot be written to: it panics.
type mute struct{ http.ResponseWriter }

func (mute) Write([]byte) (int, error) { panic("an answer fails badly") }

// A stream or poll whose handler fails badly is off its client, which may come back or end as after any other loss.
func TestPanicDetaches(t *testing.T) {
	for _, kind := range []channel.Kind{channel.Streaming, channel.LongPoll} {
		t.Run(string(kind), func(t *testing.T) {
			endpointtest.Run(t, func(o *server.Options) {
				for i := range o.Channels {
					o.Channels[i].ReliableReconnectDuration = 15 * time.Second
				}
			}, func(t *testing.T, r *endpointtest.Rig) {
				c := r.NewClient(kind)
				path := "/" + string(kind)
				_, lines, _ := r.Post(path, `{"type":"command","operation":"client_ping","messageId":"c1","headers":{"DSId":"nil"}}`)
				c.Adopt(lines[0])
				line := c.PollLine(1, 0)
				if kind == channel.Streaming {
					path, line = path+"?command=open", `{"type":"control","operation":"attach","attach":1,"have":0}`
				}
				func() {
					defer func() {
						if recover() != http.ErrAbortHandler {
							t.Error("the answer did not fail")
						}
					}()
					req := httptest.NewRequest("POST", path, strings.NewReader(line))
					req.Header.Set("Content-Type", "application/json")
					req.Header.Set("Authorization", c.Auth()[1])
					r.Server.Handler("main").ServeHTTP(mute{httptest.NewRecorder()}, req)
				}()
				time.Sleep(time.Minute)
				if r.Server.Registry().Lookup(c.ID) != nil {
					t.Error("the client is still held by the answer")
				}
			})
		})
	}
}
