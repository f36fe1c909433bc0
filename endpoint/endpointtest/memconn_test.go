package endpointtest

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const size = 64 << 10

func TestBytesArriveInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, c, s *Conn) {
		r := rand.New(rand.NewPCG(1, 2))
		want := make([]byte, 1<<20)
		for i := range want {
			want[i] = byte(r.Uint32())
		}
		for _, pair := range [][2]*Conn{{c, s}, {s, c}} {
			go func() {
				for rest := want; len(rest) > 0; {
					n, err := pair[0].Write(rest[:min(len(rest), 1+r.IntN(100_000))])
					if err != nil {
						t.Error(err)
					}
					rest = rest[n:]
				}
				pair[0].CloseWrite()
			}()
			if got, err := io.ReadAll(pair[1]); err != nil || !bytes.Equal(got, want) {
				t.Errorf("read %d bytes, %v, want the %d that were written", len(got), err, len(want))
			}
		}
	})
}

// Unlike on a net.Pipe, small writes do not wait for the reader, and come to it together.
func TestWritesCoalesce(t *testing.T) {
	both(t, func(t *testing.T, c, s *Conn) {
		write(t, c, "one ")
		write(t, c, "two")
		b := make([]byte, 100)
		if n, err := s.Read(b); string(b[:n]) != "one two" || err != nil {
			t.Errorf("Read = %q, %v", b[:n], err)
		}
	})
}

func TestWriteWaitsForRoom(t *testing.T) {
	both(t, func(t *testing.T, c, s *Conn) {
		op := waits(t, writing(c, size+10))
		wantRead(t, s, string(make([]byte, 9)))
		synctest.Wait()
		if n, err := c.TryWrite([]byte("x")); n != 0 || !errors.Is(err, syscall.EAGAIN) {
			t.Errorf("TryWrite beside a Write = %d, %v, want EAGAIN", n, err)
		}
		wantRead(t, s, "\x00")
		if n, err := op.result(); n != size+10 || err != nil {
			t.Errorf("Write = %d, %v", n, err)
		}
	})
}

func TestBufferSize(t *testing.T) {
	l := Listen("")
	defer l.Close()
	l.Buffer = 10
	c := dial(t, l)
	if n, err := c.TryWrite(make([]byte, 11)); n != 10 || err != nil {
		t.Errorf("TryWrite = %d, %v, want 10", n, err)
	}
}

func TestTryWrite(t *testing.T) {
	both(t, func(t *testing.T, c, s *Conn) {
		if n, err := c.TryWrite(nil); n != 0 || err != nil {
			t.Errorf("TryWrite of nothing = %d, %v", n, err)
		}
		if n, err := c.TryWrite(make([]byte, size-5)); n != size-5 || err != nil {
			t.Errorf("TryWrite = %d, %v, want all", n, err)
		}
		if n, err := c.TryWrite([]byte("0123456789")); n != 5 || err != nil {
			t.Errorf("TryWrite with 5 bytes of room = %d, %v", n, err)
		}
		if n, err := c.TryWrite([]byte("x")); n != 0 || !errors.Is(err, syscall.EAGAIN) {
			t.Errorf("TryWrite without room = %d, %v, want EAGAIN", n, err)
		}
		wantRead(t, s, string(make([]byte, size-5))+"01234")
		if n, err := c.TryWrite([]byte("x")); n != 1 || err != nil {
			t.Errorf("TryWrite with room again = %d, %v", n, err)
		}
		if err := c.SetWriteDeadline(time.Unix(0, 1)); err != nil {
			t.Fatal(err)
		}
		wantTimeout(t, c.TryWrite)
		c.Close()
		wantError(t, c.TryWrite, net.ErrClosed)
	})
}

// The moment in which a Write has been given room, and has not come round to using it.
func TestTryWriteDoesNotOvertakeAWrite(t *testing.T) {
	both(t, func(t *testing.T, c, s *Conn) {
		c.change(func() { c.writing = true })
		if n, err := c.TryWrite([]byte("x")); n != 0 || !errors.Is(err, syscall.EAGAIN) {
			t.Errorf("TryWrite = %d, %v, want EAGAIN", n, err)
		}
	})
}

