package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// logBook keeps what a server logs.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// keep makes the server of the options log here, with the category of each line.
func (b *logBook) keep(o *server.Options) {
	o.Log = func(category string) zerolog.Logger { return zerolog.New(b).With().Str("category", category).Logger() }
}

func (b *logBook) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(line)
}

// lines are those with the message whose key has the value.
func (b *logBook) lines(t *testing.T, says, key, value string) (found []object) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for line := range bytes.Lines(b.text.Bytes()) {
		var o object
		if err := json.Unmarshal(line, &o); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if o["message"] == says && o[key] == value {
			found = append(found, o)
		}
	}
	return found
}

// connectWith makes a client that connects with a body, and attaches.
func connectWith(t *testing.T, r *endpointtest.Rig, kind channel.Kind, body, more string) *endpointtest.Client {
	t.Helper()
	c := r.NewClient(kind)
	line := `{"type":"command","operation":"client_ping","messageId":"c","headers":{"DSId":"nil"},"body":` + body
	if kind == channel.WebSocket {
		c.Dial()
		c.Adopt(c.Ask(line+`,"attach":1}`+more, "c"))
		c.Next()
		return c
	}
	_, lines, _ := r.Post("/"+string(kind), line+"}"+more)
	c.Adopt(lines[0])
	c.Listen()
	return c
}

const report = `{"tried":[{"channelId":"mine","millis":1500,"code":4999},{"channelId":"websocket","millis":2003,"code":4008,"detail":"closed before the handshake"},{"channelId":"streaming","millis":7}]}`

// A client that came over its third channel says so, and the API, the log and the counters have it.
func TestFailoverIsReported(t *testing.T) {
	for _, kind := range endpointtest.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			log := new(logBook)
			runInternal(t, log.keep, func(t *testing.T, r *endpointtest.Rig, internal *endpointtest.Listener) {
				c := connectWith(t, r, kind, report, "")
				plain := r.Connect(kind)
				got := want(t, r, "GET", "/clients/"+c.ID, "")["failovers"].([]any)[0].(object)
				tried := `[{"channelId":"mine","code":4999,"millis":1500},{"channelId":"websocket","code":4008,"detail":"closed before the handshake","millis":2003,"name":"connection-lost"},` +
					`{"channelId":"streaming","millis":7}]`
				if text, _ := json.Marshal(got["tried"]); string(text) != tried || got["endpoint"] != string(kind) || got["at"] != "2000-01-01T00:00:00Z" {
					t.Errorf("%v %s", got, text)
				}
				if other := want(t, r, "GET", "/clients/"+plain.ID, "")["failovers"]; other != nil {
					t.Errorf("of a client that reported nothing: %v", other)
				}
				said := log.lines(t, "failed over", "client", c.ID)
				if len(said) != 1 || said[0]["category"] != "Client.Failover" || said[0]["level"] != "info" || said[0]["endpoint"] != string(kind) || said[0]["address"] == "" {
					t.Fatalf("the log: %v", said)
				}
				if text := fmt.Sprint(said[0]["tried"]); !strings.Contains(text, "cause:connection-lost channelId:websocket code:4008 detail:closed before the handshake millis:2003") {
					t.Errorf("the log: %s", text)
				}
				counted := metricsOf(t, internal)
				for _, labels := range []string{`code="4008",from="websocket"`, `code="other",from="other"`, `code="0",from="streaming"`} {
					want := 1.0
					if strings.Contains(labels, fmt.Sprintf("from=%q", kind)) { // it was no use at first, and is what he is on now
						want = 0
					}
					if name := fmt.Sprintf(`sluice_failovers_total{%s,to="%s"}`, labels, kind); counted[name] != want {
						t.Errorf("%s = %v, want %v", name, counted[name], want)
					}
				}

				// It stays when the client has ended.
				c.Do("command", `"operation":"disconnect"`)
				c.WantEnd(message.CodeClientDisconnect)
				if ended := want(t, r, "GET", "/clients/"+c.ID, ""); ended["failovers"] == nil || ended["ended"] == nil {
					t.Errorf("after its end: %v", ended)
				}
			})
		})
	}
}

