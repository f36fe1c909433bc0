package endpointtest

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Conn is one side of a connection in memory. All methods may be called from any goroutine. Errors are a *net.OpError around the error that TCP
// gives, but for io.EOF.
type Conn struct {
	link          *link
	peer          *Conn
	local, remote net.Addr

	// The following are guarded by link.mu.
	in      bytes.Buffer // arrived and not yet read
	eof     bool         // the peer's FIN arrived: nothing follows in
	err     error        // a reset arrived: fails writes, and reads after in and eof
	closed  bool
	shut    bool // no more writes: CloseWrite or Close was called
	writing bool // a Write is under way
	frozen  bool
	drop    int // that many bytes of the next ones written are lost
	stuck   int // after Cut: bytes that fill the peer's buffer for good

	readBy, writeBy deadline
}

// link is what both sides of a connection share.
type link struct {
	size int // of each buffer, in bytes

	mu      sync.Mutex // guards the following and both sides; never held while waiting
	changed *sync.Cond // broadcast when anything that somebody may wait for has changed
	cut     bool
}

var _ net.Conn = (*Conn)(nil)

// newPair makes a connection: the side that dialled, and the side that is accepted.
func newPair(client, server net.Addr, size int) (*Conn, *Conn) {
	l := &link{size: size}
	l.changed = sync.NewCond(&l.mu)
	c := &Conn{link: l, local: client, remote: server}
	s := &Conn{link: l, local: server, remote: client, peer: c}
	c.peer = s
	return c, s
}

// Read waits for bytes, the end of them, the deadline or Close.
func (c *Conn) Read(b []byte) (int, error) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if len(b) == 0 && !c.closed {
		return 0, nil
	}
	if err := c.waitReadable(); err != nil {
		return 0, c.fail("read", err)
	}
	switch {
	case c.in.Len() > 0:
		n, _ := c.in.Read(b) // never fails while there is something
		c.link.changed.Broadcast()
		return n, nil
	case c.eof:
		return 0, io.EOF
	default:
		return 0, c.fail("read", c.err)
	}
}

// WaitReadable waits until Read would not wait: there are bytes, or the end of them, or a reset. It takes nothing. The error is that of
// a deadline that has passed, or of Close.
func (c *Conn) WaitReadable() error {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if err := c.waitReadable(); err != nil {
		return c.fail("read", err)
	}
	return nil
}

func (c *Conn) waitReadable() error {
	for {
		switch {
		case c.closed:
			return net.ErrClosed
		case c.readBy.passed:
			return os.ErrDeadlineExceeded
		case !c.frozen && (c.in.Len() > 0 || c.eof || c.err != nil):
			return nil
		}
		c.link.changed.Wait()
	}
}

// Write waits until all of b is in the buffer, or for the deadline, Close or a reset. Bytes that were in before that are sent all the same; n counts them.
func (c *Conn) Write(b []byte) (n int, err error) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	for c.writing && c.writable() == nil {
		c.link.changed.Wait()
	}
	if err := c.writable(); err != nil {
		return 0, c.fail("write", err)
	}
	c.writing = true
	defer func() {
		c.writing = false
		c.link.changed.Broadcast()
	}()
	for n < len(b) {
		if err := c.writable(); err != nil {
			return n, c.fail("write", err)
		}
		put := c.put(b[n:])
		if n += put; put == 0 {
			c.link.changed.Wait()
		}
	}
	return n, nil
}

// TryWrite is Write without waiting: as many bytes as there is room for. If that is none, or another Write is under way, the error is EAGAIN.
// (syscall.EAGAIN calls itself a timeout too; ask for it first.)
func (c *Conn) TryWrite(b []byte) (int, error) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if err := c.writable(); err != nil {
		return 0, c.fail("write", err)
	}
	if len(b) == 0 {
		return 0, nil
	}
	if !c.writing {
		if n := c.put(b); n > 0 {
			return n, nil
		}
	}
	return 0, c.fail("write", syscall.EAGAIN)
}

// writable is why nothing can be written any more, apart from the room.
func (c *Conn) writable() error {
	switch {
	case c.closed:
		return net.ErrClosed
	case c.writeBy.passed:
		return os.ErrDeadlineExceeded
	case c.err != nil:
		return c.err
	case c.shut:
		return syscall.EPIPE
	}
	return nil
}

// put sends what there is room for, and returns how much.
func (c *Conn) put(b []byte) int {
	if c.link.cut {
		n := min(len(b), c.link.size-c.stuck)
		c.stuck += n
		return n
	}
	defer c.link.changed.Broadcast()
	if c.peer.closed {
		c.err = syscall.EPIPE // the answer is a reset, too late for this write
		return len(b)
	}
	lost := min(c.drop, len(b))
	c.drop -= lost
	n := min(len(b)-lost, c.link.size-c.peer.in.Len())
	c.peer.in.Write(b[lost : lost+n])
	return lost + n
}

