package server_test

import (
	"bufio"
	"bytes"
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
	"sluice/flexsession"
)

// What a plain POST publishes is the body as it came, in one line; it needs no client and leaves none.
func TestPlainPublish(t *testing.T) {
	for _, path := range []string{"/longpoll/chat/room.1", "/streaming/chat/room.1"} {
		endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
			c := r.Connect(channel.WebSocket)
			c.Subscribe("chat", "room.1")
			status, lines, h := r.Post(path, "{\n  \"text\": \"hi\"\r\n}\n")
			if status != 200 || len(lines) != 1 || lines[0].Text("type") != "acknowledge" || lines[0].Text("correlationId") == "" || h.Get("Set-Cookie") != "" {
				t.Fatalf("%d %v %v", status, lines, h)
			}
			line := c.Next()
			if fmt.Sprint(line["body"]) != "map[text:hi]" || line.Text("messageId") != lines[0].Text("correlationId") || line["headers"].(map[string]any)["DSSubtopic"] != "room.1" {
				t.Errorf("got %v", line)
			}
			if clients, sessions := r.Server.Registry().Count(); clients != 1 || sessions != 1 || r.Server.Registry().Records() != 0 {
				t.Errorf("%d clients, %d sessions", clients, sessions)
			}
		})
	}
}

// What cannot be published is refused with the status of its code, and nobody gets anything.
func TestBadPlainPublish(t *testing.T) {
	endpointtest.Run(t, users(t), func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.WebSocket)
		c.Subscribe("chat", "*")
		for _, bad := range []struct {
			path, body string
			headers    []string
			code       message.Code
		}{
			{"/longpoll/nowhere", "1", nil, message.CodeUnknownDestination},
			{"/longpoll/%ff", "1", nil, message.CodeUnknownDestination},
			{"/longpoll/chat/a", "nonsense", nil, message.CodeBadMessage},
			{"/longpoll/chat/a", "1 2", nil, message.CodeBadMessage},
			{"/longpoll/chat/a", `1,"seq":1`, nil, message.CodeBadField},
			{"/longpoll/chat/a", `1}` + "\n" + `{"type":"async"`, nil, message.CodeBadMessage},
			{"/longpoll/chat/a", "\"\xff\"", nil, message.CodeBadText},
			{"/longpoll/chat/a", "\"\x00\"", nil, message.CodeBadText},
			{"/longpoll/chat/a", strings.Repeat("[", 64) + strings.Repeat("]", 64), nil, message.CodeMessageTooDeep},
			{"/longpoll/chat/a", `"` + strings.Repeat("x", 64<<10) + `"`, nil, message.CodeMessageTooBig},
			{"/longpoll/chat/a", `"` + strings.Repeat("x", 256<<10) + `"`, nil, message.CodeMessageTooBig},
			{"/longpoll/chat/a", "1", []string{"Content-Type", "text/plain"}, message.CodeBadContentType},
			{"/longpoll/chat/a", "", nil, message.CodeBadContentType}, // what a form of a foreign page can send
			{"/longpoll/chat/a", "", []string{"Content-Type", "application/x-www-form-urlencoded"}, message.CodeBadContentType},
			{"/longpoll/chat/a", "1", []string{"Content-Type", "application/x-ndjson"}, message.CodeBadContentType},
			{"/longpoll/chat/*", "1", nil, message.CodeWildcardPublish},
			{"/longpoll/chat/a..b", "1", nil, message.CodeBadSubtopic},
			{"/longpoll/chat/" + strings.Repeat("x", 1025), "1", nil, message.CodeBadSubtopic},
			{"/longpoll/plain/a", "1", nil, message.CodeSubtopicsNotAllowed},
			{"/longpoll/members", "1", nil, message.CodeLoginRequired},
			{"/longpoll/members", "1", []string{"Authorization", basic("bob", "secret")}, message.CodeAccessDenied},
			{"/longpoll/members", "1", []string{"Authorization", basic("ann", "wrong")}, message.CodeBadCredentials},
			{"/longpoll/chat/a?ticket=unknown", "1", nil, message.CodeBadTicket},
		} {
			status, lines, h := r.Post(bad.path, bad.body, bad.headers...)
			if status != bad.code.Info().HTTPStatus || len(lines) != 1 || lines[0].Code() != bad.code || h.Get("Set-Cookie") != "" {
				t.Errorf("%s %.40q: %d %v, want %v", bad.path, bad.body, status, lines, bad.code)
			}
		}
		c.Nothing(time.Minute)
	})
}

