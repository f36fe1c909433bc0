package endpointtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
)

// serve runs a real http.Server on a network in memory, in a bubble, and ends it after f.
func serve(t *testing.T, s *http.Server, f func(t *testing.T, l *Listener, client *http.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := Listen("")
		done := make(chan error)
		go func() { done <- s.Serve(l) }()
		transport := &http.Transport{DialContext: l.DialContext}
		defer func() {
			transport.CloseIdleConnections()
			if err := s.Shutdown(context.Background()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			if err := <-done; err != http.ErrServerClosed {
				t.Errorf("Serve: %v", err)
			}
		}()
		f(t, l, &http.Client{Transport: transport})
	})
}

func TestHTTPKeepsConnectionsAlive(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(b)
	}
	serve(t, &http.Server{Handler: http.HandlerFunc(h), IdleTimeout: time.Minute}, func(t *testing.T, l *Listener, client *http.Client) {
		for i := range 5 {
			want := strings.Repeat(fmt.Sprint(i), 300_000) // more than the buffers of both directions
			res, err := client.Post("http://sluice.test/", "text/plain", strings.NewReader(want))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || string(got) != want {
				t.Fatalf("round %d: %d bytes, %v", i, len(got), err)
			}
			if n := l.ports.Load(); n != 1 {
				t.Fatalf("%d connections were made, want one that is kept alive", n)
			}
			time.Sleep(59 * time.Second)
		}
		time.Sleep(2 * time.Second) // now the server closes it
		res, err := client.Get("http://sluice.test/")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if n := l.ports.Load(); n != 2 {
			t.Errorf("%d connections after the idle timeout, want a second one", n)
		}
	})
}

// A stream with a line every ten seconds, each of which must arrive when it is written; then the client goes, and the server knows.
func TestHTTPStream(t *testing.T) {
	var gone chan time.Time // made in the bubble
	h := func(w http.ResponseWriter, r *http.Request) {
		for i := 0; ; i++ {
			fmt.Fprintf(w, "line %d\n", i)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-time.After(10 * time.Second):
			case <-r.Context().Done():
				gone <- time.Now()
				return
			}
		}
	}
	serve(t, &http.Server{Handler: http.HandlerFunc(h)}, func(t *testing.T, l *Listener, client *http.Client) {
		gone = make(chan time.Time, 1)
		begin := time.Now()
		res, err := client.Get("http://sluice.test/")
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(res.Body)
		for i := range 90 {
			line, err := lines.ReadString('\n')
			if want := fmt.Sprintf("line %d\n", i); line != want || err != nil {
				t.Fatalf("read %q, %v, want %q", line, err, want)
			}
			if got, want := time.Since(begin), time.Duration(i)*10*time.Second; got != want {
				t.Fatalf("line %d came after %v, want %v", i, got, want)
			}
		}
		time.Sleep(3 * time.Second)
		left := time.Now()
		res.Body.Close()
		if at := <-gone; !at.Equal(left) {
			t.Errorf("the server saw the client go %v late", at.Sub(left))
		}
	})
}

func TestHTTPHeaderTimeout(t *testing.T) {
	s := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: 5 * time.Second}
	serve(t, s, func(t *testing.T, l *Listener, client *http.Client) {
		c := dial(t, l)
		defer c.Close()
		begin := time.Now()
		write(t, c, "GET / HTTP/1.1\r\nHost: slu")
		_, _ = io.ReadAll(c)
		if d := time.Since(begin); d < 5*time.Second || d > 6*time.Second {
			t.Errorf("the half request was ended after %v, want 5s", d)
		}
	})
}

// upgradeEcho is a server of gorilla's that sends back what it gets.
func upgradeEcho(t *testing.T) *http.Server {
	up := gorilla.Upgrader{}
	return &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := up.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		for {
			kind, b, err := c.ReadMessage()
			if err != nil || c.WriteMessage(kind, b) != nil {
				return
			}
		}
	})}
}

func TestGorillaWebSocket(t *testing.T) {
	serve(t, upgradeEcho(t), func(t *testing.T, l *Listener, _ *http.Client) {
		d := gorilla.Dialer{NetDialContext: l.DialContext}
		c, res, err := d.DialContext(t.Context(), "ws://sluice.test/", nil)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		defer c.Close()
		for range 4 {
			want := strings.Repeat("x", 200_000)
			write := make(chan error)
			go func() { write <- c.WriteMessage(gorilla.TextMessage, []byte(want)) }()
			_, got, err := c.ReadMessage()
			if err != nil || string(got) != want {
				t.Fatalf("read %d bytes, %v", len(got), err)
			}
			if err := <-write; err != nil {
				t.Fatal(err)
			}
			time.Sleep(15 * time.Minute)
		}

		// A peer that does not read: the write waits, and the deadline ends it.
		c.NetConn().(*Conn).Peer().Freeze()
		begin := time.Now()
		if err := c.SetWriteDeadline(begin.Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		err = c.WriteMessage(gorilla.TextMessage, make([]byte, 1<<20))
		var timeout net.Error // gorilla hides what it wraps
		if !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(begin) != 10*time.Second {
			t.Errorf("Write to a frozen peer: %v after %v", err, time.Since(begin))
		}
		c.NetConn().(*Conn).Peer().Thaw()
	})
}

func TestCoderWebSocket(t *testing.T) {
	serve(t, upgradeEcho(t), func(t *testing.T, l *Listener, client *http.Client) {
		c, _, err := coder.Dial(t.Context(), "ws://sluice.test/", &coder.DialOptions{HTTPClient: client})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		for range 4 {
			if err := c.Write(t.Context(), coder.MessageText, []byte("hello")); err != nil {
				t.Fatal(err)
			}
			if _, got, err := c.Read(t.Context()); string(got) != "hello" || err != nil {
				t.Fatalf("read %q, %v", got, err)
			}
			time.Sleep(15 * time.Minute)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, _, err := c.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Read without a message = %v", err)
		}
	})
}

// A server that holds a connection hijacked from net/http, as the endpoints do, learns of every way in which the client can go.
func TestHijackedConnectionEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(c *Conn)
		want string
	}{
		"close": {func(c *Conn) { c.Close() }, "EOF"},
		"reset": {func(c *Conn) { c.Reset() }, "connection reset by peer"},
		"cut":   {func(c *Conn) { c.Cut() }, "i/o timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			var ended chan error // made in the bubble
			h := func(w http.ResponseWriter, r *http.Request) {
				c, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				if _, ok := c.(*Conn); !ok {
					t.Errorf("hijacked a %T, want the *Conn", c)
				}
				fmt.Fprint(c, "mine\n")
				_ = c.SetReadDeadline(time.Now().Add(time.Minute))
				_, err = c.Read(make([]byte, 1))
				ended <- err
			}
			serve(t, &http.Server{Handler: http.HandlerFunc(h)}, func(t *testing.T, l *Listener, _ *http.Client) {
				ended = make(chan error, 1)
				c := dial(t, l)
				defer c.Close()
				write(t, c, "GET / HTTP/1.1\r\nHost: sluice.test\r\n\r\n")
				wantRead(t, c, "mine\n")
				tc.end(c)
				if err := <-ended; !strings.Contains(err.Error(), tc.want) {
					t.Errorf("the server read %v, want %s", err, tc.want)
				}
			})
		})
	}
}

var _ interface {
	net.Conn
	CloseWrite() error // net/http looks for it before it closes with input unread
} = (*Conn)(nil)
