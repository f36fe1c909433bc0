package server_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/endpoint/endpointtest"
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

// A reload sets the dead-peer-timeout-millis of sockets and streams that are open.
func TestReloadOfTheDeadPeerTimeout(t *testing.T) {
	const stream = `{"type":"control","operation":"attach","attach":1,"have":0}`
	set := func(d time.Duration) func(*server.Options) {
		return func(o *server.Options) {
			for i := range o.Channels {
				o.Channels[i].DeadPeerTimeout = d
			}
		}
	}
	s := startReal(t, set(time.Second))
	base := "http://" + s.Addr("main").String()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	ask := func(method, path, body string, headers ...string) (net.Conn, *http.Response) {
		t.Helper()
		var conn net.Conn
		trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { conn = i.Conn }}
		r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		resp, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return conn, resp
	}
	_, resp := ask("POST", "/streaming", connectLine)
	connected := endpointtest.ReadLines(t, resp.Body)[0]["headers"].(map[string]any)
	bearer := fmt.Sprintf("Bearer %s.%s", connected["DSId"], connected["DSSecret"])
	open, resp := ask("POST", "/streaming?command=open", stream, "Authorization", bearer)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("open: %d", resp.StatusCode)
	}
	bufio.NewReader(resp.Body).ReadString('\n') // it has begun
	socket, resp := ask("GET", "/websocket", "", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %d", resp.StatusCode)
	}
	for _, want := range []int{1000, 7000} {
		for name, c := range map[string]net.Conn{"stream": open, "socket": socket} {
			got, until := 0, time.Now().Add(10*time.Second)
			for got = userTimeout(t, c.RemoteAddr(), c.LocalAddr()); got != want && time.Now().Before(until); got = userTimeout(t, c.RemoteAddr(), c.LocalAddr()) {
				time.Sleep(time.Millisecond) // the socket has its 101, and may begin after the reload
			}
			if got != want {
				t.Errorf("%s: %d ms, want %d", name, got, want)
			}
		}
		if _, err := s.Reload(endpointtest.Options(set(7 * time.Second))); err != nil {
			t.Fatal(err)
		}
	}
}
