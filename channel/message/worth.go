package message

import (
	"strings"
	"time"
)

// DefaultPriority is that of a message for which neither its publisher nor its destination gives one, as in JMS.
const DefaultPriority = 4

// longestLife bounds a time to live. It is longer than any server lives, and what is added to a time so does not overflow.
const longestLife = 100 * 365 * 24 * time.Hour

// worth takes from the request how long the message is worth delivering, and how urgently.
func (m *Message) worth(r *Request) {
	m.Priority = DefaultPriority
	if r.Headers.HasPriority {
		m.Priority, m.priority = r.Headers.Priority, true
	}
	if r.TimeToLive > 0 {
		m.expire(time.Duration(min(r.TimeToLive, int64(longestLife/time.Millisecond))) * time.Millisecond)
	}
}

func (m *Message) expire(after time.Duration) { m.Expires = m.Published.Add(min(after, longestLife)) }

// Settle applies what its destination says to a message that nobody else has seen yet. A time to live replaces the publisher's: zero leaves that, a negative one is for ever. The
// priority is for those whose publisher gave none; nil is none. (BlazeDS: message-time-to-live, message-priority.)
func (m *Message) Settle(timeToLive time.Duration, priority *int) {
	switch {
	case timeToLive > 0:
		m.expire(timeToLive)
	case timeToLive < 0:
		m.Expires = time.Time{}
	}
	if priority != nil && !m.priority {
		m.Priority = *priority
	}
}

// Expired says whether it is no longer worth delivering.
func (m *Message) Expired(now time.Time) bool { return !m.Expires.IsZero() && !now.Before(m.Expires) }

// Key is by what newer messages stand for older ones: its subtopics and the value of a header, which is text, a number as it is written, or a boolean. A message without such a header, or an empty name, has the
// subtopics alone. As with [Message.Header], the line is read once.
func (m *Message) Key(header string) string {
	key := strings.Join(m.Subtopics, "\x00")
	if header == "" {
		return key
	}
	h := m.read()
	at := h.find(header)
	return key + "\x00\x00" + string('0'+rune(at.kind)) + h.text[at.value:at.end]
}
