package server_test

import (
	"net/netip"
	"strings"
	"testing"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

const foreign = "https://app.example.com"

// allow lets pages of the given origins use all channels.
func allow(origins ...string) func(*server.Options) {
	return func(o *server.Options) {
		for i := range o.Channels {
			o.Channels[i].AllowedOrigins = origins
		}
	}
}

// Scripts of foreign pages are kept out, whatever they ask for and however they say where they come from.
func TestForeignOrigin(t *testing.T) {
	endpointtest.Run(t, allow("https://other.example.com"), func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect("longpoll")
		cookie := []string{"Cookie", c.Cookie}
		for _, headers := range [][]string{
			{"Origin", foreign}, {"Origin", "null"}, {"Origin", "https://sluice.test.example.com"}, {"Origin", "http://other.example.com"}, {"Origin", "https://other.example.com:444"},
			{"Origin", foreign, "Sec-Fetch-Site", "cross-site"},
		} {
			for _, path := range []string{"/longpoll", "/streaming", "/streaming?command=open", "/longpoll/chat", "/streaming/chat"} {
				status, lines, h := r.Post(path, connectLine, append(cookie, headers...)...)
				if status != 403 || len(lines) != 1 || lines[0].Code() != message.CodeForeignOrigin || lines[0].Text("setting") != "allowed-origins" {
					t.Errorf("POST %s of %q: %d %v", path, headers, status, lines)
				}
				// the page may read the refusal, to know that it is one, and nothing that cookies would give
				if h.Get("Access-Control-Allow-Origin") != headers[1] || h.Get("Access-Control-Allow-Credentials") != "" || h.Get("Set-Cookie") != "" {
					t.Errorf("POST %s of %q is answered with %v", path, headers, h)
				}
			}
			status, lines, _ := r.Fetch("GET", "/streaming/chat", "", append(cookie, headers...)...)
			if status != 403 || lines[0].Code() != message.CodeForeignOrigin {
				t.Errorf("GET of %q: %d %v", headers, status, lines)
			}
			raw := r.Raw()
			raw.Request("GET", "/websocket", "", append(pairs(headers), "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")...)
			if resp, lines := raw.Answer(); resp.StatusCode != 403 || lines[0].Code() != message.CodeForeignOrigin {
				t.Errorf("WebSocket of %q: %d %v", headers, resp.StatusCode, lines)
			}
		}
		// a browser that does not send Origin still says that the request comes from elsewhere
		for _, site := range []string{"cross-site", "same-site"} {
			status, lines, _ := r.Post("/longpoll", connectLine, append(cookie, "Sec-Fetch-Site", site)...)
			if status != 403 || lines[0].Code() != message.CodeForeignOrigin {
				t.Errorf("%s: %d %v", site, status, lines)
			}
		}
		c.Subscribe("chat", "")
	})
}

// Pages of the server itself, and programs that are no pages, need no permission.
func TestOwnOrigin(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		for _, headers := range [][]string{
			nil, {"Origin", "http://sluice.test"}, {"Origin", "https://sluice.test"}, {"Sec-Fetch-Site", "same-origin", "Origin", "http://sluice.test"}, {"Sec-Fetch-Site", "none"},
		} {
			if status, lines, _ := r.Post("/longpoll", connectLine, headers...); status != 200 || lines[0].Text("type") != "acknowledge" {
				t.Errorf("%q: %d %v", headers, status, lines)
			}
			r.Connect("websocket", headers...)
		}
	})
}

