package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// reloading runs f with a server of the options that before makes; reload makes it go by those with change in addition.
func reloading(t *testing.T, before func(*server.Options), f func(t *testing.T, r *endpointtest.Rig, reload func(change func(*server.Options)) *server.Reloaded)) {
	t.Helper()
	endpointtest.Run(t, before, func(t *testing.T, r *endpointtest.Rig) {
		opts := func() server.Options { return endpointtest.Options(before) }
		next := opts()
		f(t, r, func(change func(*server.Options)) *server.Reloaded {
			t.Helper()
			change(&next)
			fresh := next // what the server is given is its own
			fresh.Channels, fresh.Destinations = slices.Clone(next.Channels), slices.Clone(next.Destinations)
			fresh.Listeners, fresh.Constraints = slices.Clone(next.Listeners), slices.Clone(next.Constraints)
			done, err := r.Server.Reload(fresh)
			if err != nil {
				t.Fatalf("reload: %v", err)
			}
			return done
		})
	})
}

// each changes every channel.
func each(change func(*channel.ChannelDefinition)) func(*server.Options) {
	return func(o *server.Options) {
		for i := range o.Channels {
			change(&o.Channels[i])
		}
	}
}

func settings(changes []server.Change) (all []string) {
	for _, c := range changes {
		all = append(all, fmt.Sprintf("%s: %v to %v (%d, %d)", c.Setting, c.Old, c.New, c.Sessions, c.Clients))
	}
	return all
}

func wantChanges(t *testing.T, what string, changes []server.Change, want ...string) {
	t.Helper()
	got := settings(changes)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n\t%s\nwant\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// What has changed is told with how many sessions and clients it holds for, each channel by itself, and all together once.
func TestReloadTells(t *testing.T) {
	reloading(t, nil, func(t *testing.T, r *endpointtest.Rig, reload func(func(*server.Options)) *server.Reloaded) {
		for kind, n := range map[channel.Kind]int{channel.WebSocket: 3, channel.Streaming: 2, channel.LongPoll: 1} {
			for range n {
				c := r.Connect(kind)
				if kind == channel.Streaming {
					c.Subscribe("plain", "")
				}
			}
		}
		synctest.Wait() // the poll is held
		done := reload(func(*server.Options) {})
		if len(done.Changed)+len(done.NeedsRestart)+done.Sessions+done.Clients != 0 {
			t.Errorf("nothing has changed, but: %+v", done)
		}
		done = reload(func(o *server.Options) {
			o.Channels[0].ServerHeartbeat = 2 * time.Second
			o.Channels[0].Path = "/elsewhere"
			o.Channels[1].SessionTimeout = 90 * time.Second
			o.Channels[1].AllowedOrigins = []string{"https://a.example", "https://b.example"}
			o.Channels[2].ConnectTimeout = 1500 * time.Millisecond
			o.Channels[2].KeepAlive = &channel.KeepAlive{Enabled: true}
			o.Destinations[2].SubtopicSeparator = "/"
			o.Destinations[2].Channels = []string{"websocket", "streaming", "longpoll"}
			o.Destinations = append(o.Destinations[1:], channel.DestinationDefinition{ID: "more"})
			o.APIKeys = []server.APIKey{{ID: "ops", Value: "0123456789abcdef"}}
			o.CookieName = "other"
			o.DrainWindow = time.Second
			o.Listeners[0].Addr = "0.0.0.0:99"
			o.Listeners[0].MaxConnections = 77
			o.Listeners = append(o.Listeners, server.Listener{ID: "second", Addr: ":1"})
		})
		wantChanges(t, "changed", done.Changed,
			"channels/channel-definition[websocket]/properties/server-to-client-heartbeat-millis: 5000 to 2000 (3, 3)",
			"channels/channel-definition[streaming]/properties/session-timeout-minutes: 15 to 1.5 (2, 2)",
			"channels/channel-definition[streaming]/properties/allowed-origins: [] to [https://a.example https://b.example] (2, 2)",
			"channels/channel-definition[longpoll]/properties/connect-timeout-seconds: 0 to 1.5 (1, 1)",
			"channels/channel-definition[longpoll]/properties/socket-keepalive-enabled: <nil> to true (1, 1)",
			"channels/channel-definition[longpoll]/properties/socket-keepalive-idle-seconds: <nil> to 0 (1, 1)",
			"channels/channel-definition[longpoll]/properties/socket-keepalive-interval-seconds: <nil> to 0 (1, 1)",
			"channels/channel-definition[longpoll]/properties/socket-keepalive-count: <nil> to 0 (1, 1)",
			"services/service/destination[plain]/channels: [] to [websocket streaming longpoll] (2, 2)",
			"services/service/destination[more]: <nil> to more (0, 0)",
			"api/key[ops]: <nil> to ops (0, 0)",
			"servers/server/properties/drain-window-millis: 0 to 1000 (0, 0)",
			"servers/server[main]/properties/max-connections: 20000 to 77 (6, 6)",
		)
		wantChanges(t, "needs a restart", done.NeedsRestart,
			"channels/channel-definition[websocket]/endpoint/url: /websocket to /elsewhere (3, 3)",
			"services/service/destination[plain]/properties/server/subtopic-separator: . to / (2, 2)",
			"services/service/destination[chat]: chat to <nil> (0, 0)",
			"security/session-cookie-name: SluiceSessionId to other (0, 0)",
			"servers/server[main]/properties/bind-address:  to 0.0.0.0 (6, 6)",
			"servers/server[main]/properties/port:  to 99 (6, 6)",
			"servers/server[second]: <nil> to second (0, 0)",
		)
		if done.Sessions != 6 || done.Clients != 6 {
			t.Errorf("%d sessions and %d clients in all, want 6 and 6", done.Sessions, done.Clients)
		}
		// What needs a restart is told until there was one; what has changed is told once.
		again := reload(func(*server.Options) {})
		wantChanges(t, "changed again", again.Changed)
		wantChanges(t, "needs a restart still", again.NeedsRestart, settings(done.NeedsRestart)...)
	})
}

// Everybody lives on, and is served as before: no line, no end, no new session. Then the new definition holds for who is there already.
func TestReloadEndsNothing(t *testing.T) {
	endpointtest.Each(t, nil, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		c.Subscribe("chat", "")
		next := endpointtest.Options(func(o *server.Options) {
			each(func(d *channel.ChannelDefinition) {
				d.ServerHeartbeat, d.SessionTimeout, d.WaitInterval = time.Second, time.Minute, 10*time.Second
				d.MaxMessageSize, d.MaxRequestSize = 1<<20, 2<<20
			})(o)
		})
		clients, sessions := r.Server.Registry().Count()
		if _, err := r.Server.Reload(next); err != nil {
			t.Fatal(err)
		}
		if nowClients, nowSessions := r.Server.Registry().Count(); clients != nowClients || sessions != nowSessions {
			t.Errorf("%d and %d became %d and %d", clients, sessions, nowClients, nowSessions)
		}
		if reply := c.Publish("chat", "", "still here"); reply.Text("type") != "acknowledge" {
			t.Errorf("publish: %v", reply)
		}
		c.WantMessages("still here")
		large := strings.Repeat("x", 300<<10) // more than a frame, or a message, could be
		if reply := c.Publish("chat", "", large); reply.Text("type") != "acknowledge" {
			t.Errorf("publish: %v", reply)
		}
		c.WantMessages(large)
		before := c.Heartbeats()
		time.Sleep(10 * time.Second)
		if beats := c.Heartbeats() - before; c.Kind != channel.LongPoll && (beats < 8 || beats > 10) {
			t.Errorf("%d heartbeats in ten seconds, want one each", beats)
		}
		if c.Kind == channel.Streaming {
			time.Sleep(time.Minute)
			c.WantEnd(message.CodeSessionTimeout)
		}
	})
}

