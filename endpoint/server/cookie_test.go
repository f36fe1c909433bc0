package server_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// setCookies are the cookies that an answer sets.
func setCookies(h http.Header) []*http.Cookie { return (&http.Response{Header: h}).Cookies() }

// The cookie is as strict as it can be for where the page comes from.
func TestCookieAttributes(t *testing.T) {
	proxied := func(o *server.Options) {
		allow(foreign)(o)
		o.Listeners[0].TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}
	}
	for _, c := range []struct {
		name, secure string
		headers      []string
		want         string
	}{
		{"plain", "", nil, "Path=/; HttpOnly; SameSite=Lax"},
		{"own page", "", []string{"Origin", "http://sluice.test"}, "Path=/; HttpOnly; SameSite=Lax"},
		{"TLS", "", []string{"X-Forwarded-Proto", "https"}, "Path=/; HttpOnly; Secure; SameSite=Lax"},
		{"allowed page over TLS", "", []string{"X-Forwarded-Proto", "https", "Origin", foreign}, "Path=/; HttpOnly; Secure; SameSite=None; Partitioned"},
		{"allowed page without TLS", "", []string{"Origin", foreign}, "Path=/; HttpOnly; SameSite=Lax"},
		{"always secure", "true", nil, "Path=/; HttpOnly; Secure; SameSite=Lax"},
		{"never secure", "false", []string{"X-Forwarded-Proto", "https"}, "Path=/; HttpOnly; SameSite=Lax"},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := func(o *server.Options) { proxied(o); o.CookieSecure, o.CookieName = c.secure, "ours" }
			endpointtest.Run(t, set, func(t *testing.T, r *endpointtest.Rig) {
				_, _, h := r.Post("/longpoll", connectLine, c.headers...)
				if all := h.Values("Set-Cookie"); len(all) != 1 || !strings.HasPrefix(all[0], "ours=") || !strings.HasSuffix(all[0], "; "+c.want) || strings.Count(all[0], ";") != strings.Count(c.want, ";")+1 {
					t.Errorf("it set %q, want …; %s", all, c.want)
				}
			})
		})
	}
}

// Only connect, login and logout set a cookie. Nothing else does, with a cookie or without, whether it is served or refused.
func TestNoOtherAnswerSetsACookie(t *testing.T) {
	users := users(t)
	for _, kind := range []channel.Kind{channel.Streaming, channel.LongPoll} {
		t.Run(string(kind), func(t *testing.T) {
			endpointtest.Run(t, users, func(t *testing.T, r *endpointtest.Rig) {
				c := r.Connect(kind)
				for _, cookie := range []string{"", c.Cookie, "SluiceSessionId=unknown", "SluiceSessionId=" + strings.Repeat("x", 1000)} {
					for path, body := range map[string]string{
						"/" + string(kind):         `{"type":"command","operation":"subscribe","destination":"chat"}`,
						"/longpoll":                c.PollLine(0, 0),
						"/streaming?command=close": "",
						"/longpoll/chat":           "1",
					} {
						_, _, h := r.Post(path, body, append(c.Auth(), "Cookie", cookie)...)
						if h.Get("Set-Cookie") != "" {
							t.Errorf("%s with cookie %.20q: %q", path, cookie, h.Get("Set-Cookie"))
						}
						status, lines, h := r.Post(path, body, "Cookie", cookie)
						if path != "/longpoll/chat" && (status != 401 || lines[0].Code() != message.CodeNotConnected) || h.Get("Set-Cookie") != "" {
							t.Errorf("%s without a bearer and cookie %.20q: %d %v %q", path, cookie, status, lines, h.Get("Set-Cookie"))
						}
					}
					for _, path := range []string{"/streaming/chat", "/config.json", "/"} {
						resp := r.Do("GET", path, "", "Cookie", cookie)
						if resp.Body.Close(); resp.Header.Get("Set-Cookie") != "" {
							t.Errorf("GET %s: %q", path, resp.Header.Get("Set-Cookie"))
						}
					}
				}
			})
		})
	}
}

// A client that came over a WebSocket and goes on over HTTP gets no cookie for that, and what is made for it ends with it.
func TestNoCookieForAClientOfAWebSocket(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		ws := r.Connect(channel.WebSocket)
		status, lines, h := r.Post("/longpoll", `{"type":"command","operation":"subscribe","destination":"chat","messageId":"s","seq":1}`, ws.Auth()...)
		if status != 200 || lines[0].Text("type") != "acknowledge" || h.Get("Set-Cookie") != "" {
			t.Fatalf("%d %v %v", status, lines, h)
		}
		status, lines, h = r.Post("/longpoll", ws.PollLine(2, 0), ws.Auth()...)
		if status != 200 || lines[0].Text("operation") != "attached" || h.Get("Set-Cookie") != "" {
			t.Fatalf("%d %v %v", status, lines, h)
		}
		if n := r.Server.Registry().Records(); n != 1 {
			t.Errorf("%d records", n)
		}
		r.Post("/longpoll", `{"type":"command","operation":"disconnect","seq":2}`, ws.Auth()...)
		synctest.Wait()
		if n := r.Server.Registry().Records(); n != 0 {
			t.Errorf("%d records after its end", n)
		}
	})
}

