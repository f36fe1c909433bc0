package client

import (
	"fmt"
	"slices"
	"strings"
)

// fakeRequest is what the fake reads of a request besides the fields of a line.
type fakeRequest struct {
	Position string
	Headers  struct {
		DSSubtopic         any
		DSLast             *int
		DSSince            *int64
		DSAddSub, DSRemSub []string
	}
}

func (r fakeRequest) subtopics() (list []string) {
	switch of := r.Headers.DSSubtopic.(type) {
	case nil:
		return []string{""}
	case string:
		return []string{of}
	case []string:
		return of
	default:
		for _, each := range of.([]any) {
			list = append(list, each.(string))
		}
		return list
	}
}

func fakePosition(n int) string { return fmt.Sprintf("p%04d", n) }

// begin is where in the log a subscription begins, what is said of that, and whether there is a past to bring. f.mu is held.
func (f *fake) begin(r fakeRequest) (at int, said string, past bool) {
	if !f.history {
		return len(f.log), "", false
	}
	at = len(f.log)
	switch {
	case r.Position != "":
		_, _ = fmt.Sscanf(r.Position, "p%d", &at)
	case r.Headers.DSLast != nil:
		at = max(0, at-*r.Headers.DSLast)
	case r.Headers.DSSince != nil:
		at = 0
	default:
		return at, fmt.Sprintf(`,"position":%q`, fakePosition(at)), false
	}
	return at, fmt.Sprintf(`,"position":%q,"recovered":%v`, fakePosition(at), r.Position == "" || at >= f.gone), true
}

// replay brings the past, from at on. f.mu is held.
func (f *fake) replay(c *fakeClient, id string, at int, lossy bool) {
	if at < f.gone {
		if lossy {
			c.out = append(c.out, fmt.Sprintf(`{"type":"loss","destination":%q,"clientId":%q,"reason":"history","from":%q,"to":%q}`, c.subs[id].destination, id, fakePosition(at), fakePosition(f.gone)))
		}
		at = f.gone
	}
	for i, m := range f.log[at:] {
		if c.subs[id].matches(m) {
			c.out = append(c.out, fmt.Sprintf(`{"type":"control","operation":"for","clientIds":[%q]}`+"\n", id)+f.line(m, at+i+1))
		}
	}
	c.out = append(c.out, fmt.Sprintf(`{"type":"subscription-state","operation":"live","destination":%q,"clientId":%q,"position":%q}`, c.subs[id].destination, id, fakePosition(len(f.log))))
}

type fakeSub struct {
	destination string
	topics      []string // subtopics, and entries of multi_subscribe
}

func (s *fakeSub) matches(m fakeMessage) bool {
	return s.destination == m.destination && slices.ContainsFunc(s.topics, func(topic string) bool {
		topic, _, _ = strings.Cut(topic, "_;_")
		return topic == m.subtopic || topic == "*"
	})
}