// An empty body publishes a message without a body.
func TestPlainPublishOfNothing(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.WebSocket)
		c.Subscribe("chat", "")
		if status, lines, _ := r.Post("/longpoll/chat", "", "Content-Type", "application/json"); status != 200 {
			t.Fatalf("%d %v", status, lines)
		}
		if line := c.Next(); line.Text("type") != "async" || line["body"] != nil {
			t.Errorf("got %v", line)
		}
	})
}

// events reads server-sent events; a comment is an event of its own.
func events(t *testing.T, body io.Reader) func() string {
	r := bufio.NewReader(body)
	return func() string {
		t.Helper()
		var event strings.Builder
		for {
			line, err := r.ReadString('\n')
			if event.WriteString(line); err != nil || line == "\n" {
				return strings.TrimSuffix(event.String(), "\n")
			}
		}
	}
}

// EventSource gets messages and the disconnect, and comments for heartbeats: no line about the connection itself.
func TestEvents(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.WebSocket)
		resp := r.Do("GET", "/streaming/chat/room.*", "", "Accept", "text/event-stream")
		defer resp.Body.Close()
		for name, want := range map[string]string{
			"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff", "Set-Cookie": "",
		} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		next := events(t, resp.Body)
		if e := next(); e != ": open\n" {
			t.Errorf("the first event is %q", e)
		}
		c.Publish("chat", "room.1", "one")
		c.Publish("chat", "elsewhere", "not this")
		c.Publish("chat", "room.2", "two")
		for _, want := range []string{"one", "two"} {
			if e := next(); !strings.HasPrefix(e, `data: {"type":"async",`) || !strings.Contains(e, `"body":"`+want+`"`) || strings.Count(e, "\n") != 1 {
				t.Errorf("event %q, want %s", e, want)
			}
		}
		last := time.Now()
		for range 3 {
			if e, silence := next(), time.Since(last); e != ":\n" || silence < 5*time.Second || silence > 5500*time.Millisecond {
				t.Errorf("%q after %v, want a comment after 5 s", e, silence)
			}
			last = time.Now()
		}
		time.Sleep(time.Millisecond)
		for _, guest := range r.Server.Registry().Clients() {
			if guest.ID() != c.ID {
				guest.End(flexsession.Because(message.CodeAdministrator))
			}
		}
		if e := next(); !strings.HasPrefix(e, "event: disconnect\ndata: "+`{"type":"control","operation":"disconnect","code":4003,`) {
			t.Errorf("the last event is %q", e)
		}
		if e := next(); e != "" {
			t.Errorf("behind the last event: %q", e)
		}
	})
}

// The client behind a GET, its session and its subscription are gone with the request, however that ends.
func TestGuestsVanish(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		for _, accept := range []string{"text/event-stream", "*/*"} {
			resp := r.Do("GET", "/streaming/chat", "", "Accept", accept)
			synctest.Wait()
			if clients, sessions := r.Server.Registry().Count(); clients != 1 || sessions != 1 {
				t.Fatalf("%d clients and %d sessions while it reads", clients, sessions)
			}
			resp.Body.Close()
			synctest.Wait()
			clients, sessions := r.Server.Registry().Count()
			if records, subscriptions := r.Server.Registry().Records(), r.Server.Broker().Destination("chat").Subscribers(); clients+sessions+records+subscriptions != 0 {
				t.Errorf("%d clients, %d sessions, %d records, %d subscriptions are left", clients, sessions, records, subscriptions)
			}
		}
		frozen := r.Raw() // one that takes nothing
		frozen.Request("GET", "/streaming/chat", "")
		frozen.Head()
		clog(t, r, frozen)
		time.Sleep(11 * time.Second)
		if clients, sessions := r.Server.Registry().Count(); clients+sessions+r.Server.Registry().Records() != 0 {
			t.Errorf("%d clients and %d sessions are left of a frozen reader", clients, sessions)
		}
	})
}

// What cannot be read is refused, and leaves nothing.
func TestBadReads(t *testing.T) {
	endpointtest.Run(t, func(o *server.Options) { users(t)(o); closedDestinations(o) }, func(t *testing.T, r *endpointtest.Rig) {
		for _, bad := range []struct {
			path    string
			headers []string
			code    message.Code
		}{
			{"/streaming/nowhere", nil, message.CodeUnknownDestination},
			{"/streaming/chat/a..b", nil, message.CodeBadSubtopic},
			{"/streaming/chat/a*", nil, message.CodeBadSubtopic},
			{"/streaming/plain/a", nil, message.CodeSubtopicsNotAllowed},
			{"/streaming/exact/*", nil, message.CodeWildcardNotAllowed},
			{"/streaming/members", nil, message.CodeLoginRequired},
			{"/streaming/listen", nil, message.CodeLoginRequired},
			{"/streaming/members", []string{"Authorization", basic("bob", "secret")}, message.CodeAccessDenied},
			{"/streaming/members", []string{"Authorization", basic("nobody", "secret")}, message.CodeBadCredentials},
			{"/streaming/members?ticket=x", nil, message.CodeBadTicket},
		} {
			status, lines, h := r.Fetch("GET", bad.path, "", append(bad.headers, "Accept", "text/event-stream")...)
			if status != bad.code.Info().HTTPStatus || len(lines) != 1 || lines[0].Code() != bad.code || h.Get("Set-Cookie") != "" {
				t.Errorf("%s: %d %v, want %v", bad.path, status, lines, bad.code)
			}
		}
		clients, sessions := r.Server.Registry().Count()
		if records := r.Server.Registry().Records(); clients+sessions+records != 0 {
			t.Errorf("%d clients, %d sessions, %d records are left", clients, sessions, records)
		}
	})
}

