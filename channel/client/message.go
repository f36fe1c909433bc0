package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Message is a published message as a Consumer receives it. Consumers may share it: it must not be changed.
type Message struct {
	ID          string                     // messageId, as its publisher or the server gave it
	Destination string                     // the destination it was published to
	Subtopic    string                     // header DSSubtopic; the first one if it was published to several
	Headers     map[string]json.RawMessage // all headers, DSSubtopic among them
	Body        json.RawMessage            // any JSON, as it was published
	Time        time.Time                  // when the server took it; zero if it did not say

	// Position is where it stands in the history of its destination: opaque, to be stored and handed back by [After]. Empty where no history is kept.
	Position string
	// Merged is how many older messages with the same key this one stands for, because this client or its subscription was too slow for them (slow-consumer-policy and
	// throttle policies CONFLATE).
	Merged uint64
}

// Decode stores the body in v, as json.Unmarshal does.
func (m *Message) Decode(v any) error {
	if err := json.Unmarshal(m.Body, v); err != nil {
		return fmt.Errorf("decode the body of message %q: %w", m.ID, err)
	}
	return nil
}

func newMessage(l *line, merged uint64) *Message {
	m := &Message{ID: l.MessageID, Destination: l.Destination, Body: l.Body, Position: l.Position, Merged: merged}
	if l.Timestamp != 0 {
		m.Time = time.UnixMilli(l.Timestamp)
	}
	if len(l.Headers) > 0 && json.Unmarshal(l.Headers, &m.Headers) == nil {
		m.Subtopic = firstSubtopic(m.Headers)
	}
	return m
}

// encode turns a body or a header into JSON on one line. A json.RawMessage is kept as it is, but for line breaks.
func encode(v any) (json.RawMessage, error) {
	var out bytes.Buffer
	if raw, ok := v.(json.RawMessage); ok {
		if !json.Valid(raw) {
			return nil, errors.New("the body is not JSON")
		}
		if bytes.IndexByte(raw, '\n') < 0 {
			return raw, nil
		}
		err := json.Compact(&out, raw)
		return out.Bytes(), err
	}
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
