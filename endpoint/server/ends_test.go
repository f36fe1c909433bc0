package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
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

// theEnd is a way for a client to end.
type theEnd struct {
	name   string
	code   message.Code
	kinds  []channel.Kind // none: all
	change func(*server.Options)
	come   func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client)
	late   bool // the client is not there to be told, and asks later
	closes bool // the connection it is attached to ends with it, and not before
}

func theEnds() []theEnd {
	do := func(line string) func(*testing.T, *endpointtest.Rig, *endpointtest.Client) {
		return func(_ *testing.T, _ *endpointtest.Rig, c *endpointtest.Client) { c.Send(line) }
	}
	away := func(d time.Duration) func(*testing.T, *endpointtest.Rig, *endpointtest.Client) {
		return func(_ *testing.T, _ *endpointtest.Rig, c *endpointtest.Client) {
			c.Vanish()
			time.Sleep(d)
		}
	}
	onAll := func(f func(*channel.ChannelDefinition)) func(*server.Options) {
		return func(o *server.Options) {
			for i := range o.Channels {
				f(&o.Channels[i])
			}
		}
	}
	back := onAll(func(d *channel.ChannelDefinition) { d.ReliableReconnectDuration = 15 * time.Second })
	http := []channel.Kind{channel.Streaming, channel.LongPoll}
	return []theEnd{
		{name: "disconnect", code: message.CodeClientDisconnect, closes: true, come: do(`{"type":"command","operation":"disconnect","messageId":"d"}`)},
		{name: "logout", code: message.CodeLogout, closes: true, come: do(`{"type":"command","operation":"logout","messageId":"o"}`)},
		{name: "detach", code: message.CodeClientDetached, closes: true, change: onAll(func(d *channel.ChannelDefinition) { d.ReloadGrace = 0 }),
			come: do(`{"type":"control","operation":"detach"}`)},
		{name: "detached for too long", code: message.CodeClientDetached, late: true, change: onAll(func(d *channel.ChannelDefinition) { d.ReloadGrace = 3 * time.Second }),
			come: func(_ *testing.T, _ *endpointtest.Rig, c *endpointtest.Client) {
				c.Send(`{"type":"control","operation":"detach"}`)
				time.Sleep(4 * time.Second)
				c.Vanish()
			}},
		{name: "administrator", code: message.CodeAdministrator, closes: true,
			come: func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
				want(t, r, "POST", "/disconnect", fmt.Sprintf(`{"client":%q,"reason":"Maintenance."}`, c.ID))
			}},
		{name: "slow consumer", code: message.CodeSlowConsumer, closes: true, kinds: []channel.Kind{channel.WebSocket, channel.Streaming},
			change: func(o *server.Options) {
				o.FlexClient.Window.Messages, o.FlexClient.MaxWaitingMessages = 2, 3
			},
			come: func(_ *testing.T, r *endpointtest.Rig, _ *endpointtest.Client) {
				publisher := r.Connect(channel.LongPoll)
				for range 10 {
					publisher.Publish("chat", "", "x")
				}
			}},
		{name: "another tab", code: message.CodeSessionInvalidated, closes: true, kinds: http,
			change: onAll(func(d *channel.ChannelDefinition) { d.InvalidateSessionOnDisconnect = true }),
			come: func(_ *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
				r.Connect(c.Kind, "Cookie", c.Cookie).Send(`{"type":"command","operation":"disconnect","messageId":"d"}`)
			}},
		{name: "a large frame", code: message.CodeMessageTooLarge, closes: true, kinds: []channel.Kind{channel.WebSocket},
			change: onAll(func(d *channel.ChannelDefinition) {
				d.MaxMessageSize, d.MaxRequestSize, d.ReliableReconnectDuration = 512, 1024, 15*time.Second
			}),
			come: func(_ *testing.T, _ *endpointtest.Rig, c *endpointtest.Client) { c.Send(strings.Repeat("x", 2000)) }},
		{name: "a lost socket", code: message.CodeConnectionLost, late: true, closes: true, kinds: []channel.Kind{channel.WebSocket}, come: away(time.Second)},
		{name: "away for too long", code: message.CodeClientVanished, late: true, change: back, come: away(time.Minute)},
		{name: "an idle session", code: message.CodeSessionTimeout, closes: true, kinds: []channel.Kind{channel.Streaming},
			come: func(*testing.T, *endpointtest.Rig, *endpointtest.Client) { time.Sleep(16 * time.Minute) }},
		{name: "an idle session of nobody", code: message.CodeSessionTimeout, late: true, kinds: http, come: away(16 * time.Minute)},
		{name: "shutdown", code: message.CodeServerShutdown, closes: true,
			come: func(t *testing.T, r *endpointtest.Rig, _ *endpointtest.Client) {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				if err := r.Server.Shutdown(ctx); err != nil {
					t.Error(err)
				}
			}},
	}
}

