package faults

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// ample is how long what must come may take, on a machine that has much else to do.
const ample = time.Minute

// through returns both ends of a connection through a proxy.
func through(t *testing.T, weather Weather) (p *Proxy, client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if p, err = NewProxy(l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	p.Next(weather)
	if client, err = net.Dial("tcp", p.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	for limit := time.Now().Add(ample); p.Open() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("the proxy does not have the connection")
		}
	}
	return p, client, server
}

func say(t *testing.T, to net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(to, text); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, from net.Conn, want string) {
	t.Helper()
	from.SetReadDeadline(time.Now().Add(ample))
	got := make([]byte, len(want))
	if n, err := io.ReadFull(from, got); string(got) != want {
		t.Fatalf("heard %q, %v; want %q", got[:n], err, want)
	}
}

// silent fails if anything comes, or an end, within a moment.
func silent(t *testing.T, from net.Conn) {
	t.Helper()
	from.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	n, err := from.Read(make([]byte, 1))
	if timeout := net.Error(nil); n > 0 || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatalf("%d bytes came, %v", n, err)
	}
}

func TestProxyPasses(t *testing.T) {
	_, client, server := through(t, Weather{})
	say(t, client, "there")
	hear(t, server, "there")
	say(t, server, "and back")
	hear(t, client, "and back")
	client.Close()
	server.SetReadDeadline(time.Now().Add(ample))
	if _, err := server.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("want the end, got %v", err)
	}
}

func TestProxySwallows(t *testing.T) {
	p, client, server := through(t, Weather{})
	p.Now(Weather{Swallow: true})
	say(t, client, "there")
	silent(t, server)
	say(t, server, "and back")
	silent(t, client)
	client.Close()
	silent(t, server) // that too
}

// A connection that comes to a proxy that swallows is accepted, and nobody hears of it.
func TestProxySwallowsWhatComes(t *testing.T) {
	p, _, server := through(t, Weather{})
	p.Next(Weather{Swallow: true})
	client, err := net.Dial("tcp", p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	say(t, client, "hello")
	silent(t, client)
	silent(t, server)
}

func TestProxyCuts(t *testing.T) {
	for name, reset := range map[string]bool{"FIN": false, "RST": true} {
		t.Run(name, func(t *testing.T) {
			p, client, server := through(t, Weather{})
			p.Cut(reset)
			for _, end := range []net.Conn{client, server} {
				end.SetReadDeadline(time.Now().Add(ample))
				_, err := end.Read(make([]byte, 1))
				if reset != errors.Is(err, syscall.ECONNRESET) || reset == (err == io.EOF) {
					t.Errorf("ended by %v", err)
				}
			}
		})
	}
}

func TestProxyCutsAfterSomeBytes(t *testing.T) {
	p, client, server := through(t, Weather{})
	p.CutAfter(3)
	say(t, client, "as much as there is")
	hear(t, server, "as much as there is")
	say(t, server, "ab")
	say(t, server, "cdef")
	client.SetReadDeadline(time.Now().Add(ample))
	if got, err := io.ReadAll(client); string(got) != "abc" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestProxyDelays(t *testing.T) {
	const delay = 30 * time.Millisecond
	_, client, server := through(t, Weather{Delay: delay})
	began := time.Now()
	say(t, client, "there")
	hear(t, server, "there")
	say(t, server, "back")
	hear(t, client, "back")
	if took := time.Since(began); took < 2*delay {
		t.Errorf("there and back took %v", took)
	}
}

// What is held comes in one piece.
func TestProxyHolds(t *testing.T) {
	const hold = time.Second
	_, client, server := through(t, Weather{Hold: hold})
	say(t, client, "there")
	hear(t, server, "there")
	began := time.Now()
	say(t, server, "one")
	say(t, server, "two")
	client.SetReadDeadline(time.Now().Add(ample))
	buf := make([]byte, 64)
	n, err := client.Read(buf)
	if took := time.Since(began); err != nil || took < hold || string(buf[:n]) != "onetwo" {
		t.Errorf("got %q, %v after %v", buf[:n], err, took)
	}
}

// A proxy that forgets a connection ends it when its time is over, also one that it has swallowed.
func TestProxyForgets(t *testing.T) {
	const forget = 100 * time.Millisecond
	p, client, server := through(t, Weather{})
	began := time.Now()
	p.Now(Weather{Swallow: true, Forget: forget})
	say(t, client, "there")
	server.SetReadDeadline(time.Now().Add(ample))
	n, err := server.Read(make([]byte, 1))
	if took := time.Since(began); n > 0 || !errors.Is(err, syscall.ECONNRESET) || took < forget {
		t.Errorf("%d bytes came, and it was ended by %v after %v", n, err, took)
	}
}
