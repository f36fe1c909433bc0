package flexsession

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

// parked is a reader whose replay waits for it to take something.
func parked(t *testing.T, h *house) (*reader, *MessageClient) {
	t.Helper()
	h.keep(t, channel.History{MaxMessages: 1000})
	h.publish(t, "a", 100)
	r := newReader(h.client(t))
	s, _ := r.subscribe(t, h, channel.Cursor{From: channel.FromEarliest}, "a")
	synctest.Wait()
	if r.c.reading || len(r.c.replays) != 1 {
		t.Fatal("the replay does not wait")
	}
	return r, s
}

func few(o *Options) { o.MaxWaitingMessages = 20; o.Window.Messages = 1000 }

// A simple client confirms nothing: that it takes is enough to read on.
func TestReplayOfASimpleClient(t *testing.T) {
	bubble(t, few, func(t *testing.T, h *house) {
		h.keep(t, channel.History{MaxMessages: 1000})
		h.publish(t, "a", 100)
		c, _, err := h.registry.NewClient(h.def, Peer{}, nil, true)
		if err != nil {
			t.Fatal(err)
		}
		r := newReader(c)
		s, _ := r.subscribe(t, h, channel.Cursor{From: channel.FromEarliest}, "a")
		for synctest.Wait(); r.take(t, 1000); {
			synctest.Wait()
		}
		if n := len(r.of[s.ID()]); n != 102 {
			t.Errorf("%d lines, want 100 messages between subscribe and live", n)
		}
	})
}

// What a live subscription is delivered late does not come once more for one beside it that had it from the past.
func TestLateDeliveryBesideAReplay(t *testing.T) {
	bubble(t, nil, func(t *testing.T, h *house) {
		h.keep(t, channel.History{MaxMessages: 100})
		hold := make(blocker)
		if err := h.broker.Destination("chat").Subscribe("blocker", hold).Add(message.Topic{Subtopic: "b"}); err != nil {
			t.Fatal(err)
		}
		r := newReader(h.client(t))
		live, _ := r.subscribe(t, h, channel.Cursor{}, "a")
		m, err := message.New("chat", []string{"b"}, json.RawMessage("1"), nil, "held up", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		go h.broker.Publish([]*message.Message{m}, func(int, *message.Error) {})
		synctest.Wait()
		h.publish(t, "a", 2)
		past, _ := r.subscribe(t, h, channel.Cursor{From: channel.FromEarliest}, "a")
		close(hold)
		r.wants(t, past, "subscribe", "0", "1", "live")
		r.wants(t, live, "subscribe", "0", "1")
	})
}

// A subscription that ends while a page is read for it gets nothing of that.
func TestReplayEndsWhileAPageIsRead(t *testing.T) {
	bubble(t, few, func(t *testing.T, h *house) {
		r, s := parked(t, h)
		read := r.c.replays[0].read
		r.c.replays[0].held = nil
		r.c.replays[0].read = func(q channel.Query) (channel.Page, error) {
			p, err := read(q)
			r.c.Unsubscribe(s.ID(), "")
			return p, err
		}
		r.all(t)
		if story := r.story(s); story[len(story)-1] != "unsubscribe" {
			t.Errorf("got %v", story)
		}
	})
}

// An engine that fails in the middle loses the rest of the past. The client is told, and goes on.
func TestEngineFailsInTheMiddle(t *testing.T) {
	bubble(t, few, func(t *testing.T, h *house) {
		r, s := parked(t, h)
		h.publish(t, "a", 1) // which is among what is lost
		r.c.replays[0].held = nil
		r.c.replays[0].read = func(channel.Query) (channel.Page, error) { return channel.Page{}, errors.New("broken") }
		r.all(t)
		h.publish(t, "a", 1)
		r.all(t)
		if story := r.story(s); !slices.Equal(story[len(story)-3:], []string{"loss", "live", "0"}) {
			t.Errorf("got %v", story)
		}
	})
}
