package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/cmd/internal/config"
	"sluice/endpoint/endpointtest"
)

// fetch gets a page of the process.
func (p *process) fetch(path string) string {
	p.t.Helper()
	resp, err := http.Get(strings.TrimSuffix(p.page, "/") + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(body)
}

// A SIGHUP makes the process go by its file as it is now; with mistakes in it nothing changes, and the log has all of them as sluice check words them.
func TestHangup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	place := "<flex-client>"
	file := replaced(t, dir, place, place)
	p := startProcess(t, "--config", file, "--listen", "127.0.0.1:0", "--internal", "127.0.0.1:0")

	replaced(t, dir, `<target level="Info"/>`, `<target level="Warn"/></logging><services/><logging>`)
	p.signal(syscall.SIGHUP)
	code, out, _ := call(t, "", "check", file)
	var wrong []string
	for line := range strings.Lines(out) {
		if text, ok := strings.CutPrefix(line, "  "); ok && len(wrong) < strings.Count(out, ": given more than once") {
			wrong = append(wrong, strings.TrimSpace(text))
		}
	}
	if code != 1 || len(wrong) == 0 {
		t.Fatalf("sluice check: %d %s", code, out)
	}
	for _, problem := range wrong {
		quoted, _ := json.Marshal(problem)
		p.wantLog(`"message":` + string(quoted))
	}
	p.wantLog(`"message":"the configuration was not reloaded: nothing has changed"`)

	replaced(t, dir, `class="LongPollEndpoint"/>`, `class="LongPollEndpoint"/><properties><session-timeout-minutes>20</session-timeout-minutes></properties>`)
	p.signal(syscall.SIGHUP)
	if line := p.wantLog("differs from that of channel streaming"); !strings.HasPrefix(line, `{"level":"warn","category":"Startup",`) {
		t.Errorf("the warning is no line of the log: %s", line)
	}
	p.wantLog(`"message":"the configuration was reloaded"`)

	replaced(t, dir, `<destination id="news">`, `<destination id="weather"/><destination id="news">`)
	p.signal(syscall.SIGHUP)
	p.wantLog(`"setting":"services/service/destination[weather]","old":null,"new":"weather","sessions":0,"clients":0`)
	p.wantLog(`"changed":2,"needs-restart":0,"sessions":0,"clients":0`) // the timeout is as it was, too
	if got := p.fetch("/config.json"); !strings.Contains(got, `"id":"weather"`) {
		t.Errorf("config.json: %s", got)
	}

	replaced(t, dir, `<target level="Info"/>`, `<target level="Warn"/>`)
	p.signal(syscall.SIGHUP)
	p.wantLog(`"setting":"services/service/destination[weather]","old":"weather","new":null`) // it is left out now, and stays
	p.signal(syscall.SIGTERM)
	if code, rest := p.ended(); code != 0 || strings.Contains(rest, "shutting down") {
		t.Errorf("exit %d, and it said %q", code, rest)
	}
}

// Without a file there is nothing to read again, and the server goes on.
func TestHangupWithoutAFile(t *testing.T) {
	t.Parallel()
	p := startProcess(t, "--listen", "127.0.0.1:0")
	p.signal(syscall.SIGHUP)
	p.wantLog(`"message":"there is no file to be read again: the built-in configuration is served"`)
	if got := p.fetch("/config.json"); !strings.Contains(got, `"id":"chat"`) {
		t.Errorf("config.json: %s", got)
	}
	p.signal(syscall.SIGTERM)
	if code, rest := p.ended(); code != 0 {
		t.Errorf("exit %d, and it said %q", code, rest)
	}
}

// The API answers what a reload has done, and with all mistakes when it has done nothing.
func TestReloadByTheAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, page{}, false)
		c := w.Connect(channel.Streaming)
		w.rewrite(page{"http-properties": "<session-timeout-minutes>3</session-timeout-minutes>", "server": "<shutdown-timeout-millis>7000</shutdown-timeout-millis>",
			"logging": `<target level="Debug"/>`, "flex-client": "<max-pending-messages>77</max-pending-messages>"})
		answer := w.api("POST", "/reload", "")
		var changed, restart []string
		for _, v := range answer["changed"].([]any) {
			changed = append(changed, v.(map[string]any)["setting"].(string))
		}
		for _, v := range answer["needsRestart"].([]any) {
			restart = append(restart, v.(map[string]any)["setting"].(string))
		}
		if want := []string{
			"channels/channel-definition[streaming]/properties/session-timeout-minutes", "channels/channel-definition[longpoll]/properties/session-timeout-minutes",
			"servers/server[main]/properties/shutdown-timeout-millis", "logging/target",
		}; !slices.Equal(changed, want) || !slices.Equal(restart, []string{"flex-client/max-pending-messages"}) || answer["sessions"] != 1.0 || answer["clients"] != 1.0 {
			t.Errorf("the answer is %v", answer)
		}
		if again := w.api("POST", "/reload", ""); len(again["changed"].([]any)) != 0 || len(again["needsRestart"].([]any)) != 1 {
			t.Errorf("again: %v", again)
		}

		w.rewrite(page{"http-properties": "<session-timeout-minutes>-3</session-timeout-minutes>", "server": "<port>seven</port>"})
		refused := w.api("POST", "/reload", "")["error"].(map[string]any)
		problems, _ := refused["problems"].([]any)
		if refused["code"] != float64(message.CodeBadConfiguration) || len(problems) != 3 { // of two channels, and the port
			t.Errorf("with mistakes: %v", refused)
		}
		_, out, _ := call(t, "", "check", w.path)
		for _, p := range problems {
			if !strings.Contains(out, "  "+p.(string)+"\n") {
				t.Errorf("sluice check does not say %q:\n%s", p, out)
			}
		}
		began := time.Now()
		c.WantEnd(message.CodeSessionTimeout)
		if took := time.Since(began); took > 3*time.Minute+time.Second {
			t.Errorf("it ended after %v", took)
		}
	})
}