// As on a socket, what two goroutines write at a time is not mixed, however often each has to wait for room.
func TestConcurrentWritesAreNotMixed(t *testing.T) {
	inBubble(t, func(t *testing.T, c, s *Conn) {
		const each = size + 1000
		for _, letter := range []byte("abcd") {
			go func() {
				if _, err := c.Write(bytes.Repeat([]byte{letter}, each)); err != nil {
					t.Error(err)
				}
			}()
		}
		got := make([]byte, 4*each)
		for part := got; len(part) > 0; {
			n, err := s.Read(part[:min(len(part), 777)])
			if err != nil {
				t.Fatal(err)
			}
			part = part[n:]
		}
		for i := range 4 {
			if part := got[i*each : (i+1)*each]; bytes.Count(part, part[:1]) != each {
				t.Errorf("write %d is mixed with another", i)
			}
		}
	})
}

func TestWaitReadable(t *testing.T) {
	for name, event := range map[string]func(c, s *Conn){
		"bytes":      func(c, s *Conn) { s.Write([]byte("x")) },
		"half-close": func(c, s *Conn) { s.CloseWrite() },
		"close":      func(c, s *Conn) { s.Close() },
		"reset":      func(c, s *Conn) { s.Reset() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, c, s *Conn) {
				wait := func() (int, error) { return 0, c.WaitReadable() }
				op := waits(t, wait)
				event(c, s)
				if _, err := op.result(); err != nil {
					t.Errorf("WaitReadable = %v", err)
				}
				if err := c.WaitReadable(); err != nil {
					t.Errorf("WaitReadable took something: %v", err)
				}
				c.SetReadDeadline(time.Now())
				if err := c.WaitReadable(); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("WaitReadable after the deadline = %v", err)
				}
				c.Close()
				if err := c.WaitReadable(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("WaitReadable after Close = %v", err)
				}
			})
		})
	}
}

func TestCloseWrite(t *testing.T) {
	both(t, func(t *testing.T, c, s *Conn) {
		write(t, c, "last words")
		op := waits(t, reading(c))
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		wantError(t, c.Write, syscall.EPIPE)
		wantRead(t, s, "last words")
		wantError(t, s.Read, io.EOF)
		wantError(t, s.Read, io.EOF)
		write(t, s, "!")
		if n, err := op.result(); n != 1 || err != nil {
			t.Errorf("the other direction: Read = %d, %v", n, err)
		}
		s.Close()
		wantError(t, c.Read, io.EOF)
	})
}

func TestCloseSendsTheEndBehindTheBytes(t *testing.T) {
	both(t, func(t *testing.T, c, s *Conn) {
		write(t, c, "bye")
		c.Close()
		wantRead(t, s, "bye")
		wantError(t, s.Read, io.EOF)
	})
}

func TestCloseEndsWhatWaitsHere(t *testing.T) {
	both(t, func(t *testing.T, c, s *Conn) {
		read, wrote := waits(t, reading(c)), waits(t, writing(c, 2*size))
		second := waits(t, writing(c, 1))
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if n, err := read.result(); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read = %d, %v", n, err)
		}
		if n, err := wrote.result(); n != size || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write = %d, %v, want what the buffer took, and net.ErrClosed", n, err)
		}
		if n, err := second.result(); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("the Write behind it = %d, %v", n, err)
		}
		wantError(t, c.Read, net.ErrClosed)
		wantError(t, c.Write, net.ErrClosed)
		for name, err := range map[string]error{"Close": c.Close(), "CloseWrite": c.CloseWrite(), "SetDeadline": c.SetDeadline(time.Time{})} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s after Close = %v", name, err)
			}
		}
		wantRead(t, s, string(make([]byte, size)))
		wantError(t, s.Read, io.EOF)
	})
}

// The trap of every server that says why it closes and does not read on: the reset overtakes nothing here, but the end is not clean.
func TestCloseWithUnreadInputResets(t *testing.T) {
	both(t, func(t *testing.T, c, s *Conn) {
		op := waits(t, writing(s, size+1))
		write(t, c, "because")
		c.Close()
		if n, err := op.result(); n != size || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the Write that waited = %d, %v, want %d, ECONNRESET", n, err, size)
		}
		wantRead(t, s, "because")
		wantError(t, s.Read, syscall.ECONNRESET)
		wantError(t, s.Write, syscall.ECONNRESET)
		if err := s.CloseWrite(); !errors.Is(err, syscall.ENOTCONN) {
			t.Errorf("CloseWrite = %v, want ENOTCONN", err)
		}
	})
}

func TestWriteToAClosedPeerFailsTheSecondTime(t *testing.T) {
	both(t, func(t *testing.T, c, s *Conn) {
		s.Close()
		write(t, c, "into the void")
		wantError(t, c.Write, syscall.EPIPE)
		wantError(t, c.TryWrite, syscall.EPIPE)
		wantError(t, c.Read, io.EOF)
	})
}

