package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	"sluice/channel/message"
)

// ConsumerOptions says what a Consumer is sent, from where on, and how. The zero ConsumerOptions is all messages without a subtopic, from now on, to be read with Next or Messages.
type ConsumerOptions struct {
	Selection
	// From is where in the past of the destination the Consumer begins. Zero means now.
	From From
	// Handle is called with each message. The callbacks of a set run one at a time, in the order of the messages; one that blocks holds back the set's messages, and nothing else. The first may come
	// before Consume returns. Nil means that messages are read with Next or Messages.
	Handle func(*Message)
	// OnEvent is told what else there is to know, where it stands among the messages: by the goroutine that calls Handle or, without that, by the one that calls Next or ranges over Messages. Nil
	// means nobody; what is lost is in the log all the same.
	OnEvent func(ConsumerEvent)
}

// Consumer is one subscription. It outlives reconnects: when the server makes a new client, the set subscribes again, behind the position that the Consumer has come to.
type Consumer struct {
	cs          *ChannelSet
	destination string
	from        From
	handle      func(*Message) // nil: messages go through queue
	onEvent     func(ConsumerEvent)
	queue       chan handed   // never closed
	done        chan struct{} // closed by end
	changing    chan struct{} // capacity 1: a Select is under way
	alone       [1]*Consumer  // itself

	// Guarded by ChannelSet.mu.
	id         string        // the subscription's id, from the server
	named      chan struct{} // closed while id is that of the present session
	selection  Selection
	begun      bool   // it began, with this client of the server or an earlier one
	standing   bool   // with this one
	arrived    string // the position up to which everything has arrived; empty: the destination tells none
	position   string // the position up to which the application has taken everything
	subscribed bool
	abandoned  bool // Subscribe gave up before the answer came
	ended      bool
	err        error
}

// handed is a message or an event, on its way to the application.
type handed struct {
	message *Message
	event   *ConsumerEvent
}

// Subscribe subscribes to a destination and waits for the answer. subtopic may be empty or, where the destination allows it, end in or hold "*".
// The messages are read with Next or Messages. Read every Consumer: one that is not read holds back the others of its set, once its buffer
// (Options.Buffer) is full.
func (cs *ChannelSet) Subscribe(ctx context.Context, destination, subtopic string) (*Consumer, error) {
	return cs.Consume(ctx, destination, ConsumerOptions{Selection: only(subtopic)})
}

// SubscribeFunc is Subscribe with a callback ([ConsumerOptions].Handle).
func (cs *ChannelSet) SubscribeFunc(ctx context.Context, destination, subtopic string, handle func(*Message)) (*Consumer, error) {
	if handle == nil {
		return nil, errors.New("client: subscribe: no callback")
	}
	return cs.Consume(ctx, destination, ConsumerOptions{Selection: only(subtopic), Handle: handle})
}

func only(subtopic string) Selection {
	if subtopic == "" {
		return Selection{}
	}
	return Selection{Subtopics: []string{subtopic}}
}

// Consume is Subscribe with everything that can be asked for.
func (cs *ChannelSet) Consume(ctx context.Context, destination string, opts ConsumerOptions) (*Consumer, error) {
	c := &Consumer{
		cs: cs, destination: destination, selection: opts.Selection, from: opts.From, handle: opts.Handle, onEvent: opts.OnEvent,
		queue: make(chan handed, cs.opts.Buffer), done: make(chan struct{}), changing: make(chan struct{}, 1), named: make(chan struct{}),
		arrived: opts.From.position, position: opts.From.position,
	}
	c.alone[0] = c
	c.selection.Subtopics = slices.Clone(opts.Subtopics)
	cs.mu.Lock()
	request := c.subscribeCallLocked()
	cs.mu.Unlock()
	if _, err := cs.ask(ctx, request); err != nil {
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

func (c *Consumer) subscribeCallLocked() *call {
	request := &call{op: "subscribe", id: c.cs.newID(), cs: c.cs, consumer: c, done: c.answered}
	c.writeLocked(request)
	return request
}

// writeLocked makes the line that subscribes: behind the position that the Consumer has come to or, before there is one, from where it was to begin.
func (c *Consumer) writeLocked(request *call) {
	c.standing = false
	fields := []any{"destination", c.destination}
	op, headers := c.selection.request()
	switch {
	case c.arrived != "":
		fields = append(fields, "position", c.arrived)
	case c.from.header != "":
		headers[c.from.header] = c.from.value
	}
	if len(headers) > 0 {
		fields = append(fields, "headers", headers)
	}
	if err := request.write(op, fields...); err != nil {
		panic(err) // texts and numbers always encode
	}
}

// unnameLocked forgets the id: it was of a client that has ended.
func (c *Consumer) unnameLocked() {
	select {
	case <-c.named:
		c.named = make(chan struct{})
	default:
	}
}

// answered takes the server's answer to a subscribe, the first or a repeated one.
func (c *Consumer) answered(l *line, err error) {
	if err != nil {
		c.end(err)
		return
	}
	var body struct{ Position string }
	if len(l.Body) > 0 {
		_ = json.Unmarshal(l.Body, &body) // the line that begins the subscription says the same
	}
	c.cs.mu.Lock()
	c.id = l.ClientID
	select {
	case <-c.named:
	default:
		close(c.named)
	}
	if !c.standing {
		c.stand(body.Position)
	}
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

// Subtopic returns the subtopic it is subscribed to, which may hold "*": the first one, if there are several.
func (c *Consumer) Subtopic() string {
	if of := c.Selection().Subtopics; len(of) > 0 {
		return of[0]
	}
	return ""
}

// Position returns where in the history of its destination the Consumer has come to: a Consumer made with [After] that position gets all messages that the application of this one has not
// taken. It moves on also while no message comes. Empty: the destination keeps no history, or the Consumer has not begun yet.
func (c *Consumer) Position() string {
	c.cs.mu.Lock()
	defer c.cs.mu.Unlock()
	return c.position
}

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
	for {
		h, err := c.next(ctx)
		if err != nil {
			return nil, err
		}
		if c.hand(h); h.message != nil {
			return h.message, nil
		}
	}
}

func (c *Consumer) next(ctx context.Context) (handed, error) {
	select {
	case h := <-c.queue:
		return h, nil
	default:
	}
	select {
	case h := <-c.queue:
		return h, nil
	case <-ctx.Done():
		return handed{}, context.Cause(ctx)
	case <-c.done:
	}
	select {
	case h := <-c.queue: // it may have come just before the end
		return h, nil
	default:
		return handed{}, c.Err()
	}
}

// hand notes where the application has come to, and tells it of an event.
func (c *Consumer) hand(h handed) {
	at := ""
	if h.message != nil {
		at = h.message.Position
	} else {
		at = h.event.To
	}
	if at != "" {
		c.cs.mu.Lock()
		c.position = at
		c.cs.mu.Unlock()
	}
	if h.event != nil && c.onEvent != nil {
		c.onEvent(*h.event)
	}
}

// take hands one message or event to the application. It blocks while the buffer is full.
func (c *Consumer) take(h handed) {
	select {
	case <-c.done:
		return
	default:
	}
	if c.handle != nil {
		if c.hand(h); h.message != nil {
			c.handle(h.message)
		}
		return
	}
	select {
	case c.queue <- h:
	case <-c.done:
	case <-c.cs.ctx.Done():
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
