package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sluice/channel/client"
)

type subscribeCommand struct {
	peer
	Count int `short:"n" placeholder:"N" help:"End after so many messages. Without it, end when told to."`
}

// Validate is for the parser of the command line.
func (c *subscribeCommand) Validate() error {
	return errors.Join(c.peer.Validate(), atLeast("--count", c.Count, 0))
}

// printed is a message as a line of output.
type printed struct {
	Destination string                     `json:"destination"`
	MessageID   string                     `json:"messageId"`
	Timestamp   int64                      `json:"timestamp,omitempty"` // milliseconds since 1970
	Headers     map[string]json.RawMessage `json:"headers,omitempty"`
	Body        json.RawMessage            `json:"body"`
}

// Run prints messages until there were enough, or ctx ends, which is no failure.
func (c *subscribeCommand) Run(ctx context.Context, io std) (err error) {
	set, err := c.connect(ctx, io, 0)
	if err != nil {
		return err
	}
	defer func() { err = leave(set, err) }()
	destination, subtopic := c.place()
	limited, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	messages, err := set.Subscribe(limited, destination, subtopic)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(io.out)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	got := 0
	for m := range messages.Messages(ctx) {
		if err := lines.Encode(line(m)); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return fmt.Errorf("write the message: %w", err)
		}
		if got++; got == c.Count {
			return nil
		}
	}
	return messages.Err() // nil if it was ctx that ended
}

func line(m *client.Message) printed {
	p := printed{Destination: m.Destination, MessageID: m.ID, Headers: m.Headers, Body: m.Body}
	if !m.Time.IsZero() {
		p.Timestamp = m.Time.UnixNano() / int64(time.Millisecond)
	}
	return p
}
