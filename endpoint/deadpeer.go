package endpoint

import (
	"errors"
	"net"
	"syscall"
	"time"

	"sluice/channel/message"
)

// LastError is what the connection under c failed of, as the socket told it to whoever asked first: io.EOF is an end in order. It is nil while the connection is well, or was closed by this side,
// and where c is not of one of the server's listeners.
func LastError(c net.Conn) error {
	s, _ := socketOf(c)
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// Unacknowledged says whether err is that of a connection whose peer acknowledged nothing for the time there was for it: dead-peer-timeout-millis, or the probes of TCP keep-alive. Where a router
// or this machine knew that the peer cannot be reached, Linux tells that in place of the timeout.
func Unacknowledged(err error) bool {
	return errors.Is(err, syscall.ETIMEDOUT) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH)
}

// LostCode is the code for a connection that ended without a goodbye: CodeUnacknowledgedBytes where its socket says so, else CodeConnectionLost.
func LostCode(c net.Conn) message.Code {
	if Unacknowledged(LastError(c)) {
		return message.CodeUnacknowledgedBytes
	}
	return message.CodeConnectionLost
}

// MissedCode is the code for a peer that has left a ping or its heartbeats out for d: missed, or CodeUnacknowledgedBytes where not even its machine has acknowledged what was sent. So the first tells
// of a program that hangs on a machine that lives; where the operating system cannot be asked (not Linux, not TCP) it may be either. It does not block.
func MissedCode(c net.Conn, missed message.Code, d time.Duration) message.Code {
	tcp := tcpOf(c)
	if tcp != nil && (dead(tcp) || unacknowledgedFor(tcp) >= d/2) { // dead: the kernel was faster. Not d: the bytes may be younger than the ping
		return message.CodeUnacknowledgedBytes
	}
	return missed
}
