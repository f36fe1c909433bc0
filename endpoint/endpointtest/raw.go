package endpointtest

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel/message"
)

// Raw is a connection on which a test writes every byte itself: for what no library would send, and for a peer that stops reading ([Conn.Freeze]).
type Raw struct {
	*Conn
	Reader *bufio.Reader

	t testing.TB
}

// Raw opens one from an address of its own; it is closed with the test.
func (r *Rig) Raw() *Raw { return r.RawFrom("") }

// RawFrom is Raw from the address local, as for [Listener.DialFrom].
func (r *Rig) RawFrom(local string) *Raw {
	r.T.Helper()
	conn, err := r.Net.DialFrom(context.Background(), local)
	if err != nil {
		r.T.Fatal(err)
	}
	r.T.Cleanup(func() { conn.Close() })
	return &Raw{Conn: conn, Reader: bufio.NewReader(conn), t: r.T}
}

// From is the same server, reached from the address local.
func (r *Rig) From(local string) *Rig {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return r.Net.DialFrom(ctx, local) }}
	r.T.Cleanup(func() {
		transport.CloseIdleConnections()
		synctest.Wait()
	})
	other := *r
	other.HTTP = &http.Client{Transport: transport}
	return &other
}

// Send writes text.
func (c *Raw) Send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, text); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

// Request writes a whole HTTP/1.1 request. headers are whole lines without their ends.
func (c *Raw) Request(method, path, body string, headers ...string) {
	c.t.Helper()
	text := method + " " + path + " HTTP/1.1\r\nHost: sluice.test\r\n"
	for _, h := range headers {
		text += h + "\r\n"
	}
	if body != "" {
		text += "Content-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	c.Send(text + "\r\n" + body)
}

// Answer reads an HTTP answer to its end, and its lines.
func (c *Raw) Answer() (*http.Response, []Line) {
	c.t.Helper()
	resp := c.Head()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("the answer: %v", err)
	}
	var lines []Line
	for raw := range message.Lines(data) {
		var line Line
		if err := json.Unmarshal(raw, &line); err != nil {
			c.t.Fatalf("not a line: %q", raw)
		}
		lines = append(lines, line)
	}
	return resp, lines
}

// patience gives the next reads the time a test waits for what should be there.
func (c *Raw) patience() { c.SetReadDeadline(time.Now().Add(wait)) }

// Head reads the head of an HTTP answer.
func (c *Raw) Head() *http.Response {
	c.t.Helper()
	c.patience()
	resp, err := http.ReadResponse(c.Reader, nil)
	if err != nil {
		c.t.Fatalf("the answer: %v", err)
	}
	return resp
}

// WantClosed reads until the server ends the connection, and fails if it does not.
func (c *Raw) WantClosed() {
	c.t.Helper()
	c.patience()
	if _, err := io.Copy(io.Discard, c.Reader); err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
		c.t.Fatalf("the end of the connection: %v", err)
	}
}

// Frame types (RFC 6455 section 5.2), with the bit that says that a frame is the last of its message.
const (
	Fin      = 0x80
	Continue = 0x0
	Text     = 0x1
	Binary   = 0x2
	Close    = 0x8
	Ping     = 0x9
	Pong     = 0xA
)

// RawSocket opens a WebSocket whose frames the test writes itself.
func (r *Rig) RawSocket(headers ...string) *Raw {
	r.T.Helper()
	c := r.Raw()
	c.Upgrade("/websocket", headers...)
	return c
}

// Upgrade makes a WebSocket of the connection.
func (c *Raw) Upgrade(path string, headers ...string) {
	c.t.Helper()
	c.Request("GET", path, "", append([]string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}, headers...)...)
	if resp := c.Head(); resp.StatusCode != http.StatusSwitchingProtocols {
		c.t.Fatalf("upgrade: %s", resp.Status)
	}
}

// FrameHead is the head of a frame of n bytes. Its mask is zero, so that the payload is written as it is.
func FrameHead(op byte, n int) string {
	head := []byte{op}
	switch {
	case n < 126:
		head = append(head, 0x80|byte(n))
	case n <= 0xFFFF:
		head = binary.BigEndian.AppendUint16(append(head, 0x80|126), uint16(n))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 0x80|127), uint64(n))
	}
	return string(append(head, 0, 0, 0, 0))
}

// Frame writes a frame; op may have [Fin].
func (c *Raw) Frame(op byte, payload string) {
	c.t.Helper()
	c.Send(FrameHead(op, len(payload)) + payload)
}

// NextFrame reads a frame; eof: there is none any more.
func (c *Raw) NextFrame() (op byte, payload string, eof bool) {
	c.t.Helper()
	var head [2]byte
	if _, err := io.ReadFull(c.Reader, head[:]); err != nil {
		return 0, "", true
	}
	n := uint64(head[1])
	switch n {
	case 126:
		var b [2]byte
		io.ReadFull(c.Reader, b[:])
		n = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		var b [8]byte
		io.ReadFull(c.Reader, b[:])
		n = binary.BigEndian.Uint64(b[:])
	}
	if n > 1<<24 {
		c.t.Fatalf("a frame of %d bytes", n)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(c.Reader, data); err != nil {
		return 0, "", true
	}
	return head[0], string(data), false
}

// NextLine reads text frames until the next line; other frames are passed over. Lines behind it in its frame are lost.
func (c *Raw) NextLine() Line {
	c.t.Helper()
	c.patience()
	for {
		op, payload, eof := c.NextFrame()
		if eof {
			c.t.Fatal("the socket has ended, want a line")
		}
		for raw := range message.Lines([]byte(payload)) {
			if op != Fin|Text {
				break
			}
			var line Line
			if err := json.Unmarshal(raw, &line); err != nil {
				c.t.Fatalf("not a line: %q", raw)
			}
			return line
		}
	}
}

// WantGoodbye reads until the disconnect line and the close frame, checks both, answers, and waits for the end. status 0: that of the code.
func (c *Raw) WantGoodbye(code message.Code, status int) {
	c.t.Helper()
	if status == 0 {
		status = int(code)
	}
	var last string
	c.patience()
	for {
		op, payload, eof := c.NextFrame()
		switch {
		case eof:
			c.t.Fatalf("the socket has ended without a close frame; the last line was %s", last)
		case op == Fin|Text:
			last = payload
		case op == Fin|Close:
			if want := string([]byte{byte(status >> 8), byte(status)}) + code.Info().Name; payload != want {
				c.t.Fatalf("close frame %q, want %q", payload, want)
			}
			if want := `"operation":"disconnect","code":` + strconv.Itoa(int(code)); code != message.CodeConnectionClosed && !strings.Contains(last, want) {
				c.t.Fatalf("the last line is %s, want %s", last, want)
			}
			c.Frame(Fin|Close, payload[:2])
			c.WantClosed()
			return
		}
	}
}
