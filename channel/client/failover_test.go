package client

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/channel/message"
)

// tries reads what was reported, oldest first.
func tries(t *testing.T, f *fake) []try {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []try
	for _, text := range f.reports {
		var report struct{ Tried []try }
		if err := json.Unmarshal([]byte(text), &report); err != nil || len(report.Tried) == 0 {
			t.Errorf("reported %s: %v", text, err)
		}
		all = append(all, report.Tried...)
	}
	return all
}

// The server is told once which channels failed before the one that works, at the first connect and when the client moves later on.
func TestFailoverReport(t *testing.T) {
	f := newFake(t)
	f.keep, f.buffered, f.off[WebSocket] = true, true, http.StatusNotFound
	var seen events
	set := newSet(t, f, Options{OnEvent: seen.add, OpenTimeout: 50 * time.Millisecond, Channels: []Channel{{Kind: WebSocket, ID: "ws-1"}, {Kind: Streaming}, {Kind: LongPoll}}})
	if err := set.Connect(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if e := seen.await(t, Connected, 0); e.Resumed || e.Channel != LongPoll {
		t.Errorf("the first connect: %+v", e)
	}
	got := tries(t, f)
	if len(got) != 2 || got[0].ChannelID != "ws-1" || got[0].Code != int(message.CodeUnknownEndpoint) ||
		got[1].ChannelID != "streaming" || got[1].Code != int(message.CodeServerVanished) || got[1].Millis < 50 || !strings.Contains(got[1].Detail, "holds it back") {
		t.Errorf("reported %+v", got)
	}

	f.do(func() { f.off[LongPoll], f.off[WebSocket], f.buffered, f.reports = 502, 502, false, nil })
	f.cut()
	if e := seen.await(t, Connected, 1); !e.Resumed || e.Channel != Streaming {
		t.Errorf("the second connect: %+v", e)
	}
	if got := tries(t, f); len(got) == 0 || got[0].ChannelID != "ws-1" || got[0].Code != int(message.CodeConnectionLost) || got[0].Detail == "" {
		t.Errorf("reported %+v", got)
	}

	f.do(func() { f.off[Streaming], f.reports = 502, nil; clear(f.off) })
	f.cut()
	if e := seen.await(t, Connected, 2); !e.Resumed || e.Channel != WebSocket {
		t.Errorf("the third connect: %+v", e)
	}
	if err := set.Publish(deadline(t), "chat", "", 1); err != nil {
		t.Fatal(err)
	}
	if got := tries(t, f); len(got) != 0 {
		t.Errorf("reported %+v, and nothing had failed", got)
	}
}

// On a WebSocket that goes on with the client there is no connect; the report goes with a heartbeat.
func TestFailoverReportOnResume(t *testing.T) {
	f := newFake(t)
	f.keep = true
	var seen events
	set := newSet(t, f, Options{OnEvent: seen.add, Channels: []Channel{{Kind: Streaming}, {Kind: WebSocket}}})
	if err := set.Connect(deadline(t)); err != nil {
		t.Fatal(err)
	}
	f.do(func() { f.off[Streaming] = 503 })
	f.cut()
	if e := seen.await(t, Connected, 1); !e.Resumed || e.Channel != WebSocket {
		t.Errorf("the second connect: %+v", e)
	}
	f.await(t, "the report", func() bool { return len(f.reports) > 0 })
	if got := tries(t, f); got[0].ChannelID != "streaming" {
		t.Errorf("reported %+v", got)
	}
	set.mu.Lock()
	defer set.mu.Unlock()
	if slices.ContainsFunc(set.tried, func(t try) bool { return t.ChannelID == "websocket" }) {
		t.Errorf("to be reported: %+v", set.tried)
	}
}

// A report is of the first try and the latest ones, and never large.
func TestFailoverReportIsBounded(t *testing.T) {
	set, err := New(Options{URL: "http://server"})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	set.failed(Channel{Kind: WebSocket}, 0, errors.New("first"))
	for i := range 100 {
		set.failed(Channel{Kind: LongPoll}, time.Duration(i)*time.Millisecond, errors.New(strings.Repeat("ü", 1000)))
	}
	body := strings.TrimPrefix(set.reportLocked(), `,"body":`)
	var report struct{ Tried []try }
	if err := json.Unmarshal([]byte(body), &report); err != nil || len(body) > maxReport || len(report.Tried) == 0 {
		t.Fatalf("%d bytes, %v: %s", len(body), err, body)
	}
	if first := report.Tried[0]; first.ChannelID != "websocket" || report.Tried[1].ChannelID != "longpoll" {
		t.Errorf("the first are %+v", report.Tried[:2])
	}
	if last := report.Tried[len(report.Tried)-1]; last.Millis != 99 || last.Detail != strings.Repeat("ü", maxDetail/2) {
		t.Errorf("the last is %+v", last)
	}
	if len(set.tried) != maxTried {
		t.Errorf("%d are kept", len(set.tried))
	}
}

// Of several refusals the one that leaves most hope says whether and when to come back.
func TestUnreachable(t *testing.T) {
	no := (&Error{Code: message.CodeUnknownEndpoint}).complete()
	after := (&Error{Code: message.CodeLimitClients}).complete()
	lost := errors.New("lost")
	for _, c := range []struct {
		name  string
		errs  []error
		final bool
		code  message.Code
		pause time.Duration
	}{
		{"all refuse", []error{no, no}, true, no.Code, 0},
		{"one may come up", []error{no, lost, no}, false, message.CodeConnectionLost, 0},
		{"one says when", []error{lost, no, after, lost}, false, after.Code, 3 * time.Second},
	} {
		var u *unreachable
		for _, err := range c.errs {
			u = u.and(Channel{Kind: LongPoll}, err)
		}
		if got := causeOf(u); isFinal(u) != c.final || got.Code != c.code || retryAfter(u) != c.pause {
			t.Errorf("%s: final %v, %v after %v", c.name, isFinal(u), got, retryAfter(u))
		}
	}
}
