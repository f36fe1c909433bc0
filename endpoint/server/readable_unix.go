//go:build unix

package server

import (
	"errors"
	"net"
	"syscall"
)

// WaitReadable returns when there is something to read, or an end or an error to be read, without a buffer to read into. It implements what endpoint/websocket asks for.
// The error is for a connection that cannot do this: TLS has no socket of its own, and a PROXY line would be taken for input.
func (c *countedConn) WaitReadable() error {
	switch under := c.Conn.(type) {
	case *net.TCPConn:
		return c.waitReadable(under)
	case interface{ WaitReadable() error }:
		return under.WaitReadable()
	}
	return errors.ErrUnsupported
}

// waitReadable looks before it waits: Go's poller tells each arrival once, and forgets it when a wait begins. Who looks first is told why a connection failed, the Read that follows only that it
// is over: so that is noted.
func (c *countedConn) waitReadable(tcp *net.TCPConn) error {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		if err == syscall.EAGAIN {
			return false
		}
		c.Note(err)
		return true
	})
}
