package bench

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Config is a services-config.xml whose limits are far above what one generator can ask for.
//
//go:embed bench-config.xml
var Config []byte

// Server is a server in a process of its own.
type Server struct {
	URL string
	PID int

	cmd  *exec.Cmd
	dir  string
	done chan error
}

// StartServer runs the given program with "serve" and Config, and returns when it has said where it listens. Its log goes to log.
func StartServer(ctx context.Context, program string, log io.Writer) (*Server, error) {
	dir, err := os.MkdirTemp("", "sluice-bench-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, done: make(chan error, 1)}
	file := filepath.Join(dir, "services-config.xml")
	if err := os.WriteFile(file, Config, 0o600); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s.cmd = exec.Command(program, "serve", "--config", file)
	s.cmd.Stderr = log
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	said := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		if lines.Scan() {
			said <- lines.Text()
		}
		_, _ = io.Copy(io.Discard, out)
		s.done <- s.cmd.Wait()
	}()
	timer := time.NewTimer(10 * time.Second)
	defer timer.Stop()
	select {
	case line := <-said:
		at := strings.Index(line, "http")
		if at < 0 {
			return nil, errors.Join(fmt.Errorf("the server said %q, which is not where it listens", line), s.Stop())
		}
		s.URL, s.PID = strings.TrimSpace(line[at:]), s.cmd.Process.Pid
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
