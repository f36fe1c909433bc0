//go:build linux

package endpoint

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"sluice/channel"
	"sluice/channel/message"
)

// tcpPair is a connection: both of its sides.
func tcpPair(t *testing.T) (ours, theirs *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		dialled.Close()
		accepted.Close()
	})
	return accepted.(*net.TCPConn), dialled.(*net.TCPConn)
}

// option is what the kernel has for a socket.
func option(t *testing.T, c *net.TCPConn, level, name int) (value int) {
	t.Helper()
	err := control(c, func(fd int) (err error) {
		value, err = syscall.GetsockoptInt(fd, level, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// wantOptions compares TCP_USER_TIMEOUT in milliseconds, SO_KEEPALIVE, and its idle time, interval and count with what the kernel has.
func wantOptions(t *testing.T, c *net.TCPConn, want [5]int) {
	t.Helper()
	got := [5]int{
		option(t, c, syscall.IPPROTO_TCP, tcpUserTimeout), option(t, c, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE),
		option(t, c, syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE), option(t, c, syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL), option(t, c, syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT),
	}
	if got != want {
		t.Errorf("the socket has %v, want %v", got, want)
	}
}

// What a channel says is set under all layers; what it does not say is the listener's; what was set last holds.
func TestTune(t *testing.T) {
	for name, layer := range map[string]func(net.Conn) net.Conn{
		"plain":     func(c net.Conn) net.Conn { return c },
		"TLS":       func(c net.Conn) net.Conn { return tls.Server(c, &tls.Config{}) },
		"PROXY":     func(c net.Conn) net.Conn { return proxyproto.NewConn(c) },
		"all three": func(c net.Conn) net.Conn { return tls.Server(proxyproto.NewConn(c), &tls.Config{}) },
	} {
		t.Run(name, func(t *testing.T) {
			ours, _ := tcpPair(t)
			listener := &channel.KeepAlive{Enabled: true, Idle: 70 * time.Second, Interval: 7 * time.Second, Count: 3}
			if err := SetKeepAlive(ours, listener); err != nil {
				t.Fatal(err)
			}
			wantOptions(t, ours, [5]int{0, 1, 70, 7, 3})
			s := &Socket{Conn: ours, KeepAlive: listener}
			c := layer(s)
			tune := func(def *channel.ChannelDefinition, want [5]int) {
				t.Helper()
				if err := Tune(c, def); err != nil {
					t.Fatal(err)
				}
				wantOptions(t, ours, want)
			}
			plain := &channel.ChannelDefinition{DeadPeerTimeout: 2500 * time.Millisecond}
			tune(plain, [5]int{2500, 1, 70, 7, 3})
			tune(&channel.ChannelDefinition{DeadPeerTimeout: -1, KeepAlive: &channel.KeepAlive{}}, [5]int{0, 0, 70, 7, 3})
			tune(&channel.ChannelDefinition{DeadPeerTimeout: time.Second, KeepAlive: &channel.KeepAlive{Enabled: true, Idle: 9 * time.Second}}, [5]int{1000, 1, 9, 7, 3})
			tune(plain, [5]int{2500, 1, 70, 7, 3})

			ours.SetKeepAlive(false) // nobody but us: what is set is not set again
			tune(plain, [5]int{2500, 0, 70, 7, 3})
		})
	}
}

// A connection that is of no listener of ours has its own way; one that is not TCP, or none, is left alone.
func TestTuneOthers(t *testing.T) {
	ours, _ := tcpPair(t)
	def := &channel.ChannelDefinition{DeadPeerTimeout: time.Second, KeepAlive: &channel.KeepAlive{}}
	if err := Tune(tls.Server(ours, &tls.Config{}), def); err != nil {
		t.Fatal(err)
	}
	if timeout, on := option(t, ours, syscall.IPPROTO_TCP, tcpUserTimeout), option(t, ours, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE); timeout != 1000 || on != 0 {
		t.Errorf("a bare connection: %d ms, keep-alive %d", timeout, on)
	}
	pipe, other := net.Pipe()
	defer other.Close()
	for _, c := range []net.Conn{pipe, &Socket{Conn: pipe}, nil} {
		if err := errors.Join(Tune(c, def), SetKeepAlive(c, def.KeepAlive)); err != nil || LostCode(c) != message.CodeConnectionLost || MissedCode(c, message.CodeMissedPong, time.Nanosecond) != message.CodeMissedPong {
			t.Errorf("%T: %v", c, err)
		}
	}
	ours.Close()
	if Tune(ours, def) == nil {
		t.Error("a closed connection was tuned")
	}
	r := httptest.NewRequest("GET", "/", nil)
	if c := ConnOf(r); c != nil {
		t.Errorf("a request without a connection has %v", c)
	}
	if c := ConnOf(r.WithContext(WithConn(context.Background(), pipe))); c != pipe {
		t.Errorf("a request has %v", c)
	}
}

// scripted is a connection whose reads and writes fail as told.
type scripted struct {
	net.Conn
	read, write error
}

func (s scripted) Read([]byte) (int, error)  { return 0, s.read }
func (s scripted) Write([]byte) (int, error) { return 0, s.write }

// What says why is remembered, whatever is asked after it; deadlines and this side's own Close say nothing.
func TestLastError(t *testing.T) {
	timedOut := &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ETIMEDOUT)}
	broken := &net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}
	reset := &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	for name, tc := range map[string]struct {
		errors []error // of reads, and of writes by turns
		last   error
		code   message.Code
	}{
		"nothing":                 {nil, nil, message.CodeConnectionLost},
		"deadlines and a close":   {[]error{os.ErrDeadlineExceeded, net.ErrClosed, nil, os.ErrDeadlineExceeded}, nil, message.CodeConnectionLost},
		"given up":                {[]error{timedOut}, timedOut, message.CodeUnacknowledgedBytes},
		"given up, asked again":   {[]error{timedOut, broken, io.EOF, broken, net.ErrClosed}, timedOut, message.CodeUnacknowledgedBytes},
		"given up after the end":  {[]error{io.EOF, nil, io.EOF, timedOut}, timedOut, message.CodeUnacknowledgedBytes},
		"given up, told second":   {[]error{nil, broken, timedOut}, timedOut, message.CodeUnacknowledgedBytes},
		"an end":                  {[]error{io.EOF, nil, io.EOF}, io.EOF, message.CodeConnectionLost},
		"a reset":                 {[]error{reset, broken}, reset, message.CodeConnectionLost},
		"a reset, then a timeout": {[]error{reset, timedOut}, reset, message.CodeConnectionLost},
		"no way there":            {[]error{os.NewSyscallError("read", syscall.EHOSTUNREACH)}, syscall.EHOSTUNREACH, message.CodeUnacknowledgedBytes},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Socket{}
			for i, err := range tc.errors {
				s.Conn = scripted{read: err, write: err}
				var got error
				if i%2 == 0 {
					_, got = s.Read(nil)
				} else {
					_, got = s.Write(nil)
				}
				if Unacknowledged(LastError(s)) && err != nil && weak(err) && !Unacknowledged(got) {
					t.Errorf("%v was not told as what it came of, but as %v", err, got)
				}
			}
			if got := LastError(tls.Server(s, &tls.Config{})); !errors.Is(got, tc.last) || LostCode(s) != tc.code {
				t.Errorf("the last error is %v, and the code %v", got, LostCode(s))
			}
		})
	}
}

