package endpoint

import (
	"net"
	"syscall"
	"time"
	"unsafe"
)

// tcpUserTimeout is TCP_USER_TIMEOUT of linux/tcp.h (RFC 5482): for how long, in milliseconds, what was sent may be unacknowledged, or the peer's window closed, until the connection is given up.
// 0: the system's own, some 15 minutes.
const tcpUserTimeout = 18

// setDeadPeer sets dead-peer-timeout-millis. Zero and less are the system's own time. While it is set, it is also how long keep-alive goes unanswered, whatever socket-keepalive-count says.
func setDeadPeer(c *net.TCPConn, d time.Duration) error {
	return control(c, func(fd int) error {
		return syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, tcpUserTimeout, int(max(0, d)/time.Millisecond))
	})
}

// unacknowledgedFor is for how long the peer has acknowledged nothing of what was sent to it; zero where nothing waits for that.
func unacknowledgedFor(c *net.TCPConn) time.Duration {
	info, err := tcpInfo(c)
	if err != nil || info.Unacked == 0 {
		return 0
	}
	return time.Duration(info.Last_ack_recv) * time.Millisecond
}

// dead says whether the connection is over, and not by a FIN: TCP_CLOSE of linux/tcp_states.h.
func dead(c *net.TCPConn) bool {
	const closed = 7
	info, err := tcpInfo(c)
	return err == nil && info.State == closed
}

// tcpInfo is TCP_INFO.
func tcpInfo(c *net.TCPConn) (info syscall.TCPInfo, err error) {
	size := uint32(unsafe.Sizeof(info))
	err = control(c, func(fd int) error {
		_, _, errno := syscall.Syscall6(syscall.SYS_GETSOCKOPT, uintptr(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		if errno != 0 {
			return errno
		}
		return nil
	})
	return info, err
}

func control(c *net.TCPConn, f func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return err
	}
	return failed
}
