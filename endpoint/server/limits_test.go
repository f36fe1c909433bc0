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

// wantLimit checks that a refusal names its limit, and what that is.
func wantLimit(t *testing.T, line endpointtest.Line, code message.Code, value int) {
	t.Helper()
	info := code.Info()
	if line.Code() != code || line.Text("setting") != info.Setting || line["value"] != float64(value) || line.Text("faultString") != info.Sentence {
		t.Errorf("got %v, want %v with %s = %d", line, code, info.Setting, value)
	}
	if info.RetryAfterMillis > 0 && line["retryAfterMillis"] != float64(info.RetryAfterMillis) {
		t.Errorf("%v does not say when to try again", line)
	}
}

// tryConnect asks for a client over a kind of channel and returns the answer.
func tryConnect(r *endpointtest.Rig, kind channel.Kind, headers ...string) endpointtest.Line {
	r.T.Helper()
	if kind == channel.WebSocket {
		c := r.RawSocket(pairs(headers)...)
		c.Frame(endpointtest.Fin|endpointtest.Text, connectLine)
		return c.NextLine()
	}
	_, lines, _ := r.Post("/"+string(kind), connectLine, headers...)
	return lines[0]
}

const connectLine = `{"type":"command","operation":"client_ping","messageId":"c","headers":{"DSId":"nil"}}`

// pairs makes whole header lines of names and values.
func pairs(headers []string) (lines []string) {
	for i := 0; i < len(headers); i += 2 {
		lines = append(lines, headers[i]+": "+headers[i+1])
	}
	return lines
}

func TestMaxClients(t *testing.T) {
	three := func(o *server.Options) { o.FlexClient.MaxClients = 3 }
	endpointtest.Each(t, three, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		others := []*endpointtest.Client{r.Connect(channel.WebSocket), r.Connect(channel.LongPoll)}
		for _, kind := range endpointtest.Kinds {
			wantLimit(t, tryConnect(r, kind), message.CodeLimitClients, 3)
		}
		c.Subscribe("chat", "")
		others[0].Do("command", `"operation":"disconnect"`)
		synctest.Wait()
		if line := tryConnect(r, c.Kind); line.Text("type") != "acknowledge" {
			t.Errorf("after one has left: %v", line)
		}
	})
}

// Refused connects leave nothing behind: no session, no record that waits for its timeout, no cookie.
func TestRefusedConnectsLeaveNothing(t *testing.T) {
	one := func(o *server.Options) { o.FlexClient.MaxClients = 1 }
	endpointtest.Run(t, one, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.Streaming)
		for range 100 {
			status, lines, h := r.Post("/longpoll", connectLine)
			if status != 200 || len(lines) != 1 || lines[0].Code() != message.CodeLimitClients || h.Get("Set-Cookie") != "" {
				t.Fatalf("%d %v %q", status, lines, h.Get("Set-Cookie"))
			}
		}
		if n := r.Server.Registry().Records(); n != 1 {
			t.Errorf("%d login records live, want that of the client", n)
		}
		c.Subscribe("chat", "")
	})
}

func TestMaxClientsPerSession(t *testing.T) {
	two := func(o *server.Options) { o.FlexClient.MaxClientsPerSession = 2 }
	endpointtest.Run(t, two, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.LongPoll)
		r.Connect(channel.WebSocket, "Cookie", c.Cookie)
		for _, kind := range endpointtest.Kinds {
			wantLimit(t, tryConnect(r, kind, "Cookie", c.Cookie), message.CodeLimitClientsPerSession, 2)
		}
		if line := tryConnect(r, channel.Streaming); line.Text("type") != "acknowledge" {
			t.Errorf("without the cookie: %v", line)
		}
	})
}

