package server_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"sluice/endpoint/server"
)

// userTimeout is the TCP_USER_TIMEOUT, in milliseconds, of this process's socket from the address here to there.
func userTimeout(t *testing.T, here, there net.Addr) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	same := func(a syscall.Sockaddr, b net.Addr) bool {
		v4, ok := a.(*syscall.SockaddrInet4)
		return ok && v4.Port == b.(*net.TCPAddr).Port
	}
	for _, e := range fds {
		fd, _ := strconv.Atoi(e.Name())
		local, err := syscall.Getsockname(fd)
		if err != nil || !same(local, here) {
			continue
		}
		if remote, err := syscall.Getpeername(fd); err == nil && same(remote, there) {
			value, err := syscall.GetsockoptInt(fd, syscall.IPPROTO_TCP, 18) // TCP_USER_TIMEOUT
			if err != nil {
				t.Fatal(err)
			}
			return value
		}
	}
	t.Fatalf("there is no socket from %v to %v", here, there)
	return 0
}

// Of the channels whose requests share a connection the last one's dead-peer-timeout-millis holds, whatever is between it and the socket; what is no channel's leaves it as it is.
func TestDeadPeerTimeoutOfTheLastChannel(t *testing.T) {
	for _, tc := range []struct{ tls, http2 bool }{{false, false}, {true, false}, {true, true}} {
		t.Run(fmt.Sprintf("TLS %v, HTTP/2 %v", tc.tls, tc.http2), func(t *testing.T) {
			var roots *tls.Config
			s := startReal(t, func(o *server.Options) {
				for i := range o.Channels {
					o.Channels[i].DeadPeerTimeout = time.Duration(i+1) * time.Second // the order is that of endpointtest.Kinds
				}
				if tc.tls {
					var config tls.Config
					o.Listeners[0].CertificateFile, o.Listeners[0].PrivateKeyFile, config.RootCAs = certificate(t)
					roots = &config
				}
			})
			transport := &http.Transport{TLSClientConfig: roots, ForceAttemptHTTP2: tc.http2}
			defer transport.CloseIdleConnections()
			base := map[bool]string{false: "http://", true: "https://"}[tc.tls] + s.Addr("main").String()
			var first net.Addr
			for _, step := range []struct {
				path string
				want int
			}{{"/config.json", 0}, {"/longpoll", 3000}, {"/streaming", 2000}, {"/config.json", 2000}, {"/websocket", 1000}, {"/longpoll", 3000}} {
				var conn net.Conn
				trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { conn = i.Conn }}
				r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", base+step.path, nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := transport.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if first == nil {
					first = conn.LocalAddr()
				}
				if first.String() != conn.LocalAddr().String() || (resp.ProtoMajor == 2) != tc.http2 {
					t.Fatalf("%s: over %v by %s", step.path, conn.LocalAddr(), resp.Proto)
				}
				if got := userTimeout(t, conn.RemoteAddr(), conn.LocalAddr()); got != step.want {
					t.Errorf("after %s: %d ms, want %d", step.path, got, step.want)
				}
			}
		})
	}
}