// CloseWrite sends the end of what was written. The peer reads io.EOF behind it; the other direction goes on.
func (c *Conn) CloseWrite() error {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	switch {
	case c.closed:
		return c.fail("close", net.ErrClosed)
	case c.err != nil:
		return c.fail("close", syscall.ENOTCONN)
	}
	c.finish()
	return nil
}

// Close ends the connection. What was written still arrives. With input unread the peer gets a reset behind it, else the end.
func (c *Conn) Close() error {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if c.closed {
		return c.fail("close", net.ErrClosed)
	}
	c.closed = true
	c.readBy.stop()
	c.writeBy.stop()
	if c.in.Len() > 0 && !c.link.cut && c.peer.err == nil {
		c.peer.err = syscall.ECONNRESET
	}
	c.in = bytes.Buffer{}
	c.finish()
	return nil
}

// finish sends the FIN, unless a reset has gone before it.
func (c *Conn) finish() {
	c.shut = true
	if !c.link.cut && c.peer.err == nil {
		c.peer.eof = true
	}
	c.link.changed.Broadcast()
}

// Peer is the other side.
func (c *Conn) Peer() *Conn { return c.peer }

// Freeze makes this side stop reading, as an application that hangs: its reads wait, for the end of the input too, while what the peer writes fills the
// buffer. Deadlines, Close and Reset still end the reads.
func (c *Conn) Freeze() { c.change(func() { c.frozen = true }) }

// Thaw ends Freeze.
func (c *Conn) Thaw() { c.change(func() { c.frozen = false }) }

// Cut makes the connection vanish without a word. What has arrived can be read; nothing else arrives on either side, no byte and no end. Writes
// succeed until the buffer is full, then wait.
func (c *Conn) Cut() { c.change(c.cutOff) }

func (c *Conn) cutOff() {
	if !c.link.cut {
		c.link.cut = true
		c.stuck, c.peer.stuck = c.peer.in.Len(), c.in.Len()
	}
}

// Reset breaks the connection for both sides at once: what is under way is lost, and all reads and writes fail with ECONNRESET, Freeze or not.
func (c *Conn) Reset() {
	c.change(func() {
		c.broken(syscall.ECONNRESET)
		c.peer.broken(syscall.ECONNRESET)
	})
}

// Fail breaks the connection for this side alone: its reads and writes fail with err, like syscall.ETIMEDOUT of a kernel that has given up a peer which acknowledges nothing. The
// peer learns nothing of it.
func (c *Conn) Fail(err error) {
	c.change(func() {
		c.cutOff()
		c.broken(err)
	})
}

func (c *Conn) broken(err error) { c.in, c.eof, c.frozen, c.err = bytes.Buffer{}, false, false, err }

// Drop loses the next n bytes that this side writes: the writes succeed, the bytes do not arrive, those behind them do. TCP does not do that; it makes
// broken input. Another call replaces n.
func (c *Conn) Drop(n int) { c.change(func() { c.drop = n }) }

func (c *Conn) change(f func()) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	f()
	c.link.changed.Broadcast()
}

// LocalAddr is the address of this side, a *net.TCPAddr.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the address of the peer, a *net.TCPAddr.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadline(t, &c.readBy, &c.writeBy) }

// SetReadDeadline sets when reads fail with os.ErrDeadlineExceeded, those that wait too. Zero: never.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadline(t, &c.readBy) }

// SetWriteDeadline sets when writes fail with os.ErrDeadlineExceeded, those that wait too. Zero: never.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(t, &c.writeBy) }

func (c *Conn) setDeadline(t time.Time, deadlines ...*deadline) error {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if c.closed {
		return c.fail("set", net.ErrClosed)
	}
	for _, d := range deadlines {
		d.set(c.link, t)
	}
	return nil
}

func (c *Conn) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// deadline is guarded by link.mu.
type deadline struct {
	passed bool
	timer  *time.Timer // nil: none
}

func (d *deadline) set(l *link, t time.Time) {
	d.stop()
	left := time.Until(t)
	d.passed = !t.IsZero() && left <= 0
	if left > 0 {
		var timer *time.Timer
		timer = time.AfterFunc(left, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			if d.timer == timer { // else it was replaced while this waited for the lock
				d.passed = true
				l.changed.Broadcast()
			}
		})
		d.timer = timer
	}
	l.changed.Broadcast()
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
