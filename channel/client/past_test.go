package client

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/channel/message"
)

// say publishes so many messages from first on, as somebody else does.
func (f *fake) say(subtopic string, first, n int) {
	f.do(func() {
		for i := first; i < first+n; i++ {
			m := fakeMessage{fmt.Sprintf("s%d", i), "chat", subtopic, fmt.Sprint(i)}
			f.log = append(f.log, m)
			f.publish(m)
		}
	})
}

// heard collects what a Consumer gets, in its order.
type heard struct {
	mu   sync.Mutex
	list []string
}

func (h *heard) note(s string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, s)
}

func (h *heard) message(m *Message) { h.note(string(m.Body)) }

func (h *heard) event(e ConsumerEvent) {
	said := string(e.Kind)
	switch e.Kind {
	case Recovered:
		said += fmt.Sprint(" ", e.Complete)
	case Loss:
		said += fmt.Sprintf(" %s %s-%s", e.Reason, e.From, e.To)
	}
	h.note(said)
}

// wantHeard waits until so much was heard, and compares.
func wantHeard(t *testing.T, h *heard, want ...string) {
	t.Helper()
	for ctx := deadline(t); ; {
		h.mu.Lock()
		got := slices.Clone(h.list)
		h.mu.Unlock()
		if len(got) >= len(want) || ctx.Err() != nil {
			if !slices.Equal(got, want) {
				t.Fatalf("heard %q, want %q", got, want)
			}
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func numbers(first, last int) (list []string) {
	for i := first; i <= last; i++ {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

// request is the nth subscribe or multi_subscribe that the fake got.
func (f *fake) request(t *testing.T, n int) (r struct {
	fakeRequest
	Operation, ClientID string
	Headers             struct {
		DSSubtopic, DSSelector any
		DSLast, DSSince        *int64
		DSAddSub, DSRemSub     []string
	}
}) {
	t.Helper()
	f.do(func() {
		if len(f.asked) <= n {
			t.Fatalf("asked only for %q", f.asked)
		}
		if err := json.Unmarshal([]byte(f.asked[n]), &r); err != nil {
			t.Fatal(err)
		}
	})
	return r
}

// A Consumer begins where it is told to in the past, hears what it recovers and where that ends, and goes on with what is new.
func TestFrom(t *testing.T) {
	onEachKind(t, func(t *testing.T, f *fake, kind Kind) {
		f.history = true
		set := connect(t, f, Options{Channels: []Channel{{Kind: kind}}})
		f.say("a", 1, 5)
		var all []*heard
		begin := func(from From) *Consumer {
			h := new(heard)
			all = append(all, h)
			c, err := set.Consume(deadline(t), "chat", ConsumerOptions{Selection: Selection{Subtopics: []string{"a"}}, From: from, Handle: h.message, OnEvent: h.event})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		begin(From{})
		begin(Last(2))
		begin(Since(time.UnixMilli(77)))
		begin(Earliest())
		begin(After("p0003"))
		now := begin(After(""))
		if r := f.request(t, 2); *r.Headers.DSSince != 77 {
			t.Errorf("since %d", *r.Headers.DSSince)
		}
		if r := f.request(t, 3); *r.Headers.DSSince != 0 {
			t.Errorf("since %d", *r.Headers.DSSince)
		}
		if r := f.request(t, 5); r.Position != "" {
			t.Errorf("behind %q", r.Position)
		}
		f.say("a", 6, 1)
		wantHeard(t, all[0], "6")
		wantHeard(t, all[1], "recovered true", "4", "5", "live", "6")
		wantHeard(t, all[2], "recovered true", "1", "2", "3", "4", "5", "live", "6")
		wantHeard(t, all[3], "recovered true", "1", "2", "3", "4", "5", "live", "6")
		wantHeard(t, all[4], "recovered true", "4", "5", "live", "6")
		wantHeard(t, all[5], "6")
		if at := now.Position(); at != "p0006" {
			t.Errorf("it stands at %q", at)
		}
	})
}

// Events stand in the queue of a Consumer that is read, where they stand among the messages, and its position is that of the reader.
func TestEventsInTheQueue(t *testing.T) {
	f := newFake(t)
	f.history = true
	set := connect(t, f, Options{})
	f.say("", 1, 3)
	var h heard
	c, err := set.Consume(deadline(t), "chat", ConsumerOptions{From: Earliest(), OnEvent: h.event})
	if err != nil {
		t.Fatal(err)
	}
	f.say("", 4, 1)
	for i := 1; i <= 4; i++ {
		m := wantNext(t, c, fmt.Sprint(i))
		h.message(m)
		if at := c.Position(); at != fakePosition(i) || m.Position != at {
			t.Errorf("message %d is at %q, and the Consumer at %q", i, m.Position, at)
		}
	}
	wantHeard(t, &h, "recovered true", "1", "2", "3", "live", "4")
}

// When the server has made a new client, a Consumer goes on behind what has arrived, however much of that the application has not taken: nothing is lost, nothing comes twice.
func TestGoOnBehindWhatArrived(t *testing.T) {
	onEachKind(t, func(t *testing.T, f *fake, kind Kind) {
		f.history = true
		var seen events
		set := connect(t, f, Options{Channels: []Channel{{Kind: kind}}, OnEvent: seen.add, Buffer: 1})
		var h heard
		c, err := set.Consume(deadline(t), "chat", ConsumerOptions{OnEvent: h.event})
		if err != nil {
			t.Fatal(err)
		}
		for round := range 3 {
			f.say("", round*20+1, 10)
			h.message(wantNext(t, c, fmt.Sprint(round*20+1))) // the others have arrived, and wait
			f.await(t, "all to be sent", func() bool { last := f.clients[len(f.clients)-1]; return last.attach > 0 && len(last.out) >= 10 })
			f.do(func() { // away, with what is published meanwhile
				f.clients[len(f.clients)-1].ended = message.CodeSessionTimeout
				clear(f.clients[len(f.clients)-1].subs)
			})
			f.say("", round*20+11, 10)
			f.cut()
			seen.await(t, Connected, round+1)
			for i := round*20 + 2; i <= round*20+20; i++ {
				h.message(wantNext(t, c, fmt.Sprint(i)))
			}
		}
		f.say("", 61, 1)
		h.message(wantNext(t, c, "61"))
		got := slices.DeleteFunc(h.list, func(s string) bool { return s == "live" || s == "recovered true" })
		if !slices.Equal(got, numbers(1, 61)) {
			t.Errorf("heard %q", h.list)
		}
	})
}

// One that never received anything goes on behind the position of its subscription.
func TestIdleConsumerGoesOn(t *testing.T) {
	onEachKind(t, func(t *testing.T, f *fake, kind Kind) {
		f.history = true
		f.say("elsewhere", 1, 3)
		var seen events
		set := connect(t, f, Options{Channels: []Channel{{Kind: kind}}, OnEvent: seen.add})
		var h heard
		if _, err := set.Consume(deadline(t), "chat", ConsumerOptions{Handle: h.message, OnEvent: h.event}); err != nil {
			t.Fatal(err)
		}
		f.do(func() { clear(f.clients[0].subs) })
		f.say("", 4, 2)
		f.end(message.CodeSessionTimeout)
		f.cut()
		seen.await(t, Connected, 1)
		wantHeard(t, &h, "recovered true", "4", "5", "live")
		if r := f.request(t, 1); r.Position != "p0003" {
			t.Errorf("it went on behind %q", r.Position)
		}
	})
}

// A position moves on without messages too: where the past ends, and where something is missing.
func TestPositionMovesWithoutMessages(t *testing.T) {
	f := newFake(t)
	f.history = true
	f.say("elsewhere", 1, 3)
	var seen events
	set := connect(t, f, Options{OnEvent: seen.add})
	var h heard
	c, err := set.Consume(deadline(t), "chat", ConsumerOptions{From: Earliest(), Handle: h.message, OnEvent: h.event})
	if err != nil {
		t.Fatal(err)
	}
	wantHeard(t, &h, "recovered true", "live")
	if at := c.Position(); at != "p0003" {
		t.Errorf("behind the past it stands at %q", at)
	}
	again := func(n int, want string) {
		t.Helper()
		f.end(message.CodeSessionTimeout)
		f.cut()
		seen.await(t, Connected, n)
		f.await(t, "the subscription", func() bool { return len(f.asked) > n })
		if r := f.request(t, n); r.Position != want {
			t.Errorf("it went on behind %q, want %q", r.Position, want)
		}
	}
	again(1, "p0003")
	wantHeard(t, &h, "recovered true", "live", "recovered true", "live")
	f.say("elsewhere", 4, 6)
	f.do(func() {
		f.clients[1].out = append(f.clients[1].out, fmt.Sprintf(`{"type":"loss","destination":"chat","clientId":%q,"reason":"expired","from":"p0003","to":"p0007"}`, c.id))
	})
	wantHeard(t, &h, "recovered true", "live", "recovered true", "live", "loss expired p0003-p0007")
	again(2, "p0007")
}

// The answer to a subscribe tells where it stands as well. It may come late, behind messages, or never: then the subscription goes on behind what has come.
func TestAnswerBesideTheOrder(t *testing.T) {
	set, err := New(Options{URL: "http://nowhere.test"})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	c := &Consumer{cs: set, destination: "chat", from: Last(5), named: make(chan struct{}), done: make(chan struct{})}
	c.alone[0] = c
	request := c.subscribeCallLocked()
	set.session.open, set.session.asked[request.id] = []*call{request}, c

	c.answered(&line{ClientID: "s", Body: json.RawMessage(`{"position":"p0001"}`)}, nil)
	if c.arrived != "p0001" {
		t.Errorf("answered, it stands at %q", c.arrived)
	}
	for _, l := range []*line{
		{Type: "subscription-state", Operation: "subscribe", ClientID: "s", CorrelationID: request.id, Position: "p0001"},
		{Type: "async", Destination: "chat", Position: "p0002"},
	} {
		set.session.route(&entry{line: l}, nil)
	}
	c.answered(&line{ClientID: "s", Body: json.RawMessage(`{"position":"p0001"}`)}, nil)
	if c.arrived != "p0002" {
		t.Errorf("a late answer puts it back to %q", c.arrived)
	}
	set.consumers = nil // as if there had been no answer
	set.renew(nil)
	if len(set.queue) != 1 || !strings.Contains(string(set.queue[0].line), `"position":"p0002"`) || strings.Contains(string(set.queue[0].line), "DSLast") {
		t.Errorf("what is asked again: %q", set.queue[0].line)
	}
}

// What is gone is told where it is missing. Where no history is kept, that is all that can be told.
func TestLossIsTold(t *testing.T) {
	for name, history := range map[string]bool{"history": true, "none": false} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.history = history
			var seen events
			set := connect(t, f, Options{OnEvent: seen.add})
			var h heard
			if _, err := set.Consume(deadline(t), "chat", ConsumerOptions{Handle: h.message, OnEvent: h.event}); err != nil {
				t.Fatal(err)
			}
			f.say("", 1, 1)
			wantHeard(t, &h, "1")
			f.do(func() { clear(f.clients[0].subs); f.gone = 3 })
			f.say("", 2, 3)
			f.end(message.CodeSessionTimeout)
			f.cut()
			seen.await(t, Connected, 1)
			want := []string{"1", "recovered false", "loss history p0001-p0003", "4", "live"}
			if !history {
				want = []string{"1", "loss history-not-kept -"}
			}
			wantHeard(t, &h, want...)
			f.say("", 5, 1)
			wantHeard(t, &h, append(want, "5")...)
		})
	}
}

// Losses of a slow client come with their count, to all Consumers on the destination if none is named; and a message says for how many it stands.
func TestLossAndMergedLines(t *testing.T) {
	f := newFake(t)
	set := connect(t, f, Options{})
	var one, two heard
	for subtopic, h := range map[string]*heard{"a": &one, "b": &two} {
		c, err := set.Consume(deadline(t), "chat", ConsumerOptions{Selection: Selection{Subtopics: []string{subtopic}}, OnEvent: func(e ConsumerEvent) { h.note(fmt.Sprint(e.Reason, e.Count)) }, Handle: func(m *Message) {
			h.note(fmt.Sprint(string(m.Body), m.Merged))
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Unsubscribe(deadline(t)) }()
	}
	f.do(func() {
		c := f.clients[0]
		c.out = append(c.out, `{"type":"loss","destination":"chat","reason":"slow-consumer","count":7}`, `{"type":"loss","destination":"news","reason":"slow-consumer","count":8}`)
		var a string
		for id, sub := range c.subs {
			if sub.topics[0] == "a" {
				a = id
			}
		}
		c.out = append(c.out, fmt.Sprintf(`{"type":"control","operation":"for","clientIds":[%q]}`+"\n", a)+`{"type":"control","operation":"merged","count":4}`+"\n"+`{"type":"async","messageId":"m","destination":"chat","body":1}`)
	})
	f.say("a", 2, 1)
	wantHeard(t, &one, "slow-consumer7", "14", "20")
	wantHeard(t, &two, "slow-consumer7")
}

// The server's warning of a slow reader is told at once, also while the application is stuck, and the latest of each destination.
func TestSlowIsTold(t *testing.T) {
	onEachKind(t, func(t *testing.T, f *fake, kind Kind) {
		var seen events
		set := connect(t, f, Options{Channels: []Channel{{Kind: kind}}, OnEvent: seen.add})
		stuck := make(chan struct{})
		defer close(stuck)
		if _, err := set.SubscribeFunc(deadline(t), "chat", "", func(*Message) { <-stuck }); err != nil {
			t.Fatal(err)
		}
		f.do(func() {
			head := `{"type":"control","operation":"slow","destination":"chat","waiting":75,"limit":100,"setting":"max-waiting-messages"}` + "\n"
			f.clients[0].out = append(f.clients[0].out, head+f.line(fakeMessage{"m", "chat", "", "1"}, 1))
		})
		e := seen.await(t, Slow, 0)
		if e.Backlog == nil || *e.Backlog != (Backlog{"chat", 75, 100, "max-waiting-messages"}) || e.Channel != kind || e.Cause != nil {
			t.Errorf("told %+v, %+v", e, e.Backlog)
		}
	})
}