func TestPastDeadlineFailsAtOnce(t *testing.T) {
	both(t, func(t *testing.T, c, s *Conn) {
		write(t, s, "x")
		if err := c.SetDeadline(time.Unix(0, 1)); err != nil {
			t.Fatal(err)
		}
		wantTimeout(t, c.Read) // although there is something to read
		wantTimeout(t, c.Write)
		if err := c.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		wantRead(t, c, "x")
		write(t, c, "x")
	})
}

func TestDeadlineEndsWhatWaits(t *testing.T) {
	both(t, func(t *testing.T, c, s *Conn) {
		write(t, c, string(make([]byte, size)))
		begin := time.Now()
		c.SetReadDeadline(begin.Add(time.Minute))
		c.SetWriteDeadline(begin.Add(time.Hour))
		wantTimeout(t, c.Read)
		if d := time.Since(begin); d != time.Minute {
			t.Errorf("Read failed after %v, want 1m0s", d)
		}
		wantTimeout(t, c.Write)
		if d := time.Since(begin); d != time.Hour {
			t.Errorf("Write failed after %v, want 1h0m0s", d)
		}
	})
}

// What waits obeys a deadline set later: an earlier one, a later one, none, and the past, which is how net/http wakes its own reads.
func TestDeadlineChangedWhileWaiting(t *testing.T) {
	both(t, func(t *testing.T, c, s *Conn) {
		begin := time.Now()
		c.SetReadDeadline(begin.Add(time.Hour))
		op := waits(t, reading(c))
		c.SetReadDeadline(begin.Add(time.Second))
		if _, err := op.result(); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("earlier: %v after %v", err, time.Since(begin))
		}

		c.SetReadDeadline(time.Now().Add(time.Second))
		op = waits(t, reading(c))
		c.SetReadDeadline(time.Time{})
		time.Sleep(time.Minute)
		op.stillWaits(t)
		c.SetReadDeadline(time.Now().Add(-1))
		if _, err := op.result(); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != 61*time.Second {
			t.Errorf("none, then the past: %v after %v", err, time.Since(begin))
		}
	})
}

// The timer of a deadline may have fired and wait for the lock while the deadline is replaced.
func TestDeadlineReplacedAsItPasses(t *testing.T) {
	inBubble(t, func(t *testing.T, c, s *Conn) {
		c.SetReadDeadline(time.Now().Add(time.Second))
		c.change(func() {
			time.Sleep(time.Second)
			c.readBy.set(c.link, time.Now().Add(time.Hour))
		})
		synctest.Wait()
		waits(t, reading(c))
	})
}

func TestPartialWriteBeforeTheDeadline(t *testing.T) {
	both(t, func(t *testing.T, c, s *Conn) {
		c.SetWriteDeadline(time.Now().Add(time.Second))
		if n, err := c.Write(make([]byte, size+5)); n != size || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write = %d, %v, want %d and a timeout", n, err, size)
		}
		c.SetWriteDeadline(time.Time{})
		wantRead(t, s, string(make([]byte, size)))
		write(t, c, "goes on")
		wantRead(t, s, "goes on")
	})
}

func TestEmptyReadAndWrite(t *testing.T) {
	both(t, func(t *testing.T, c, s *Conn) {
		if n, err := c.Read(nil); n != 0 || err != nil {
			t.Errorf("Read(nil) = %d, %v", n, err)
		}
		if n, err := c.Write(nil); n != 0 || err != nil {
			t.Errorf("Write(nil) = %d, %v", n, err)
		}
		c.Close()
		if _, err := c.Read(nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read(nil) after Close = %v", err)
		}
		if _, err := c.Write(nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write(nil) after Close = %v", err)
		}
	})
}

func TestFreeze(t *testing.T) {
	both(t, func(t *testing.T, c, s *Conn) {
		s.Freeze()
		op := waits(t, reading(s))
		write(t, c, string(make([]byte, size))) // the buffer fills
		if _, err := c.TryWrite([]byte("x")); !errors.Is(err, syscall.EAGAIN) {
			t.Errorf("TryWrite = %v, want EAGAIN", err)
		}
		wrote := waits(t, writing(c, 1))
		write(t, s, "x") // the other direction is not frozen
		wantRead(t, c, "x")
		s.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := op.result(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read of the frozen side = %v", err)
		}
		s.SetReadDeadline(time.Time{})
		s.Thaw()
		wantRead(t, s, string(make([]byte, size+1)))
		if n, err := wrote.result(); n != 1 || err != nil {
			t.Errorf("Write = %d, %v", n, err)
		}
		s.Freeze()
		c.Close()
		op = waits(t, reading(s)) // nor does it see the end
		s.Thaw()
		if _, err := op.result(); err != io.EOF {
			t.Errorf("Read after Thaw = %v", err)
		}
	})
}

