package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"sluice/channel/message"
)

// outOfService answers 404 as the server does, anything else as a proxy before it.
func outOfService(w http.ResponseWriter, status int) {
	w.WriteHeader(status)
	if status == http.StatusNotFound {
		fmt.Fprintln(w, refusal("", message.CodeUnknownEndpoint))
	} else {
		fmt.Fprintln(w, "<html><body>Bad gateway")
	}
}

func (f *fake) serveWebSocket(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	status := f.off[WebSocket]
	f.mu.Unlock()
	if status != 0 {
		outOfService(w, status)
		return
	}
	conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	var c *fakeClient
	var writer sync.WaitGroup
	var write sync.Mutex
	lost := false
	send := func(lines ...string) {
		write.Lock()
		defer write.Unlock()
		_ = conn.WriteMessage(websocket.TextMessage, []byte(strings.Join(lines, "\n")))
	}
	push := func(c *fakeClient, attach uint64) {
		f.mu.Lock()
		sent := c.have
		for {
			lines, last := f.pending(c, attach, sent, &lost, time.Time{})
			sent += len(lines)
			f.mu.Unlock()
			if len(lines) == 0 {
				if last != "" {
					send(last)
				}
				conn.Close()
				return
			}
			send(lines...)
			f.mu.Lock()
		}
	}
	defer writer.Wait()
	defer f.do(func() {
		lost = true
		if c != nil && !f.keep && c.ended == 0 {
			c.ended = message.CodeConnectionLost
		}
	})
	for {
		_, frame, err := conn.ReadMessage()
		if err != nil {
			return
		}
		for raw := range strings.Lines(string(frame)) {
			l, err := parseLine([]byte(raw))
			if err != nil {
				return
			}
			f.mu.Lock()
			if c != nil {
				reply := f.handle(c, l, []byte(raw))
				swallowed := f.swallowed(l)
				f.cond.Broadcast()
				f.mu.Unlock()
				if swallowed {
					return
				}
				if reply != "" {
					send(reply)
				}
				continue
			}
			var answer []string
			if l.Operation == "client_ping" {
				var ack string
				c, ack = f.connect(l, []byte(raw))
				answer = append(answer, ack)
			} else {
				var id struct{ DSId, Secret string }
				_ = json.Unmarshal([]byte(raw), &id)
				c = f.find(id.DSId, id.Secret)
			}
			attached, ok := f.attached(c, []byte(raw))
			if !ok {
				c = nil
			}
			f.mu.Unlock()
			send(append(answer, attached)...)
			if ok {
				writer.Go(func() { push(c, l.Attach) })
			}
		}
	}
}

func (f *fake) serveHTTP(kind Kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if status := f.off[kind]; status != 0 {
			outOfService(w, status)
			return
		}
		f.mu.Unlock()
		body, err := io.ReadAll(r.Body)
		f.mu.Lock()
		if err != nil {
			return
		}
		id, secret, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), ".")
		c := f.find(id, secret)
		if r.Header.Get("Authorization") != "" && (c == nil || c.ended != 0) {
			code := message.CodeUnknownClient
			if c != nil {
				code = c.ended
			}
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintln(w, endLine("gone", code))
			return
		}
		if r.URL.Query().Get("command") == "open" {
			f.stream(w, r, c, body)
			return
		}
		var replies []string
		for raw := range strings.Lines(string(body)) {
			l, err := parseLine([]byte(raw))
			switch {
			case err != nil:
				return
			case c == nil && l.Operation == "client_ping":
				var ack string
				c, ack = f.connect(l, []byte(raw))
				replies = append(replies, ack)
			case c == nil:
				replies = append(replies, refusal(l.MessageID, message.CodeNotConnected))
			case l.Operation == "poll":
				f.poll(w, r, c, l, []byte(raw))
				return
			default:
				reply := f.handle(c, l, []byte(raw))
				if f.swallowed(l) {
					f.cond.Broadcast()
					panic(http.ErrAbortHandler)
				}
				if reply != "" {
					replies = append(replies, reply)
				}
			}
		}
		f.cond.Broadcast()
		for _, reply := range replies {
			fmt.Fprintln(w, reply)
		}
	}
}

// stream answers command=open. f.mu is held.
func (f *fake) stream(w http.ResponseWriter, r *http.Request, c *fakeClient, body []byte) {
	attached, ok := f.attached(c, body)
	attach, sent := c.attach, c.have
	if f.buffered {
		f.mu.Unlock()
		<-r.Context().Done()
		f.mu.Lock()
		return
	}
	lost := false
	defer stopAfter(r, f, &lost)()
	flush := func(lines ...string) {
		f.mu.Unlock()
		defer f.mu.Lock()
		_, _ = io.WriteString(w, "\x00\x00"+strings.Join(lines, "\n")+"\n\n")
		w.(http.Flusher).Flush()
	}
	flush(`{"type":"control","operation":"open","streamId":"x"}`, attached)
	for ok {
		lines, last := f.pending(c, attach, sent, &lost, time.Time{})
		sent += len(lines)
		if len(lines) == 0 {
			if last != "" {
				flush(last)
			}
			return
		}
		flush(lines...)
	}
}

// poll answers a poll. f.mu is held.
func (f *fake) poll(w http.ResponseWriter, r *http.Request, c *fakeClient, l *line, raw []byte) {
	answer, ok := f.attached(c, raw)
	lines := []string{answer}
	if ok {
		lost := false
		defer stopAfter(r, f, &lost)()
		timer := time.AfterFunc(f.wait+10*time.Millisecond, func() { f.do(func() {}) })
		defer timer.Stop()
		waiting, last := f.pending(c, c.attach, c.have, &lost, time.Now().Add(f.wait))
		lines = append(lines, waiting...)
		if last != "" {
			lines = append(lines, last)
		} else {
			lines = append(lines, fmt.Sprintf(`{"type":"acknowledge","correlationId":%q,"headers":{"DSPollWait":1}}`, l.MessageID))
		}
	}
	f.mu.Unlock()
	defer f.mu.Lock()
	_, _ = io.WriteString(w, strings.Join(lines, "\n")+"\n")
}

// stopAfter sets lost when the request is cut, until the returned function is called.
func stopAfter(r *http.Request, f *fake, lost *bool) func() {
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		select {
		case <-r.Context().Done():
			f.do(func() { *lost = true })
		case <-done:
		}
	}()
	return func() {
		close(done)
		f.mu.Unlock()
		<-gone
		f.mu.Lock()
	}
}
