package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/cmd/internal/config"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// limitProbes are of the bounds: as many as may be succeed, and one more is refused by a code that names the setting and its value.
func limitProbes() []probe {
	const ch, fc = "channels/channel-definition/properties/", "flex-client/"
	long := strings.Repeat("x", 300)
	return []probe{
		{setting: ch + "max-connections", add: page{"websocket-properties": "<max-connections>2</max-connections>"},
			see:  func(w *world) string { return times(3, func(int) string { return handshake(w) }) },
			want: seen("101, 101, 101", "101, 101, 503 limit-connections max-connections=2")},
		{setting: ch + "max-streaming-clients", add: page{"streaming-properties": "<max-streaming-clients>2</max-streaming-clients>"},
			see: streams(3), want: seen("a stream, a stream, a stream", "a stream, a stream, 503 limit-streams max-streaming-clients=2")},
		{setting: ch + "max-streaming-clients", add: page{"streaming-properties": "<max-streaming-clients>0</max-streaming-clients>"},
			see: streams(1), want: seen("a stream", "503 limit-streams max-streaming-clients=0")},
		{setting: ch + "max-waiting-poll-requests", add: page{"longpoll-properties": "<max-waiting-poll-requests>2</max-waiting-poll-requests>"},
			see: polls(3), want: seen("25s ok 1, 25s ok 1, 25s ok 1", "25s ok 1, 25s ok 1, 0s limit-polls 3000")},
		{setting: ch + "max-waiting-poll-requests", add: page{"longpoll-properties": "<max-waiting-poll-requests>0</max-waiting-poll-requests>"},
			see: polls(1), want: seen("25s ok 1", "0s ok 3000")},
		{setting: ch + "max-message-size-bytes", add: page{"all-properties": "<max-message-size-bytes>256</max-message-size-bytes>"},
			see: func(w *world) string {
				return times(3, func(i int) string {
					c := w.Connect(endpointtest.Kinds[i])
					c.Send(publishLine("plain", "", long))
					return says(c.Next())
				}) + ", " + w.post("/streaming/plain", `"`+long+`"`)
			},
			want: seen("ok, ok, ok, ok", strings.Repeat("message-too-big max-message-size-bytes=256, ", 3)+"413 message-too-big max-message-size-bytes=256")},
		{setting: ch + "max-request-size-bytes", common: page{"all-properties": "<max-message-size-bytes>256</max-message-size-bytes>"},
			add: page{"all-properties": "<max-request-size-bytes>512</max-request-size-bytes>"},
			see: func(w *world) string {
				many := strings.Repeat(pingLine, 10)
				c := w.Connect(channel.WebSocket)
				c.Send(many)
				return w.post("/streaming", connectLine+many) + ", " + w.post("/longpoll", connectLine+many) + ", " + says(c.Next())
			},
			want: seen(strings.Repeat("ok ok ok ok ok ok ok ok ok ok ok, ", 2)+"ok", strings.Repeat("413 message-too-big max-request-size-bytes=512, ", 2)+"message-too-large max-request-size-bytes=512")},

		{setting: fc + "max-unconfirmed-messages", add: page{"flex-client": "<max-unconfirmed-messages>16</max-unconfirmed-messages>"},
			see: received(20, "x"), want: seen("21 lines", "16 lines")},
		{setting: fc + "max-unconfirmed-bytes", add: page{"flex-client": "<max-unconfirmed-bytes>4096</max-unconfirmed-bytes>"},
			see: received(20, strings.Repeat("x", 1000)), want: seen("21 lines", "4 lines")},
		{setting: fc + "max-waiting-messages", common: page{"flex-client": "<max-unconfirmed-messages>16</max-unconfirmed-messages>"},
			add: page{"flex-client": "<max-waiting-messages>3</max-waiting-messages>"},
			see: received(20, "x"), want: seen("16 lines", "16 lines, slow-consumer max-waiting-messages=3")},
		{setting: fc + "max-waiting-bytes", common: page{"flex-client": "<max-unconfirmed-messages>16</max-unconfirmed-messages>"},
			add: page{"flex-client": "<max-waiting-bytes>4096</max-waiting-bytes>"},
			see: received(20, strings.Repeat("x", 1000)), want: seen("16 lines", "16 lines, slow-consumer max-waiting-bytes=4096")},
		{setting: fc + "max-subscriptions", add: page{"flex-client": "<max-subscriptions>2</max-subscriptions>"},
			see: func(w *world) string {
				_, auth := w.welcome("/longpoll")
				return times(3, func(int) string { return w.post("/longpoll", subscribeLine("plain", ""), auth...) })
			},
			want: seen("ok, ok, ok", "ok, ok, limit-subscriptions max-subscriptions=2")},
		{setting: fc + "max-open-requests", add: page{"flex-client": "<max-open-requests>2</max-open-requests>"},
			see: func(w *world) string {
				c := w.Connect(channel.WebSocket)
				return w.told("/longpoll", "maxOpenRequests") + ": " + times(3, func(int) string { return says(c.Publish("plain", "", "x")) })
			},
			want: seen("256: ok, ok, ok", "2: ok, ok, too-many-requests max-open-requests=2")},
		{setting: fc + "max-kept-reply-bytes", add: page{"flex-client": "<max-kept-reply-bytes>1024</max-kept-reply-bytes>"},
			see: func(w *world) string { // each reply names the message it is to, in 256 bytes
				_, auth := w.welcome("/longpoll")
				return times(5, func(i int) string {
					return w.post("/longpoll", fmt.Sprintf(`{"type":"async","messageId":"%0256d","seq":%d,"destination":"plain","body":1}`, i, i+1), auth...)
				})
			},
			want: seen("ok, ok, ok, ok, ok", "ok, ok, ok, ok, too-many-requests max-kept-reply-bytes=1024")},
		{setting: fc + "max-clients", add: page{"flex-client": "<max-clients>2</max-clients>"},
			see: connects(3), want: seen("ok, ok, ok", "ok, ok, limit-clients max-clients=2")},
		{setting: fc + "max-sessions", add: page{"flex-client": "<max-sessions>2</max-sessions>"},
			see: connects(3), want: seen("ok, ok, ok", "ok, ok, limit-sessions max-sessions=2")},
		{setting: fc + "max-clients-per-session", add: page{"flex-client": "<max-clients-per-session>2</max-clients-per-session>"},
			see: func(w *world) string {
				_, auth := w.welcome("/longpoll")
				return times(2, func(int) string { return w.post("/streaming", connectLine, auth[2:]...) }) + "; " + w.post("/streaming", connectLine)
			},
			want: seen("ok, ok; ok", "ok, limit-clients-per-session max-clients-per-session=2; ok")},
		{setting: fc + "max-remembered-ends", add: page{"flex-client": "<max-remembered-ends>2</max-remembered-ends>"},
			see: func(w *world) string {
				var ended [3][]string
				for i := range ended {
					_, ended[i] = w.welcome("/longpoll")
					w.post("/longpoll", `{"type":"command","operation":"disconnect","messageId":"d"}`, ended[i]...)
				}
				return times(3, func(i int) string { return w.post("/longpoll", pingLine, ended[i]...) })
			},
			want: seen("401 client-disconnect, 401 client-disconnect, 401 client-disconnect", "401 unknown-client, 401 client-disconnect, 401 client-disconnect")},
		{setting: fc + "max-tickets", add: page{"flex-client": "<max-tickets>2</max-tickets>"},
			see: func(w *world) string {
				_, auth := w.welcome("/longpoll")
				var tickets [3]string
				for i := range tickets {
					_, lines, _ := w.Post("/longpoll", `{"type":"command","operation":"ticket","messageId":"t"}`, auth...)
					tickets[i], _ = lines[0]["body"].(map[string]any)["ticket"].(string)
				}
				return times(3, func(i int) string { return w.post("/longpoll/plain?ticket="+tickets[i], "1") })
			},
			want: seen("ok, ok, ok", "401 bad-ticket, ok, ok")},
		{setting: "api/max-remembered-message-ids", add: page{"api": "<max-remembered-message-ids>2</max-remembered-message-ids>"},
			see: func(w *world) string {
				ids := []string{"a", "b", "c", "c", "a"}
				return times(len(ids), func(i int) string {
					answer := w.api("POST", "/publish", fmt.Sprintf(`{"destination":"plain","messageId":%q,"body":1}`, ids[i]))
					if answer["duplicate"] == true {
						return "known"
					}
					return "new"
				})
			},
			want: seen("new, new, new, known, known", "new, new, new, known, new")},
		{setting: "security/max-login-failures-per-minute", common: login, add: page{"security": "<max-login-failures-per-minute>2</max-login-failures-per-minute>"},
			see: func(w *world) string {
				_, auth := w.welcome("/longpoll")
				return times(3, func(int) string { return w.post("/longpoll", loginLine("alice", "queen"), auth...) })
			},
			want: seen("bad-credentials, bad-credentials, bad-credentials", "bad-credentials, bad-credentials, limit-logins max-login-failures-per-minute=2")},
		{setting: "security/max-counted-addresses", common: login.and(page{"security": "<max-login-failures-per-minute>1</max-login-failures-per-minute>"}),
			add: page{"security": "<max-counted-addresses>1</max-counted-addresses>"},
			see: func(w *world) string { // the count of the name takes the place of the address's, and the next name that of the first
				_, auth := w.welcome("/longpoll")
				users := []string{"alice", "alice", "bob", "alice"}
				return times(len(users), func(i int) string { return w.post("/longpoll", loginLine(users[i], "queen"), auth...) })
			},
			want: seen("bad-credentials, limit-logins max-login-failures-per-minute=1, limit-logins max-login-failures-per-minute=1, limit-logins max-login-failures-per-minute=1",
				"bad-credentials, limit-logins max-login-failures-per-minute=1, bad-credentials, bad-credentials")},
		{setting: fc + "max-pending-messages", add: page{"flex-client": "<max-pending-messages>2</max-pending-messages>"},
			see: pending, want: seen("ok, ok, ok", "ok, ok, 503 overloaded max-pending-messages")},
	}
}

