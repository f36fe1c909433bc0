package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sluice/channel/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var kinds = []Kind{WebSocket, Streaming, LongPoll}

// onEachKind runs a test once per channel, against a fake server of its own.
func onEachKind(t *testing.T, fn func(t *testing.T, f *fake, kind Kind)) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) { fn(t, newFake(t), kind) })
	}
}

// events collects what a set tells.
type events struct {
	mu   sync.Mutex
	list []Event
	when []time.Time
	more chan struct{} // closed and replaced by each event
}

// at is when the event of that number came.
func (e *events) at(i int) time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.when[i]
}

func (e *events) add(event Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list, e.when = append(e.list, event), append(e.when, time.Now())
	if e.more != nil {
		close(e.more)
		e.more = nil
	}
}

// await is find, and waits for the event.
func (e *events) await(t *testing.T, kind EventKind, skip int) Event {
	t.Helper()
	ctx := deadline(t)
	for {
		e.mu.Lock()
		if e.more == nil {
			e.more = make(chan struct{})
		}
		more := e.more
		e.mu.Unlock()
		if event, ok := e.find(kind, skip); ok {
			return event
		}
		select {
		case <-more:
		case <-ctx.Done():
			t.Fatalf("no event %q", kind)
		}
	}
}

// find returns the first event of that kind after skip others of it.
func (e *events) find(kind EventKind, skip int) (Event, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, event := range e.list {
		if event.Kind == kind {
			if skip == 0 {
				return event, true
			}
			skip--
		}
	}
	return Event{}, false
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// newSet returns a set for that server that is quick to come back and closed with the test.
func newSet(t *testing.T, f *fake, opts Options) *ChannelSet {
	t.Helper()
	opts.URL = f.URL
	if opts.MinDelay == 0 {
		opts.MinDelay, opts.MaxDelay = 2*time.Millisecond, 20*time.Millisecond
	}
	set, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	return set
}

func connect(t *testing.T, f *fake, opts Options) *ChannelSet {
	t.Helper()
	set := newSet(t, f, opts)
	if err := set.Connect(deadline(t)); err != nil {
		t.Fatal(err)
	}
	return set
}

func subscribe(t *testing.T, set *ChannelSet, destination, subtopic string) *Consumer {
	t.Helper()
	c, err := set.Subscribe(deadline(t), destination, subtopic)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func wantNext(t *testing.T, c *Consumer, body string) *Message {
	t.Helper()
	m, err := c.Next(deadline(t))
	if err != nil {
		t.Fatalf("waiting for %s: %v", body, err)
	}
	if string(m.Body) != body {
		t.Fatalf("received %s, want %s", m.Body, body)
	}
	return m
}

func TestPublishAndReceive(t *testing.T) {
	onEachKind(t, func(t *testing.T, f *fake, kind Kind) {
		set := connect(t, f, Options{Channels: []Channel{{Kind: kind}}})
		c := subscribe(t, set, "chat", "room.1")
		body := map[string]string{"text": "a < b\n"}
		if err := set.Publish(deadline(t), "chat", "room.1", body); err != nil {
			t.Fatal(err)
		}
		m := wantNext(t, c, `{"text":"a < b\n"}`)
		var got map[string]string
		if err := m.Decode(&got); err != nil || got["text"] != body["text"] {
			t.Errorf("decoded %v, %v", got, err)
		}
		if m.Destination != "chat" || m.Subtopic != "room.1" || m.Time.UnixMilli() != 1000 || m.ID == "" {
			t.Errorf("received %+v", m)
		}
		var refused *Error
		if err := set.Publish(deadline(t), "nowhere", "", 1); !errors.As(err, &refused) || refused.Code != message.CodeUnknownDestination {
			t.Errorf("publishing to nowhere: %v", err)
		}
		if _, err := set.Subscribe(deadline(t), "nowhere", ""); !errors.As(err, &refused) {
			t.Errorf("subscribing to nowhere: %v", err)
		}
		if err := c.Unsubscribe(deadline(t)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Next(deadline(t)); !errors.Is(err, ErrUnsubscribed) {
			t.Errorf("after unsubscribe: %v", err)
		}
		if err := set.Disconnect(deadline(t)); err != nil {
			t.Fatal(err)
		}
		f.do(func() {
			if len(f.clients) != 1 || f.clients[0].ended != message.CodeClientDisconnect {
				t.Error("the server was not told of the disconnect")
			}
		})
	})
}

// A message for one of several subscriptions on a destination goes to that one, and reaches both where both match.
func TestSeveralSubscriptions(t *testing.T) {
	onEachKind(t, func(t *testing.T, f *fake, kind Kind) {
		set := connect(t, f, Options{Channels: []Channel{{Kind: kind}}})
		one, all := subscribe(t, set, "chat", "1"), subscribe(t, set, "chat", "*")
		for i, subtopic := range []string{"2", "1", "3", "1"} {
			if err := set.Publish(deadline(t), "chat", subtopic, i); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 4 {
			wantNext(t, all, fmt.Sprint(i))
		}
		wantNext(t, one, "1")
		wantNext(t, one, "3")
	})
}

// Cut at random moments, in both directions, with answers lost on the way: every message arrives once and in order.
func TestNothingIsLostOrDoubled(t *testing.T) {
	onEachKind(t, func(t *testing.T, f *fake, kind Kind) {
		const n = 600
		f.keep, f.window = true, 16
		sender := connect(t, f, Options{Channels: []Channel{{Kind: kind}}})
		receiver := connect(t, f, Options{Channels: []Channel{{Kind: kind}}})
		c := subscribe(t, receiver, "chat", "")
		stop := make(chan struct{})
		var cutter sync.WaitGroup
		cutter.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(rand.N(40 * time.Millisecond)):
					f.do(func() { f.swallow = rand.N(2) })
					f.cut()
				}
			}
		})
		failed := make(chan error, n)
		go func() {
			for i := range n {
				if err := sender.Send(context.Background(), "chat", "", i, func(err error) { failed <- err }); err != nil {
					failed <- err
				}
				if i%20 == 0 {
					time.Sleep(time.Millisecond) // so that cuts fall between
				}
			}
		}()
		for i := range n {
			wantNext(t, c, fmt.Sprint(i))
		}
		close(stop)
		cutter.Wait()
		for range n {
			if err := <-failed; err != nil {
				t.Error(err)
			}
		}
		f.do(func() {
			if len(f.log) != n {
				t.Errorf("the server took %d messages, want %d", len(f.log), n)
			}
			if len(f.clients) != 2 {
				t.Errorf("the server made %d clients, want 2", len(f.clients))
			}
			if f.worst > f.window {
				t.Errorf("%d unconfirmed", f.worst)
			}
		})
	})
}

