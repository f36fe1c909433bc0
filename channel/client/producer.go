package client

import (
	"context"
	"fmt"
	"maps"
)

// Producer publishes to one destination and subtopic. Its fields may be set before first use; it holds nothing else and needs no end.
type Producer struct {
	Set         *ChannelSet
	Destination string
	Subtopic    string         // empty: the messages without a subtopic
	Headers     map[string]any // further headers, anything encoding/json takes; not changed
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
	fields := []any{"destination", p.Destination}
	if p.Subtopic != "" || len(p.Headers) > 0 {
		headers := maps.Clone(p.Headers)
		if headers == nil {
			headers = make(map[string]any, 1)
		}
		if p.Subtopic != "" {
			headers["DSSubtopic"] = p.Subtopic
		}
		fields = append(fields, "headers", headers)
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