// handshake opens a WebSocket that stays open.
func handshake(w *world) string {
	c := w.Raw()
	c.Request("GET", "/websocket", "", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
	resp := c.Head()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return "101"
	}
	return answered(resp)
}

// streams opens n of them, each of a client of its own.
func streams(n int) func(w *world) string {
	return func(w *world) string {
		return times(n, func(int) string { return w.openStream("/streaming") })
	}
}

// polls makes n of them at a time, each of a client of its own, and says for each how long it was held, its answer, and the pause after it in milliseconds.
func polls(n int) func(w *world) string {
	return func(w *world) string {
		answers := make([]chan string, n)
		for i := range answers {
			answers[i] = make(chan string, 1)
			_, auth := w.welcome("/longpoll")
			go func() { answers[i] <- poll(w, "/longpoll", auth) }()
			time.Sleep(time.Second)
		}
		return times(n, func(i int) string { return <-answers[i] })
	}
}

func poll(w *world, path string, auth []string) string {
	var last endpointtest.Line
	held := took(func() {
		_, lines, _ := w.Post(path, pollLine(1), auth...)
		last = lines[len(lines)-1]
	})
	return fmt.Sprintf("%s %s %v", held, says(last), last["headers"].(map[string]any)["DSPollWait"])
}

// received says how many lines a client gets that subscribes, and confirms nothing of n messages, and how it ends if it does.
func received(n int, body string) func(w *world) string {
	return func(w *world) string {
		c := w.Connect(channel.WebSocket)
		c.Send(subscribeLine("plain", ""))
		c.Next() // the reply
		publisher := w.Connect(channel.WebSocket)
		for range n {
			publisher.Publish("plain", "", body)
			synctest.Wait() // it is written before the next one comes: a burst waits for its writer, too
		}
		if w.api("GET", "/clients/"+c.ID, "")["ended"] == nil {
			c.Send(pingLine) // its reply is the last line, else the end is
		}
		lines := 0
		for line := c.Next(); ; line = c.Next() {
			switch line.Text("type") {
			case "acknowledge":
				return fmt.Sprintf("%d lines", lines)
			case "control":
				if line.Text("operation") == "slow" { // a warning
					continue
				}
				return fmt.Sprintf("%d lines, %s", lines, says(line))
			}
			lines++
		}
	}
}

// pending publishes to a server that does not deliver yet: while it does, how many wait is a matter of moments.
func pending(w *world) string {
	cfg, _, err := config.Parse("services-config.xml", []byte(w.file.xml(w.t)), config.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	opts, err := serverOptions(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := server.New(opts)
	if err != nil {
		w.t.Fatal(err)
	}
	return times(3, func(int) string {
		r := httptest.NewRequest("POST", "/longpoll/plain", strings.NewReader("1"))
		r.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		s.Handler("main").ServeHTTP(answer, r)
		return answered(answer.Result())
	})
}

func loginLine(user, password string) string {
	return fmt.Sprintf(`{"type":"command","operation":"login","messageId":"l","body":%q}`+"\n", base64Of(user+":"+password))
}