func TestCut(t *testing.T) {
	both(t, func(t *testing.T, c, s *Conn) {
		write(t, c, "before")
		c.Cut()
		wantRead(t, s, "before")
		op := waits(t, reading(s))
		// The room that "before" took does not come back: nobody acknowledges it any more.
		if n, err := c.TryWrite(make([]byte, 2*size)); n != size-6 || err != nil {
			t.Errorf("TryWrite = %d, %v, want %d bytes of buffer", n, err, size-6)
		}
		s.Cut() // the second one changes nothing
		wrote := waits(t, writing(c, 1))
		c.SetWriteDeadline(time.Now().Add(time.Minute))
		if _, err := wrote.result(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write = %v", err)
		}
		write(t, s, string(make([]byte, size)))
		other := waits(t, writing(s, 1))
		c.CloseWrite()
		c.Close()
		time.Sleep(time.Hour)
		s.Close()
		for _, p := range []*pending{op, other} {
			if _, err := p.result(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("got %v, want the other side to have heard nothing until its own Close", err)
			}
		}
	})
}

// Neither the end nor the reset of a Close with input unread gets through a connection that was cut.
func TestCutHidesAReset(t *testing.T) {
	both(t, func(t *testing.T, c, s *Conn) {
		write(t, c, "unread")
		c.Cut()
		s.Close()
		waits(t, reading(c))
		write(t, c, "swallowed")
	})
}

func TestReset(t *testing.T) {
	both(t, func(t *testing.T, c, s *Conn) {
		write(t, s, "lost")
		s.CloseWrite()
		s.Freeze()
		read, wrote := waits(t, reading(s)), waits(t, writing(c, size+1))
		s.Reset()
		if _, err := read.result(); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Read = %v", err)
		}
		if n, err := wrote.result(); n != size || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Write = %d, %v", n, err)
		}
		for _, side := range []*Conn{c, s} {
			wantError(t, side.Read, syscall.ECONNRESET)
			wantError(t, side.Write, syscall.ECONNRESET)
			wantError(t, side.TryWrite, syscall.ECONNRESET)
		}
	})
}

func TestFail(t *testing.T) {
	both(t, func(t *testing.T, c, s *Conn) {
		write(t, c, "sent before")
		read := waits(t, func() (int, error) { return c.Read(make([]byte, 1)) })
		c.Fail(syscall.ETIMEDOUT)
		if _, err := read.result(); !errors.Is(err, syscall.ETIMEDOUT) {
			t.Errorf("Read = %v", err)
		}
		wantError(t, c.Read, syscall.ETIMEDOUT)
		wantError(t, c.Write, syscall.ETIMEDOUT)
		wantRead(t, s, "sent before")
		read = waits(t, func() (int, error) { return s.Read(make([]byte, 1)) }) // the peer learns nothing
		s.Close()
		read.result()
	})
}

func TestDrop(t *testing.T) {
	both(t, func(t *testing.T, c, s *Conn) {
		c.Drop(5)
		write(t, c, "abc")
		write(t, c, "defgh")
		wantRead(t, s, "fgh")
		c.Drop(1)
		write(t, c, "x")
		op := waits(t, reading(s))
		write(t, c, "y")
		if n, err := op.result(); n != 1 || err != nil {
			t.Errorf("Read = %d, %v", n, err)
		}
	})
}

// Readers, writers, deadlines and a reset all at once, on real time: for the race detector, and that nothing hangs.
func TestConcurrentUse(t *testing.T) {
	l := Listen("")
	defer l.Close()
	c := dial(t, l)
	var all sync.WaitGroup
	for _, side := range []*Conn{c, c.Peer()} {
		for range 4 {
			all.Go(func() { _, _ = io.Copy(io.Discard, side) })
			all.Go(func() {
				for i := range 200 {
					_, _ = side.Write(make([]byte, 1000))
					_, _ = side.TryWrite(make([]byte, 1000))
					_ = side.SetWriteDeadline(time.Now().Add(time.Duration(i+1) * time.Minute))
					side.Freeze()
					side.Thaw()
				}
			})
			all.Go(func() { _ = side.WaitReadable() })
		}
	}
	time.AfterFunc(5*time.Millisecond, c.Reset)
	all.Wait()
}