// An end is the same wherever it is told: to the client, in the log of the client, its session and its connection, to listeners, by the API, and in the metrics.
func TestEveryEndIsTheSameEverywhere(t *testing.T) {
	passwords := passwordsOf(t, "alice", "wonderland", "friends")
	for _, end := range theEnds() {
		for _, kind := range endpointtest.Kinds {
			if len(end.kinds) > 0 && !slices.Contains(end.kinds, kind) {
				continue
			}
			t.Run(end.name+"/"+string(kind), func(t *testing.T) {
				log, heard := new(logBook), new(destroyed)
				runInternal(t, func(o *server.Options) {
					o.Passwords = passwords
					o.FlexClient.Listeners = append(o.FlexClient.Listeners, heard.listener())
					log.keep(o)
					if end.change != nil {
						end.change(o)
					}
				}, func(t *testing.T, r *endpointtest.Rig, internal *endpointtest.Listener) {
					c := r.Connect(kind)
					logInAlice(r, c)
					c.Subscribe("chat", "")
					time.Sleep(time.Second)
					end.come(t, r, c)
					synctest.Wait()
					told := endOf(t, r, c, end)

					if cause, n := heard.of(c.ID); n != 1 || cause.Code != end.code || cause.Incident != told["incident"] {
						t.Errorf("the listener heard %d times of %+v; the client %v", n, cause, told)
					}
					sameEnd(t, log, "client destroyed", "client", c.ID, told)
					line := log.lines(t, "client destroyed", "client", c.ID)[0]
					if line["user"] != "alice" || line["address"] == "" || line["endpoint"] != string(kind) || line["livedMillis"].(float64) < 1000 || line["requests"] == 0.0 || line["subscriptions"] != 1.0 {
						t.Errorf("the log says of the client %v", line)
					}
					if end.closes {
						sameEnd(t, log, "connection ended", "client", c.ID, told)
						last := log.lines(t, "connection ended", "client", c.ID)
						if line := last[len(last)-1]; line["user"] != "alice" || line["endpoint"] != string(kind) || line["bytes"] == 0.0 {
							t.Errorf("the log says of the connection %v", line)
						}
					}
					if end.closes && kind == channel.WebSocket || end.code == message.CodeSessionTimeout || end.code == message.CodeSessionInvalidated {
						session := line["session"]
						for _, l := range log.lines(t, "connection ended", "client", c.ID) {
							session = l["session"]
						}
						sameEnd(t, log, "session destroyed", "session", fmt.Sprint(session), told)
						if line := log.lines(t, "session destroyed", "session", fmt.Sprint(session))[0]; line["user"] != "alice" || line["clients"] == 0.0 || line["livedMillis"] == 0.0 {
							t.Errorf("the log says of the session %v", line)
						}
					}
					if end.code == message.CodeServerShutdown {
						if e, ok := r.Server.Registry().Ended(c.ID); !ok || e.Cause.Code != end.code || e.Cause.Incident != told["incident"] {
							t.Errorf("remembered is %+v, told %v", e.Cause, told)
						}
						return
					}
					ended := want(t, r, "GET", "/clients/"+c.ID, "")["ended"].(object)
					for _, key := range []string{"code", "name", "message", "reconnect", "retryAfterMillis", "setting", "value", "incident"} {
						if ended[key] != told[key] {
							t.Errorf("%s: the API says %v, the client was told %v", key, ended[key], told[key])
						}
					}
					counted := fmt.Sprintf(`sluice_ends_total{code="%d",name="%s",what="client"}`, end.code, end.code.Info().Name)
					if n := metricsOf(t, internal)[counted]; n < 1 {
						t.Errorf("%s = %v", counted, n)
					}
				})
			})
		}
	}
}

// logInAlice makes alice the client's user, and notes the cookie that this has renewed.
func logInAlice(r *endpointtest.Rig, c *endpointtest.Client) {
	const fields = `"operation":"login","body":"YWxpY2U6d29uZGVybGFuZA=="`
	if c.Kind == channel.WebSocket {
		c.Do("command", fields)
		return
	}
	_, _, h := r.Post("/"+string(c.Kind), `{"type":"command","messageId":"login",`+fields+`}`, c.Auth()...)
	c.Cookie, _, _ = strings.Cut(h.Get("Set-Cookie"), ";")
}

