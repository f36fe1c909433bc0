package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// kernelKeepAlive is what the kernel has for the socket of this process that is connected from port to peer.
func kernelKeepAlive(t *testing.T, port, peer int) string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		fd, _ := strconv.Atoi(e.Name())
		here, err := syscall.Getsockname(fd)
		if err != nil {
			continue
		}
		there, err := syscall.Getpeername(fd)
		if err != nil || portOf(here) != port || portOf(there) != peer {
			continue
		}
		if on, _ := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE); on == 0 {
			return "off"
		}
		return fmt.Sprintf("on, idle %s, interval %s, count %s",
			orOwn(t, fd, syscall.TCP_KEEPIDLE, "time"), orOwn(t, fd, syscall.TCP_KEEPINTVL, "intvl"), orOwn(t, fd, syscall.TCP_KEEPCNT, "probes"))
	}
	t.Fatalf("there is no socket from %d to %d", port, peer)
	return ""
}

// orOwn is an option's value, "own" where it is that of the system: tcp(7).
func orOwn(t *testing.T, fd, name int, system string) string {
	t.Helper()
	value, err := syscall.GetsockoptInt(fd, syscall.IPPROTO_TCP, name)
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile("/proc/sys/net/ipv4/tcp_keepalive_" + system)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(own)) == strconv.Itoa(value) {
		return "own"
	}
	return strconv.Itoa(value)
}

func portOf(a syscall.Sockaddr) int {
	switch a := a.(type) {
	case *syscall.SockaddrInet4:
		return a.Port
	case *syscall.SockaddrInet6:
		return a.Port
	}
	return 0
}
