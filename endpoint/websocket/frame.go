package websocket

import (
	"bufio"
	"encoding/binary"
)

// Frame types (RFC 6455 section 5.2).
const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA
	fin     = 0x80
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