// The session of a client shows what the client reported.
func TestFailoverIsShownWithTheSession(t *testing.T) {
	endpointtest.Run(t, withAPI, func(t *testing.T, r *endpointtest.Rig) {
		c := connectWith(t, r, channel.Streaming, report, "")
		id := want(t, r, "GET", "/clients/"+c.ID, "")["sessions"].([]any)[0].(string)
		all, _ := want(t, r, "GET", "/sessions/"+id, "")["failovers"].([]any)
		if len(all) != 1 || all[0].(object)["client"] != c.ID || len(all[0].(object)["tried"].([]any)) != 3 {
			t.Errorf("%v", all)
		}
	})
}

// Who tries all channels in vain, and is then on the one that he tried first, has not failed over: the server was not there for a while.
func TestARestartIsNoFailover(t *testing.T) {
	for _, kind := range endpointtest.Kinds {
		log := new(logBook)
		runInternal(t, log.keep, func(t *testing.T, r *endpointtest.Rig, internal *endpointtest.Listener) {
			c := connectWith(t, r, kind, fmt.Sprintf(`{"tried":[{"channelId":%q,"millis":1,"code":4008},{"channelId":"mine","millis":1},{"channelId":%[1]q,"millis":1}]}`, kind), "")
			if kept, _ := want(t, r, "GET", "/clients/"+c.ID, "")["failovers"].([]any); len(kept) != 1 {
				t.Errorf("%s: kept %v", kind, kept)
			}
			if said := log.lines(t, "failed over", "client", c.ID); said != nil {
				t.Errorf("%s: the log: %v", kind, said)
			}
			if said := log.lines(t, "tried again", "client", c.ID); len(said) != 1 || said[0]["level"] != "debug" || len(said[0]["tried"].([]any)) != 3 {
				t.Errorf("%s: the log: %v", kind, said)
			}
			for name, n := range metricsOf(t, internal) {
				if strings.HasPrefix(name, "sluice_failovers_total") {
					t.Errorf("%s: %s = %v", kind, name, n)
				}
			}
		})
	}
}

// A bad report costs the client nothing, and is counted.
func TestABadReportOfFailover(t *testing.T) {
	runInternal(t, nil, func(t *testing.T, r *endpointtest.Rig, internal *endpointtest.Listener) {
		for _, kind := range endpointtest.Kinds {
			c := connectWith(t, r, kind, `{"tried":[{"channelId":7}]}`, "")
			c.Subscribe("chat", "")
			if got := want(t, r, "GET", "/clients/"+c.ID, "")["failovers"]; got != nil {
				t.Errorf("%v", got)
			}
		}
		if n := metricsOf(t, internal)["sluice_bad_failover_reports_total"]; n != 3 {
			t.Errorf("%v bad reports are counted, want 3", n)
		}
	})
}

// A client reports when it connects and after each attach. What it says more than that does not fill the log.
func TestReportsOfFailoverAreCountedByAttach(t *testing.T) {
	log := new(logBook)
	endpointtest.Run(t, func(o *server.Options) { withAPI(o); log.keep(o) }, func(t *testing.T, r *endpointtest.Rig) {
		c := connectWith(t, r, channel.Streaming, `{"tried":[{"channelId":"websocket","millis":1,"detail":"at first"}]}`, "")
		later := func(details ...string) {
			for _, detail := range details {
				c.Ask(fmt.Sprintf(`{"type":"command","operation":"client_ping","messageId":"h","body":{"tried":[{"channelId":"websocket","millis":1,"detail":%q}]}}`, detail), "h")
			}
		}
		later("a", "b", "c", "d", "no more")
		c.DropStream()
		c.Next() // it has ended
		c.OpenStream()
		later("e")
		details := ""
		for _, f := range want(t, r, "GET", "/clients/"+c.ID, "")["failovers"].([]any) {
			details += fmt.Sprint(f.(object)["tried"].([]any)[0].(object)["detail"], " ")
		}
		if details != "at first a b c d e " {
			t.Errorf("kept: %s", details)
		}
		if said := log.lines(t, "failed over", "client", c.ID); len(said) != 6 {
			t.Errorf("%d reports are logged, want 6: %v", len(said), said)
		}
	})
}