// An allowed page gets the headers of CORS, with credentials, on answers of every kind, refusals too; its preflight says what it may send.
func TestAllowedOrigin(t *testing.T) {
	endpointtest.Run(t, allow(foreign), func(t *testing.T, r *endpointtest.Rig) {
		page := []string{"Origin", foreign, "Sec-Fetch-Site", "cross-site"}
		for path, body := range map[string]string{"/longpoll": connectLine, "/streaming": "nonsense", "/longpoll/nowhere": "1"} {
			_, _, h := r.Post(path, body, page...)
			if h.Get("Access-Control-Allow-Origin") != foreign || h.Get("Access-Control-Allow-Credentials") != "true" || !strings.Contains(strings.Join(h.Values("Vary"), ","), "Origin") {
				t.Errorf("%s: %v", path, h)
			}
		}
		r.Connect("websocket", page...)
		for _, path := range []string{"/longpoll", "/streaming", "/streaming/chat/a"} {
			resp := r.Do("OPTIONS", path, "", "Origin", foreign, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type")
			resp.Body.Close()
			h := resp.Header
			if resp.StatusCode/100 != 2 || h.Get("Access-Control-Allow-Origin") != foreign || h.Get("Access-Control-Allow-Methods") != "POST" ||
				h.Get("Access-Control-Allow-Credentials") != "true" || !strings.EqualFold(strings.ReplaceAll(h.Get("Access-Control-Allow-Headers"), " ", ""), "authorization,content-type") || h.Get("Access-Control-Max-Age") != "600" {
				t.Errorf("preflight of %s: %d %v", path, resp.StatusCode, h)
			}
			for _, denied := range [][]string{
				{"Origin", "https://evil.example.com", "Access-Control-Request-Method", "POST"},
				{"Origin", foreign, "Access-Control-Request-Method", "DELETE"},
				{"Origin", foreign, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "x-other"},
			} {
				resp := r.Do("OPTIONS", path, "", denied...)
				if resp.Body.Close(); resp.Header.Get("Access-Control-Allow-Methods") != "" {
					t.Errorf("preflight %q of %s: %v", denied, path, resp.Header)
				}
			}
		}
	})
}

// With "*" any page may use a channel, but none with the user's cookies: they came along by themselves, and let it act as the user.
func TestAnyOrigin(t *testing.T) {
	both := users(t)
	set := func(o *server.Options) { both(o); allow("*", "https://listed.example.com")(o) }
	endpointtest.Run(t, set, func(t *testing.T, r *endpointtest.Rig) {
		tab := r.Connect(channel.LongPoll)
		_, _, h := r.Post("/longpoll", login("ann", "secret", 1), tab.Auth()...)
		cookie := []string{"Cookie", "SluiceSessionId=" + setCookies(h)[0].Value}
		for _, c := range []struct {
			name    string
			headers []string
			ann     bool
		}{
			{"a program", nil, true},
			{"the own page", []string{"Origin", "http://sluice.test", "Sec-Fetch-Site", "same-origin"}, true},
			{"a listed page", []string{"Origin", "https://listed.example.com", "Sec-Fetch-Site", "cross-site"}, true},
			{"any page", []string{"Origin", foreign, "Sec-Fetch-Site", "cross-site"}, false},
			{"any page of an old browser", []string{"Origin", foreign}, false},
			{"a picture of any page", []string{"Sec-Fetch-Site", "cross-site"}, false},
			{"a hidden page", []string{"Origin", "null"}, false},
		} {
			headers := append(c.headers, cookie...)
			status, lines, h := r.Post("/streaming", connectLine, headers...)
			if status != 200 || lines[0].Text("type") != "acknowledge" || (lines[0]["body"].(map[string]any)["user"] == "ann") != c.ann || h.Get("Set-Cookie") != "" {
				t.Errorf("%s connects: %d %v %v", c.name, status, lines, h)
			}
			if (c.name == "a listed page") != (h.Get("Access-Control-Allow-Credentials") == "true") || c.name == "any page" && h.Get("Access-Control-Allow-Origin") == "" {
				t.Errorf("%s may do with the answer: %v", c.name, h)
			}
			if status, lines, _ := r.Post("/longpoll/members", "1", headers...); (status == 200) != c.ann {
				t.Errorf("%s publishes: %d %v", c.name, status, lines)
			}
			resp := r.Do("GET", "/streaming/listen", "", headers...)
			if resp.Body.Close(); (resp.StatusCode == 200) != c.ann {
				t.Errorf("%s reads: %d", c.name, resp.StatusCode)
			}
			if c.name == "a picture of any page" {
				continue // has no WebSocket
			}
			if reply := r.Connect(channel.WebSocket, headers...).Publish("members", "", "x"); (reply.Text("type") == "acknowledge") != c.ann {
				t.Errorf("%s over a WebSocket: %v", c.name, reply)
			}
		}
		// it gets no cookie of its own either, and logs in all the same
		page := r.Connect(channel.LongPoll, "Origin", foreign, "X-Forwarded-Proto", "https")
		_, lines, h := r.Post("/longpoll", login("bob", "secret", 1), append(page.Auth(), "Origin", foreign)...)
		if page.Cookie != "" || h.Get("Set-Cookie") != "" || lines[0].Text("type") != "acknowledge" {
			t.Errorf("any page has the cookies %q, %v: %v", page.Cookie, h, lines)
		}
		// a login there makes the cookie of before worth nothing, though it sets no other
		tab = r.Connect(channel.LongPoll)
		_, lines, h = r.Post("/longpoll", login("ann", "secret", 1), append(tab.Auth(), "Origin", foreign)...)
		if lines[0].Text("type") != "acknowledge" || h.Get("Set-Cookie") != "" {
			t.Errorf("%v %v", lines, h)
		}
		_, lines, _ = r.Post("/longpoll", connectLine, "Cookie", tab.Cookie)
		if lines[0]["body"].(map[string]any)["user"] != nil {
			t.Errorf("the cookie of before is that of ann: %v", lines)
		}
	})
}

// A page that came without TLS may have been written by whoever is on the line: the same host makes it none of ours.
func TestOriginWithoutTLS(t *testing.T) {
	proxied := func(o *server.Options) {
		o.Listeners[0].TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}
	}
	endpointtest.Run(t, proxied, func(t *testing.T, r *endpointtest.Rig) {
		for _, c := range []struct {
			headers []string
			status  int
		}{
			{[]string{"Origin", "https://sluice.test", "X-Forwarded-Proto", "https"}, 200},
			{[]string{"Origin", "http://sluice.test", "X-Forwarded-Proto", "https"}, 403},
			{[]string{"Origin", "http://sluice.test", "Sec-Fetch-Site", "cross-site"}, 403}, // the proxy did not say
			{[]string{"Origin", "http://sluice.test"}, 200},
		} {
			if status, lines, _ := r.Post("/longpoll", connectLine, c.headers...); status != c.status {
				t.Errorf("%q: %d %v", c.headers, status, lines)
			}
		}
		status, lines, _ := r.Fetch("GET", "/streaming/chat", "", "Origin", "http://sluice.test", "X-Forwarded-Proto", "https")
		if status != 403 || lines[0].Code() != message.CodeForeignOrigin {
			t.Errorf("GET: %d %v", status, lines)
		}
	})
}