// Who finds the pipe broken waits for the word of who was told why; who is told of the end of a connection that is dead, too.
func TestTheCauseIsWaitedFor(t *testing.T) {
	for name, ask := range map[string]func(*Socket) error{
		"writing": func(s *Socket) error { _, err := s.Write([]byte("x")); return err },
		"reading": func(s *Socket) error { _, err := s.Read(make([]byte, 1)); return err },
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := tcpPair(t)
			theirs.SetLinger(0)
			theirs.Close() // a reset
			var cause error
			for deadline := time.Now().Add(10 * time.Second); cause == nil && time.Now().Before(deadline); {
				if _, err := ours.Write([]byte("x")); err != nil {
					cause = err // it is asked first, and has not told
				}
			}
			s := &Socket{Conn: ours}
			told := make(chan error, 1)
			go func() { told <- ask(s) }()
			for waits := false; !waits; {
				s.mu.Lock()
				waits = s.told != nil
				s.mu.Unlock()
			}
			timedOut := os.NewSyscallError("read", syscall.ETIMEDOUT)
			s.Note(timedOut)
			if got := <-told; got != timedOut {
				t.Errorf("was told %v in place of %v", got, timedOut)
			}
		})
	}
}

// A peer whose machine acknowledges is not taken for one that does not.
func TestMissedCode(t *testing.T) {
	ours, theirs := tcpPair(t)
	s := &Socket{Conn: ours}
	if code := MissedCode(s, message.CodeMissedPong, time.Millisecond); code != message.CodeMissedPong {
		t.Errorf("nothing was sent: %v", code)
	}
	io.WriteString(s, "ping")
	theirs.Read(make([]byte, 4)) // it has come, and so has its acknowledgement: they are on one machine
	if code := MissedCode(s, message.CodeMissedPong, time.Hour); code != message.CodeMissedPong {
		t.Errorf("a ping that has arrived: %v", code)
	}
	theirs.SetLinger(0)
	theirs.Close()
	s.Read(make([]byte, 1))
	if code := MissedCode(s, message.CodeMissedPong, time.Hour); code != message.CodeUnacknowledgedBytes {
		t.Errorf("the kernel has ended it: %v", code)
	}
}
