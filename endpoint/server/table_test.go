package server_test

import (
	"encoding/json"
	"fmt"
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

// The table of life and death: a row is one thing that happens to a client, and says for each kind of channel what becomes of its FlexSession, of its FlexClient and subscriptions, of another
// tab under the same cookie, and what they are told and when. Each is run at full length, in fake time, in each of the regimes.

// regime is how long a client may be away.
type regime struct {
	name      string
	reconnect time.Duration // reliable-reconnect-duration-millis
	timeout   time.Duration // flex-client/timeout-minutes
}

var regimes = []regime{
	{"as in LCDS", 0, 0},
	{"reliable reconnect", 15 * time.Second, 0},
	{"clients outlive their sessions", 0, 5 * time.Minute},
}

// end is how long after the event something ended, and why. The zero end: it did not.
type end struct {
	code  message.Code
	after time.Duration
}

func (e end) String() string {
	if e.code == 0 {
		return "none"
	}
	return fmt.Sprintf("%v after %v", e.code, e.after)
}

// is says whether it is what is wanted, but for the ticks of the wheel and the spread of heartbeats.
func (e end) is(want end) bool {
	return e.code == want.code && e.after >= want.after && e.after <= want.after+1500*time.Millisecond
}

// fate is what becomes of a client on one kind of channel. What is zero does not end, or is not told.
type fate struct {
	none string // why the row has no meaning there

	session end          // the FlexSession that its connection ran under
	client  [3]end       // the FlexClient and its subscriptions, in each regime
	sub     end          // its subscription alone
	told    end          // the last line on its connection; on a WebSocket the close code as well
	conn    message.Code // as what its connection's end was counted, where it could not be told
	tab     end          // what the other tab was told, whose client has ended with that
	gone    bool         // the other tab is gone, and nobody can be told
}

// dies is the client that ends in any regime.
func dies(code message.Code, after time.Duration) [3]end {
	return [3]end{{code, after}, {code, after}, {code, after}}
}

// lost is the client whose WebSocket ended by code.
func lost(code message.Code, after time.Duration) [3]end {
	return [3]end{{code, after}, {message.CodeClientVanished, after + regimes[1].reconnect}, {message.CodeClientTimeout, after + regimes[2].timeout}}
}

// away is the client whose stream or poll ended: it lives as long as its session, or as long as it may be away.
func away(after time.Duration) [3]end {
	return [3]end{1: {message.CodeClientVanished, after + regimes[1].reconnect}}
}

type row struct {
	name  string
	in    []regime              // nil: in all
	set   func(*server.Options) // beyond the defaults of the native endpoint classes; may be nil
	users bool                  // the cookie is of ann, who has logged in
	do    func(s *scene)        // what happens
	watch time.Duration         // for how long the scene is looked at; zero: ten minutes

	websocket, streaming, longpoll fate
}

func (r *row) fate(kind channel.Kind) fate {
	return map[channel.Kind]fate{channel.WebSocket: r.websocket, channel.Streaming: r.streaming, channel.LongPoll: r.longpoll}[kind]
}

// walk runs the rows on every kind of channel in every regime.
func walk(t *testing.T, rows []row) {
	for _, row := range rows {
		for _, kind := range endpointtest.Kinds {
			want := row.fate(kind)
			if want.none != "" {
				if want != (fate{none: want.none}) {
					t.Errorf("%s on %s has no meaning, and a fate", row.name, kind)
				}
				continue
			}
			for i, regime := range regimes {
				if row.in != nil && !slices.Contains(row.in, regime) {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%s", row.name, kind, regime.name), func(t *testing.T) {
					t.Parallel()
					var s *scene
					set := func(o *server.Options) { s = newScene(t, kind, regime, &row, o) }
					endpointtest.Run(t, set, func(t *testing.T, r *endpointtest.Rig) {
						s.open(t, r)
						s.play(row.do, row.watch)
						s.check(want, want.client[i])
						s.over()
					})
				})
			}
		}
	}
}

// check holds what was seen against what was to be.
func (s *scene) check(want fate, client end) {
	t := s.t
	t.Helper()
	if got := s.book.end(s.session, s.began); !got.is(want.session) {
		t.Errorf("the session ended: %v, want %v", got, want.session)
	}
	if got := s.book.end(s.c.ID, s.began); !got.is(client) {
		t.Errorf("the client ended: %v, want %v", got, client)
	}
	sub := client
	if want.sub.code != 0 {
		sub = want.sub
		s.wantInvalidated(want.sub.code)
	}
	if got := s.book.end(s.sub, s.began); !got.is(sub) {
		t.Errorf("the subscription ended: %v, want %v", got, sub)
	}
	if got := s.heard.last(s.began); !got.is(want.told) {
		t.Errorf("the client was told: %v, want %v\n%v", got, want.told, s.heard.lines())
	}
	if want.conn != 0 && s.ended()[want.conn] == s.counted[want.conn] {
		t.Errorf("no connection is counted as ended by %v", want.conn)
	}
	s.wantTold(want.told)
	if !want.gone {
		s.checkTab(want.tab)
	}
	if s.down {
		return
	}
	if client.code == 0 {
		s.comesBack(want.sub.code == 0)
	} else {
		s.wantGone(client.code)
	}
}

