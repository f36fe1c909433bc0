package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/channel/message"
)

// An end with reconnect "no" is final, whatever the channel, and everyone is told why.
func TestFinalEnd(t *testing.T) {
	onEachKind(t, func(t *testing.T, f *fake, kind Kind) {
		var seen events
		set := connect(t, f, Options{Channels: []Channel{{Kind: kind}}, OnEvent: seen.add})
		c := subscribe(t, set, "chat", "")
		f.end(message.CodeAdministrator)
		var end *Error
		if _, err := c.Next(deadline(t)); !errors.As(err, &end) || end.Code != message.CodeAdministrator {
			t.Errorf("the consumer ended with %v", err)
		}
		<-set.Done()
		if err := set.Publish(deadline(t), "chat", "", 1); !errors.As(err, &end) {
			t.Errorf("publish: %v", err)
		}
		if !strings.Contains(end.Error(), "An administrator ended this session or client (4003 administrator; incident i1)") {
			t.Errorf("the error reads %q", end)
		}
		set.Close()
		if e, ok := seen.find(Ended, 0); !ok || !errors.As(e.Err, &end) {
			t.Errorf("the last event: %+v", e)
		}
		f.do(func() {
			if len(f.clients) != 1 {
				t.Errorf("it came back: %d clients", len(f.clients))
			}
		})
	})
}

func TestLoginAndLogout(t *testing.T) {
	onEachKind(t, func(t *testing.T, f *fake, kind Kind) {
		f.password = "ann:right"
		var refused *Error
		wrong := newSet(t, f, Options{Channels: []Channel{{Kind: kind}}, User: "ann", Password: "wrong"})
		if err := wrong.Connect(deadline(t)); !errors.As(err, &refused) || refused.Code != message.CodeBadCredentials {
			t.Errorf("connect with a wrong password: %v", err)
		}
		set := connect(t, f, Options{Channels: []Channel{{Kind: kind}}})
		if err := set.Login(deadline(t), "ann", "wrong"); !errors.As(err, &refused) {
			t.Errorf("login with a wrong password: %v", err)
		}
		if err := set.Login(deadline(t), "ann", "right"); err != nil {
			t.Fatal(err)
		}
		if err := set.Logout(deadline(t)); err != nil {
			t.Fatal(err)
		}
		if err := set.Err(); !errors.Is(err, ErrClosed) {
			t.Errorf("after logout: %v", err)
		}
	})
}

func TestFallback(t *testing.T) {
	f := newFake(t)
	f.off[WebSocket], f.buffered = 404, true
	var seen events
	set := connect(t, f, Options{OnEvent: seen.add, OpenTimeout: 50 * time.Millisecond})
	if e, _ := seen.find(Connected, 0); e.Channel != LongPoll {
		t.Errorf("connected over %q", e.Channel)
	}
	f.do(func() {
		if len(f.clients) != 1 {
			t.Errorf("%d clients were made on the way, want 1", len(f.clients))
		}
	})
	c := subscribe(t, set, "chat", "")
	if err := set.Publish(deadline(t), "chat", "", 1); err != nil {
		t.Fatal(err)
	}
	wantNext(t, c, "1")
}

// A stream that is held back on the way cannot prove itself: nobody moves there.
func TestMoveToBufferedStream(t *testing.T) {
	f := newFake(t)
	f.keep, f.buffered = true, true
	var seen events
	set := connect(t, f, Options{Channels: []Channel{{Kind: WebSocket}, {Kind: Streaming}}, OpenTimeout: 20 * time.Millisecond, OnEvent: seen.add})
	c := subscribe(t, set, "chat", "")
	if err := set.MoveTo(deadline(t), Streaming); err == nil || !strings.Contains(err.Error(), "holds it back") {
		t.Errorf("moved: %v", err)
	}
	f.say("", 1, 1)
	wantNext(t, c, "1")
	if err := set.MoveTo(deadline(t), WebSocket); err != nil { // where it is
		t.Error(err)
	}
	if e, lost := seen.find(Disconnected, 0); lost {
		t.Errorf("the channel there was is lost for it: %+v", e)
	}
}