// Diagnostics are switched while the server runs, for all, by user and by address; off is really off.
func TestDiagnosticsAreSwitched(t *testing.T) {
	passwords := passwordsOf(t, "ann", "wonderland", "friends")
	login := `"operation":"login","body":"YW5uOndvbmRlcmxhbmQ="`
	for name, tc := range map[string]struct {
		failover, policy string // what the server begins with, and what the API is told; "": nothing
		anonymous, ann   bool   // whether there is a report of a client without a user, and of one on which ann logs in after that
	}{
		"from the start":        {"", "", true, true},
		"off from the start":    {"none", "", false, false},
		"off":                   {"", `{"default":false}`, false, false},
		"on":                    {"none", `{"default":true}`, true, true},
		"for a user":            {"none", `{"default":false,"users":["ann"]}`, false, true},
		"for another user":      {"none", `{"default":false,"users":["bob"]}`, false, false},
		"for an address":        {"none", `{"default":false,"addresses":["192.0.2.1"]}`, true, true},
		"for another address":   {"none", `{"default":false,"addresses":["198.51.100.0/24"]}`, false, false},
		"not for an address":    {"", `{"default":true,"offAddresses":["192.0.2.0/24"]}`, false, false},
		"user before address":   {"", `{"default":true,"offAddresses":["192.0.2.0/24"],"users":["ann"]}`, false, true},
		"the nearer of the two": {"", `{"default":false,"addresses":["192.0.2.1/32"],"offAddresses":["192.0.2.0/24"]}`, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			log := new(logBook)
			change := func(o *server.Options) { o.Passwords, o.Failover = passwords, tc.failover; log.keep(o) }
			runInternal(t, change, func(t *testing.T, r *endpointtest.Rig, internal *endpointtest.Listener) {
				if tc.policy != "" {
					want(t, r, "PUT", "/diagnostics", tc.policy)
				}
				for _, kind := range endpointtest.Kinds {
					c := connectWith(t, r, kind, report, "")
					kept := func(who string, should bool) {
						t.Helper()
						n := len(log.lines(t, "failed over", "client", c.ID))
						shown := want(t, r, "GET", "/clients/"+c.ID, "")["failovers"] != nil
						if shown != should || n != map[bool]int{true: 1}[should] {
							t.Errorf("%s, %s: shown %v, logged %d times, want %v", kind, who, shown, n, should)
						}
					}
					kept("nobody", tc.anonymous)
					c.Do("command", login)
					kept("ann", tc.ann)
				}
				counted := 0.0
				for name, n := range metricsOf(t, internal) {
					if strings.HasPrefix(name, "sluice_failovers_total") {
						counted += n
					}
				}
				if want := map[bool]float64{true: 7}[tc.ann]; counted != want {
					t.Errorf("%v failures are counted, want %v", counted, want)
				}
			})
		})
	}
}

// What came while diagnostics were off is not there when they are on again, and who switched them is in the log.
func TestOffIsOff(t *testing.T) {
	log, passwords := new(logBook), passwordsOf(t, "ann", "wonderland", "friends")
	endpointtest.Each(t, func(o *server.Options) { withAPI(o); o.Passwords, o.Failover = passwords, "none"; log.keep(o) },
		func(t *testing.T, r *endpointtest.Rig, _ *endpointtest.Client) {
			c := connectWith(t, r, channel.WebSocket, report, "")
			want(t, r, "PUT", "/diagnostics", `{"default":true}`)
			c.Do("command", `"operation":"login","body":"YW5uOndvbmRlcmxhbmQ="`)
			if got := want(t, r, "GET", "/clients/"+c.ID, "")["failovers"]; got != nil {
				t.Errorf("%v", got)
			}
		})
	if said := log.lines(t, "request", "method", "PUT"); len(said) != 3 || said[0]["level"] != "info" || said[0]["key"] != "tests" {
		t.Errorf("the log: %v", said)
	}
}

