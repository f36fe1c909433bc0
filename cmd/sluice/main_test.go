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
	code = run(ctx, args, std{in: strings.NewReader(stdin), out: &stdout, err: &stderr})
	return code, stdout.String(), stderr.String()
}

// serve is launch for a server with the usual channels.
func serve(t *testing.T, args ...string) (page string, stop func() int) {
	t.Helper()
	page, endpoints, stop := launch(t, args...)
	if !strings.Contains(endpoints, "websocket ws://"+strings.TrimPrefix(page, "http://")+"websocket") {
		t.Errorf("the second line is %q", endpoints)
	}
	return page, stop
}

// launch runs a server with those arguments. It returns its page, the line about its endpoints, and what ends it and returns its exit code.
func launch(t *testing.T, args ...string) (page, endpoints string, stop func() int) {
	t.Helper()
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, args, std{in: strings.NewReader(""), out: w, err: io.Discard})
		w.Close()
	}()
	lines := bufio.NewScanner(r)
	if !lines.Scan() {
		t.Fatalf("the server said nothing and ended with %d", <-code)
	}
	page = strings.TrimPrefix(lines.Text(), "Sluice is ready: ")
	if !lines.Scan() {
		t.Errorf("the server printed %q and no more", page)
	}
	endpoints = lines.Text()
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
	return page, endpoints, stop
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
				c := run(ctx, []string{"subscribe", page, "chat/room.*", "-k", channel, "-n", "200"}, std{in: strings.NewReader(""), out: w, err: &complaints})
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
