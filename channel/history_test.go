package channel_test

import (
	"errors"
	"strings"
	"testing"

	"sluice/channel"
	"sluice/channel/message"
)

func split(subtopics string) []string { return strings.Fields(subtopics) }

// The broker tells its engine what the destinations keep, at the beginning and whenever that changes.
func TestBrokerConfiguresHistory(t *testing.T) {
	def := channel.DestinationDefinition{ID: "news", AllowSubtopics: true, SubtopicSeparator: "/", History: channel.History{MaxMessages: 2}}
	b, _ := running(t, def)
	d := b.Destination("news")
	read := func() (ids []string) {
		t.Helper()
		page, err := d.Since(channel.Query{Topics: []string{"a/*"}, Cursor: channel.Cursor{From: channel.FromEarliest}})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.Messages {
			ids = append(ids, m.ID)
		}
		return ids
	}
	publish(t, b, "news", "a/1", "a/2", "a/3")
	if got := read(); strings.Join(got, " ") != "a/2 a/3" || d.Kept().Messages != 2 {
		t.Errorf("%q, %+v", got, d.Kept())
	}
	def.History.MaxMessages, def.LastValue = 1, true
	reconfigure := func() {
		t.Helper()
		if err := b.Reconfigure([]channel.DestinationDefinition{def}, nil); err != nil {
			t.Fatal(err)
		}
	}
	reconfigure()
	if got := read(); strings.Join(got, " ") != "a/3" {
		t.Errorf("%q after the limit was lowered", got)
	}
	publish(t, b, "news", "a/1", "a/2")
	if page, err := d.LastValues(channel.Query{Topics: []string{"a/*"}, Cursor: channel.Cursor{From: channel.FromEarliest}}); err != nil || len(page.Messages) != 2 {
		t.Errorf("%+v, %v", page, err)
	}
	def.History, def.LastValue = channel.History{}, false
	reconfigure()
	if _, err := d.Since(channel.Query{Cursor: channel.Cursor{From: channel.FromEarliest}}); !errors.Is(err, channel.ErrNoHistory) || d.Kept() != (channel.Kept{}) {
		t.Errorf("%v, %+v", err, d.Kept())
	}
}

// A message is in the history of its destination before anyone is told of it.
func TestHistoryBeforeDelivery(t *testing.T) {
	b, stop := running(t, channel.DestinationDefinition{ID: "news", History: channel.History{MaxMessages: 100}})
	d := b.Destination("news")
	late := 0
	subscribe(t, d, probe(func(m *message.Message) {
		page, err := d.Since(channel.Query{Topics: []string{""}, Cursor: channel.Cursor{From: channel.FromOrder, Order: m.Order - 1}})
		if err != nil || page.Head < m.Order || len(page.Messages) == 0 || page.Messages[0] != m {
			late++
		}
	}), "s", "")
	publish(t, b, "news", "", "", "", "")
	stop()
	if late > 0 || d.Stats().Delivered < 4 { // one more is how the broker began
		t.Errorf("%d of %d were delivered before they were kept", late, d.Stats().Delivered)
	}
}

type probe func(m *message.Message)

func (p probe) Deliver(m *message.Message, _ *channel.Subscription) bool { p(m); return false }
func (p probe) Flush()                                                   {}