// A shorter time that has passed already ends what it is of, a longer one lets it go on.
func TestReloadSessionTimeout(t *testing.T) {
	for _, tc := range []struct{ minutes, ends time.Duration }{{5, 10}, {12, 12}, {60, 60}} {
		reloading(t, nil, func(t *testing.T, r *endpointtest.Rig, reload func(func(*server.Options)) *server.Reloaded) {
			began := time.Now()
			c := r.Connect(channel.Streaming)
			time.Sleep(10 * time.Minute)
			reload(each(func(d *channel.ChannelDefinition) { d.SessionTimeout = tc.minutes * time.Minute }))
			line := c.WantEnd(message.CodeSessionTimeout)
			if took := time.Since(began); took < tc.ends*time.Minute || took > tc.ends*time.Minute+time.Second {
				t.Errorf("%d minutes: it ended after %v, want %d", tc.minutes, took, tc.ends)
			}
			if want := float64(tc.minutes); line["value"] != want {
				t.Errorf("the value is %v, want %v", line["value"], want)
			}
		})
	}
}

// With any mistake nothing changes, and all of them are told.
func TestReloadMistakes(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		try := func(change func(*server.Options)) error {
			_, err := r.Server.Reload(endpointtest.Options(func(o *server.Options) {
				o.Channels[0].MaxMessageSize = 1
				change(o)
			}))
			return err
		}
		for _, tc := range []struct {
			change func(*server.Options)
			want   []string
		}{
			{func(o *server.Options) {
				o.Destinations[0].Constraint, o.Destinations[1].SendConstraint = "nowhere", "nobody"
			}, []string{`destination "chat": security-constraint "nowhere" is not defined`, `destination "news": send-security-constraint "nobody" is not defined`}},
			{func(o *server.Options) {
				o.Channels[1].Path, o.Channels[2].ID = "/WEBSOCKET", "streaming"
			}, []string{`channel "streaming": defined twice`, `channel "streaming": channel "websocket" has the same path`}},
		} {
			err := try(tc.change)
			var bad *server.BadConfiguration
			if !errors.As(err, &bad) || !slices.Equal(bad.Problems, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
		}
		c := r.Connect(channel.WebSocket)
		if reply := c.Publish("chat", "", "hello"); reply.Text("type") != "acknowledge" {
			t.Errorf("something has changed: %v", reply)
		}
	})
}

