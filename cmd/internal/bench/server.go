package bench

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Config is a services-config.xml whose limits are far above what one generator can ask for.
//
//go:embed bench-config.xml
var Config []byte

// configFile is the name of the configuration among the files of a server.
const configFile = "services-config.xml"

// Server is a server in a process of its own.
type Server struct {
	URL      string
	Internal string // the URL of its internal listener; empty: it has none
	PID      int

	cmd  *exec.Cmd
	dir  string
	done chan error
}

// StartServer runs the given program with "serve" and Config, and returns when it has said where it listens. Its log goes to log.
func StartServer(ctx context.Context, program string, log io.Writer) (*Server, error) {
	return startProcess(ctx, program, map[string][]byte{configFile: Config}, log)
}

// startProcess is StartServer with files, by name, in a directory of their own; one of them is configFile.
func startProcess(ctx context.Context, program string, files map[string][]byte, log io.Writer) (*Server, error) {
	dir, err := os.MkdirTemp("", "sluice-bench-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, done: make(chan error, 1)}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	s.cmd = exec.Command(program, "serve", "--config", filepath.Join(dir, configFile))
	s.cmd.Stderr = log
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	said := make(chan [2]string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		if lines.Scan() {
			first := lines.Text()
			lines.Scan()
			said <- [2]string{first, lines.Text()}
		}
		_, _ = io.Copy(io.Discard, out)
		s.done <- s.cmd.Wait()
	}()
	timer := time.NewTimer(10 * time.Second)
	defer timer.Stop()
	select {
	case lines := <-said:
		at := strings.Index(lines[0], "http")
		if at < 0 {
			return nil, errors.Join(fmt.Errorf("the server said %q, which is not where it listens", lines[0]), s.Stop())
		}
		s.URL, s.PID = strings.TrimSpace(lines[0][at:]), s.cmd.Process.Pid
		if _, rest, ok := strings.Cut(lines[1], "internal "); ok {
			s.Internal, _, _ = strings.Cut(rest, "/metrics")
		}
		return s, nil
	case err := <-s.done:
		s.done <- err
		return nil, errors.Join(errors.New("the server did not start"), s.Stop())
	case <-ctx.Done():
		return nil, errors.Join(context.Cause(ctx), s.Stop())
	case <-timer.C:
		return nil, errors.Join(errors.New("the server did not say where it listens"), s.Stop())
	}
}

// Stop ends the server, in order if it does so within 15 seconds, and removes what was made for it.
func (s *Server) Stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	timer := time.AfterFunc(15*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer timer.Stop()
	err := <-s.done
	if err != nil {
		err = fmt.Errorf("the server: %w", err)
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// StartSoakServer runs the given program with "serve" and a configuration for [Soak]. Its log also goes to log.
func StartSoakServer(ctx context.Context, program string, log *ServerLog) (*Server, error) {
	files, err := soakFiles()
	if err != nil {
		return nil, err
	}
	return startProcess(ctx, program, files, log)
}

// StartChaosServer runs the given program with "serve" and a configuration for [Chaos]. Its log also goes to log.
func StartChaosServer(ctx context.Context, program string, log *ServerLog) (*Server, error) {
	return startProcess(ctx, program, map[string][]byte{configFile: chaosConfig}, log)
}

// ServerLog passes what a server writes on, and remembers its errors. It is safe for concurrent use.
type ServerLog struct {
	To io.Writer

	mu     sync.Mutex // guards the following
	part   []byte     // of a line whose end has not come
	errors []string
}

// maxLogErrors bounds how many errors are remembered.
const maxLogErrors = 20

// Write takes any part of the log.
func (l *ServerLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part = append(l.part, b...)
	for {
		line, rest, ok := bytes.Cut(l.part, []byte("\n"))
		if !ok {
			return l.To.Write(b)
		}
		if isError(line) && len(l.errors) < maxLogErrors {
			l.errors = append(l.errors, string(line))
		}
		l.part = bytes.Clone(rest)
	}
}

// isError says whether a line tells of a fault of the server: an error in its log, or what Go writes when a program fails.
func isError(line []byte) bool {
	for _, begin := range []string{`{"level":"error"`, `{"level":"fatal"`, `{"level":"panic"`, "panic:", "fatal error:", "WARNING: DATA RACE"} {
		if bytes.HasPrefix(line, []byte(begin)) {
			return true
		}
	}
	return false
}

// Errors are the lines that tell of faults.
func (l *ServerLog) Errors() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.errors)
}
