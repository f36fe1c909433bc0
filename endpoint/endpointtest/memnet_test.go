package endpointtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAddresses(t *testing.T) {
	l := Listen("")
	defer l.Close()
	if got := l.Addr().String(); got != "198.51.100.1:80" {
		t.Errorf("Addr = %s", got)
	}
	first, second := dial(t, l), dial(t, l)
	third, err := l.DialFrom(t.Context(), "[2001:db8::7]:1234")
	if err != nil {
		t.Fatal(err)
	}
	for c, want := range map[*Conn]string{first: "192.0.2.1:40000", second: "192.0.2.1:40001", third: "[2001:db8::7]:1234"} {
		if got := c.LocalAddr().String(); got != want {
			t.Errorf("LocalAddr = %s, want %s", got, want)
		}
		if c.RemoteAddr() != l.Addr() || c.Peer().LocalAddr() != l.Addr() || c.Peer().RemoteAddr() != c.LocalAddr() || c.Peer().Peer() != c {
			t.Errorf("the addresses of %s and its peer do not match", want)
		}
	}
	if a, ok := third.LocalAddr().(*net.TCPAddr); !ok || a.Port != 1234 {
		t.Errorf("LocalAddr is a %T %v, want a *net.TCPAddr with port 1234", third.LocalAddr(), third.LocalAddr())
	}
	if got := Listen("192.0.2.9:443").Addr().String(); got != "192.0.2.9:443" {
		t.Errorf("Addr = %s", got)
	}
}

func TestAcceptInOrderOfDial(t *testing.T) {
	l := Listen("")
	defer l.Close()
	for range 3 {
		dial(t, l)
	}
	for i := range 3 {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := c.RemoteAddr().String(), fmt.Sprintf("192.0.2.1:%d", 40000+i); got != want {
			t.Errorf("accepted %s, want %s", got, want)
		}
	}
}

func TestDialWaitsForRoomInTheBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen("")
		for range 128 {
			dial(t, l)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if c, err := l.Dial(ctx); !errors.Is(err, context.DeadlineExceeded) || c != nil {
			t.Errorf("Dial with a full backlog = %v, %v, want nil and the error of its context", c, err)
		}
		time.AfterFunc(time.Minute, func() { _, _ = l.Accept() })
		begin := time.Now()
		if _, err := l.Dial(t.Context()); err != nil || time.Since(begin) != time.Minute {
			t.Errorf("Dial = %v after %v, want it to wait for Accept", err, time.Since(begin))
		}
	})
}

func TestListenerClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen("")
		accepted := dial(t, l)
		if _, err := l.Accept(); err != nil {
			t.Fatal(err)
		}
		failed := make(chan error)
		go func() {
			_, err := l.Accept()
			failed <- err
		}()
		synctest.Wait()
		if err := l.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
		if err := <-failed; !errors.Is(err, net.ErrClosed) {
			t.Errorf("the waiting Accept: %v, want net.ErrClosed", err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept: %v, want net.ErrClosed", err)
		}
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the second Close: %v, want net.ErrClosed", err)
		}
		if c, err := l.Dial(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) || c != nil {
			t.Errorf("Dial = %v, %v, want nil, ECONNREFUSED", c, err)
		}
		if _, err := accepted.Write([]byte("x")); err != nil {
			t.Errorf("Write on an accepted connection: %v, want it to live on", err)
		}
	})
}

func TestListenerCloseResetsTheBacklog(t *testing.T) {
	l := Listen("")
	c := dial(t, l)
	l.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("Read = %v, want ECONNRESET", err)
	}
	if c, err := l.Accept(); err == nil {
		t.Errorf("Accept = %v after Close", c)
	}
}

func TestDialWithEndedContext(t *testing.T) {
	l := Listen("")
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // there is room in the backlog, but that must not be a matter of luck
		if _, err := l.Dial(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("Dial = %v, want context.Canceled", err)
		}
	}
}

// dial connects and closes the connection at the end of the test.
func dial(t *testing.T, l *Listener) *Conn {
	t.Helper()
	c, err := l.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*Conn)
}

// inBubble runs f with both sides of a connection with buffers of 64 KiB, in a bubble.
func inBubble(t *testing.T, f func(t *testing.T, c, s *Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := Listen("")
		defer l.Close()
		c := dial(t, l)
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		f(t, c, s.(*Conn))
	})
}

// both runs f with the two sides in both orders.
func both(t *testing.T, f func(t *testing.T, c, s *Conn)) {
	t.Helper()
	t.Run("client", func(t *testing.T) { inBubble(t, f) })
	t.Run("server", func(t *testing.T) { inBubble(t, func(t *testing.T, c, s *Conn) { f(t, s, c) }) })
}

// write writes text that has room in the buffer.
func write(t *testing.T, c *Conn, text string) {
	t.Helper()
	if n, err := c.Write([]byte(text)); n != len(text) || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
}

// wantRead reads exactly as many bytes as text has.
func wantRead(t *testing.T, c *Conn, text string) {
	t.Helper()
	b := make([]byte, len(text))
	if n, err := io.ReadFull(c, b); err != nil || string(b) != text {
		t.Fatalf("read %q, %v, want %q", b[:n], err, text)
	}
}

// wantError makes one Read or Write and wants it to fail.
func wantError(t *testing.T, op func([]byte) (int, error), want error) {
	t.Helper()
	n, err := op(make([]byte, 1))
	if n != 0 || !errors.Is(err, want) {
		t.Errorf("got %d, %v, want 0, %v", n, err, want)
	}
	var opErr *net.OpError
	if want != io.EOF && !errors.As(err, &opErr) {
		t.Errorf("the error is a %T, want a *net.OpError", err)
	}
}

// wantTimeout is wantError for a deadline that has passed, or will pass.
func wantTimeout(t *testing.T, op func([]byte) (int, error)) {
	t.Helper()
	wantError(t, op, os.ErrDeadlineExceeded)
	var timeout net.Error
	if _, err := op(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("%v is not a net.Error with Timeout", err)
	}
}

// pending is a Read or Write that has to wait.
type pending struct {
	done chan struct{}
	n    int
	err  error
}

// waits runs op in a goroutine and checks that it waits.
func waits(t *testing.T, op func() (int, error)) *pending {
	t.Helper()
	p := &pending{done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.n, p.err = op()
	}()
	p.stillWaits(t)
	return p
}

func (p *pending) stillWaits(t *testing.T) {
	t.Helper()
	synctest.Wait()
	select {
	case <-p.done:
		t.Fatalf("returned %d, %v, want it to wait", p.n, p.err)
	default:
	}
}

// result waits for it.
func (p *pending) result() (int, error) {
	<-p.done
	return p.n, p.err
}

func reading(c *Conn) func() (int, error) {
	return func() (int, error) { return c.Read(make([]byte, 1)) }
}

func writing(c *Conn, size int) func() (int, error) {
	return func() (int, error) { return c.Write(make([]byte, size)) }
}