// A server that shuts down goes by what it has.
func TestReloadWhileShuttingDown(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		if err := r.Server.Shutdown(context.Background()); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Server.Reload(endpointtest.Options(nil)); !errors.Is(err, server.ErrShutdown) {
			t.Errorf("reload: %v", err)
		}
	})
}

// Channels and destinations are added while the server runs; those that are left out stay.
func TestReloadAdds(t *testing.T) {
	reloading(t, nil, func(t *testing.T, r *endpointtest.Rig, reload func(func(*server.Options)) *server.Reloaded) {
		old := r.Connect(channel.Streaming)
		old.Subscribe("chat", "")
		done := reload(func(o *server.Options) {
			more := o.Channels[2]
			more.ID, more.Path, more.URL = "more", "/more", "/more"
			renamed := o.Channels[1]
			renamed.ID = "renamed" // at the place of the one that stays
			elsewhere := more
			elsewhere.ID, elsewhere.Path, elsewhere.Server = "elsewhere", "/elsewhere", "nowhere"
			o.Channels = []channel.ChannelDefinition{more, o.Channels[0], o.Channels[2], renamed, elsewhere}
			o.Destinations = append(o.Destinations[1:], channel.DestinationDefinition{ID: "fresh"})
		})
		wantChanges(t, "changed", done.Changed, "channels/channel-definition[more]: <nil> to more (0, 0)", "services/service/destination[fresh]: <nil> to fresh (0, 0)")
		wantChanges(t, "needs a restart", done.NeedsRestart,
			"channels/channel-definition[streaming]: streaming to <nil> (1, 1)", "channels/channel-definition[renamed]: <nil> to renamed (0, 0)",
			"channels/channel-definition[elsewhere]: <nil> to elsewhere (0, 0)", "services/service/destination[chat]: chat to <nil> (1, 1)")

		status, lines, _ := r.Post("/more", `{"type":"command","operation":"client_ping","messageId":"c","headers":{"DSId":"nil"}}
{"type":"command","operation":"subscribe","messageId":"s","destination":"fresh"}
{"type":"async","messageId":"m","destination":"fresh","body":1}`)
		if status != http.StatusOK || len(lines) != 3 || lines[1].Text("type") != "acknowledge" || lines[2].Text("type") != "acknowledge" {
			t.Errorf("on what is new: %d %v", status, lines)
		}
		old.Publish("chat", "", "still here")
		old.WantMessages("still here")
		r.Connect(channel.Streaming).Subscribe("chat", "")
		if body := bodyOf(r.Do("GET", "/config.json", "")); !strings.Contains(body, `"id":"more"`) || !strings.Contains(body, `"id":"streaming"`) || strings.Contains(body, "elsewhere") {
			t.Errorf("config.json: %s", body)
		}
	})
}

// A right that is taken away ends the subscriptions that need it, by a line with the code; the others go on.
func TestReloadTakesRightsAway(t *testing.T) {
	endpointtest.Each(t, nil, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		chat := c.Subscribe("chat", "")
		c.Subscribe("plain", "")
		_, err := r.Server.Reload(endpointtest.Options(func(o *server.Options) {
			o.Constraints = []channel.SecurityConstraint{{ID: "users"}}
			o.Destinations[0].Constraint = "users"
		}))
		if err != nil {
			t.Fatal(err)
		}
		if line := c.Next(); line.Text("operation") != "subscription_invalidate" || line.Text("clientId") != chat || line.Code() != message.CodeLoginRequired {
			t.Errorf("got %v", line)
		}
		c.WantRefusal(c.Publish("chat", "", "no"), message.CodeLoginRequired)
		c.Publish("plain", "", "yes")
		c.WantMessages("yes")
	})
}

// A request that is under way goes to its end by the terms it began with.
func TestReloadUnderWay(t *testing.T) {
	reloading(t, nil, func(t *testing.T, r *endpointtest.Rig, reload func(func(*server.Options)) *server.Reloaded) {
		slow := r.Raw()
		slow.Send("POST /longpoll/chat HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2002\r\n\r\n\"" + strings.Repeat("x", 1000))
		stream := r.Connect(channel.Streaming)
		synctest.Wait()
		reload(each(func(d *channel.ChannelDefinition) { d.MaxMessageSize = 100; d.MaxStreamingClients = 1 }))
		slow.Send(strings.Repeat("x", 1000) + "\"")
		if resp, lines := slow.Answer(); resp.StatusCode != http.StatusOK {
			t.Errorf("%d %v", resp.StatusCode, lines)
		}
		if status, lines, _ := r.Post("/longpoll/chat", `"`+strings.Repeat("x", 200)+`"`); status != http.StatusRequestEntityTooLarge {
			t.Errorf("a new request: %d %v", status, lines)
		}
		if status, lines, _ := r.Fetch("GET", "/streaming/chat", ""); lines[0].Code() != message.CodeLimitStreams {
			t.Errorf("a second stream: %d %v", status, lines)
		}
		stream.Publish("chat", "", "still here")
	})
}

// bodyOf reads an answer to its end.
func bodyOf(resp *http.Response) string {
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body)
}