// wantTold checks the last line itself: it says what the log and the listeners are given, and on a WebSocket the close frame says so too.
func (s *scene) wantTold(want end) {
	s.t.Helper()
	if want.code == 0 {
		return
	}
	line, closed := s.heard.ending()
	if s.incident != "" && line.Text("incident") != s.incident {
		s.t.Errorf("the client was told incident %q, who ended it %q", line.Text("incident"), s.incident)
	}
	if line.Text("operation") == "displaced" {
		return // it says nothing more, and over HTTP nothing follows
	}
	info := want.code.Info()
	if line.Text("name") != info.Name || line.Text("incident") == "" || line.Text("reconnect") != info.Reconnect || line.Text("setting") != info.Setting {
		s.t.Errorf("the last line is %v, want what the table of codes says of %v", line, want.code)
	}
	if s.kind == channel.WebSocket {
		status := float64(want.code)
		if want.code == message.CodeClientDisconnect {
			status = 1000
		}
		if closed["status"] != status {
			s.t.Errorf("the close frame has %v, want %v: %v", closed["status"], status, closed)
		}
		if cause := s.book.cause(s.session); cause.Incident != line.Text("incident") {
			s.t.Errorf("the client was told incident %q, the session ended by %q", line.Text("incident"), cause.Incident)
		}
	}
}

// checkTab: the other tab was told why it ended, or is well.
func (s *scene) checkTab(want end) {
	s.t.Helper()
	if got := s.tabHeard.last(s.began); !got.is(want) {
		s.t.Errorf("the other tab was told: %v, want %v", got, want)
	}
	if s.down || want.code != 0 {
		if s.Server.Registry().Lookup(s.tab.ID) != nil {
			s.t.Error("the other tab lives on")
		}
		return
	}
	if reply := s.ask(s.tab, `{"type":"async","messageId":"well","destination":"plain","body":1}`); reply.Text("type") != "acknowledge" {
		s.t.Errorf("the other tab is not served any more: %v", reply)
	}
}

// wantGone: who comes late with its secret is told the same end, of the same incident.
func (s *scene) wantGone(code message.Code) {
	s.t.Helper()
	late, cause := s.ask(s.c, pingLine), s.book.cause(s.c.ID)
	if late.Text("operation") != "gone" || late.Text("reason") != message.GoneExpired || late.Code() != code || late.Text("incident") != cause.Incident || cause.Incident == "" ||
		late.Text("message") != cause.Message() || late.Text("reconnect") != code.Info().Reconnect {
		s.t.Errorf("who comes late is told %v, want the cause %+v", late, cause)
	}
}

// comesBack: a client that lives can be attached elsewhere, and has lost nothing of what was sent to it meanwhile.
func (s *scene) comesBack(subscribed bool) {
	s.t.Helper()
	s.Post("/longpoll/chat", `"meanwhile"`)
	synctest.Wait()
	_, lines, _ := s.Post("/longpoll", strings.Replace(s.c.PollLine(1000, 0), `}`, `,"wait":0}`, 1), s.c.Auth()...)
	if lines[0].Text("operation") != "attached" {
		s.t.Errorf("the client lives, and cannot be attached: %v", lines)
	}
	got := slices.ContainsFunc(slices.Concat(s.heard.lines(), lines), func(l endpointtest.Line) bool { return l.Text("body") == "meanwhile" })
	if got != subscribed {
		s.t.Errorf("it has got what was sent meanwhile: %v, want %v", got, subscribed)
	}
}

// over ends what is left, and looks for what stays behind: nothing in the registry, nothing on the wheel, and one end for each beginning.
func (s *scene) over() {
	t := s.t
	t.Helper()
	s.silence()
	for _, c := range []*endpointtest.Client{s.c, s.tab} {
		if !s.down && s.Server.Registry().Lookup(c.ID) != nil {
			s.ask(c, `{"type":"command","operation":"disconnect","messageId":"bye"}`)
		}
	}
	if s.forever {
		s.shutDown()
	}
	time.Sleep(30 * time.Minute)
	synctest.Wait()
	registry := s.Server.Registry()
	if clients, sessions := registry.Count(); clients+sessions+registry.Records() != 0 {
		t.Errorf("%d clients, %d sessions and %d records are left", clients, sessions, registry.Records())
	}
	if n := s.Server.Timers(); n != 0 {
		t.Errorf("%d timers are left", n)
	}
	s.book.balance(t)
}

// ask POSTs a line of c, whatever it is connected by, and returns the first line of the answer.
func (s *scene) ask(c *endpointtest.Client, line string) endpointtest.Line {
	s.t.Helper()
	_, lines, _ := s.Post("/longpoll", line, c.Auth()...)
	if len(lines) != 1 {
		s.t.Fatalf("%s: %v", line, lines)
	}
	return lines[0]
}

// wantInvalidated: the client was told by a counted line that its subscription ended.
func (s *scene) wantInvalidated(code message.Code) {
	s.t.Helper()
	if !slices.ContainsFunc(s.heard.lines(), func(l endpointtest.Line) bool {
		return l.Text("operation") == "subscription_invalidate" && l.Text("clientId") == s.sub && l.Code() == code && l.Text("incident") == s.book.cause(s.sub).Incident
	}) {
		s.t.Errorf("no line says that the subscription ended by %v: %v", code, s.heard.lines())
	}
}

// api asks the API and returns its answer.
func (s *scene) api(path, body string) (answer map[string]any) {
	s.t.Helper()
	resp := s.Do("POST", "/api/v1"+path, body, "Authorization", "Bearer "+tableKey)
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != 200 {
		s.t.Fatalf("%s: %d %v %v", path, resp.StatusCode, answer, err)
	}
	return answer
}

const pingLine = `{"type":"command","operation":"client_ping","messageId":"ping"}`
