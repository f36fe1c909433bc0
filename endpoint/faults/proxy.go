package faults

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy passes TCP connections on to one address, byte for byte, and does to them what networks and proxies do: it delays, buffers, swallows and cuts. It knows nothing of what it passes on. Its methods
// may be called by any number of goroutines, and none but Close blocks.
type Proxy struct {
	listener net.Listener
	to       string
	running  sync.WaitGroup

	mu    sync.Mutex // guards the following
	pairs map[*pair]struct{}
	next  Weather
	over  bool
}

// Weather is what befalls the bytes of a connection. The zero Weather passes them on at once.
type Weather struct {
	// Swallow takes all bytes of both directions and passes none on, nor that a side has closed: no FIN, no RST. What was swallowed does not come again.
	Swallow bool
	// Delay is how long bytes of either direction stay on the way. What comes meanwhile comes with the next ones.
	Delay time.Duration
	// Hold is for how long what the server sends is gathered before it is passed on at once, up to 32 KiB, as by a proxy that buffers.
	Hold time.Duration
	// Forget ends a connection by RST on both sides so long after [Proxy.Now], as by a router that forgets. Zero means never.
	Forget time.Duration
}

// pair is a connection of a client, and the one on to the server.
type pair struct {
	in, out net.Conn
	weather atomic.Pointer[Weather]
	left    atomic.Int64 // bytes that the client still gets; negative: as many as there are
}

// unlimited is pair.left where no byte is the last.
const unlimited = -1

// NewProxy listens on a port of 127.0.0.1 that the system chooses, and passes on to the address to.
func NewProxy(to string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, to: to, pairs: make(map[*pair]struct{})}
	p.running.Go(p.accept)
	return p, nil
}

// Addr is where it listens.
func (p *Proxy) Addr() net.Addr { return p.listener.Addr() }

// Close ends it, with all connections, and returns when its goroutines have ended.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	err := p.listener.Close()
	p.Cut(false)
	p.running.Wait()
	return err
}

// Now sets the weather of the connections there are. Those to come have theirs from Next.
func (p *Proxy) Now(w Weather) {
	p.each(func(c *pair) {
		c.weather.Store(&w)
		if w.Forget > 0 {
			time.AfterFunc(w.Forget, func() { c.cut(true) }) // one that has ended takes no harm
		}
	})
}

// Next sets the weather of connections to come.
func (p *Proxy) Next(w Weather) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = w
}

// Cut ends the connections there are, on both sides: by RST, or by FIN. What was not passed on yet is lost.
func (p *Proxy) Cut(reset bool) {
	p.each(func(c *pair) { c.cut(reset) })
}

// CutAfter ends each of the connections there are once its client has got so many bytes more, in the middle of a line or a frame as it happens.
func (p *Proxy) CutAfter(bytes int) {
	p.each(func(c *pair) { c.left.Store(int64(bytes)) })
}

// Open is how many connections there are.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pairs)
}

func (p *Proxy) each(f func(*pair)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		f(c)
	}
}

func (p *Proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.connect(in) })
	}
}

// connect passes one connection on. One that would only be swallowed reaches nobody.
func (p *Proxy) connect(in net.Conn) {
	defer in.Close()
	p.mu.Lock()
	weather := p.next
	p.mu.Unlock()
	c := &pair{in: in, out: in}
	if !weather.Swallow {
		out, err := net.Dial("tcp", p.to)
		if err != nil {
			return
		}
		defer out.Close()
		c.out = out
	}
	c.weather.Store(&weather)
	c.left.Store(unlimited)
	if !p.keep(c) {
		return
	}
	defer p.forget(c)
	if weather.Swallow {
		_, _ = io.Copy(io.Discard, in)
		return
	}
	var both sync.WaitGroup
	both.Go(func() { c.pass(in, c.out, false) })
	both.Go(func() { c.pass(c.out, in, true) })
	both.Wait()
}

func (p *Proxy) keep(c *pair) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pairs[c] = struct{}{}
	return !p.over
}

func (p *Proxy) forget(c *pair) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pairs, c)
}

// pass passes on what comes from one side, and its end as well; back says that it is the server's.
func (c *pair) pass(from, to net.Conn, back bool) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if w := c.weather.Load(); !w.Swallow {
			if err == nil && back && w.Hold > 0 {
				n, err = gather(from, buf, n, time.Now().Add(w.Hold))
			}
			time.Sleep(w.Delay)
		}
		if c.weather.Load().Swallow { // also what was on the way
			if err != nil {
				return
			}
			continue
		}
		piece := buf[:n]
		if left := c.left.Load(); back && left != unlimited {
			piece = piece[:min(int64(n), left)]
			c.left.Store(left - int64(len(piece)))
		}
		_, failed := to.Write(piece)
		switch {
		case err != nil:
			to.Close()
			return
		case failed != nil, len(piece) < n:
			c.cut(false)
			return
		}
	}
}

// gather reads on until a moment, or until buf, of which n bytes are there, is full.
func gather(from net.Conn, buf []byte, n int, until time.Time) (int, error) {
	_ = from.SetReadDeadline(until)
	defer from.SetReadDeadline(time.Time{})
	for n < len(buf) {
		more, err := from.Read(buf[n:])
		n += more
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (c *pair) cut(reset bool) {
	both := []net.Conn{c.in, c.out}
	for _, conn := range both { // before either is closed: pass closes the other as soon as it sees that
		if tcp, ok := conn.(*net.TCPConn); ok && reset {
			_ = tcp.SetLinger(0)
		}
	}
	for _, conn := range both {
		conn.Close()
	}
}
