package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"sluice/channel/client"
)

type publishCommand struct {
	peer
	Body     *string       `arg:"" optional:"" help:"The message: JSON, or else a text. Without it, or with -, each line of standard input is sent as a message."`
	TTL      time.Duration `name:"ttl" placeholder:"DURATION" help:"How long it is worth delivering: 30s. Without it, for ever, or as long as the destination says."`
	Priority *int          `placeholder:"N" help:"From 0 to 9: of what waits for a subscriber, the more urgent goes first. Without it 4, or what the destination says."`
	Count    int           `short:"n" default:"1" help:"Publish it so many times."`
}

// Validate is for the parser of the command line.
func (c *publishCommand) Validate() error {
	problems := []error{c.peer.Validate(), atLeast("--count", c.Count, 1), atLeast("--ttl", c.TTL, 0)}
	if c.Priority != nil && (*c.Priority < 0 || *c.Priority > 9) {
		problems = append(problems, errors.New("--priority must be from 0 to 9"))
	}
	return errors.Join(problems...)
}

// Run publishes and returns when the server has taken everything, or at the first refusal.
func (c *publishCommand) Run(ctx context.Context, io std) (err error) {
	if c.Body == nil && terminal(io.in) {
		return errors.New("there is no message: give one behind the destination, or - to type messages, one per line")
	}
	set, err := c.connect(ctx, io, 1)
	if err != nil {
		return err
	}
	defer func() { err = leave(set, err) }()
	out := &publisher{ctx: ctx}
	out.producer.Set = set
	out.producer.Destination, out.producer.Subtopic = c.place()
	out.producer.TimeToLive, out.producer.Priority = c.TTL, c.Priority
	publish := func(body string) error {
		for range c.Count {
			if err := out.publish(body); err != nil {
				return err
			}
		}
		return nil
	}
	if c.Body == nil || *c.Body == "-" {
		err = readLines(io.in, publish)
	} else {
		err = publish(*c.Body)
	}
	return cmp.Or(err, out.wait())
}

// inFlight is how many messages may wait for their answer.
const inFlight = 64

// publisher sends without waiting for each answer, and stops at the first refusal.
type publisher struct {
	ctx      context.Context
	producer client.Producer
	answers  chan error
	open     int
}

func (p *publisher) publish(body string) error {
	if p.answers == nil {
		p.answers = make(chan error, inFlight)
	}
	for p.open == inFlight {
		if err := p.answer(); err != nil {
			return err
		}
	}
	var value any = body
	if json.Valid([]byte(body)) {
		value = json.RawMessage(body)
	}
	if err := p.producer.Send(p.ctx, value, func(err error) { p.answers <- err }); err != nil {
		return err
	}
	p.open++
	return nil
}

func (p *publisher) answer() error {
	select {
	case err := <-p.answers:
		p.open--
		return err
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	}
}

// wait returns when everything is answered, with the first refusal.
func (p *publisher) wait() error {
	for p.open > 0 {
		if err := p.answer(); err != nil {
			return err
		}
	}
	return nil
}