// What answers, but is not Sluice, is tried again; the server's own "no" on every channel is final.
func TestNothingThere(t *testing.T) {
	f := newFake(t)
	f.off[WebSocket], f.off[Streaming], f.off[LongPoll] = 404, 502, 404
	set := newSet(t, f, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err := set.Connect(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "502 Bad Gateway") {
		t.Errorf("connect: %v", err)
	}
	f.do(func() { clear(f.off) })
	if err := set.Connect(deadline(t)); err != nil {
		t.Errorf("connect once it is there: %v", err)
	}

	f.do(func() { f.off[WebSocket], f.off[Streaming], f.off[LongPoll] = 502, 502, 502 })
	once := newSet(t, f, Options{MaxAttempts: 1})
	if err := once.Connect(deadline(t)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("connect with one attempt: %v", err)
	}

	f.do(func() { f.off[WebSocket], f.off[Streaming], f.off[LongPoll] = 404, 404, 404 })
	refused := newSet(t, f, Options{})
	var no *Error
	if err := refused.Connect(deadline(t)); !errors.As(err, &no) || no.Code != message.CodeUnknownEndpoint {
		t.Errorf("connect to nothing: %v", err)
	}
}

func TestHeartbeat(t *testing.T) {
	onEachKind(t, func(t *testing.T, f *fake, kind Kind) {
		f.terms = `"heartbeatIntervalMillis":20`
		connect(t, f, Options{Channels: []Channel{{Kind: kind}}})
		f.await(t, "three heartbeats", func() bool { return f.beats >= 3 })
	})
}

// The server's bounds on open requests and sizes are kept without its having to refuse anything.
func TestBounds(t *testing.T) {
	onEachKind(t, func(t *testing.T, f *fake, kind Kind) {
		f.maxOpen, f.terms = 3, `"maxMessageSize":1000,"maxRequestSize":2000`
		set := connect(t, f, Options{Channels: []Channel{{Kind: kind}}})
		answers := make(chan error, 100)
		for i := range 100 {
			if err := set.Send(deadline(t), "chat", "", i, func(err error) { answers <- err }); err != nil {
				t.Fatal(err)
			}
		}
		for range 100 {
			if err := <-answers; err != nil {
				t.Fatal(err)
			}
		}
		if err := set.Publish(deadline(t), "chat", "", strings.Repeat("x", 1000)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("a message too large: %v", err)
		}
		if err := set.Publish(deadline(t), "chat", "", json.RawMessage(`{"a":`)); err == nil {
			t.Error("a body that is not JSON was taken")
		}
		if err := set.Publish(deadline(t), "chat", "", 1); err != nil {
			t.Errorf("after that: %v", err)
		}
	})
}

// A request whose context ends while it waits for a connection is not sent later.
func TestWithdraw(t *testing.T) {
	f := newFake(t)
	f.off[WebSocket], f.off[Streaming], f.off[LongPoll] = 502, 502, 502
	var seen events
	set := newSet(t, f, Options{MaxOpen: 1, OnEvent: seen.add})
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		seen.await(t, Unreachable, 0)
		cancel(context.DeadlineExceeded)
	}()
	err := set.Publish(ctx, "chat", "", "early")
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrInDoubt) || !strings.Contains(err.Error(), "502 Bad Gateway") {
		t.Errorf("publish without a connection: %v", err)
	}
	f.do(func() { clear(f.off) })
	if err := set.Connect(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if err := set.Publish(deadline(t), "chat", "", "late"); err != nil { // and the slot is free again
		t.Fatal(err)
	}
	f.do(func() {
		if len(f.log) != 1 || f.log[0].body != `"late"` {
			t.Errorf("the server took %v", f.log)
		}
	})
}

