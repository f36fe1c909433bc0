package flexsession

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

var polling = &channel.ChannelDefinition{ID: "longpoll", Kind: channel.LongPoll, SessionTimeout: time.Hour}

// A record that ends while a client or a session is being made under it leaves neither behind.
func TestRecordEndsMeanwhile(t *testing.T) {
	h := newHouse(t, nil)
	for range 2000 {
		r, err := h.registry.NewRecord(polling)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		all.Go(func() { h.registry.NewClient(h.def, Peer{}, r, false) })
		all.Go(func() { r.Session(polling, Peer{}, 0) })
		all.Go(func() { runtime.Gosched(); r.End(Because(message.CodeLogout)) })
		all.Wait()
	}
	if clients, sessions := h.registry.Count(); clients+sessions+h.registry.Records() != 0 {
		t.Errorf("%d clients, %d sessions and %d records are left", clients, sessions, h.registry.Records())
	}
}

// A login that is verified while its client ends leaves no ghost among the users.
func TestLoginOfAnEndedClient(t *testing.T) {
	h := newHouse(t, nil)
	c := h.client(t)
	c.End(Because(message.CodeConnectionLost))
	if err := c.Login(&channel.Principal{Name: "alice"}, false); err == nil || err.Code != message.CodeUnknownClient {
		t.Errorf("the login: %v", err)
	}
	if n := len(h.registry.OfUser("alice")); n != 0 {
		t.Errorf("%d clients of alice", n)
	}
}

// The lines that say which subscriptions a message is for count against the limits like the messages.
func TestForLinesAreAccountedFor(t *testing.T) {
	limit := func(o *Options) { o.MaxWaitingBytes = 64 << 10 }
	bubble(t, limit, func(t *testing.T, h *house) {
		c := h.client(t)
		for range 200 {
			h.subscribe(t, c, "*")
		}
		synctest.Wait()
		h.publish(t, "a", 100)
		synctest.Wait()
		if cause := c.Ended(); cause == nil || cause.Code != message.CodeSlowConsumer || cause.Setting != "max-waiting-bytes" {
			t.Errorf("a client with 100 lists of 200 subscriptions waiting ended with %v", cause)
		}
	})
}

// A client that has everything holds no message: not even the last one.
func TestIdleClientHoldsNoMessage(t *testing.T) {
	bubble(t, nil, func(t *testing.T, h *house) {
		c := h.client(t)
		h.subscribe(t, c, "a")
		a := c.Attach(&transport{}, 1, 0)
		m, _ := message.New("chat", []string{"a"}, []byte(`"`+strings.Repeat("x", 1<<20)+`"`), nil, "m", time.Now())
		h.broker.Publish([]*message.Message{m}, func(int, *message.Error) {})
		m = nil
		synctest.Wait()
		c.Take(a.Epoch, nil, 1<<30)
		c.Confirm(c.out.sent())
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		h.publish(t, "a", 1)
		synctest.Wait()
		runtime.GC()
		runtime.ReadMemStats(&after)
		if held := int(before.HeapAlloc) - int(after.HeapAlloc); held > 1<<19 {
			t.Errorf("%d bytes were held until the next message", held)
		}
	})
}

// Behind the line that a slow consumer misses nothing more is sent: it would be a gap.
func TestNothingFollowsTheMissingLine(t *testing.T) {
	limit := func(o *Options) { o.MaxWaitingMessages = 3 }
	bubble(t, limit, func(t *testing.T, h *house) {
		c := h.client(t)
		c.mu.Lock()
		for i := range 4 {
			c.push(own(fmt.Appendf(nil, "%d\n", i)))
		}
		c.out.forget(c.out.wait.first) // there is room again before the client has ended
		if c.push(own([]byte("behind the gap\n"))); c.out.waiting() != 2 {
			t.Errorf("%d lines, want the two that were left", c.out.waiting())
		}
		c.mu.Unlock()
	})
}

// The users of one record do not mix: another one must wait for the logout, which ends those clients that had the user from the record.
func TestOneUserOfARecord(t *testing.T) {
	bubble(t, nil, func(t *testing.T, h *house) {
		r, _ := h.registry.NewRecord(polling)
		client := func() *FlexClient {
			c, _, err := h.registry.NewClient(h.def, Peer{}, r, false)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		one, two, own := client(), client(), client()
		if err := own.Login(&channel.Principal{Name: "carol"}, false); err != nil {
			t.Fatal(err)
		}
		if err := one.Login(&channel.Principal{Name: "alice"}, true); err != nil {
			t.Fatal(err)
		}
		if err := two.Login(&channel.Principal{Name: "bob"}, true); err == nil || err.Code != message.CodeAlreadyLoggedIn {
			t.Errorf("bob on alice's record: %v", err)
		}
		later := client()
		one.Logout()
		if one.Ended() == nil || later.Ended() == nil || r.Principal() != nil {
			t.Error("alice's clients, or her login, outlive her logout")
		}
		if own.Ended() != nil || two.Ended() != nil {
			t.Error("her logout has ended the clients of others")
		}
	})
}
