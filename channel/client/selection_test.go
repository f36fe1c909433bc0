package client

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"sluice/channel/message"
)

// A selection travels with the subscription, anew with each client, and is changed by what is added and taken away.
func TestSelect(t *testing.T) {
	onEachKind(t, func(t *testing.T, f *fake, kind Kind) {
		var seen events
		set := connect(t, f, Options{Channels: []Channel{{Kind: kind}}, OnEvent: seen.add})
		c, err := set.Consume(deadline(t), "chat", ConsumerOptions{Selection: Selection{Subtopics: []string{"a", "b"}, Selector: "x > 1", MaxFrequency: 0.5}})
		if err != nil {
			t.Fatal(err)
		}
		want := func(n int, add, remove string) {
			t.Helper()
			r := f.request(t, n)
			if strings.Join(r.Headers.DSAddSub, " ") != add || strings.Join(r.Headers.DSRemSub, " ") != remove {
				t.Errorf("request %d: %s", n, f.asked[n])
			}
		}
		want(0, "a_;_x > 1_;_0.5 b_;_x > 1_;_0.5", "")
		if err := c.Select(deadline(t), Selection{Subtopics: []string{"b", "c"}, Selector: "x > 1", MaxFrequency: 0.5}); err != nil {
			t.Fatal(err)
		}
		want(1, "c_;_x > 1_;_0.5", "a_;_x > 1_;_0.5")
		if err := c.Select(deadline(t), c.Selection()); err != nil { // nothing to change
			t.Fatal(err)
		}
		if err := c.Select(deadline(t), Selection{Subtopics: []string{"b"}}); err != nil {
			t.Fatal(err)
		}
		want(2, "b_;_", "b_;_x > 1_;_0.5 c_;_x > 1_;_0.5")
		var refused *Error
		if err := c.Select(deadline(t), Selection{Subtopics: []string{"nonsense"}}); !errors.As(err, &refused) || refused.Code != message.CodeBadSubtopic {
			t.Errorf("a selection that is refused: %v", err)
		}
		if got := c.Selection(); got.Selector != "" || fmt.Sprint(got.Subtopics) != "[b]" || c.Subtopic() != "b" {
			t.Errorf("selected %+v", got)
		}
		f.say("b", 1, 1)
		wantNext(t, c, "1")

		if err := c.Select(deadline(t), Selection{Subtopics: []string{"b", "c"}, Selector: "x > 1"}); err != nil {
			t.Fatal(err)
		}
		f.end(message.CodeSessionTimeout)
		f.cut()
		seen.await(t, Connected, 1)
		if err := c.Select(deadline(t), Selection{}); err != nil {
			t.Fatal(err)
		}
		if r := f.request(t, 5); fmt.Sprint(r.Headers.DSSubtopic) != "[b c]" || r.Headers.DSSelector != "x > 1" {
			t.Errorf("subscribed anew to %v by %v", r.Headers.DSSubtopic, r.Headers.DSSelector)
		}
		f.say("", 2, 1)
		wantNext(t, c, "2")
		if err := c.Unsubscribe(deadline(t)); err != nil {
			t.Fatal(err)
		}
		if err := c.Select(deadline(t), Selection{Selector: "y"}); !errors.Is(err, ErrUnsubscribed) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// A change that is under way when the server ends the client is made to the subscription that follows.
func TestSelectOverTheEndOfAClient(t *testing.T) {
	onEachKind(t, func(t *testing.T, f *fake, kind Kind) {
		set := connect(t, f, Options{Channels: []Channel{{Kind: kind}}})
		c := subscribe(t, set, "chat", "a")
		for round := range 5 {
			subtopic := fmt.Sprint("b", round)
			changed := make(chan error)
			go func() { changed <- c.Select(deadline(t), Selection{Subtopics: []string{subtopic}}) }()
			f.end(message.CodeSessionTimeout)
			f.cut()
			if err := <-changed; err != nil {
				t.Fatal(err)
			}
			f.await(t, "the change", func() bool {
				for _, sub := range f.clients[len(f.clients)-1].subs {
					return fmt.Sprint(sub.topics) == "["+subtopic+"_;_]" || fmt.Sprint(sub.topics) == "["+subtopic+"]"
				}
				return false
			})
		}
	})
}

// The answer to a change that was lost with its client leaves no doubt: the change is asked for once more.
func TestChangeIsRetried(t *testing.T) {
	f := newFake(t)
	set := connect(t, f, Options{})
	c := subscribe(t, set, "chat", "a")
	id := c.id
	if !c.isOutdated(id, errRenewed) || !c.isOutdated("of an earlier client", (&Error{Code: message.CodeNotSubscribed})) {
		t.Error("a change of what is there no more is not asked for again")
	}
	if c.isOutdated(id, &Error{Code: message.CodeNotSubscribed}) || c.isOutdated(id, &Error{Code: message.CodeBadSubtopic}) {
		t.Error("a refusal is asked for again")
	}
}
