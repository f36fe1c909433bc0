package channel_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"sluice/channel"
	"sluice/channel/message"
)

// The rules of BlazeDS, by its own examples.
func TestMatching(t *testing.T) {
	for _, test := range []struct{ topic, yes, no string }{
		{"", "", "a"},
		{"*", "foo foo.bar", ""},
		{"foo", "foo", "foo.bar Foo fo"},
		{"foo.*", "foo.bar foo.bar.foo", "foo fo.bar"},
		{"*.*", "foo.bar a.b.c", "foo"},
		{"chat.*.news", "chat.uk.news", "chat.news chat.uk.x.news chat.uk.old"},
		{"destinations.*.*.venice", "destinations.eu.it.venice", "destinations.eu.venice"},
		{"*.uk", "chat.uk", "uk chat.de chat.uk.x"},
		{"*.b.*", "a.b.c a.b.c.d", "a.b b.b"},
	} {
		b := broker(t)
		c := &client{}
		s := subscribe(t, b.Destination("news"), c, "s", test.topic)
		check := func(subtopic string, want bool) {
			publish(t, b, "news", subtopic)
			if got := len(c.got) == 1; got != want {
				t.Errorf("%q for %q: %v", test.topic, subtopic, got)
			}
			c.take()
			if got := s.Matches(&message.Message{Destination: "news", Subtopics: strings.Fields(subtopic)}); got != want {
				t.Errorf("Matches: %q for %q: %v", test.topic, subtopic, got)
			}
		}
		for subtopic := range strings.FieldsSeq(test.yes) {
			check(subtopic, true)
		}
		for subtopic := range strings.FieldsSeq(test.no) {
			check(subtopic, false)
		}
		check("", test.topic == "")
	}
}

func TestSeparatorOfSeveralCharacters(t *testing.T) {
	b := broker(t)
	c := &client{}
	subscribe(t, b.Destination("pairs"), c, "s", "a::*", "b::*::d.e")
	publish(t, b, "pairs", "a", "a::b", "a:b", "a::b::c", "b::c::d.e", "b::c")
	if got := c.take(); got != "a::b a::b::c b::c::d.e" {
		t.Errorf("got %q", got)
	}
}

func TestSubtopicsAreChecked(t *testing.T) {
	b := broker(t)
	for _, test := range []struct {
		destination, topic string
		subscribe, send    message.Code
	}{
		{"news", "foo", 0, 0},
		{"news", "*", 0, message.CodeWildcardPublish},
		{"news", "a.*.b", 0, message.CodeWildcardPublish},
		{"news", ".", message.CodeBadSubtopic, message.CodeBadSubtopic},
		{"news", "a*", message.CodeBadSubtopic, message.CodeBadSubtopic},
		{"news", "foo.ba*", message.CodeBadSubtopic, message.CodeBadSubtopic},
		{"news", "foo.", message.CodeBadSubtopic, message.CodeBadSubtopic},
		{"news", ".foo", message.CodeBadSubtopic, message.CodeBadSubtopic},
		{"news", "foo..bar", message.CodeBadSubtopic, message.CodeBadSubtopic},
		{"news", "foo.bar:*", message.CodeBadSubtopic, message.CodeBadSubtopic},
		{"news", strings.Repeat("x", message.MaxSubtopic), 0, 0},
		{"news", strings.Repeat("x", message.MaxSubtopic+1), message.CodeBadSubtopic, message.CodeBadSubtopic},
		{"plain", "foo", message.CodeSubtopicsNotAllowed, message.CodeSubtopicsNotAllowed},
		{"exact", "foo.bar", 0, 0},
		{"exact", "foo.*", message.CodeWildcardNotAllowed, message.CodeWildcardPublish},
		{"pairs", "a::*", 0, message.CodeWildcardPublish},
		{"pairs", "a.b", 0, 0},
		{"pairs", "a.*", message.CodeBadSubtopic, message.CodeBadSubtopic},
	} {
		d := b.Destination(test.destination)
		if got := code(d.Subscribe("s", &client{}).Add(message.Topic{Subtopic: test.topic})); got != test.subscribe {
			t.Errorf("%s: subscribe to %.20q: %v", test.destination, test.topic, got)
		}
		if got := code(d.CheckSend([]string{test.topic})); got != test.send {
			t.Errorf("%s: send to %.20q: %v", test.destination, test.topic, got)
		}
	}
	for _, d := range b.Destinations() {
		if err := d.CheckSend(nil); err != nil {
			t.Errorf("%s: no subtopic: %v", d.Definition().ID, err)
		}
		if err := d.Subscribe("s", &client{}).Add(message.Topic{Subtopic: ""}); err != nil {
			t.Errorf("%s: no subtopic: %v", d.Definition().ID, err)
		}
	}
	if err := b.Destination("plain").CheckSend([]string{"foo"}); code(err) != message.CodeSubtopicsNotAllowed || err.Value != false {
		t.Errorf("plain: %v", err)
	}
}

