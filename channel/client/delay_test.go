package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The pause between two tries doubles up to its bound, and is never the whole of it for everyone.
func TestDelaysGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials []time.Time
		set, err := New(Options{
			URL: "http://server", Channels: []Channel{{Kind: WebSocket}}, MinDelay: time.Second, MaxDelay: 8 * time.Second, MaxAttempts: 7,
			Dial: func(context.Context, string, string) (net.Conn, error) {
				dials = append(dials, time.Now())
				return nil, errors.New("refused")
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer set.Close()
		if err := set.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("connect: %v", err)
		}
		for i, most := range []time.Duration{1, 2, 4, 8, 8, 8} {
			most *= time.Second
			if d := dials[i+1].Sub(dials[i]); d < most/2 || d > most {
				t.Errorf("pause %d is %v, want between %v and %v", i, d, most/2, most)
			}
		}
	})
}

// A server that is shutting down says when to come back; not all come at that moment, and none before.
func TestDelayTheServerAsksFor(t *testing.T) {
	cs := &ChannelSet{opts: Options{MinDelay: time.Millisecond, MaxDelay: time.Second}}
	var least, most time.Duration = time.Hour, 0
	for range 1000 {
		d := cs.delay(1, time.Second, &Error{RetryAfter: 3 * time.Second})
		least, most = min(least, d), max(most, d)
	}
	if least < 3*time.Second || most > 6*time.Second || most-least < time.Second {
		t.Errorf("between %v and %v", least, most)
	}
}

// A server that takes a connection and says nothing is given up after ConnectTimeout, an answer after RequestTimeout.
func TestSilentServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		set, err := New(Options{
			Channels: []Channel{
				{Kind: WebSocket, URL: "ws://server/a"}, {Kind: Streaming, URL: "http://server/b"}, {Kind: LongPoll, URL: "http://server/c"},
			},
			ConnectTimeout: 5 * time.Second, MaxAttempts: 1,
			Dial: func(context.Context, string, string) (net.Conn, error) {
				here, there := net.Pipe()
				go func() { _, _ = io.Copy(io.Discard, there) }()
				return here, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer set.Close()
		if err := set.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "not attached within 5s") {
			t.Errorf("connect: %v", err)
		}
		if took := time.Since(began); took != 15*time.Second {
			t.Errorf("three channels were given up after %v, want 15s", took)
		}
	})
}

func TestLines(t *testing.T) {
	for _, c := range []struct {
		name, in string
		whole    bool
		want     []string
		end      error
	}{
		{"plain", "a\nb\n", false, []string{"a", "b"}, io.EOF},
		{"padding", "\x00\x00\n\x00a\r\n\n\x00\n  b\n", false, []string{"a", "b"}, io.EOF},
		{"cut off", "a\nb", false, []string{"a"}, io.EOF},
		{"a frame", "a\nb", true, []string{"a", "b"}, io.EOF},
		{"much padding", strings.Repeat("\x00", 100_000) + "a\n", false, []string{"a"}, io.EOF},
		{"longest", strings.Repeat("x", 9999) + "\n", false, []string{strings.Repeat("x", 9999)}, io.EOF},
	} {
		ls := newLines(strings.NewReader(c.in), 10_000, c.whole)
		for i, want := range c.want {
			if got, err := ls.next(); err != nil || string(got) != want {
				t.Errorf("%s: line %d is %q, %v", c.name, i, got, err)
			}
		}
		if got, err := ls.next(); err != c.end {
			t.Errorf("%s: after the last line %q, %v", c.name, got, err)
		}
	}
	ls := newLines(bytes.NewReader(make([]byte, 0)), 10, false)
	ls.r.Reset(strings.NewReader(strings.Repeat("x", 11)))
	if _, err := ls.next(); err == nil || err == io.EOF {
		t.Errorf("a line too long: %v", err)
	}
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte(`{"type":"async","messageId":"1","destination":"d","body":{}}`))
	f.Add([]byte(`{"type":"control","operation":"skip","count":3}`))
	f.Add([]byte(`{"type":"acknowledge","headers":{"DSId":"x"},"body":1}`))
	f.Add([]byte(`{"type":"control","operation":"gone"}`))
	set, err := New(Options{URL: "http://server"})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { set.Close() })
	f.Fuzz(func(t *testing.T, raw []byte) {
		a := set.newAttachment()
		a.on = true
		set.session.connectID = "c"
		_ = set.receive(a, raw) // must not panic, nor leave the lock taken
		set.mu.Lock()
		held := uint64(len(set.inbox))
		set.inbox = nil
		set.session = newSession()
		set.mu.Unlock()
		if held > 1 {
			t.Errorf("one line became %d", held)
		}
	})
}
