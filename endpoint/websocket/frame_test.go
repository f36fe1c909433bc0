package websocket

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// readFrame reads a frame of the server's, as RFC 6455 section 5.2 describes it.
func readFrame(t *testing.T, b []byte) (op byte, payload []byte) {
	t.Helper()
	n, head := int(b[1]), 2
	switch n {
	case 126:
		n, head = int(b[2])<<8|int(b[3]), 4
	case 127:
		n, head = 0, 10
		for _, c := range b[2:10] {
			n = n<<8 | int(c)
		}
	}
	if len(b) != head+n {
		t.Fatalf("a frame of %d bytes says that it has %d", len(b)-head, n)
	}
	return b[0], b[head:]
}

func TestFrame(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 1 << 20} {
		payload := bytes.Repeat([]byte("x"), n)
		op, got := readFrame(t, frame(opText, append(make([]byte, headerRoom), payload...)))
		if op != fin|opText || !bytes.Equal(got, payload) {
			t.Errorf("%d bytes: type %x, %d bytes", n, op, len(got))
		}
	}
}

// A control frame has at most 125 bytes, whatever was to be said.
func TestControlFramesAreShort(t *testing.T) {
	op, payload := readFrame(t, appendClose(nil, 4006, strings.Repeat("x", 200)))
	if op != fin|opClose || len(payload) != 125 || payload[0] != 4006>>8 || payload[1] != 4006&0xFF {
		t.Errorf("type %x, %d bytes", op, len(payload))
	}
	if op, payload = readFrame(t, appendControl(nil, opPing, "")); op != fin|opPing || len(payload) != 0 {
		t.Errorf("type %x, %q", op, payload)
	}
}

// buffered is a reader that has read the bytes already.
func buffered(b string) *bufio.Reader {
	r := bufio.NewReaderSize(strings.NewReader(b), 1024)
	r.Peek(1)
	return r
}

func TestWholeFrame(t *testing.T) {
	for _, c := range []struct {
		name, bytes string
		whole       bool
	}{
		{"nothing", "", false},
		{"an empty frame", "\x81\x80....", true},
		{"a frame", "\x81\x82....{}", true},
		{"a frame and more", "\x81\x82....{}\x81", true},
		{"a part of the head", "\x81\x82...", false},
		{"a part of the payload", "\x81\x82....{", false},
		{"126 bytes", "\x81\xfe\x00\x7e...." + strings.Repeat("x", 126), true},
		{"125 of 126 bytes", "\x81\xfe\x00\x7e...." + strings.Repeat("x", 125), false},
		{"half a length", "\x81\xfe\x00", false},
		{"a long one", "\x81\xff\x00\x00\x00\x00\x00\x00\x00\x01....x", false},
		{"no mask", "\x81\x02{}....", false},
		{"a fragment", "\x01\x82....{}", false},
		{"binary", "\x82\x82....{}", false},
		{"a ping", "\x89\x80....", false},
		{"compressed", "\xC1\x82....{}", false},
	} {
		if got := wholeFrame(buffered(c.bytes)); got != c.whole {
			t.Errorf("%s: %v, want %v", c.name, got, c.whole)
		}
	}
}

func TestReadControl(t *testing.T) {
	for _, c := range []struct{ name, bytes, want string }{
		{"a ping", "\x89\x82\x01\x00\x00\x00ii.", `9 "hi" <nil> "."`},
		{"an empty pong", "\x8a\x80....x", `a "" <nil> "x"`},
		{"cut off", "\x89\x85....x", `EOF`},
		{"no mask", "\x89\x02hi....", errControl.Error()},
		{"a fragment", "\x09\x80....", errControl.Error()},
		{"too long", "\x89\xfe\x00\x7e....", errControl.Error()},
		{"an unknown type", "\x8b\x80....", errControl.Error()},
		{"reserved bits", "\xc9\x80....", errControl.Error()},
	} {
		r := buffered(c.bytes)
		op, payload, err := readControl(r)
		rest, _ := io.ReadAll(r)
		got := fmt.Sprintf("%x %q %v %q", op, payload, err, rest)
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