// endOf is what the client was told, or is when it asks later.
func endOf(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client, end theEnd) endpointtest.Line {
	t.Helper()
	if !end.late {
		return c.WantEnd(end.code)
	}
	resp := r.Do("POST", "/longpoll", `{"type":"command","operation":"client_ping","messageId":"late"}`, c.Auth()...)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	var line endpointtest.Line
	if err == nil {
		err = json.Unmarshal(text, &line)
	}
	if err != nil || resp.StatusCode != http.StatusUnauthorized || line.Text("reason") != "expired" || line.Code() != end.code {
		t.Fatalf("late: %v %d %s", err, resp.StatusCode, text)
	}
	return line
}

// sameEnd wants the last line of the log that says so to be of the end that the client was told.
func sameEnd(t *testing.T, log *logBook, says, key, value string, told endpointtest.Line) {
	t.Helper()
	lines := log.lines(t, says, key, value)
	if len(lines) == 0 {
		t.Fatalf("the log has no line %q of %s", says, value)
	}
	line := lines[len(lines)-1]
	if line["code"] != told["code"] || line["cause"] != told["name"] || line["incident"] != told["incident"] || line["setting"] != told["setting"] || line["value"] != told["value"] || line["level"] != "info" {
		t.Errorf("%s: the log says %v, the client was told %v", says, line, told)
	}
}

// destroyed hears of the ends of clients.
type destroyed struct {
	mu   sync.Mutex
	ends map[string][]flexsession.Cause
}

func (d *destroyed) listener() flexsession.Listener {
	d.ends = map[string][]flexsession.Cause{}
	return flexsession.Listener{ClientDestroyed: func(c *flexsession.FlexClient, cause flexsession.Cause) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.ends[c.ID()] = append(d.ends[c.ID()], cause)
	}}
}

func (d *destroyed) of(id string) (cause flexsession.Cause, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n = len(d.ends[id]); n > 0 {
		cause = d.ends[id][0]
	}
	return cause, n
}

// A connection whose end the client outlives is logged with the incident that was told on it.
func TestTheEndOfAConnectionIsLogged(t *testing.T) {
	log, passwords := new(logBook), passwordsOf(t, "alice", "wonderland", "friends")
	endpointtest.Each(t, func(o *server.Options) {
		withAPI(o)
		log.keep(o)
		o.Passwords = passwords
		for i := range o.Channels {
			o.Channels[i].DeadPeerTimeout, o.Channels[i].ReliableReconnectDuration = 2*time.Second, time.Minute
		}
	}, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		logInAlice(r, c)
		c.Send(`{"type":"command","operation":"client_ping","messageId":"h","heartbeat":1000}`)
		time.Sleep(10 * time.Second)
		told := c.WantEnd(message.CodeMissedHeartbeats)
		synctest.Wait()
		sameEnd(t, log, "connection ended", "client", c.ID, told)
		if c.Kind == channel.WebSocket { // its session has ended with it, while the client lives
			line := log.lines(t, "session destroyed", "incident", told.Text("incident"))
			if len(line) != 1 || line[0]["user"] != "alice" || line[0]["clients"] != 1.0 {
				t.Errorf("the log says of the session %v", line)
			}
		}
		if told["incident"] == "" || told["setting"] != "dead-peer-timeout-millis" {
			t.Errorf("the client was told %v", told)
		}
		if now := want(t, r, "GET", "/clients/"+c.ID, ""); now["ended"] != nil || now["transport"] != nil || now["channel"] != string(c.Kind) {
			t.Errorf("the client is %v", now)
		}
	})
}

// The reader behind a plain GET ends with it: the two are one incident.
func TestTheEndOfAReader(t *testing.T) {
	log := new(logBook)
	endpointtest.Run(t, log.keep, func(t *testing.T, r *endpointtest.Rig) {
		r.Do("GET", "/streaming/chat/room.1", "").Body.Close()
		synctest.Wait()
		client := log.lines(t, "client destroyed", "endpoint", "streaming")
		connection := log.lines(t, "connection ended", "endpoint", "streaming")
		if len(client) != 1 || len(connection) != 1 || client[0]["incident"] == "" || client[0]["incident"] != connection[0]["incident"] || client[0]["code"] != connection[0]["code"] {
			t.Errorf("%v\n%v", client, connection)
		}
	})
}
