//go:build !linux

package endpoint

import (
	"net"
	"time"
)

// setDeadPeer does nothing: TCP_USER_TIMEOUT is Linux's. A peer that acknowledges nothing is found by its pongs and its heartbeats, and where it owes neither by the system's own time.
func setDeadPeer(*net.TCPConn, time.Duration) error { return nil }

// unacknowledgedFor is not known.
func unacknowledgedFor(*net.TCPConn) time.Duration { return 0 }

// dead is not known.
func dead(*net.TCPConn) bool { return false }