func TestCloseWithoutConnect(t *testing.T) {
	f := newFake(t)
	set := newSet(t, f, Options{})
	waiting := make(chan error, 1)
	if err := set.Send(deadline(t), "chat", "", 1, func(err error) { waiting <- err }); err != nil {
		t.Fatal(err)
	}
	set.Close()
	if err := <-waiting; !errors.Is(err, ErrClosed) {
		t.Errorf("the call in the queue: %v", err)
	}
	if err := set.Connect(deadline(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("connect: %v", err)
	}
	if err := set.Disconnect(deadline(t)); err != nil {
		t.Errorf("disconnect: %v", err)
	}
}

func TestOptions(t *testing.T) {
	for _, opts := range []Options{
		{}, {URL: "ftp://host"}, {URL: "http://"}, {URL: "://"}, {URL: "http://host", Channels: []Channel{{Kind: "pigeon"}}},
	} {
		if _, err := New(opts); err == nil {
			t.Errorf("New(%+v) found nothing wrong", opts)
		}
	}
	set, err := New(Options{URL: "https://host/app/", Channels: []Channel{{Kind: WebSocket}, {Kind: LongPoll, URL: "ws://other/poll"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	if got := set.opts.Channels; got[0].URL != "" || got[1].URL != "http://other/poll" {
		t.Errorf("channels %v", got)
	}
}

// What was received and not yet taken when the connection was lost is sent again by the server, and handed over once.
func TestResentLinesAreKnown(t *testing.T) {
	for _, kind := range []Kind{WebSocket, Streaming} { // a poll asks only when all is taken
		f := newFake(t)
		f.keep = true
		var seen events
		var got []string
		entered, release, done := make(chan struct{}, 100), make(chan struct{}), make(chan struct{})
		set := connect(t, f, Options{Channels: []Channel{{Kind: kind}}, OnEvent: seen.add})
		_, err := set.SubscribeFunc(deadline(t), "chat", "", func(m *Message) {
			entered <- struct{}{}
			<-release
			if got = append(got, string(m.Body)); string(m.Body) == `"end"` {
				close(done)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		f.do(func() {
			for i := range 8 {
				f.publish(fakeMessage{id: "m", destination: "chat", body: fmt.Sprint(i)})
			}
		})
		<-entered
		f.cut()
		seen.await(t, Connected, 1)
		f.do(func() { f.publish(fakeMessage{id: "m", destination: "chat", body: `"end"`}) })
		close(release)
		select {
		case <-done:
		case <-deadline(t).Done():
			t.Fatal("the last message did not come")
		}
		if want := `0 1 2 3 4 5 6 7 "end"`; strings.Join(got, " ") != want {
			t.Errorf("%s: handed over %v", kind, got)
		}
	}
}

// stubLink keeps what is sent on it, and ends after the first frame.
type stubLink struct{ frames []string }

func (l *stubLink) post(_ context.Context, frame []byte) error {
	l.frames = append(l.frames, string(frame))
	return errors.New("lost")
}
func (l *stubLink) down() <-chan struct{} { return nil }
func (l *stubLink) recede()               {}
func (l *stubLink) close() error          { return nil }

// The first requests on a new link come with all that was received, though it was told before: that may have been lost.
func TestTellAgain(t *testing.T) {
	set, err := New(Options{URL: "http://server"})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	c, err := Producer{Set: set, Destination: "chat"}.call(1)
	if err != nil {
		t.Fatal(err)
	}
	set.queue = append(set.queue, c)
	set.session.seq, set.session.got = 5, 5
	for range 2 {
		l := &stubLink{}
		if _, _, err := set.serve(l, Channel{Kind: WebSocket}, Event{}); err == nil || err.Error() != "lost" {
			t.Fatal(err)
		}
		if len(l.frames) != 1 || !strings.Contains(l.frames[0], `"got":5`) || !strings.Contains(l.frames[0], `"seq":6`) {
			t.Errorf("sent %q", l.frames)
		}
	}
}