func TestMaxSubscriptions(t *testing.T) {
	three := func(o *server.Options) { o.FlexClient.MaxSubscriptions = 3 }
	endpointtest.Each(t, three, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		first := c.Subscribe("chat", "a")
		c.Subscribe("chat", "b")
		c.Subscribe("news", "a")
		wantLimit(t, c.Do("command", `"operation":"subscribe","destination":"plain"`), message.CodeLimitSubscriptions, 3)
		wantLimit(t, c.Do("command", `"operation":"multi_subscribe","destination":"chat","headers":{"DSAddSub":["x_;_"]}`), message.CodeLimitSubscriptions, 3)
		wantLimit(t, c.Do("command", fmt.Sprintf(`"operation":"multi_subscribe","clientId":%q,"headers":{"DSAddSub":["x_;_"]}`, first)), message.CodeLimitSubscriptions, 3)
		c.Do("command", fmt.Sprintf(`"operation":"unsubscribe","clientId":%q`, first))
		c.Next()
		c.Subscribe("plain", "")
	})
}

// max-new-sessions-per-minute-per-address counts connects, plain GETs and plain POSTs of an address, not what its clients do.
func TestNewSessionsPerMinute(t *testing.T) {
	few := func(o *server.Options) { o.Listeners[0].MaxNewSessions = 3 }
	endpointtest.Each(t, few, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		for range 10 {
			c.Publish("chat", "", "x") // needs no session
		}
		if status, lines, _ := r.Post("/longpoll/chat", `"plain"`); status != 200 {
			t.Fatalf("a plain POST: %d %v", status, lines)
		}
		resp := r.Do("GET", "/streaming/chat", "")
		if resp.Body.Close(); resp.StatusCode != 200 {
			t.Fatalf("a plain GET: %d", resp.StatusCode)
		}
		for _, kind := range endpointtest.Kinds {
			wantLimit(t, tryConnect(r, kind), message.CodeLimitNewSessions, 3)
		}
		status, lines, h := r.Post("/longpoll/chat", `"plain"`)
		wantLimit(t, lines[0], message.CodeLimitNewSessions, 3)
		if status != 429 || h.Get("Retry-After") != "60" {
			t.Errorf("%d, Retry-After %s", status, h.Get("Retry-After"))
		}
		status, lines, _ = r.Fetch("GET", "/streaming/chat", "")
		wantLimit(t, lines[0], message.CodeLimitNewSessions, 3)
		if status != 429 {
			t.Error(status)
		}
		if line := tryConnect(r.From("198.51.100.7:999"), channel.LongPoll); line.Text("type") != "acknowledge" {
			t.Errorf("from another address: %v", line)
		}
		time.Sleep(150 * time.Second)
		if line := tryConnect(r, c.Kind); line.Text("type") != "acknowledge" {
			t.Errorf("some minutes later: %v", line)
		}
	})
}

// An IPv6 address is counted as its /64: one machine has all of those.
func TestNewSessionsOfIPv6(t *testing.T) {
	few := func(o *server.Options) { o.Listeners[0].MaxNewSessions = 2 }
	endpointtest.Run(t, few, func(t *testing.T, r *endpointtest.Rig) {
		for i := 1; i <= 3; i++ {
			line := tryConnect(r.From(fmt.Sprintf("[2001:db8:0:1::%d]:99", i)), channel.LongPoll)
			if ok := line.Text("type") == "acknowledge"; ok != (i <= 2) {
				t.Errorf("address %d of the network: %v", i, line)
			}
		}
		if line := tryConnect(r.From("[2001:db8:0:2::1]:99"), channel.LongPoll); line.Text("type") != "acknowledge" {
			t.Errorf("another network: %v", line)
		}
	})
}