// A Consumer that is unsubscribed while its set subscribes it anew does not come to life again: the new subscription is ended, too.
func TestUnsubscribeWhileSubscribingAnew(t *testing.T) {
	f := newFake(t)
	set := connect(t, f, Options{})
	c := subscribe(t, set, "chat", "")
	f.do(func() { clear(f.clients[0].subs) }) // as if the subscription had been an earlier client's
	if err := c.Unsubscribe(deadline(t)); err != nil {
		t.Errorf("unsubscribing what the server does not have: %v", err)
	}
	c.answered(&line{ClientID: "new"}, nil)
	f.await(t, "the new subscription to be ended", func() bool { return len(f.dropped) == 2 && f.dropped[1] == "new" })
	set.mu.Lock()
	defer set.mu.Unlock()
	if len(set.consumers) != 0 {
		t.Error("it would be subscribed again")
	}
}

// When the server has ended the client, a new one subscribes again; what was sent and not answered is in doubt.
func TestNewClient(t *testing.T) {
	onEachKind(t, func(t *testing.T, f *fake, kind Kind) {
		var seen events
		set := connect(t, f, Options{Channels: []Channel{{Kind: kind}}, OnEvent: seen.add, User: "ann", Password: "pw"})
		c := subscribe(t, set, "chat", "")
		f.do(func() { f.swallow = 1 })
		doubt := make(chan error, 1)
		go func() { doubt <- set.Publish(deadline(t), "chat", "", "lost answer") }()
		f.await(t, "the publication", func() bool { return len(f.log) == 1 })
		f.end(message.CodeSessionTimeout)
		f.cut()
		if err := <-doubt; !errors.Is(err, ErrInDoubt) {
			t.Errorf("publish: %v, want ErrInDoubt", err)
		}
		f.await(t, "the second client", func() bool { return len(f.clients) == 2 && len(f.clients[1].subs) == 1 })
		if err := set.Publish(deadline(t), "chat", "", "again"); err != nil {
			t.Fatal(err)
		}
		for {
			m, err := c.Next(deadline(t))
			if err != nil {
				t.Fatal(err)
			}
			if string(m.Body) == `"again"` {
				break
			}
		}
		if e := seen.await(t, Connected, 1); e.Resumed {
			t.Errorf("second connect: %+v", e)
		}
		f.do(func() {
			if len(f.logins) != 2 {
				t.Errorf("%d logins, want one per client", len(f.logins))
			}
		})
	})
}