func TestSubscriptionLife(t *testing.T) {
	b := broker(t)
	d := b.Destination("news")
	c := &client{}
	s := subscribe(t, d, c, "id", "b", "a.*", "")
	if s.ID() != "id" || s.Destination() != d || d.Subscribers() != 1 || !slices.Equal(s.Topics(), []string{"", "a.*", "b"}) {
		t.Errorf("%q %v %d %q", s.ID(), s.Destination() == d, d.Subscribers(), s.Topics())
	}
	if got := code(s.Add(message.Topic{Subtopic: "a.*"})); got != message.CodeAlreadySubscribed {
		t.Errorf("again: %v", got)
	}
	publish(t, b, "news", "", "a.x", "b", "c")
	if got := c.take(); got != " a.x b" {
		t.Errorf("got %q", got)
	}
	if !s.Remove(message.Topic{Subtopic: "b"}) || s.Remove(message.Topic{Subtopic: "b"}) || s.Remove(message.Topic{Subtopic: "never"}) || !s.Remove(message.Topic{Subtopic: ""}) {
		t.Error("Remove")
	}
	publish(t, b, "news", "", "a.x", "b")
	if got := c.take(); got != "a.x" {
		t.Errorf("got %q", got)
	}
	if err := s.Add(message.Topic{Subtopic: "b"}); err != nil {
		t.Errorf("back again: %v", err)
	}
	publish(t, b, "news", "b")
	if got := c.take(); got != "b" {
		t.Errorf("got %q", got)
	}
	s.Close()
	s.Close()
	publish(t, b, "news", "a.x", "b")
	if got := c.take(); got != "" || d.Subscribers() != 0 || len(s.Topics()) != 0 || s.Remove(message.Topic{Subtopic: "b"}) || s.Matches(&message.Message{Destination: "news", Subtopics: []string{"b"}}) {
		t.Errorf("after Close: %q, %d subscribers, topics %q", got, d.Subscribers(), s.Topics())
	}
	if got := code(s.Add(message.Topic{Subtopic: "b"})); got != message.CodeNotSubscribed {
		t.Errorf("after Close: %v", got)
	}
}

// A message for several subtopics of one subscription comes once; for several subscriptions of one client, once each and together.
func TestOnceForEachSubscription(t *testing.T) {
	b := broker(t)
	c := &client{}
	subscribe(t, b.Destination("news"), c, "1", "a", "b", "*", "a.*", "*.x")
	subscribe(t, b.Destination("news"), c, "2", "a.x", "a.*")
	subscribe(t, b.Destination("news"), c, "3", "c")
	publish(t, b, "news", "a b", "a.x a.y a.x", "a")
	if got := c.take(); got != "a b a.x a.y a.x a.x a.y a.x a" {
		t.Errorf("got %q", got)
	}
	publish(t, b, "news", "a.x")
	if !slices.Equal(sorted(c.by), []string{"1", "2"}) {
		t.Errorf("by %v", c.by)
	}
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

// The trie, the exact map and Matches agree with a plain reading of the rules, whoever comes and goes.
func FuzzMatching(f *testing.F) {
	f.Add("a.b.c", "a.*.c", "*.b", uint8(7))
	f.Add("*", "a.*", "a.*.*", uint8(1))
	f.Add("aa", "a", "a.a", uint8(5))
	subtopics := []string{"", "a", "b", "a.a", "a.b", "b.a", "a.b.c", "a.a.c", "a.b.c.d", "aa", "c.b"}
	f.Fuzz(func(t *testing.T, one, two, three string, keep uint8) {
		b := broker(t)
		d := b.Destination("news")
		clients := map[string]*client{}
		for i, topic := range []string{one, two, three} {
			c := &client{}
			s := d.Subscribe(fmt.Sprint(i), c)
			if !utf8.ValidString(topic) || s.Add(message.Topic{Subtopic: topic}) != nil {
				continue
			}
			if keep>>i&1 == 0 {
				s.Remove(message.Topic{Subtopic: topic})
				continue
			}
			clients[topic] = c
		}
		for _, subtopic := range subtopics {
			publish(t, b, "news", subtopic)
			for topic, c := range clients {
				if got, want := len(c.got) > 0, reference(topic).MatchString(subtopic); got != want {
					t.Errorf("%q for %q: %v", topic, subtopic, got)
				}
				c.take()
			}
		}
	})
}

// reference reads the rules as a regular expression.
func reference(topic string) *regexp.Regexp {
	parts := strings.Split(topic, ".")
	for i, part := range parts {
		switch {
		case part != "*":
			parts[i] = regexp.QuoteMeta(part)
		case i == len(parts)-1:
			parts[i] = `[^.]+(\.[^.]+)*`
		default:
			parts[i] = `[^.]+`
		}
	}
	return regexp.MustCompile("^(?:" + strings.Join(parts, `\.`) + ")$")
}

var _ channel.Subscriber = (*client)(nil)
