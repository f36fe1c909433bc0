package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"sluice/cmd/internal/config"
)

// TestMain runs the program itself where a test has started this binary for that.
func TestMain(m *testing.M) {
	if os.Getenv("SLUICE_TEST_MAIN") == "1" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// call runs a command line to its end.
func call(t *testing.T, stdin string, args ...string) (code int, out, errors string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var stdout, stderr bytes.Buffer
	code = run(ctx, args, std{strings.NewReader(stdin), &stdout, &stderr})
	return code, stdout.String(), stderr.String()
}

// serve runs a server with those arguments and returns its page, and what ends it and returns its exit code.
func serve(t *testing.T, args ...string) (page string, stop func() int) {
	t.Helper()
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, args, std{strings.NewReader(""), w, io.Discard})
		w.Close()
	}()
	lines := bufio.NewScanner(r)
	if !lines.Scan() {
		t.Fatalf("the server said nothing and ended with %d", <-code)
	}
	page = strings.TrimPrefix(lines.Text(), "Sluice is ready: ")
	if !lines.Scan() || !strings.Contains(lines.Text(), "websocket ws://"+strings.TrimPrefix(page, "http://")+"websocket") {
		t.Errorf("the second line is %q", lines.Text())
	}
	go io.Copy(io.Discard, r)
	var once sync.Once
	ended := -1
	stop = func() int {
		once.Do(func() {
			cancel()
			ended = <-code
		})
		return ended
	}
	t.Cleanup(func() { stop() })
	return page, stop
}

