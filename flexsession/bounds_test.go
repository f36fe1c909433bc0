package flexsession

import (
	"fmt"
	"testing"
	"testing/synctest"

	"sluice/channel/message"
)

// Subscriptions and the subtopics of each are held to the same limit; what is refused leaves nothing behind, and what ends makes room.
func TestSubscriptionsAndSubtopicsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *Options) { o.MaxSubscriptions = 4 })
		c, chat := h.client(t), h.broker.Destination("chat")
		refused := func(what string, err *message.Error) {
			t.Helper()
			if err == nil || err.Code != message.CodeLimitSubscriptions || err.Value != 4 {
				t.Errorf("%s: %v, want limit-subscriptions of 4", what, err)
			}
		}
		s := h.subscribe(t, c, "a", "b")
		refused("a change beyond the limit", s.Change(topics("c", "d", "e"), nil, ""))
		if err := s.Change(topics("c", "d"), nil, ""); err != nil {
			t.Fatal(err)
		}
		_, err := c.Subscribe(chat, topics("x"), "")
		refused("a subscription beyond the limit", err)
		if err := s.Change(nil, topics("c", "never there"), ""); err != nil {
			t.Fatal(err)
		}
		other := h.subscribe(t, c, "x")
		if err := c.Unsubscribe(s.ID(), ""); err != nil {
			t.Fatal(err)
		}
		if err := other.Change(topics("1", "2", "3"), nil, ""); err != nil {
			t.Errorf("after an unsubscribe: %v", err)
		}
		if n := chat.Subscribers(); n != 1 {
			t.Errorf("%d subscriptions are open, want 1: what was refused has left something", n)
		}

		empty := h.client(t) // subscriptions without any subtopic count as well
		for range 4 {
			h.subscribe(t, empty)
		}
		_, err = empty.Subscribe(chat, nil, "")
		refused("a fifth subscription", err)
	})
}

// Whoever repeats a request that is under way is answered, even when the client ends, or says that it has the reply, before the reply is there: an HTTP request
// would wait for it for ever.
func TestRepeatedRequestIsAnsweredAtTheEnd(t *testing.T) {
	for name, meanwhile := range map[string]func(c *FlexClient){
		"nothing": func(*FlexClient) {},
		"the end": func(c *FlexClient) { c.End(Because(message.CodeAdministrator)) },
		"got":     func(c *FlexClient) { c.Got(1) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newHouse(t, nil).client(t)
				var answers []string
				send := func(who string) func([]byte) {
					return func(line []byte) { answers = append(answers, fmt.Sprintf("%s %s", who, line)) }
				}
				req := &message.Request{Type: "async", Seq: 1, HasSeq: true}
				reply, run := c.Begin(req, send("first"))
				if _, again := c.Begin(req, send("second")); !run || again {
					t.Fatal("the first is to be run, the second is not")
				}
				meanwhile(c)
				reply([]byte("done"))
				if fmt.Sprint(answers) != "[first done second done]" {
					t.Errorf("answered were %q", answers)
				}
			})
		})
	}
}
