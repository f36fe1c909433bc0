package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// socket is a WebSocket as light as can be. It reads unfragmented frames and hands over lines while the rest of a large frame is still to
// come, so its buffer stays small.
type socket struct {
	conn   net.Conn
	buf    []byte // what was read and not used is buf[at:end]
	at     int
	end    int
	before func() error // called before it waits for more
	deaf   *atomic.Bool // it answers no pings; nil: it does
}

// closeError is the close frame with which the server ended a socket.
type closeError struct {
	code   int
	reason string
}

func (e *closeError) Error() string { return fmt.Sprintf("the server closed: %d %s", e.code, e.reason) }

func (c *consumer) webSocket(ctx context.Context) error {
	conn, err := dialWebSocket(ctx, c.load.url, c.load.opts.TLS)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() {
		if c.load.polite() {
			_, _ = conn.Write(frame(1, []byte(goodbye)))
			_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		} else {
			conn.Close()
		}
	})
	defer stop()
	if _, err := conn.Write(frame(1, c.hello(true))); err != nil {
		return err
	}
	beat := c.load.beats(func() { _, _ = conn.Write(frame(1, []byte(heartbeat))) }) // one Write each: they do not mix
	defer beat()
	now := time.Now()
	s := &socket{conn: conn, buf: make([]byte, 4096), before: func() error {
		if confirm := c.flush(now); confirm != nil {
			_, err := conn.Write(frame(1, confirm))
			return err
		}
		return nil
	}}
	for {
		now, err = s.message(c.line)
		if err != nil {
			return err
		}
	}
}

// message reads one frame and hands over its lines. It returns the time the last of them came.
func (s *socket) message(line func([]byte, time.Time) error) (now time.Time, err error) {
	if err := s.need(2); err != nil {
		return now, err
	}
	now = time.Now()
	head, size, used := s.buf[s.at], uint64(s.buf[s.at+1]&0x7f), 2
	if s.buf[s.at+1]&0x80 != 0 || head&0x70 != 0 {
		return now, errors.New("the server sent a frame that is masked or of an extension")
	}
	switch size {
	case 126:
		used = 4
		if err := s.need(used); err != nil {
			return now, err
		}
		size = uint64(binary.BigEndian.Uint16(s.buf[s.at+2:]))
	case 127:
		used = 10
		if err := s.need(used); err != nil {
			return now, err
		}
		size = binary.BigEndian.Uint64(s.buf[s.at+2:])
	}
	s.at += used
	if head == 0x81 {
		return s.text(size, line)
	}
	if head&0x08 == 0 || size > 125 {
		return now, fmt.Errorf("the server sent a frame that begins with %#x", head)
	}
	if err := s.need(int(size)); err != nil {
		return now, err
	}
	payload := s.buf[s.at : s.at+int(size)]
	s.at += int(size)
	switch head & 0x0f {
	case 8:
		if len(payload) >= 2 {
			return now, &closeError{int(binary.BigEndian.Uint16(payload)), string(payload[2:])}
		}
		return now, errEnded
	case 9:
		if s.deaf == nil || !s.deaf.Load() {
			_, err = s.conn.Write(frame(10, payload))
		}
	}
	return now, err
}

// text hands over the lines of a text frame.
func (s *socket) text(size uint64, line func([]byte, time.Time) error) (now time.Time, err error) {
	now = time.Now()
	for size > 0 {
		have := s.buf[s.at:s.end]
		if uint64(len(have)) > size {
			have = have[:size]
		}
		used := bytes.IndexByte(have, '\n') + 1
		if used == 0 && uint64(len(have)) == size {
			used = int(size)
		}
		if used == 0 {
			if err := s.more(); err != nil {
				return now, err
			}
			now = time.Now()
			continue
		}
		if err := line(bytes.TrimSuffix(have[:used], []byte("\n")), now); err != nil {
			return now, err
		}
		s.at += used
		size -= uint64(used)
	}
	return now, nil
}

// need waits until n bytes are there.
func (s *socket) need(n int) error {
	for s.end-s.at < n {
		if err := s.more(); err != nil {
			return err
		}
	}
	return nil
}

// maxLine bounds what one line may take, in bytes.
const maxLine = 4 << 20

// more reads on. The buffer grows only for a line that is longer than it.
func (s *socket) more() error {
	if err := s.before(); err != nil {
		return err
	}
	if s.at > 0 {
		s.end = copy(s.buf, s.buf[s.at:s.end])
		s.at = 0
	}
	if s.end == len(s.buf) {
		if len(s.buf) >= maxLine {
			return fmt.Errorf("the server sent a line longer than %d bytes", maxLine)
		}
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	n, err := s.conn.Read(s.buf[s.end:])
	s.end += n
	if n > 0 {
		return nil
	}
	if err == io.EOF {
		return errEnded
	}
	return err
}

// frame makes a client's frame. The mask is zero, which RFC 6455 section 5.3 forbids to those who have something to hide.
func frame(opcode byte, payload []byte) []byte {
	f := []byte{0x80 | opcode, 0x80 | byte(len(payload))}
	switch {
	case len(payload) >= 1<<16:
		f[1] = 0x80 | 127
		f = binary.BigEndian.AppendUint64(f, uint64(len(payload)))
	case len(payload) > 125:
		f[1] = 0x80 | 126
		f = binary.BigEndian.AppendUint16(f, uint16(len(payload)))
	}
	f = append(f, 0, 0, 0, 0)
	return append(f, payload...)
}

// dialWebSocket connects and shakes hands (RFC 6455 section 4.1).
func dialWebSocket(ctx context.Context, at *url.URL, config *tls.Config) (net.Conn, error) {
	conn, err := dial(ctx, at, config)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2x1aWNlIGJlbmNoIGtleQ==\r\n\r\n", at.RequestURI(), at.Host)
	in := bufio.NewReaderSize(conn, 1024)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		conn.Close()
		return nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
		conn.Close()
		return nil, fmt.Errorf("the WebSocket was refused: HTTP status %s %s", resp.Status, bytes.TrimSpace(text))
	}
	if n := in.Buffered(); n > 0 { // a ping: there was a pause before this was read
		early, _ := in.Peek(n)
		return &readAhead{Conn: conn, early: early}, nil
	}
	return conn, nil
}

// readAhead is a connection of which something was read already.
type readAhead struct {
	net.Conn
	early []byte
}

// Read reads that first.
func (c *readAhead) Read(b []byte) (int, error) {
	if len(c.early) == 0 {
		return c.Conn.Read(b)
	}
	n := copy(b, c.early)
	c.early = c.early[n:]
	return n, nil
}

func dial(ctx context.Context, at *url.URL, config *tls.Config) (net.Conn, error) {
	host, secure := at.Host, at.Scheme == "https" || at.Scheme == "wss"
	if at.Port() == "" {
		port := "80"
		if secure {
			port = "443"
		}
		host = net.JoinHostPort(at.Hostname(), port)
	}
	if secure {
		return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", host)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", host)
}
