package server_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/rs/zerolog"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// panics is a log that remembers the panics that were contained.
type panics struct {
	mu  sync.Mutex
	all []string
}

func (p *panics) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte(`"panic"`)) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.all = append(p.all, string(line))
	}
	return len(line), nil
}

func (p *panics) none(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.all) > 0 {
		t.Errorf("the server panicked: %s", p.all)
	}
}

// Whatever a socket sends, in whatever pieces, before a client is bound and after: the server does not panic, says nothing but lines in frames that are whole, ends the socket when it is
// left, and serves others.
func FuzzWebSocket(f *testing.F) {
	text := func(s string) string { return endpointtest.FrameHead(endpointtest.Fin|endpointtest.Text, len(s)) + s }
	connect := `{"type":"command","operation":"client_ping","headers":{"DSId":"nil"},"attach":1}`
	for _, seed := range []string{
		text(connect), text(connect + "\n" + `{"type":"command","operation":"subscribe","destination":"chat"}` + "\n" + `{"type":"async","destination":"chat","body":1}`),
		text(`{"type":"control","operation":"attach","DSId":"x","secret":"y","attach":1,"have":0}`), "\x89\x80\x00\x00\x00\x00", "\x88\x82\x00\x00\x00\x00\x03\xe8",
		"\x01\x81\x00\x00\x00\x00{\x80\x81\x00\x00\x00\x00}", "\x82\x80\x00\x00\x00\x00", "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", "GET / HTTP/1.1\r\n\r\n",
	} {
		f.Add([]byte(seed), uint8(0), false)
		f.Add([]byte(seed), uint8(3), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, piece uint8, bound bool) {
		synctest.Test(t, func(t *testing.T) {
			var log panics
			r := endpointtest.New(t, func(o *server.Options) { o.Logger = zerolog.New(&log) })
			other := r.Connect(channel.LongPoll)
			c := r.RawSocket()
			if bound {
				c.Frame(endpointtest.Fin|endpointtest.Text, connect)
				c.NextLine()
			}
			for len(data) > 0 {
				n := len(data)
				if piece > 0 {
					n = min(n, int(piece))
				}
				if _, err := c.Write(data[:n]); err != nil {
					break
				}
				data = data[n:]
				if piece > 0 {
					synctest.Wait()
				}
			}
			c.CloseWrite()
			for {
				op, payload, eof := c.NextFrame()
				if eof {
					break
				}
				if op == endpointtest.Fin|endpointtest.Text {
					wantLinesOnly(t, []byte(payload))
				}
			}
			log.none(t)
			synctest.Wait()
			if clients, _ := r.Server.Registry().Count(); clients != 1 {
				t.Errorf("%d clients live, want the other one", clients)
			}
			if reply := other.Publish("chat", "", "x"); reply.Text("type") != "acknowledge" {
				t.Error(reply)
			}
		})
	})
}

// Whatever a body holds, the answer is made of whole lines whose first key is type, with the status of a code, and the client goes on.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		connectLine, `{"type":"command","operation":"poll","attach":1}`, `{"type":"control","operation":"attach","attach":1,"have":0}`, "\x00\n{}\n", `{"type":"async","seq":1,"destination":"chat","body":1}` + "\n" + `{"type":"async","seq":1,"destination":"chat","body":1}`,
		`{"type":"command","operation":"multi_subscribe","destination":"chat","headers":{"DSAddSub":["a_;_","*_;_"]}}`, `{"type":"command","operation":"logout"}`, `"plain"`, strings.Repeat("x\n", 300),
	} {
		for path := range uint8(5) {
			f.Add([]byte(seed), path, true)
			f.Add([]byte(seed), path, false)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, path uint8, known bool) {
		synctest.Test(t, func(t *testing.T) {
			var log panics
			r := endpointtest.New(t, func(o *server.Options) {
				o.Logger = zerolog.New(&log)
				o.Channels[2].WaitInterval = 0
			})
			c := r.NewClient(channel.LongPoll)
			_, lines, _ := r.Post("/longpoll", connectLine)
			c.Adopt(lines[0])
			paths := []string{"/longpoll", "/streaming", "/streaming?command=close&streamId=x", "/longpoll/chat/a", "/streaming/chat"}
			req := httptest.NewRequest(http.MethodPost, paths[int(path)%len(paths)], bytes.NewReader(body))
			req.Header.Set("Content-Type", "application/json")
			if known {
				req.Header.Set("Authorization", c.Auth()[1])
			}
			w := httptest.NewRecorder()
			r.Server.Handler("main").ServeHTTP(w, req)
			wantLinesOnly(t, w.Body.Bytes())
			if w.Code < 200 || w.Code == 500 || w.Code > 503 {
				t.Errorf("status %d", w.Code)
			}
			log.none(t)
			if _, lines, _ := r.Post("/longpoll", connectLine); lines[0].Text("type") != "acknowledge" {
				t.Error(lines)
			}
		})
	})
}

// wantLinesOnly checks that data is whole lines of JSON that begin with their type.
func wantLinesOnly(t *testing.T, data []byte) {
	t.Helper()
	if len(data) > 0 && data[len(data)-1] != '\n' {
		t.Errorf("the last line has no end: %q", data)
	}
	for line := range message.Lines(data) {
		if !bytes.HasPrefix(line, []byte(`{"type":"`)) {
			t.Errorf("no line: %q", line)
		}
	}
}