func TestCommandLine(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "no.xml")
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"--help", 0, "Usage: sluice"},
		{"publish --help", 0, "JSON, or else a text"},
		{"version", 0, "sluice "},
		{"publish", 2, "expected"},
		{"publish http://localhost", 2, "expected"},
		{"subscribe http://localhost news --channel pigeon", 2, "--channel must be one of"},
		{"serve --config " + missing, 2, "no.xml"},
		{"check", 2, "expected"},
		{"bench --consumers many", 2, "--consumers"},
		{"--nonsense", 2, "unknown flag"},
		{"serve --listen nonsense", 1, "--listen"},
		{"publish ftp://localhost news x", 1, "not an http"},
		{"publish http://localhost news x --count 0", 1, "--count"},
		{"publish http://127.0.0.1:1 news x", 1, "refused"},
		{"subscribe http://localhost news --user ann", 1, "SLUICE_PASSWORD"},
		{"bench --url http://127.0.0.1:1 --consumers 1 --size 3", 1, "size"},
	} {
		code, out, errors := call(t, "", strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(out+errors, c.want) {
			t.Errorf("sluice %s: exit %d, want %d and %q\n%s%s", c.args, code, c.code, c.want, out, errors)
		}
		if c.code != 0 && (out != "" || !strings.HasPrefix(errors, "sluice: ")) {
			t.Errorf("sluice %s: it wrote %q and %q", c.args, out, errors)
		}
	}
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.xml"), filepath.Join(dir, "bad.xml")
	if err := os.WriteFile(good, config.Default(), 0o600); err != nil {
		t.Fatal(err)
	}
	wrong := strings.Replace(string(config.Default()), "<port>8080</port>", "<port>many</port>", 1)
	if err := os.WriteFile(bad, []byte(wrong), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errors := call(t, "", "check", good); code != 0 || !strings.Contains(out, "honoured") || errors != "" {
		t.Errorf("the shipped file: exit %d\n%s%s", code, out, errors)
	}
	if code, out, _ := call(t, "", "check", bad); code != 1 || !strings.Contains(out, "many") {
		t.Errorf("a wrong file: exit %d\n%s", code, out)
	}
	if code, _, errors := call(t, "", "serve", "--config", bad); code != 1 || !strings.Contains(errors, "sluice check") {
		t.Errorf("serving a wrong file: exit %d\n%s", code, errors)
	}
	secured := strings.Replace(string(config.Default()), "<servers>", "<security><password-file>nobody</password-file></security><servers>", 1)
	if err := os.WriteFile(bad, []byte(secured), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errors := call(t, "", "check", bad); code != 1 || !strings.Contains(out+errors, "password-file") {
		t.Errorf("a password file that is not there: exit %d\n%s%s", code, out, errors)
	}
}

// What is published on one command line is printed on another, on every channel.
func TestPublishAndSubscribe(t *testing.T) {
	page, stop := serve(t, "--listen", "127.0.0.1:0")
	for _, channel := range []string{"websocket", "streaming", "longpoll"} {
		t.Run(channel, func(t *testing.T) {
			r, w := io.Pipe()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			code := make(chan int, 1)
			go func() {
				var complaints bytes.Buffer
				c := run(ctx, []string{"subscribe", page, "chat/room.*", "-k", channel, "-n", "200"}, std{strings.NewReader(""), w, &complaints})
				w.CloseWithError(fmt.Errorf("exit %d %s", c, &complaints))
				code <- c
			}()
			lines := bufio.NewReader(r)
			// Nobody outside sees when a subscription begins, so publish until something comes.
			first := make(chan error, 1)
			go func() {
				_, err := lines.ReadString('\n')
				first <- err
			}()
			for waiting := true; waiting; {
				if code, _, errors := call(t, "", "publish", page, "chat/room.0", "hello", "-k", channel); code != 0 {
					t.Fatalf("publish: exit %d %s", code, errors)
				}
				select {
				case err := <-first:
					if err != nil {
						t.Fatal(err)
					}
					waiting = false
				case <-time.After(20 * time.Millisecond):
				}
			}
			var input strings.Builder
			for i := range 100 {
				fmt.Fprintf(&input, "{\"n\": %d}\n\n", i)
			}
			if code, out, errors := call(t, input.String(), "publish", page, "chat/room.1", "-", "-k", channel, "-n", "2"); code != 0 || out+errors != "" {
				t.Fatalf("publish: exit %d %s%s", code, out, errors)
			}
			for n := 0; n < 199; {
				text, err := lines.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				var m printed
				if err := json.Unmarshal([]byte(text), &m); err != nil || m.Destination != "chat" || m.MessageID == "" || m.Timestamp == 0 {
					t.Fatalf("printed %q: %v", text, err)
				}
				if string(m.Body) == `"hello"` {
					n++ // the greeting may have been published more than once
					continue
				}
				if string(m.Headers["DSSubtopic"]) != `"room.1"` {
					t.Fatalf("printed %q", text)
				}
				n++
			}
			if c := <-code; c != 0 {
				t.Errorf("subscribe: exit %d", c)
			}
		})
	}
	if code, _, errors := call(t, "", "publish", page, "nowhere", "x"); code != 1 || !strings.Contains(errors, "There is no such destination (4507 unknown-destination)") {
		t.Errorf("publish to nowhere: exit %d %s", code, errors)
	}
	t.Setenv("SLUICE_PASSWORD", "wrong")
	if code, _, errors := call(t, "", "subscribe", page, "chat", "--user", "ann"); code != 1 || !strings.Contains(errors, "4517") {
		t.Errorf("a wrong password: exit %d %s", code, errors)
	}
	if code := stop(); code != 0 {
		t.Errorf("the server: exit %d", code)
	}
}

// The program as a process: bench starts a second one, and a signal ends it in order.
func TestProcess(t *testing.T) {
	t.Setenv("SLUICE_TEST_MAIN", "1")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), program, "bench", "--consumers", "10", "--messages", "200", "--json").CombinedOutput()
	var report struct {
		Published, Delivered, Lost int
		MemoryAfterKB              int
	}
	if err != nil || json.Unmarshal(out, &report) != nil || report.Published != 200 || report.Delivered != 2000 || report.MemoryAfterKB == 0 {
		t.Errorf("bench: %v\n%s", err, out)
	}

	server := exec.CommandContext(t.Context(), program, "--listen", "127.0.0.1:0")
	stdout, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || !strings.HasPrefix(line, "Sluice is ready: http://127.0.0.1:") {
		t.Errorf("the first line is %q, %v", line, err)
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := server.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

func TestLogs(t *testing.T) {
	var out bytes.Buffer
	l := newLogs(config.Logging{Targets: []config.LogTarget{
		{Level: config.LevelWarn, Format: "json", Prefix: `"A"`},
		{Level: config.LevelDebug, Format: "console", Prefix: "B: ", Patterns: []string{"Endpoint.*", "Client"}},
		{Level: config.LevelNone},
	}}, &out)
	for _, c := range []struct {
		category string
		level    zerolog.Level
		a, b     bool
	}{
		{"Endpoint.General", zerolog.ErrorLevel, true, true},
		{"Endpoint.General", zerolog.DebugLevel, false, true},
		{"Endpoint.General", zerolog.TraceLevel, false, false},
		{"Client", zerolog.WarnLevel, true, true},
		{"Client.FlexClient", zerolog.WarnLevel, true, false},
		{"Service", zerolog.InfoLevel, false, false},
	} {
		out.Reset()
		log := l.category(c.category)
		log.WithLevel(c.level).Msg("hello")
		a, b := strings.Contains(out.String(), `{"prefix":"\"A\"","level"`), strings.Contains(out.String(), "B: hello")
		if a != c.a || b != c.b {
			t.Errorf("%s %v: %v and %v, want %v and %v\n%s", c.category, c.level, a, b, c.a, c.b, &out)
		}
	}
}
