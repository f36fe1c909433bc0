package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"sluice/channel/client"
)

type subscribeCommand struct {
	peer
	Selector     string  `placeholder:"CONDITION" help:"Take only messages whose headers meet the condition: \"colour = 'red' AND price < 10\"."`
	From         from    `placeholder:"WHERE" help:"Begin in the past: last:N, a time (2006-01-02T15:04:05Z), earliest, or the position of a message, behind which to go on. The destination has to keep history."`
	MaxFrequency float64 `placeholder:"N" help:"Take so many messages a second at most; the others are merged into the next one, or what the destination does with them."`
	Count        int     `short:"n" placeholder:"N" help:"End after so many messages. Without it, end when told to."`
}

// from is where a subscription begins.
type from struct{ client.From }

// UnmarshalText is for the parser of the command line.
func (f *from) UnmarshalText(text []byte) error {
	where := string(text)
	last, isLast := strings.CutPrefix(where, "last:")
	at, err := time.Parse(time.RFC3339, where)
	switch {
	case isLast:
		n, err := strconv.Atoi(last)
		if err != nil || n < 0 {
			return fmt.Errorf("%q: expected last: and a number", where)
		}
		f.From = client.Last(n)
	case where == "earliest":
		f.From = client.Earliest()
	case err == nil:
		f.From = client.Since(at)
	case strings.Trim(where, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "": // a mistake, about which no server need be asked
		return fmt.Errorf("%q: expected last:N, a time like 2006-01-02T15:04:05Z, earliest, or a position", where)
	default:
		f.From = client.After(where)
	}
	return nil
}

// Validate is for the parser of the command line.
func (c *subscribeCommand) Validate() error {
	return errors.Join(c.peer.Validate(), atLeast("--count", c.Count, 0), atLeast("--max-frequency", c.MaxFrequency, 0))
}

// printed is a message as a line of output.
type printed struct {
	Destination string                     `json:"destination"`
	MessageID   string                     `json:"messageId"`
	Timestamp   int64                      `json:"timestamp,omitempty"` // milliseconds since 1970
	Position    string                     `json:"position,omitempty"`
	Merged      uint64                     `json:"merged,omitempty"`
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
	opts := client.ConsumerOptions{Selection: client.Selection{Selector: c.Selector, MaxFrequency: c.MaxFrequency}, From: c.From.From, OnEvent: func(e client.ConsumerEvent) {
		if e.Kind == client.Loss {
			fmt.Fprintln(io.err, "sluice:", missing(e))
		}
	}}
	if subtopic != "" {
		opts.Subtopics = []string{subtopic}
	}
	messages, err := set.Consume(limited, destination, opts)
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

// missing says what a Loss is about.
func missing(e client.ConsumerEvent) string {
	text := "messages are missing here"
	if e.Count > 0 {
		text = fmt.Sprintf("%d messages are missing here", e.Count)
	}
	if e.From != "" && e.To != "" {
		text += fmt.Sprintf(", behind %s and up to %s", e.From, e.To)
	}
	return fmt.Sprintf("%s (%s)", text, e.Reason)
}

func line(m *client.Message) printed {
	p := printed{Destination: m.Destination, MessageID: m.ID, Headers: m.Headers, Body: m.Body, Position: m.Position, Merged: m.Merged}
	if !m.Time.IsZero() {
		p.Timestamp = m.Time.UnixNano() / int64(time.Millisecond)
	}
	return p
}