// max-persistent-connections-per-session counts streams and polls together, over all tabs of a cookie; which limit holds is for the browser to say.
func TestConnectionsPerSession(t *testing.T) {
	limit := func(o *server.Options) {
		for i := range o.Channels {
			o.Channels[i].UserAgents = []channel.UserAgent{{MatchOn: "*", MaxPersistentConnections: 2}, {MatchOn: "Unlimited"}}
		}
	}
	endpointtest.Run(t, limit, func(t *testing.T, r *endpointtest.Rig) {
		one := r.Connect(channel.Streaming)
		two := r.Connect(channel.LongPoll, "Cookie", one.Cookie)
		synctest.Wait() // its poll is held
		status, lines, _ := r.Post("/streaming?command=open", "", two.Auth()...)
		wantLimit(t, lines[0], message.CodeLimitSessionConnections, 2)
		if status != 503 {
			t.Error(status)
		}
		three := r.NewClient(channel.LongPoll)
		_, lines, _ = r.Post("/longpoll", connectLine, "Cookie", one.Cookie)
		three.Adopt(lines[0])
		began := time.Now()
		status, lines, _ = r.Post("/longpoll", three.PollLine(1, 0), three.Auth()...)
		if last := lines[len(lines)-1]; status != 200 || last.Text("type") != "acknowledge" || last.Code() != message.CodeLimitSessionConnections || time.Since(began) != 0 {
			t.Errorf("a surplus poll: %d %v after %v", status, lines, time.Since(began))
		}
		r.Connect(channel.Streaming) // another session has its own
		one.Subscribe("chat", "")
		two.Subscribe("chat", "")
		one.DropStream()
		synctest.Wait()
		status, _, _ = r.Post("/streaming?command=close&streamId=x", "", one.Auth()...)
		if status != 404 {
			t.Error(status)
		}
		again := r.Do("POST", "/streaming?command=open", "", two.Auth()...)
		if again.Body.Close(); again.StatusCode != 200 {
			t.Errorf("after the stream has ended: %d", again.StatusCode)
		}
	})
	endpointtest.Run(t, limit, func(t *testing.T, r *endpointtest.Rig) {
		c := r.NewClient(channel.Streaming)
		_, lines, _ := r.Post("/streaming", connectLine, "User-Agent", "Unlimited 1.0")
		c.Adopt(lines[0])
		for range 10 {
			resp := r.Do("POST", "/streaming?command=open", "", append(c.Auth(), "User-Agent", "Unlimited 1.0")...)
			defer resp.Body.Close()
			if resp.StatusCode != 200 {
				t.Fatalf("open: %d", resp.StatusCode)
			}
		}
	})
}

// max-connections of the listener: a surplus connection is answered with the code and closed; far beyond, it is closed at once.
func TestMaxConnectionsOfTheListener(t *testing.T) {
	two := func(o *server.Options) { o.Listeners[0].MaxConnections = 2 }
	endpointtest.Run(t, two, func(t *testing.T, r *endpointtest.Rig) {
		one, two := r.RawSocket(), r.RawSocket()
		synctest.Wait()
		three := r.Raw()
		three.Request("POST", "/longpoll", connectLine)
		resp, lines := three.Answer()
		wantLimit(t, lines[0], message.CodeLimitConnections, 2)
		if resp.StatusCode != 503 || !resp.Close || resp.Header.Get("Retry-After") != "3" {
			t.Errorf("%d, close %v", resp.StatusCode, resp.Close)
		}
		three.WantClosed()
		operator := r.Raw()
		operator.Request("GET", "/api/v1/info", "")
		if resp, lines := operator.Answer(); resp.StatusCode != 503 || resp.Header.Get("Content-Type") != "application/json" || !resp.Close || resp.Header.Get("Retry-After") != "3" ||
			at(object(lines[0]), "error", "code") != float64(message.CodeLimitConnections) || at(object(lines[0]), "error", "value") != 2.0 {
			t.Errorf("of the API: %d %v %v", resp.StatusCode, resp.Header, lines)
		}
		operator.WantClosed()
		one.Close()
		synctest.Wait()
		four := r.Raw()
		four.Request("POST", "/longpoll", connectLine)
		if resp, lines := four.Answer(); resp.StatusCode != 200 {
			t.Errorf("after one has left: %d %v", resp.StatusCode, lines)
		}
		var surplus []*endpointtest.Raw
		for range 100 {
			surplus = append(surplus, r.Raw())
			synctest.Wait()
		}
		closed := 0
		for _, c := range surplus {
			c.SetReadDeadline(time.Now().Add(time.Millisecond))
			if _, err := c.Reader.ReadByte(); err != nil && err.Error() == "EOF" {
				closed++
			}
		}
		if closed != 100-64 {
			t.Errorf("%d of 100 were closed unanswered, want those beyond 64", closed)
		}
		two.Frame(endpointtest.Fin|endpointtest.Ping, "still here")
		if op, payload, _ := two.NextFrame(); op != endpointtest.Fin|endpointtest.Pong || payload != "still here" {
			t.Errorf("the one that was there first: %x %q", op, payload)
		}
	})
}
