package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"sluice/flexsession"
)

func TestCommandLine(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "no.xml")
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"--help", 0, "Usage: sluice"},
		{"publish --help", 0, "or with -, each line of"},
		{"publish --help", 0, "$SLUICE_PASSWORD"},
		{"bench --help", 0, `--destination="bench"`},
		{"version", 0, "sluice "},

		{"publish", 2, "expected \"<url>"},
		{"publish http://localhost", 2, "expected"},
		{"publish ftp://localhost news x", 2, `"ftp://localhost": expected http://, https://, ws:// or wss://`},
		{"publish localhost:8080 news x", 2, "expected http://, https://, ws:// or wss://"},
		{"publish http:///x news x", 2, "names no host"},
		{"publish http://localhost news x --count 0", 2, "--count must be at least 1"},
		{"publish http://localhost news x --timeout 0s", 2, "--timeout must be more than 0"},
		{"publish https://localhost news x --ca " + missing, 2, "no.xml: no such file"},
		{"subscribe http://localhost news --channel pigeon", 2, "--channel must be one of"},
		{"subscribe http://localhost news --count=-1", 2, "--count must not be negative"},
		{"subscribe http://localhost news --max-frequency=-1", 2, "--max-frequency must not be negative"},
		{"subscribe http://localhost news --from last:few", 2, `"last:few": expected last: and a number`},
		{"subscribe http://localhost news --from 12:30", 2, `"12:30": expected last:N, a time like`},
		{"publish http://localhost news x --ttl=-1s", 2, "--ttl must not be negative"},
		{"publish http://localhost news x --priority 10", 2, "--priority must be from 0 to 9"},
		{"serve --config " + missing, 2, "no.xml: no such file"},
		{"serve --config", 2, "--config: expected a value\n"},
		{"serve --config /", 2, "/ is a directory"},
		{"serve --listen nonsense", 2, `--listen: "nonsense": expected HOST:PORT or :PORT`},
		{"--listen :70000", 2, "expected HOST:PORT"},
		{"serve --internal 8080", 2, "--internal"},
		{"check", 2, "expected"},
		{"check " + missing, 2, "\"sluice check --help\""},
		{"bench --consumers many", 2, "--consumers"},
		{"bench -c 0", 2, "--consumers must be at least 1"},
		{"bench --publishers=-1", 2, "--publishers must be at least 1"},
		{"bench --subtopics 0", 2, "--subtopics must be at least 1"},
		{"bench --size 3", 2, "--size must be at least 64"},
		{"bench --inflight 0", 2, "--inflight must be at least 1"},
		{"bench --rate 0", 2, "--rate must be more than 0"},
		{"bench -n 0", 2, "--messages must be at least 1"},
		{"bench -d 0s", 2, "--duration must be more than 0"},
		{"bench --pid 1", 2, "--pid needs --url"},
		{"bench --idle --churn", 2, "exclude each other"},
		{"bench --url nowhere", 2, "expected http://"},
		{"password --role staff", 2, "--role needs a user"},
		{"password ann:x", 2, "no colon"},
		{"--nonsense", 2, "unknown flag"},

		{"subscribe http://localhost news --user ann", 1, "SLUICE_PASSWORD"},
		{"publish https://localhost news x --ca cli_test.go", 1, "holds no certificate"},
	} {
		code, out, errors := call(t, "", strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(out+errors, c.want) {
			t.Errorf("sluice %s: exit %d, want %d and %q\n%s%s", c.args, code, c.code, c.want, out, errors)
		}
		if c.code != 0 && (out != "" || !strings.HasPrefix(errors, "sluice: ")) {
			t.Errorf("sluice %s: it wrote %q and %q", c.args, out, errors)
		}
	}
	for _, command := range []string{"publish http://127.0.0.1:1 news x", "subscribe http://127.0.0.1:1 news --timeout 1ms", "bench --url http://127.0.0.1:1 -c 1"} {
		code, _, errors := call(t, "", strings.Fields(command)...)
		last := errors[strings.LastIndexByte(strings.TrimSpace(errors), '\n')+1:]
		if code != 1 || strings.Count(last, "refused") != 1 && !strings.HasPrefix(command, "subscribe") {
			t.Errorf("sluice %s: exit %d\n%s", command, code, errors)
		}
	}
}

// On a terminal a publisher without a message is told so: it seemed to hang.
func TestPublishNothing(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	var out, errors bytes.Buffer
	code := run(t.Context(), []string{"publish", "http://127.0.0.1:1", "news"}, std{in: terminal, out: &out, err: &errors})
	if code != 1 || !strings.Contains(errors.String(), "there is no message") {
		t.Errorf("exit %d %s", code, &errors)
	}
}

// The line is one that the server takes, for that password and with those roles.
func TestPassword(t *testing.T) {
	code, line, errors := call(t, "wonder land\n", "password", "alice", "--role", "staff", "-r", "night shift")
	if code != 0 || errors != "" {
		t.Fatalf("exit %d %s", code, errors)
	}
	file := filepath.Join(t.TempDir(), "passwords")
	if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	passwords, err := flexsession.LoadPasswords(file)
	if err != nil {
		t.Fatal(err)
	}
	who, ok := passwords.Verify("alice", "wonder land")
	if !ok || strings.Join(who.Roles, "|") != "staff|night shift" {
		t.Errorf("%q: %v, %v", line, who, ok)
	}
	if code, hash, _ := call(t, "x", "password"); code != 0 || bcrypt.CompareHashAndPassword([]byte(strings.TrimSpace(hash)), []byte("x")) != nil {
		t.Errorf("without a user: exit %d %s", code, hash)
	}
	for _, wrong := range []string{"", "\n", strings.Repeat("x", 73)} {
		if code, out, errors := call(t, wrong, "password", "ann"); code != 1 || out != "" || !strings.Contains(errors, "1 to 72 bytes") {
			t.Errorf("%q: exit %d %s%s", wrong, code, out, errors)
		}
	}
}

func TestVersion(t *testing.T) {
	stamp := []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.modified", Value: "true"}}
	for _, c := range []struct {
		version  string
		settings []debug.BuildSetting
		want     string
	}{
		{"", nil, "(devel) go1"},
		{"(devel)", stamp, "(devel) commit 0123456789ab, modified go1"},
		{"v1.2.3", stamp[:1], "v1.2.3 commit 0123456789ab go1"},
		{"v0.0.0-20260101000000-0123456789ab+dirty", stamp, "v0.0.0-20260101000000-0123456789ab+dirty go1"},
	} {
		info := &debug.BuildInfo{GoVersion: "go1", Main: debug.Module{Version: c.version}, Settings: c.settings}
		if got := describe(info); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
