package channel

import (
	"errors"
	"strings"
	"sync"

	"sluice/channel/message"
	"sluice/channel/selector"
)

// maxSharedSelectors is how many different selectors the subscriptions of a broker share. A subscription that comes with yet another has it for itself, which costs more and is otherwise the same.
const maxSharedSelectors = 10000

// choice is a selector that subscriptions have, all those of the broker with the same text as long as there is room: it is compiled once for them, and each message is looked at once.
type choice struct {
	selector *selector.Selector
	users    int // guarded by choices.mu

	// What it said last; they belong to the delivering goroutine.
	number uint64 // of the message, as of delivery.number
	chosen bool
}

// chooses says whether the message under way is chosen; a nil choice has them all. It is for the delivering goroutine alone.
func (c *choice) chooses(m *message.Message, number uint64) bool {
	if c == nil {
		return true
	}
	if c.number != number {
		c.chosen, c.number = c.selector.Match(m), number
	}
	return c.chosen
}

// text is the selector's; a nil choice is none.
func (c *choice) text() string {
	if c == nil {
		return ""
	}
	return c.selector.String()
}

// choices are the selectors of a broker, each as long as it has users. Its methods are safe for concurrent use.
type choices struct {
	mu     sync.Mutex // never held while a selector is compiled, which may take milliseconds
	byText map[string]*choice
}

// take returns the choice of a text; nil for "", which is no selector. Whoever takes it gives it back. The error is bad-selector.
func (t *choices) take(text string) (*choice, *message.Error) {
	if text == "" {
		return nil, nil
	}
	if c := t.use(text, nil); c != nil {
		return c, nil
	}
	text = strings.Clone(text) // not a part of a whole request
	s, err := selector.Compile(text)
	if err != nil {
		return nil, badSelector(text, err)
	}
	return t.use(text, &choice{selector: s}), nil
}

// use counts another user of what is there, or else enters one that is new; nil: there is neither.
func (t *choices) use(text string, otherwise *choice) *choice {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.byText[text]
	if c == nil {
		if c = otherwise; c == nil {
			return nil
		}
		if len(t.byText) < maxSharedSelectors {
			if t.byText == nil {
				t.byText = make(map[string]*choice)
			}
			t.byText[text] = c
		}
	}
	c.users++
	return c
}

// give gives back what take returned.
func (t *choices) give(c *choice) {
	if c == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c.users--
	if text := c.selector.String(); c.users == 0 && t.byText[text] == c {
		delete(t.byText, text)
	}
}

func badSelector(text string, err error) *message.Error {
	var wrong *selector.Error
	if !errors.As(err, &wrong) {
		return message.Errorf(message.CodeBadSelector, "%v", err)
	}
	return message.Errorf(message.CodeBadSelector, "%.60q, character %d: %s", text, wrong.Position, wrong.Problem)
}