// Where a constraint with Basic keeps a plain request out, the answer asks for a name and a password (RFC 9110 section 11.6.1), and nowhere else: a browser would ask its user.
func TestBasicChallenge(t *testing.T) {
	endpointtest.Run(t, users(t), func(t *testing.T, r *endpointtest.Rig) {
		for path, want := range map[string]string{"/anyone": `Basic realm="sluice", charset="UTF-8"`, "/members": `Bearer realm="sluice"`} {
			for _, auth := range []string{"", basic("ann", "wrong")} {
				_, _, posted := r.Post("/longpoll"+path, "1", "Authorization", auth)
				_, _, got := r.Fetch("GET", "/streaming"+path, "", "Authorization", auth)
				for _, h := range []string{posted.Get("WWW-Authenticate"), got.Get("WWW-Authenticate")} {
					if h != want {
						t.Errorf("%s: %q, want %q", path, h, want)
					}
				}
			}
		}
		if _, _, h := r.Post("/longpoll", ""); h.Get("WWW-Authenticate") != `Bearer realm="sluice"` {
			t.Errorf("without a client: %q", h.Get("WWW-Authenticate"))
		}
		if status, _, h := r.Post("/longpoll/anyone", "1", "Authorization", basic("bob", "secret")); status != 200 || h.Get("WWW-Authenticate") != "" {
			t.Errorf("with the right password: %d %q", status, h.Get("WWW-Authenticate"))
		}
	})
}

// A ticket lets one GET read as the user of the client that asked for it, once, within 30 seconds.
func TestTickets(t *testing.T) {
	endpointtest.Each(t, users(t), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		ticket := func() string {
			t.Helper()
			reply := c.Do("command", `"operation":"ticket"`)
			body, _ := reply["body"].(map[string]any)
			text, _ := body["ticket"].(string)
			if text == "" {
				t.Fatalf("ticket: %v", reply)
			}
			return text
		}
		read := func(ticket string) message.Code {
			t.Helper()
			resp := r.Do("GET", "/streaming/members?ticket="+ticket, "")
			defer resp.Body.Close()
			if resp.StatusCode == 200 {
				synctest.Wait()
				return 0
			}
			return endpointtest.ReadLines(t, resp.Body)[0].Code()
		}
		if code := read(ticket()); code != message.CodeLoginRequired {
			t.Errorf("a ticket of nobody: %v", code)
		}
		c.Do("command", loginFields("ann", "secret"))
		once := ticket()
		if code := read(once); code != 0 {
			t.Errorf("a ticket of ann: %v", code)
		}
		if code := read(once); code != message.CodeBadTicket {
			t.Errorf("once more: %v", code)
		}
		late := ticket()
		time.Sleep(31 * time.Second)
		if code := read(late); code != message.CodeBadTicket {
			t.Errorf("too late: %v", code)
		}
		inTime := ticket()
		time.Sleep(29 * time.Second)
		if code := read(inTime); code != 0 {
			t.Errorf("in time: %v", code)
		}
	})
}

// A reader and a publisher without a client are the user of the browser's cookie.
func TestPlainRequestsWithACookie(t *testing.T) {
	endpointtest.Run(t, users(t), func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.Streaming)
		_, _, h := r.Post("/streaming", `{"type":"command",`+loginFields("ann", "secret")+`}`, c.Auth()...)
		cookie := []string{"Cookie", "SluiceSessionId=" + setCookies(h)[0].Value}
		resp := r.Do("GET", "/streaming/members", "", cookie...)
		defer resp.Body.Close()
		if status, lines, _ := r.Post("/longpoll/members", `"from a page"`, cookie...); status != 200 {
			t.Fatalf("%d %v", status, lines)
		}
		lines := bufio.NewReader(resp.Body)
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(line, []byte("from a page")) {
				return
			}
		}
	})
}
