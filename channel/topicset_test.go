package channel_test

import (
	"slices"
	"testing"

	"sluice/channel"
	"sluice/channel/message"
)

func TestTopicSet(t *testing.T) {
	for _, test := range []struct {
		topics  []string
		matches []string // subtopics of one message, separated by blanks
		not     []string
	}{
		{nil, nil, []string{"", "a"}},
		{[]string{""}, []string{""}, []string{"a"}},
		{[]string{"a", "b.c"}, []string{"a", "b.c", "x a", "b.c a"}, []string{"", "b", "a.b", "x"}},
		{[]string{"*"}, []string{"a", "a.b"}, []string{""}},
		{[]string{"a.*", ""}, []string{"", "a.b", "a.b.c", "x a.b"}, []string{"a", "b.a"}},
		{[]string{"*.b"}, []string{"a.b"}, []string{"b", "a.b.c", ""}},
	} {
		set := channel.NewTopicSet(test.topics, ".")
		check := func(subtopics string, want bool) {
			m := &message.Message{Destination: "d", Subtopics: split(subtopics)}
			if set.Message(m) != want {
				t.Errorf("%q for a message of %q: want %v", test.topics, subtopics, want)
			}
			if len(m.Subtopics) < 2 && set.Subtopic(subtopics) != want {
				t.Errorf("%q for %q: want %v", test.topics, subtopics, want)
			}
		}
		for _, s := range test.matches {
			check(s, true)
		}
		for _, s := range test.not {
			check(s, false)
		}
	}
	if topics, ok := channel.NewTopicSet([]string{"b", "a", "b"}, ".").Exact(); !ok || !slices.Equal(topics, []string{"b", "a"}) {
		t.Errorf("%q, %v", topics, ok)
	}
	if _, ok := channel.NewTopicSet([]string{"a", "b.*"}, ".").Exact(); ok {
		t.Error("a wildcard is not exact")
	}
}
