//go:build linux

package faults

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// few is how many descriptors the server of TestDescriptors may hold.
const few = 64

// serveFew is that server: a process with few descriptors, which prints where it is and serves until its standard input ends.
func serveFew() {
	limit := syscall.Rlimit{Cur: few, Max: few}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		panic(err)
	}
	s, err := server.New(endpointtest.Options(func(o *server.Options) {
		o.Listeners[0].Addr = "127.0.0.1:0"
		o.Logger = zerolog.New(os.Stderr)
	}))
	if err == nil {
		err = s.Start()
	}
	if err != nil {
		panic(err)
	}
	fmt.Println(s.Addr("main"))
	io.Copy(io.Discard, os.Stdin)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		panic(err)
	}
}

// fewServer is the process of serveFew.
type fewServer struct {
	t     *testing.T
	addr  string
	cmd   *exec.Cmd
	input io.Closer
	log   bytes.Buffer // to be read after end
}

func startFew(t *testing.T) *fewServer {
	t.Helper()
	s := &fewServer{t: t, cmd: exec.Command(os.Args[0])}
	s.cmd.Env = append(os.Environ(), roleKey+"=server")
	s.cmd.Stderr = &s.log
	input, err := s.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.input = input
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the server did not start: %v", err)
	}
	s.addr = strings.TrimSpace(line)
	return s
}

// end ends the server in order and returns the lines of its log that hold text.
func (s *fewServer) end(text string) (lines []map[string]any) {
	s.t.Helper()
	s.input.Close()
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("the server: %v\n%s", err, &s.log)
	}
	for raw := range strings.Lines(s.log.String()) {
		var line map[string]any
		if strings.Contains(raw, text) && json.Unmarshal([]byte(raw), &line) == nil {
			lines = append(lines, line)
		}
	}
	return lines
}

// guest is one connection to the server.
type guest struct {
	net.Conn
	r *bufio.Reader
}

func (s *fewServer) dial() *guest {
	s.t.Helper()
	c, err := net.DialTimeout("tcp", s.addr, 10*time.Second)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return &guest{c, bufio.NewReader(c)}
}

// ask makes a request and returns what it is answered: "ok", or the status and the code. The connection stays open if it is served.
func (g *guest) ask() string {
	g.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(g, "GET /config.json HTTP/1.1\r\nHost: sluice.test\r\n\r\n"); err != nil {
		return err.Error()
	}
	resp, err := http.ReadResponse(g.r, nil)
	if err != nil {
		return err.Error()
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return err.Error()
	}
	if resp.StatusCode == http.StatusOK {
		return "ok"
	}
	var line endpointtest.Line
	json.Unmarshal(body, &line)
	return fmt.Sprintf("%d %s %s after %s s, close %v", resp.StatusCode, line.Text("name"), line.Text("faultDetail"), resp.Header.Get("Retry-After"), resp.Close)
}

// used is how much processor time the server has used.
func (s *fewServer) used() time.Duration {
	s.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	var user, system int64 // in ticks of 10 ms: proc_pid_stat(5)
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	fmt.Sscan(fields[11]+" "+fields[12], &user, &system)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// A process that is out of descriptors refuses what comes with the code, serves those it has, does not spin, and serves new ones as soon as it can.
func TestDescriptors(t *testing.T) {
	const refused = "503 limit-descriptors ulimit -n is 64. after 3 s, close true"
	began := time.Now()
	s := startFew(t)
	var served []*guest
	last := "ok"
	for last == "ok" && len(served) < few {
		g := s.dial()
		if last = g.ask(); last == "ok" {
			served = append(served, g)
		}
	}
	if len(served) < few/2 || last != refused {
		t.Fatalf("the %dth connection: %s", len(served)+1, last)
	}
	for range 3 * reserved {
		if got := s.dial().ask(); got != refused {
			t.Fatalf("one more: %s", got)
		}
	}
	var all sync.WaitGroup
	for range 3 * reserved { // more at a time than can be told at a time
		g := s.dial()
		all.Go(func() {
			if got := g.ask(); got != refused {
				t.Errorf("one of many: %s", got)
			}
		})
	}
	all.Wait()
	for _, g := range served {
		if got := g.ask(); got != "ok" {
			t.Errorf("one that was there first: %s", got)
		}
	}

	var silent []*guest
	for range 2 * reserved { // half of them hold all that is reserved, the others wait in the queue
		silent = append(silent, s.dial())
	}
	before := s.used()
	time.Sleep(2 * time.Second)
	if used := s.used() - before; used > 500*time.Millisecond {
		t.Errorf("it worked for %v of 2 s while it could do nothing", used)
	}
	for _, g := range silent {
		g.Close()
	}
	for _, g := range served[:10] {
		g.Close()
	}
	for deadline := time.Now().Add(15 * time.Second); ; {
		g := s.dial()
		if got := g.ask(); got == "ok" {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("after ten have left: %s", got)
		}
		g.Close()
	}

	warnings := s.end("ulimit -n")
	if len(warnings) < 2 || len(warnings) > 2+int(time.Since(began)/time.Second) {
		t.Errorf("it warned %d times in %v", len(warnings), time.Since(began))
	}
	for i, w := range warnings {
		ok := w["level"] == "warn"
		if i == 0 {
			text, _ := w["message"].(string)
			ok = ok && strings.Contains(text, "20000 connections") && strings.Contains(text, fmt.Sprintf("only %d descriptors", few))
		} else {
			refused, _ := w["refused"].(float64)
			ok = ok && w["descriptors"] == float64(few) && refused >= 1
		}
		if !ok {
			t.Errorf("warning %d: %v", i, w)
		}
	}
}

// reserved is how many connections at a time the server can tell that there is no descriptor for them.
const reserved = 16