// The passwords of a file that has changed count from the next login on; who is gone is logged out, and who has other roles has them at once.
func TestReloadOfPasswords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guarded := login.and(page{"security": `<security-constraint id="friends"><roles><role>friends</role></roles></security-constraint>`,
			"chat": `<security><security-constraint ref="friends"/></security>`})
		w := start(t, guarded, false)
		alice, bob := w.Connect(channel.WebSocket), w.Connect(channel.WebSocket)
		for c, credentials := range map[*endpointtest.Client]string{alice: "YWxpY2U6d29uZGVybGFuZA==", bob: "Ym9iOmJ1aWxkZXI="} {
			if reply := c.Do("command", `"operation":"login","body":"`+credentials+`"`); reply.Text("type") != "acknowledge" {
				t.Fatalf("login: %v", reply)
			}
		}
		alice.Subscribe("chat", "")
		bob.WantRefusal(bob.Publish("chat", "", "hello"), message.CodeAccessDenied)

		users := strings.Split(guarded["users.txt"], "\n")
		file := filepath.Join(filepath.Dir(w.path), "users.txt")
		if err := os.WriteFile(file, []byte(users[1]+":friends\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		done, err := w.service.reload()
		if err != nil || len(done.Changed) != 1 || done.Changed[0].Old != "2 users" || done.Changed[0].New != "1 user (1 changed, 1 gone)" || done.Sessions != 2 || done.Changed[0].Clients != 2 {
			t.Errorf("%+v, %v", done, err)
		}
		if line := alice.WantEnd(message.CodeAdministrator); line.Text("setting") != "password-file" {
			t.Errorf("the end is %v", line)
		}
		if reply := bob.Publish("chat", "", "hello"); reply.Text("type") != "acknowledge" {
			t.Errorf("with his new role: %v", reply)
		}
	})
}

// A constraint that is written where it holds is told of once, there, with its roles.
func TestReloadOfAConstraintInPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, login, false)
		constraint := func(roles string) page {
			return login.and(page{"chat": "<security><security-constraint><roles>" + roles + "</roles></security-constraint></security>"})
		}
		for _, step := range []struct {
			page page
			want string
		}{
			{constraint("<role>friends</role><role>staff</role>"), "services/service/destination[chat]/security/security-constraint:  to in place, for friends, staff"},
			{constraint("<role>staff</role>"), "services/service[message-service]/destination[chat]/security/security-constraint/roles: [friends staff] to [staff]"},
			{login, "services/service/destination[chat]/security/security-constraint: in place, for staff to "},
			{constraint(""), "services/service/destination[chat]/security/security-constraint:  to in place"},
		} {
			w.rewrite(step.page)
			done, err := w.service.reload()
			if err != nil {
				t.Fatal(err)
			}
			var told []string
			for _, c := range done.Changed {
				told = append(told, fmt.Sprintf("%s: %v to %v", c.Setting, c.Old, c.New))
			}
			if got := strings.Join(told, "; "); got != step.want {
				t.Errorf("got %s, want %s", got, step.want)
			}
		}
	})
}

// Levels, forms and categories hold at once for loggers that exist.
func TestLogsAreReplaced(t *testing.T) {
	var out output
	l := newLogs(config.Logging{Targets: []config.LogTarget{{Level: config.LevelWarn, Format: "json"}}}, &out)
	endpoint, client := l.category("Endpoint.General"), l.category("Client")
	say := func() string {
		out.text.Reset()
		endpoint.Debug().Msg("e")
		client.Debug().Msg("c")
		client.Warn().Msg("w")
		var all []string
		for line := range strings.Lines(out.String()) {
			var m map[string]any
			if json.Unmarshal([]byte(line), &m) != nil {
				all = append(all, "console")
				continue
			}
			all = append(all, m["message"].(string))
		}
		return strings.Join(all, " ")
	}
	for _, c := range []struct {
		targets []config.LogTarget
		want    string
	}{
		{nil, "w"},
		{[]config.LogTarget{{Level: config.LevelDebug, Format: "json"}}, "e c w"},
		{[]config.LogTarget{{Level: config.LevelDebug, Format: "json", Patterns: []string{"Endpoint.*"}}}, "e"},
		{[]config.LogTarget{{Level: config.LevelNone}}, ""},
		{[]config.LogTarget{{Level: config.LevelWarn, Format: "console"}, {Level: config.LevelDebug, Format: "json", Patterns: []string{"Client"}}}, "c console w"},
	} {
		l.replace(config.Logging{Targets: c.targets})
		if got := say(); got != c.want {
			t.Errorf("%v: %q, want %q", c.targets, got, c.want)
		}
	}
}