// Two tabs of one browser share the session and the user of its cookie, but are two clients.
func TestTwoTabs(t *testing.T) {
	endpointtest.Run(t, users(t), func(t *testing.T, r *endpointtest.Rig) {
		one := r.Connect(channel.LongPoll)
		_, _, h := r.Post("/longpoll", `{"type":"command",`+loginFields("ann", "secret")+`}`, one.Auth()...)
		cookie := "SluiceSessionId=" + setCookies(h)[0].Value
		two := r.Connect(channel.LongPoll, "Cookie", cookie)
		if two.ID == one.ID || two.Secret == one.Secret {
			t.Error("two tabs are one client")
		}
		if two.Cookie != "" {
			t.Errorf("a known cookie is set again: %q", two.Cookie)
		}
		synctest.Wait()
		if n := len(r.Server.Registry().Sessions()); n != 1 {
			t.Errorf("%d sessions, want one", n)
		}
		for _, c := range r.Server.Registry().Clients() {
			if p := c.Principal(); p == nil || p.Name != "ann" {
				t.Errorf("a tab is of %v, want ann", p)
			}
		}
		// one's bearer does not open two
		status, _, _ := r.Post("/longpoll", two.PollLine(1, 0), "Authorization", "Bearer "+two.ID+"."+one.Secret, "Cookie", cookie)
		if status != 401 {
			t.Errorf("with the other tab's secret: %d", status)
		}
		one.Subscribe("chat", "")
		two.Publish("chat", "", "hello")
		one.WantMessages("hello")
		two.Nothing(time.Minute)
	})
}

// Login gives the cookie a new value; the old one, which somebody may have planted, is worth nothing, whether or not it came with the request.
func TestLoginRenewsTheCookie(t *testing.T) {
	for _, sent := range []bool{true, false} {
		t.Run(fmt.Sprintf("cookie sent %v", sent), func(t *testing.T) {
			endpointtest.Run(t, users(t), func(t *testing.T, r *endpointtest.Rig) {
				c := r.Connect(channel.Streaming)
				headers := c.Auth()
				if sent {
					headers = append(headers, "Cookie", c.Cookie)
				}
				_, lines, h := r.Post("/streaming", login("ann", "secret", 1), headers...)
				set := setCookies(h)
				if lines[0].Text("type") != "acknowledge" || len(set) != 1 || strings.HasSuffix(c.Cookie, set[0].Value) {
					t.Fatalf("login: %v %v", lines, set)
				}
				for cookie, user := range map[string]any{c.Cookie: nil, "SluiceSessionId=" + set[0].Value: "ann"} {
					_, lines, _ := r.Post("/longpoll", connectLine, "Cookie", cookie)
					if body := lines[0]["body"].(map[string]any); body["user"] != user {
						t.Errorf("a client under %s is of %v, want %v", cookie, body["user"], user)
					}
				}
				_, lines, h = r.Post("/streaming", `{"type":"command","operation":"logout","seq":2}`, c.Auth()...)
				if after := setCookies(h); lines[0].Text("type") != "acknowledge" || len(after) != 1 || after[0].Value == set[0].Value {
					t.Fatalf("logout: %v %v", lines, after)
				}
				_, lines, _ = r.Post("/longpoll", connectLine, "Cookie", "SluiceSessionId="+set[0].Value)
				if body := lines[0]["body"].(map[string]any); body["user"] != nil {
					t.Errorf("after the logout its cookie still makes clients of %v", body["user"])
				}
			})
		})
	}
}

// Another session's cookie is not touched by a login that brings it.
func TestLoginWithAForeignCookie(t *testing.T) {
	endpointtest.Run(t, users(t), func(t *testing.T, r *endpointtest.Rig) {
		victim, c := r.Connect(channel.LongPoll), r.Connect(channel.Streaming)
		r.Post("/streaming", login("ann", "secret", 1), append(c.Auth(), "Cookie", victim.Cookie)...)
		if _, _, h := r.Post("/longpoll", connectLine, "Cookie", victim.Cookie); h.Get("Set-Cookie") != "" {
			t.Error("the cookie of the other session is worth nothing any more")
		}
	})
}

// Where no cookie ever comes back, the bearer alone is enough for everything.
func TestWithoutCookies(t *testing.T) {
	for _, kind := range []channel.Kind{channel.Streaming, channel.LongPoll} {
		t.Run(string(kind), func(t *testing.T) {
			endpointtest.Run(t, users(t), func(t *testing.T, r *endpointtest.Rig) {
				c := r.Connect(kind) // the rig's client never sends a cookie
				c.Subscribe("chat", "")
				if reply := c.Do("command", loginFields("ann", "secret")); reply.Text("type") != "acknowledge" {
					t.Fatal(reply)
				}
				c.Subscribe("members", "")
				c.Publish("members", "", "ours")
				c.WantMessages("ours")
				if reply := c.Do("command", `"operation":"logout"`); reply.Text("type") != "acknowledge" {
					t.Fatal(reply)
				}
				c.WantEnd(message.CodeLogout)
			})
		})
	}
}
