package message

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"maps"
	"strconv"
	"sync/atomic"
	"time"
)

// Message is one published message. Every subscriber gets the same one, so nothing of it is ever changed once its engine has given it its place.
type Message struct {
	ID          string   // messageId
	Destination string   // where it was published
	Subtopics   []string // none: only subscriptions without a subtopic get it
	Line        []byte   // the encoded message, with its LF

	Published time.Time // when this server took it
	Expires   time.Time // when it is no longer worth delivering; zero: never
	Priority  int       // 0 to 9: what waits for a client goes out in this order; 4 where nobody says

	// Order is its number among the messages of its destination, set by the engine: increasing, from 1.
	Order uint64

	priority bool // the publisher gave it

	headers atomic.Pointer[headers] // nil: nobody has asked yet

	room []byte // Line, with room for a position in front of it; nil: it has its position, or can have none
}

// NewID makes an id that nobody can guess (128 bits of crypto/rand), for messages and for whatever else needs one.
func NewID() string { return rand.Text() }

// The beginning of every published line. The rest is what the publisher sent.
const asyncPrefix = `{"type":"async","timestamp":`

// Message builds the line that all subscribers get, once. The publisher's members follow type and timestamp byte for byte and in their order, without
// those of its connection (seq, have, got, attach, clientId, reliable, DSId, secret, streamId, operation), and its headers without DSId, DSSecret,
// DSEndpoint and DSDstClientId. A timestamp above zero is kept, else it is now; newID makes the messageId where the publisher gave none. The message
// keeps nothing of the line that was decoded, which must not have changed since.
func (r *Request) Message(now time.Time, newID func() string) *Message {
	m := &Message{ID: r.MessageID, Destination: r.Destination, Subtopics: r.Headers.Subtopics, Published: now}
	m.worth(r)
	timestamp := r.Timestamp
	if timestamp <= 0 {
		timestamp = now.UnixMilli()
	}
	if m.ID == "" {
		m.ID = newID()
	}
	const digits = 20
	line := make([]byte, positionRoom, positionRoom+len(asyncPrefix)+digits+len(`,"messageId":""`)+6*len(m.ID)+r.kept.size()+len("}\n"))
	line = append(line, asyncPrefix...)
	line = strconv.AppendInt(line, timestamp, 10)
	if r.MessageID == "" {
		line = appendText(line, "messageId", m.ID)
	}
	m.room = appendEnd(r.kept.append(line, r.line))
	m.Line = m.room[positionRoom:]
	return m
}

// size is at least what append appends.
func (r *runs) size() int {
	size := len(`,"headers":{}`)
	for _, run := range r.at[:r.n] {
		size += int(run.end-run.start) + len(",")
	}
	return size
}

// append appends the members that are kept, each with a comma before it.
func (r *runs) append(b, line []byte) []byte {
	for i, run := range r.at[:r.n] {
		i, headers := int32(i), r.inside.end > r.inside.start
		if headers && i == r.inside.start {
			b = append(b, `,"headers":{`...)
		} else {
			b = append(b, ',')
		}
		b = append(b, line[run.start:run.end]...)
		if headers && i == r.inside.end-1 {
			b = append(b, '}')
		}
	}
	return b
}

// New makes a message of the server's own: a destination, its subtopics (none: nil), one JSON value as the body (nil: none), headers for the receivers
// (nil: none; a DSSubtopic among them is replaced), and an id (empty: a new one). It is checked as one that a client sends, with the same errors, but for
// its size; line ends in the body become spaces. Nothing that is passed is kept or changed.
func New(destination string, subtopics []string, body json.RawMessage, headers map[string]any, id string, now time.Time) (*Message, *Error) {
	body = bytes.Trim(body, " \t\r\n")
	all := maps.Clone(headers)
	if all == nil {
		all = make(map[string]any, 1)
	}
	delete(all, fieldNames[headerDSSubtopic])
	switch len(subtopics) {
	case 0:
	case 1:
		all[fieldNames[headerDSSubtopic]] = subtopics[0]
	default:
		all[fieldNames[headerDSSubtopic]] = subtopics
	}
	line := []byte(`{"type":"async"`)
	line = appendText(line, fieldNames[fieldMessageID], id)
	line = appendText(line, fieldNames[fieldDestination], destination)
	if len(all) > 0 {
		text, err := json.Marshal(all)
		if err != nil {
			return nil, Errorf(CodeBadField, "headers: %v", err)
		}
		line = appendRaw(line, fieldNames[fieldHeaders], text)
	}
	line = appendRaw(line, fieldNames[fieldBody], body)
	line = append(line, '}')
	request, err := Decode(line, Limits{})
	if err != nil {
		return nil, err
	}
	if len(request.Body) != len(body) { // such as {},"seq":1
		return nil, Errorf(CodeBadField, "body: expected one JSON value")
	}
	return request.Message(now, NewID), nil
}
