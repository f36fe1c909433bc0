package client

import (
	"context"
	"fmt"
	"maps"
	"time"
)

// Producer publishes to one destination and subtopic. Its fields may be set before first use; it holds nothing else and needs no end. A copy with other fields is another Producer: so one message can have
// a time to live or a priority of its own.
type Producer struct {
	Set         *ChannelSet
	Destination string
	Subtopic    string         // empty: the messages without a subtopic
	Headers     map[string]any // further headers, anything encoding/json takes; not changed

	// TimeToLive is for how long a message is worth delivering: the server drops one that has waited for a client for longer, in milliseconds rounded up. Zero means what the destination says, which else
	// is for ever.
	TimeToLive time.Duration
	// Priority is how urgent a message is, from 0 to 9: of what waits for a client, the more urgent goes first. Nil means what the destination says, which else is 4.
	Priority *int
}

// Publish publishes body and waits until the server has given it its place in the order. body is anything encoding/json takes; a
// json.RawMessage is sent as it is. An [*Error] is the server's refusal; [ErrInDoubt] says that the outcome is unknown.
// When ctx ends before the message was sent, it is not sent.
func (p Producer) Publish(ctx context.Context, body any) error {
	c, err := p.call(body)
	if err == nil {
		_, err = p.Set.ask(ctx, c)
	}
	return wrap(p.op(), err)
}

func (p Producer) op() string { return fmt.Sprintf("publish to %q", p.Destination) }

// Send is Publish without the wait for the answer: it returns once the message is in the queue, for which it may have to wait until fewer
// than Options.MaxOpen calls are open. done, if it is not nil, is called once with what Publish would have returned. It must not block, nor
// call Send or anything else that waits. If Send returns an error, done is not called. Messages go out in the order of the calls.
func (p Producer) Send(ctx context.Context, body any, done func(error)) error {
	c, err := p.call(body)
	if err != nil {
		return wrap(p.op(), err)
	}
	if done != nil {
		c.done = func(_ *line, err error) { done(wrap(p.op(), err)) }
	}
	return wrap(p.op(), p.Set.submit(ctx, c))
}

func (p Producer) call(body any) (*call, error) {
	fields, headers := []any{"destination", p.Destination}, maps.Clone(p.Headers)
	if headers == nil {
		headers = make(map[string]any)
	}
	if p.Subtopic != "" {
		headers["DSSubtopic"] = p.Subtopic
	}
	if p.Priority != nil {
		if *p.Priority < 0 || *p.Priority > 9 {
			return nil, fmt.Errorf("priority %d: expected 0 to 9", *p.Priority)
		}
		headers["DSPriority"] = *p.Priority
	}
	if len(headers) > 0 {
		fields = append(fields, "headers", headers)
	}
	switch {
	case p.TimeToLive < 0:
		return nil, fmt.Errorf("time to live %v: expected none, or more", p.TimeToLive)
	case p.TimeToLive > 0:
		fields = append(fields, "timeToLive", (p.TimeToLive + time.Millisecond - 1).Milliseconds())
	}
	encoded, err := encode(body)
	if err != nil {
		return nil, fmt.Errorf("encode the body: %w", err)
	}
	return p.Set.newCall("publish", append(fields, "body", encoded)...)
}

// Publish is Producer.Publish for one message. subtopic may be empty.
func (cs *ChannelSet) Publish(ctx context.Context, destination, subtopic string, body any) error {
	return Producer{Set: cs, Destination: destination, Subtopic: subtopic}.Publish(ctx, body)
}

// Send is Producer.Send for one message. subtopic may be empty.
func (cs *ChannelSet) Send(ctx context.Context, destination, subtopic string, body any, done func(error)) error {
	return Producer{Set: cs, Destination: destination, Subtopic: subtopic}.Send(ctx, body, done)
}
