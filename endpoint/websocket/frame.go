package websocket

import (
	"bufio"
	"encoding/binary"
	"errors"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

// Frame types (RFC 6455 section 5.2).
const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA

	opControl = 0x8 // a bit of every control frame's type
	fin       = 0x80
	masked    = 0x80
)

// headerRoom is the longest header of a frame from a server: no mask.
const headerRoom = 10

// frame makes buf, whose first headerRoom bytes are free and whose payload follows, a whole frame, and returns it.
func frame(op byte, buf []byte) []byte {
	n := len(buf) - headerRoom
	start := headerRoom - 2
	switch {
	case n < 126:
		buf[start+1] = byte(n)
	case n <= 0xFFFF:
		start -= 2
		buf[start+1] = 126
		binary.BigEndian.PutUint16(buf[start+2:], uint16(n))
	default:
		start -= 8
		buf[start+1] = 127
		binary.BigEndian.PutUint64(buf[start+2:], uint64(n))
	}
	buf[start] = fin | op
	return buf[start:]
}

// appendControl appends a control frame. Its payload is at most 125 bytes (RFC 6455 section 5.5).
func appendControl(b []byte, op byte, payload string) []byte {
	payload = payload[:min(len(payload), 125)]
	b = append(b, fin|op, byte(len(payload)))
	return append(b, payload...)
}

// appendClose appends a close frame with a code and a reason.
func appendClose(b []byte, code int, reason string) []byte {
	return appendControl(b, opClose, string([]byte{byte(code >> 8), byte(code)})+reason)
}

// errControl is a control frame that breaks RFC 6455 section 5.5, or is not masked as section 5.1 wants.
var errControl = errors.New("websocket: a malformed control frame")

// readControl takes a control frame of a client off r.
func readControl(r *bufio.Reader) (op byte, payload string, err error) {
	h, err := r.Peek(2)
	if err != nil {
		return 0, "", err
	}
	op, n := h[0]&0x0F, int(h[1]&^masked)
	if h[0] != fin|op || op > opPong || h[1]&masked == 0 || n > 125 {
		return 0, "", errControl
	}
	f, err := r.Peek(6 + n)
	if err != nil {
		return 0, "", err
	}
	text := make([]byte, n)
	for i := range text {
		text[i] = f[6+i] ^ f[2+i%4]
	}
	_, err = r.Discard(6 + n)
	return op, string(text), err
}

// wholeControl says whether r, which begins with a control frame, holds all of it, so that it can be read without waiting.
func wholeControl(r *bufio.Reader) bool {
	have := r.Buffered()
	h, _ := r.Peek(min(have, 2))
	return len(h) == 2 && have >= 6+int(h[1]&^masked) // RFC 6455 section 5.5: a length of more than 125 is refused before it is waited for
}

// closeError is what a close frame's payload says (RFC 6455 sections 5.5.1 and 7.4).
func closeError(payload string) error {
	if payload == "" {
		return &websocket.CloseError{Code: websocket.CloseNoStatusReceived}
	}
	if len(payload) < 2 {
		return errControl
	}
	code := int(payload[0])<<8 | int(payload[1])
	if !utf8.ValidString(payload[2:]) || code < 1000 || code >= 5000 || code >= 1004 && code <= 1006 || code >= 1015 && code < 3000 {
		return errControl
	}
	return &websocket.CloseError{Code: code, Text: payload[2:]}
}

// wholeFrame says whether r holds a complete, unfragmented text frame of a client, so that it can be read without waiting.
func wholeFrame(r *bufio.Reader) bool {
	have := r.Buffered()
	h, _ := r.Peek(min(have, 14))
	if len(h) < 6 || h[0] != fin|opText || h[1]&0x80 == 0 {
		return false
	}
	header, n := 6, uint64(h[1]&0x7F)
	switch n {
	case 126:
		if len(h) < 8 {
			return false
		}
		header, n = 8, uint64(binary.BigEndian.Uint16(h[2:]))
	case 127:
		return false // 64 KiB and more never fit the buffer
	}
	return uint64(header)+n <= uint64(have)
}
