package server_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
)

// browser is one cookie with a tab on each kind of channel, each of which has subscribed to chat.
type browser struct {
	*endpointtest.Rig
	cookie string
	tabs   map[channel.Kind]*endpointtest.Client
}

// browse opens one; its user is ann if there are users.
func browse(r *endpointtest.Rig, user string) *browser {
	b := &browser{Rig: r, tabs: map[channel.Kind]*endpointtest.Client{}}
	first := r.Connect(channel.LongPoll)
	b.cookie = first.Cookie
	if user != "" {
		_, _, h := r.Post("/longpoll", `{"type":"command",`+loginFields(user, "secret")+`}`, append(first.Auth(), "Cookie", b.cookie)...)
		b.cookie, _, _ = strings.Cut(h.Get("Set-Cookie"), ";")
	}
	b.tabs[channel.LongPoll] = first
	for _, kind := range []channel.Kind{channel.Streaming, channel.WebSocket} {
		b.tabs[kind] = r.Connect(kind, "Cookie", b.cookie)
	}
	for _, tab := range b.tabs {
		tab.Subscribe("chat", "")
	}
	synctest.Wait()
	return b
}

// wantWell: all tabs but one are served, and get what is published.
func (b *browser) wantWell(but *endpointtest.Client) {
	b.T.Helper()
	b.Post("/longpoll/chat", `"to all"`)
	for kind, tab := range b.tabs {
		if tab == but {
			continue
		}
		tab.WantMessages("to all")
		if reply := tab.Publish("plain", "", "x"); reply.Text("type") != "acknowledge" {
			b.T.Errorf("the tab on %s: %v", kind, reply)
		}
	}
}

// wantEnds: all tabs but one are told that end on what they hold, and are gone.
func (b *browser) wantEnds(code message.Code, but *endpointtest.Client) {
	b.T.Helper()
	for kind, tab := range b.tabs {
		if tab == but {
			continue
		}
		tab.WantEnd(code)
		if closed := tab.Next(); kind == channel.WebSocket && closed["status"] != float64(code) {
			b.T.Errorf("the socket was closed by %v, want %v", closed, code)
		}
		if b.Server.Registry().Lookup(tab.ID) != nil {
			b.T.Errorf("the client of the tab on %s lives on", kind)
		}
	}
}

// Tabs of one browser are clients of their own: each gets its messages over its own connection, as many as it has asked for, and what one does to its connection does not touch the others.
func TestTabsAreIndependent(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		b := browse(r, "")
		if n := r.Server.Registry().Records(); n != 1 {
			t.Errorf("%d records, want one for the cookie", n)
		}
		b.wantWell(nil)
		for _, tab := range b.tabs {
			own := tab.Subscribe("news", "of."+string(tab.Kind))
			r.Post("/longpoll/news/of."+string(tab.Kind), `"own"`)
			tab.WantMessages("own")
			tab.Do("command", `"operation":"unsubscribe","clientId":"`+own+`"`)
			tab.Next() // the subscription-state
		}
		for _, tab := range b.tabs {
			tab.Nothing(time.Minute) // of the others' subscriptions
		}
		second := r.Connect(channel.Streaming, "Cookie", b.cookie)
		second.Subscribe("chat", "")
		second.DropStream()
		b.wantWell(nil)
		second.Next() // it is closed
		second.OpenStream()
		second.WantMessages("to all")
	})
}

// A tab that goes, however it goes, leaves the others as they are.
func TestTabsThatGo(t *testing.T) {
	for name, leave := range map[string]func(c *endpointtest.Client){
		"vanishes":    func(c *endpointtest.Client) { c.Vanish() },
		"disconnects": func(c *endpointtest.Client) { c.Do("command", `"operation":"disconnect"`) },
		"is left":     func(c *endpointtest.Client) { c.Send(`{"type":"control","operation":"detach"}`) },
	} {
		for _, kind := range endpointtest.Kinds {
			t.Run(name+"/"+string(kind), func(t *testing.T) {
				endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
					b := browse(r, "")
					leave(b.tabs[kind])
					time.Sleep(4 * time.Second)
					b.wantWell(b.tabs[kind])
				})
			})
		}
	}
}

// With invalidate-session-on-disconnect one tab's disconnect over HTTP ends the browser's session, and all others are told so: the stream, the poll that is held, the socket of the same cookie, and a plain
// reader. On a WebSocket the setting has no say.
func TestDisconnectEndsAllTabs(t *testing.T) {
	invalidate := channels(func(c *channel.ChannelDefinition) { c.InvalidateSessionOnDisconnect = true })
	for _, kind := range endpointtest.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			endpointtest.Run(t, invalidate, func(t *testing.T, r *endpointtest.Rig) {
				b, stranger := browse(r, ""), r.Connect(channel.Streaming)
				reader := r.Raw()
				reader.Request("GET", "/streaming/chat", "", "Cookie: "+b.cookie)
				synctest.Wait()
				one := b.tabs[kind]
				if reply := one.Do("command", `"operation":"disconnect"`); reply.Text("type") != "acknowledge" {
					t.Fatal(reply)
				}
				one.WantEnd(message.CodeClientDisconnect)
				if kind == channel.WebSocket {
					b.wantWell(one)
					return
				}
				b.wantEnds(message.CodeSessionInvalidated, one)
				if _, lines := reader.Answer(); lines[len(lines)-1].Code() != message.CodeSessionInvalidated {
					t.Errorf("the plain reader was told %v", lines)
				}
				if clients, sessions := r.Server.Registry().Count(); clients != 1 || sessions != 1 {
					t.Errorf("%d clients and %d sessions are left, want the stranger's", clients, sessions)
				}
				if reply := stranger.Publish("chat", "", "x"); reply.Text("type") != "acknowledge" {
					t.Errorf("another browser: %v", reply)
				}
			})
		})
	}
}

// A logout in one tab ends all that have the login from the cookie, whatever they hold. The cookie's session goes on, without a user, under another value; who has a login of its own goes on too.
func TestLogoutEndsAllTabs(t *testing.T) {
	for _, kind := range endpointtest.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			endpointtest.Run(t, users(t), func(t *testing.T, r *endpointtest.Rig) {
				b := browse(r, "ann")
				one := b.tabs[kind]
				own := r.Connect(channel.WebSocket)
				own.Do("command", loginFields("ann", "secret"))
				path := "/" + string(kind)
				if kind == channel.WebSocket {
					one.Do("command", `"operation":"logout"`)
				} else {
					_, _, h := r.Post(path, `{"type":"command","operation":"logout"}`, append(one.Auth(), "Cookie", b.cookie)...)
					if h.Get("Set-Cookie") == "" || strings.HasPrefix(h.Get("Set-Cookie"), b.cookie+";") {
						t.Errorf("the logout set %q", h.Get("Set-Cookie"))
					}
				}
				b.wantEnds(message.CodeLogout, nil)
				if n := r.Server.Registry().Records(); n != 1 {
					t.Errorf("%d records are left, want the cookie's", n)
				}
				if _, lines, _ := r.Post("/longpoll", connectLine, "Cookie", b.cookie); lines[0]["body"].(map[string]any)["user"] != nil {
					t.Errorf("the next tab is %v", lines[0]["body"])
				}
				own.WantRefusal(own.Do("async", `"destination":"nowhere","body":1`), message.CodeUnknownDestination)
				if reply := own.Do("async", `"destination":"members","body":1`); reply.Text("type") != "acknowledge" {
					t.Errorf("who has logged in for itself: %v", reply)
				}
			})
		})
	}
}
