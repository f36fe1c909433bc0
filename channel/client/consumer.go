package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"sluice/channel/message"
)

// Consumer is one subscription. It outlives reconnects: when the server makes a new client, the set subscribes again.
type Consumer struct {
	cs          *ChannelSet
	destination string
	subtopic    string
	handle      func(*Message) // nil: messages go through queue
	queue       chan *Message  // never closed
	done        chan struct{}  // closed by end

	// Guarded by ChannelSet.mu.
	id         string // the subscription's id, from the server
	subscribed bool
	abandoned  bool // Subscribe gave up before the answer came
	ended      bool
	err        error
}

// Subscribe subscribes to a destination and waits for the answer. subtopic may be empty or, where the destination allows it, end in or hold "*".
// The messages are read with Next or Messages. Read every Consumer: one that is not read holds back the others of its set, once its buffer
// (Options.Buffer) is full.
func (cs *ChannelSet) Subscribe(ctx context.Context, destination, subtopic string) (*Consumer, error) {
	return cs.subscribe(ctx, destination, subtopic, nil)
}

// SubscribeFunc is Subscribe with a callback. The callbacks of a set run one at a time, in the order of the messages; one that blocks holds
// back the set's messages, and nothing else. Its first messages may come before SubscribeFunc returns.
func (cs *ChannelSet) SubscribeFunc(ctx context.Context, destination, subtopic string, handle func(*Message)) (*Consumer, error) {
	if handle == nil {
		return nil, errors.New("client: subscribe: no callback")
	}
	return cs.subscribe(ctx, destination, subtopic, handle)
}

func (cs *ChannelSet) subscribe(ctx context.Context, destination, subtopic string, handle func(*Message)) (*Consumer, error) {
	c := &Consumer{
		cs: cs, destination: destination, subtopic: subtopic, handle: handle,
		queue: make(chan *Message, cs.opts.Buffer), done: make(chan struct{}),
	}
	if _, err := cs.ask(ctx, c.subscribeCall()); err != nil {
		cs.mu.Lock()
		c.abandoned = true
		late := c.subscribed // the answer came all the same
		cs.mu.Unlock()
		if late {
			c.drop()
		}
		return nil, wrap(fmt.Sprintf("subscribe to %q", destination), err)
	}
	return c, nil
}

func (c *Consumer) subscribeCall() *call {
	fields := []any{"destination", c.destination}
	if c.subtopic != "" {
		fields = append(fields, "headers", map[string]string{"DSSubtopic": c.subtopic})
	}
	request, err := c.cs.newCall("subscribe", fields...)
	if err != nil {
		panic(err) // texts always encode
	}
	request.consumer = c
	request.done = c.answered
	return request
}

// answered takes the server's answer to a subscribe, the first or a repeated one.
func (c *Consumer) answered(l *line, err error) {
	if err != nil {
		c.end(err)
		return
	}
	c.cs.mu.Lock()
	c.id = l.ClientID
	if !c.subscribed && !c.ended {
		c.subscribed = true
		c.cs.consumers = append(c.cs.consumers, c)
	}
	abandoned := c.abandoned || c.ended // it may have been unsubscribed while it was being subscribed anew
	c.cs.mu.Unlock()
	if abandoned {
		c.drop()
	}
}

// drop ends a subscription nobody waits for any more, without waiting for the answer.
func (c *Consumer) drop() {
	c.end(ErrUnsubscribed)
	request := c.unsubscribeCall()
	c.cs.mu.Lock()
	defer c.cs.mu.Unlock()
	if !c.cs.finished {
		request.internal = true
		c.cs.queue = append(c.cs.queue, request)
		c.cs.poke()
	}
}

// Unsubscribe ends the subscription and waits for the answer. The callback is not called any more; what is in the buffer can still be read.
func (c *Consumer) Unsubscribe(ctx context.Context) error {
	if !c.end(ErrUnsubscribed) {
		return nil
	}
	_, err := c.cs.ask(ctx, c.unsubscribeCall())
	var refused *Error
	if errors.As(err, &refused) && refused.Code == message.CodeNotSubscribed {
		return nil // it was a client's that has ended meanwhile
	}
	return wrap("unsubscribe", err)
}

func (c *Consumer) unsubscribeCall() *call {
	c.cs.mu.Lock()
	id := c.id
	c.cs.mu.Unlock()
	request, err := c.cs.newCall("unsubscribe", "destination", c.destination, "clientId", id)
	if err != nil {
		panic(err) // texts always encode
	}
	return request
}

// end ends the consumer here: nothing is handed to it any more. False if it had ended already.
func (c *Consumer) end(err error) bool {
	c.cs.mu.Lock()
	defer c.cs.mu.Unlock()
	if c.ended {
		return false
	}
	c.ended, c.err = true, err
	c.subscribed = false
	if i := slices.Index(c.cs.consumers, c); i >= 0 {
		c.cs.consumers = slices.Delete(c.cs.consumers, i, i+1)
	}
	close(c.done)
	return true
}

// Destination returns what it was subscribed to.
func (c *Consumer) Destination() string { return c.destination }

// Subtopic returns the subtopic it was subscribed to; it may hold "*".
func (c *Consumer) Subtopic() string { return c.subtopic }

// Done is closed when the Consumer has ended.
func (c *Consumer) Done() <-chan struct{} { return c.done }

// Err returns why the Consumer has ended: nil while it has not, ErrUnsubscribed after Unsubscribe, an [*Error] if the server ended the
// subscription, and the set's own end otherwise.
func (c *Consumer) Err() error {
	c.cs.mu.Lock()
	defer c.cs.mu.Unlock()
	return c.err
}

// Next returns the next message. It waits for one, for the end of ctx, or for the end of the Consumer, which comes after its last message.
func (c *Consumer) Next(ctx context.Context) (*Message, error) {
	select {
	case m := <-c.queue:
		return m, nil
	default:
	}
	select {
	case m := <-c.queue:
		return m, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-c.done:
	}
	select {
	case m := <-c.queue: // it may have come just before the end
		return m, nil
	default:
		return nil, c.Err()
	}
}

// Messages ranges over the messages until ctx or the Consumer has ended; Err then says which.
func (c *Consumer) Messages(ctx context.Context) iter.Seq[*Message] {
	return func(yield func(*Message) bool) {
		for {
			m, err := c.Next(ctx)
			if err != nil || !yield(m) {
				return
			}
		}
	}
}
