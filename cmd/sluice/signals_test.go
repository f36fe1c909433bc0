package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/channel/client"
	"sluice/channel/message"
)

// process is the program, running as a server of its own.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	page string        // where its page is
	logs *bufio.Reader // standard error
}

// startProcess starts "sluice serve" with those arguments and waits until it is ready.
func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	p := &process{t: t, cmd: exec.CommandContext(ctx, program, args...)}
	p.cmd.Env = append(os.Environ(), "SLUICE_TEST_MAIN=1")
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.logs = bufio.NewReader(stderr)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill() })
	ready, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("it printed %q: %v", ready, err)
	}
	p.page = strings.TrimSpace(strings.TrimPrefix(ready, "Sluice is ready: "))
	return p
}

// signal sends it a signal.
func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// wantLog reads its log until a line with that text.
func (p *process) wantLog(text string) string {
	p.t.Helper()
	for {
		line, err := p.logs.ReadString('\n')
		switch {
		case strings.Contains(line, text):
			return line
		case err != nil:
			p.t.Fatalf("the log ended without %q", text)
		}
	}
}

// hold begins a request that holds up a shutdown.
func (p *process) hold() {
	p.t.Helper()
	conn, err := net.Dial("tcp", strings.Trim(strings.TrimPrefix(p.page, "http://"), "/"))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	fmt.Fprint(conn, "POST /longpoll/chat HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n")
	if _, err := io.ReadFull(conn, make([]byte, len("HTTP/1.1 100"))); err != nil { // the server reads the body
		p.t.Fatal(err)
	}
}

// ended waits for its end and returns its exit code, and what else it logged.
func (p *process) ended() (code int, rest string) {
	p.t.Helper()
	text, _ := io.ReadAll(p.logs)
	p.cmd.Wait() // what is wrong is in the exit code
	return p.cmd.ProcessState.ExitCode(), string(text)
}

// A first signal waits for what is under way, a second one for nothing, and says so.
func TestSecondSignal(t *testing.T) {
	for _, second := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(second.String(), func(t *testing.T) {
			t.Parallel()
			p := startProcess(t, "--listen", "127.0.0.1:0")
			p.hold()
			p.signal(syscall.SIGTERM)
			p.wantLog(`"message":"shutting down"`)
			began := time.Now()
			p.signal(second)
			code, rest := p.ended()
			if code != 1 || !strings.Contains(rest, "sluice: a second signal ("+second.String()+"): stopped at once, not in order\n") {
				t.Errorf("exit %d, and it said %q", code, rest)
			}
			if took := time.Since(began); took > 5*time.Second { // of the 10 that a shutdown may take
				t.Errorf("it took %v", took)
			}
		})
	}
}

// Who has not had a turn when the second signal comes is told at once, and not waited for. (A client that polls may be between two polls: endpoint/server tests those.)
func TestSecondSignalIsTold(t *testing.T) {
	t.Parallel()
	file := replaced(t, t.TempDir(), "<port>8080</port>", "<port>0</port><shutdown-timeout-millis>60000</shutdown-timeout-millis><drain-window-millis>40000</drain-window-millis>")
	p := startProcess(t, "--config", file, "--internal", "127.0.0.1:0")
	p.hold()
	kinds := []client.Kind{client.WebSocket, client.Streaming, client.WebSocket}
	ends := make(chan client.Event, 100)
	for _, kind := range kinds {
		set, err := client.New(client.Options{URL: p.page, Channels: []client.Channel{{Kind: kind}}, OnEvent: func(e client.Event) {
			if e.Kind == client.Disconnected {
				ends <- e
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer set.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := set.Subscribe(ctx, "chat", ""); err != nil {
			t.Fatal(err)
		}
	}
	p.signal(syscall.SIGTERM)
	p.wantLog(`"message":"shutting down"`)
	first := <-ends // the others have theirs after 13 and 26 seconds
	began := time.Now()
	p.signal(syscall.SIGTERM)
	for _, e := range []client.Event{first, <-ends, <-ends} {
		if e.Cause.Code != message.CodeServerShutdown {
			t.Errorf("over %s: %v", e.Channel, e.Cause)
		}
	}
	if code, rest := p.ended(); code != 1 || !strings.Contains(rest, "sluice: a second signal (terminated)") {
		t.Errorf("exit %d, and it said %q", code, rest)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// A shutdown that has to cut something off says so, also in its exit code.
func TestSignalAndNothingElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := replaced(t, dir, "<port>8080</port>", "<port>0</port><shutdown-timeout-millis>300</shutdown-timeout-millis>")
	p := startProcess(t, "--config", file, "--internal", "127.0.0.1:0")
	p.hold()
	p.signal(syscall.SIGINT)
	p.wantLog(`"cut":1,`)
	if code, rest := p.ended(); code != 1 || !strings.Contains(rest, "sluice: the shutdown was not orderly: connections cut off: 1") {
		t.Errorf("exit %d, and it said %q", code, rest)
	}
}
