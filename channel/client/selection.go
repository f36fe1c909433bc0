package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"sluice/channel/message"
)

// Selection is what a Consumer is sent of its destination. The zero Selection is all messages that have no subtopic.
type Selection struct {
	// Subtopics are those of any of which messages come: each may, where the destination allows it, end in or hold "*". None means the messages without a subtopic.
	Subtopics []string
	// Selector is a condition on headers, in the language of JMS: "colour = 'red' AND price < 10". Empty means all messages.
	Selector string
	// MaxFrequency is the most messages per second that the Consumer wants; what becomes of the others is the destination's policy. Zero means no limit.
	MaxFrequency float64
}

// request is the operation that subscribes, and its headers. A frequency stands with the subtopics, where it can be changed.
func (s Selection) request() (op string, headers map[string]any) {
	headers = make(map[string]any)
	switch {
	case s.MaxFrequency > 0:
		headers["DSAddSub"] = s.topics()
		return "multi_subscribe", headers
	case len(s.Subtopics) == 1:
		headers["DSSubtopic"] = s.Subtopics[0]
	case len(s.Subtopics) > 0:
		headers["DSSubtopic"] = s.Subtopics
	}
	if s.Selector != "" {
		headers["DSSelector"] = s.Selector
	}
	return "subscribe", headers
}

// topics are the entries of a multi_subscribe.
func (s Selection) topics() []string {
	subtopics := s.Subtopics
	if len(subtopics) == 0 {
		subtopics = []string{""}
	}
	list := make([]string, len(subtopics))
	for i, subtopic := range subtopics {
		list[i] = subtopic + "_;_" + s.Selector
		if s.MaxFrequency > 0 {
			list[i] += "_;_" + strconv.FormatFloat(s.MaxFrequency, 'f', -1, 64)
		}
	}
	return list
}

// without returns the entries of list that are not in other.
func without(list, other []string) []string {
	rest := []string{}
	for _, entry := range list {
		if !slices.Contains(other, entry) {
			rest = append(rest, entry)
		}
	}
	return rest
}

// Selection returns what the Consumer is sent: what it was made with, or what the last Select has changed that to.
func (c *Consumer) Selection() Selection {
	c.cs.mu.Lock()
	defer c.cs.mu.Unlock()
	return c.selection
}

// Select changes what the Consumer is sent, and waits for the answer. What both the old and the new selection match is neither lost nor doubled by that; the change takes effect at one place in the order of the
// messages. An [*Error] leaves everything as it was.
//
// A Consumer that must subscribe anew before anything has come by its new selection goes on behind what came by the old one: it may get messages of the new selection that are a little older than the change.
func (c *Consumer) Select(ctx context.Context, to Selection) error {
	to.Subtopics = slices.Clone(to.Subtopics)
	select {
	case c.changing <- struct{}{}:
		defer func() { <-c.changing }()
	case <-c.done:
		return c.selectError(c.Err())
	case <-ctx.Done():
		return c.selectError(context.Cause(ctx))
	}
	for {
		retry, err := c.change(ctx, to)
		if !retry {
			return c.selectError(err)
		}
	}
}

func (c *Consumer) selectError(err error) error {
	return wrap(fmt.Sprintf("change the subscription to %q", c.destination), err)
}

// errRenewed is the answer to a change of a subscription that went with its client: the one that followed it is to be changed instead.
var errRenewed = errors.New("client: the client was renewed")

// change asks once; retry says that the subscription was another one by then.
func (c *Consumer) change(ctx context.Context, to Selection) (retry bool, err error) {
	c.cs.mu.Lock()
	named := c.named
	c.cs.mu.Unlock()
	select {
	case <-named:
	case <-c.done:
		return false, c.Err()
	case <-ctx.Done():
		return false, c.cs.gaveUp(ctx)
	}
	c.cs.mu.Lock()
	id, before, ended := c.id, c.selection, c.ended
	c.cs.mu.Unlock()
	if ended {
		return false, c.Err()
	}
	add, remove := without(to.topics(), before.topics()), without(before.topics(), to.topics())
	if len(add)+len(remove) == 0 {
		return false, nil
	}
	request, err := c.cs.newCall("multi_subscribe", "destination", c.destination, "clientId", id, "headers", map[string][]string{"DSAddSub": add, "DSRemSub": remove})
	if err != nil {
		return false, err
	}
	request.done = func(_ *line, err error) { // also when nobody waits for it any more
		if err == nil {
			c.cs.mu.Lock()
			c.selection = to
			c.cs.mu.Unlock()
		}
	}
	_, err = c.cs.ask(ctx, request)
	return c.isOutdated(id, err), err
}

// isOutdated tells whether a change failed because the subscription was no longer that one.
func (c *Consumer) isOutdated(id string, err error) bool {
	if errors.Is(err, errRenewed) {
		return true
	}
	var refused *Error
	if !errors.As(err, &refused) || refused.Code != message.CodeNotSubscribed {
		return false
	}
	c.cs.mu.Lock()
	defer c.cs.mu.Unlock()
	select {
	case <-c.named:
		return !c.ended && c.id != id
	default:
		return !c.ended
	}
}