func TestResumed(t *testing.T) {
	onEachKind(t, func(t *testing.T, f *fake, kind Kind) {
		f.keep = true
		var seen events
		set := connect(t, f, Options{Channels: []Channel{{Kind: kind}}, OnEvent: seen.add})
		c := subscribe(t, set, "chat", "")
		for lost := false; !lost; _, lost = seen.find(Disconnected, 0) { // a cut between two polls goes unseen
			f.cut()
			time.Sleep(time.Millisecond)
		}
		f.do(func() { f.publish(fakeMessage{id: "m", destination: "chat", body: `"meanwhile"`}) })
		wantNext(t, c, `"meanwhile"`)
		if e := seen.await(t, Connected, 1); !e.Resumed {
			t.Errorf("second connect: %+v", e)
		}
		if e, ok := seen.find(Disconnected, 0); !ok || e.Err == nil || e.Delay <= 0 || e.Channel != kind {
			t.Errorf("disconnect: %+v", e)
		}
	})
}

// A reader that stops reading is sent no more than the window, and its calls work all the same.
func TestSlowApplication(t *testing.T) {
	onEachKind(t, func(t *testing.T, f *fake, kind Kind) {
		f.window = 8
		release, entered := make(chan struct{}), make(chan struct{}, 100)
		var got []string
		done := make(chan struct{})
		set := connect(t, f, Options{Channels: []Channel{{Kind: kind}}})
		_, err := set.SubscribeFunc(deadline(t), "chat", "", func(m *Message) {
			entered <- struct{}{}
			if err := set.Publish(context.Background(), "other", "", 0); err != nil { // waits for an answer while messages wait for it
				t.Error(err)
			}
			<-release
			if got = append(got, string(m.Body)); len(got) == 50 {
				close(done)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			if err := set.Publish(deadline(t), "chat", "", i); err != nil {
				t.Fatal(err)
			}
		}
		<-entered
		set.mu.Lock()
		if n := len(set.inbox); n > 8 {
			t.Errorf("%d messages wait in the client, window 8", n)
		}
		set.mu.Unlock()
		close(release)
		<-done
		for i, body := range got {
			if body != fmt.Sprint(i) {
				t.Fatalf("message %d is %s", i, body)
			}
		}
	})
}

func TestConfirm(t *testing.T) {
	for _, kind := range []Kind{WebSocket, Streaming} { // polls confirm by polling
		t.Run(string(kind), func(t *testing.T) {
			f := newFake(t)
			f.window, f.terms = 40, `"confirmIntervalMillis":3600000`
			set := connect(t, f, Options{Channels: []Channel{{Kind: kind}}})
			c := subscribe(t, set, "chat", "")
			f.do(func() {
				for i := range 9 { // with the subscription-state a quarter of the window
					f.publish(fakeMessage{id: "m", destination: "chat", body: fmt.Sprint(i)})
				}
			})
			for i := range 9 {
				wantNext(t, c, fmt.Sprint(i))
			}
			f.await(t, "a quarter of the window to be confirmed", func() bool { return f.clients[0].have >= 10 })
		})
		t.Run(string(kind)+"/interval", func(t *testing.T) {
			f := newFake(t)
			f.terms = `"confirmIntervalMillis":30`
			set := connect(t, f, Options{Channels: []Channel{{Kind: kind}}})
			subscribe(t, set, "chat", "")
			f.await(t, "one line to be confirmed in time", func() bool { return f.clients[0].have == 1 })
		})
	}
}
