package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"sluice/channel/client"
	"sluice/channel/message"
)

// serverLine is a line of the server, with the fields that any of them has.
type serverLine struct {
	Type, Operation, Reason, Name, Message, Incident, Reconnect string
	CorrelationID, ClientID, StreamID                           string
	ClientIDs                                                   []string

	Code, RetryAfterMillis int
	Attach, Have, Count    uint64
	Window                 window
	Headers                struct {
		DSId, DSSecret string
		DSPollWait     int64
	}
	Body json.RawMessage

	raw    []byte
	answer bool // no line: the answer of a poll is over
	status int  // … with this HTTP status
}

// counted tells whether the line has a number (docs/protocol.md section 1).
func (l *serverLine) counted() bool {
	switch l.Type {
	case "", "acknowledge", "error", message.TypeControl:
		return false
	}
	return true
}

// link is one connection by which a guest receives: a socket, a stream, or the connection of its polls. Its goroutine reads and hands over lines, a few ahead of who takes them.
type link struct {
	kind  client.Kind
	conn  net.Conn
	lines chan serverLine // closed when nothing more comes
	err   error           // why; to be read when lines is closed
	over  chan struct{}   // closed by drop
	once  sync.Once
	still atomic.Bool  // the reader reads no more, and answers nothing, until the link is dropped
	deaf  *atomic.Bool // a socket: no ping is answered
}

// newLink runs read, which hands lines to the given function until that says no more.
func newLink(kind client.Kind, conn net.Conn, read func(l *link) error) *link {
	l := &link{kind: kind, conn: conn, lines: make(chan serverLine, 16), over: make(chan struct{}), deaf: new(atomic.Bool)}
	go func() {
		defer close(l.lines)
		l.err = read(l)
		conn.Close()
	}()
	return l
}

var errDropped = errors.New("the link was dropped on this side")

// hand hands one line over.
func (l *link) hand(raw []byte) error {
	if raw = bytes.Trim(raw, "\x00\r\n"); len(raw) == 0 {
		return nil
	}
	line := serverLine{raw: bytes.Clone(raw)}
	if err := json.Unmarshal(raw, &line); err != nil {
		return fmt.Errorf("a line of the server: %w: %q", err, raw)
	}
	return l.put(line)
}

func (l *link) put(line serverLine) error {
	if l.still.Load() {
		<-l.over
		return errDropped
	}
	select {
	case l.lines <- line:
		return nil
	case <-l.over:
		return errDropped
	}
}

// drop ends the link without a word: with a reset, or in the order of TCP. It tells how many counted lines nobody has taken.
func (l *link) drop(reset bool) (unread int) {
	l.once.Do(func() {
		if tcp, ok := l.conn.(*net.TCPConn); ok && reset {
			_ = tcp.SetLinger(0)
		}
		l.conn.Close()
		close(l.over)
	})
	for line := range l.lines { // to their end, so that its goroutine has ended when this returns
		if line.counted() {
			unread++
		}
	}
	return unread
}

// quietConn reads nothing while its link is still: it is what the reader reads from.
type quietConn struct {
	net.Conn
	l *link
}

func (c quietConn) Read(b []byte) (int, error) {
	if c.l.still.Load() {
		<-c.l.over
		return 0, errDropped
	}
	return c.Conn.Read(b)
}

// openSocket opens a WebSocket.
func openSocket(ctx context.Context, at *url.URL) (*link, error) {
	conn, err := dialWebSocket(ctx, at, nil)
	if err != nil {
		return nil, err
	}
	return newLink(client.WebSocket, conn, func(l *link) error {
		s := &socket{conn: quietConn{conn, l}, buf: make([]byte, 4096), before: func() error { return nil }, deaf: l.deaf}
		for {
			if _, err := s.message(func(raw []byte, _ time.Time) error { return l.hand(raw) }); err != nil {
				return err
			}
		}
	}), nil
}

// openHTTP opens a connection for one stream, or for polls.
func openHTTP(ctx context.Context, kind client.Kind, at *url.URL) (*link, error) {
	conn, err := dial(ctx, at, nil)
	if err != nil {
		return nil, err
	}
	return newLink(kind, conn, func(l *link) error {
		in := bufio.NewReaderSize(quietConn{conn, l}, 4096)
		for {
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				return err
			}
			lines := bufio.NewReader(resp.Body)
			for err == nil {
				var raw []byte
				if raw, err = lines.ReadBytes('\n'); err == nil { // a line without its LF did not arrive
					if err := l.hand(raw); err != nil {
						return err
					}
				}
			}
			if resp.Close || l.kind == client.Streaming {
				return errEnded
			}
			if err := l.put(serverLine{answer: true, status: resp.StatusCode}); err != nil {
				return err
			}
		}
	}), nil
}

// request writes a POST.
func (l *link) request(at *url.URL, query, token, cookie string, body []byte) error {
	head := fmt.Sprintf("POST %s%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", at.Path, query, at.Host, len(body))
	if token != "" {
		head += "Authorization: Bearer " + token + "\r\n"
	}
	if cookie != "" {
		head += "Cookie: " + cookie + "\r\n"
	}
	_ = l.conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	_, err := l.conn.Write(append([]byte(head+"\r\n"), body...))
	return err
}