// What the policy is told is checked, and shown as it is understood.
func TestDiagnosticsPolicy(t *testing.T) {
	endpointtest.Run(t, withAPI, func(t *testing.T, r *endpointtest.Rig) {
		show := func(o object) string { text, _ := json.Marshal(o); return string(text) }
		first := `{"addresses":[],"default":true,"offAddresses":[],"offUsers":[],"users":[]}`
		if got := show(want(t, r, "GET", "/diagnostics", "")); got != first {
			t.Errorf("%s, want %s", got, first)
		}
		for body, detail := range map[string]string{
			`{"users":["ann"]}`: "default: expected true or false",
			`{"default":true,"users":["ann"],"offUsers":["ann"]}`:                       `"ann" is both in users and in offUsers`,
			`{"default":true,"addresses":["10.0.0.0/33"]}`:                              `addresses: expected an address or a network, 10.0.0.0/8, found "10.0.0.0/33"`,
			`{"default":true,"offAddresses":["::ffff:10.0.0.0/1"]}`:                     `offAddresses: expected an address or a network, 10.0.0.0/8, found "::ffff:10.0.0.0/1"`,
			`{"default":true,"users":[""]}`:                                             `users: expected 1 to 256 bytes, found ""`,
			`{"default":true,"addresses":["10.1.1.1/8"],"offAddresses":["10.0.0.0/8"]}`: `"10.0.0.0/8" is both in addresses and in offAddresses`,
		} {
			if e := refused(t, r, "PUT", "/diagnostics", body, message.CodeBadField); e["detail"] != detail {
				t.Errorf("%s: %v, want %s", body, e["detail"], detail)
			}
		}
		var many []string
		for i := range 1001 {
			many = append(many, fmt.Sprint("user", i))
		}
		list, _ := json.Marshal(many)
		refused(t, r, "PUT", "/diagnostics", `{"default":true,"offUsers":`+string(list)+`}`, message.CodeBadField)
		if got := show(want(t, r, "GET", "/diagnostics", "")); got != first {
			t.Errorf("a refused policy has changed it: %s", got)
		}
		second := `{"addresses":["10.0.0.0/8","192.0.2.7/32"],"default":false,"offAddresses":["2001:db8::/32"],"offUsers":["bob"],"users":["ann"]}`
		if got := show(want(t, r, "PUT", "/diagnostics", `{"default":false,"users":["ann","ann"],"offUsers":["bob"],"addresses":["10.9.9.9/8","192.0.2.7","10.0.0.0/8"],"offAddresses":["2001:db8:0::/32"]}`)); got != second {
			t.Errorf("%s, want %s", got, second)
		}
		if got := show(want(t, r, "GET", "/diagnostics", "")); got != second {
			t.Errorf("%s, want %s", got, second)
		}
	})
}

// Who is listed is followed: the beginnings are at Info as well, and so is each answered poll.
func TestListedUsersAreFollowed(t *testing.T) {
	log := new(logBook)
	passwords := passwordsOf(t, "ann", "wonderland", "friends")
	endpointtest.Run(t, func(o *server.Options) { withAPI(o); o.Passwords = passwords; log.keep(o) }, func(t *testing.T, r *endpointtest.Rig) {
		want(t, r, "PUT", "/diagnostics", `{"default":false,"users":["ann"]}`)
		levels := func(c *endpointtest.Client) (all []string) {
			for _, says := range []string{"client created", "subscribed", "connection ended"} {
				level := "nothing"
				for _, line := range log.lines(t, says, "client", c.ID) {
					level = line["level"].(string)
				}
				all = append(all, level)
			}
			return all
		}
		ann, other := r.Connect(channel.LongPoll), r.Connect(channel.LongPoll)
		ann.Do("command", `"operation":"login","body":"YW5uOndvbmRlcmxhbmQ="`)
		for _, c := range []*endpointtest.Client{ann, other} {
			c.Subscribe("chat", "")
		}
		time.Sleep(time.Minute)
		if got := fmt.Sprint(levels(ann), levels(other)); got != "[debug info info] [debug debug debug]" {
			t.Error(got)
		}
	})
}
