package message

import "bytes"

// PositionSize is how many bytes the position of every message has. It is one size for all of them, so that a line can be built before its position is known.
const PositionSize = 20

const (
	positionKey  = `,"position":"`
	positionRoom = len(positionKey) + PositionSize + len(`"`)
)

// SetPosition writes the message's position into its line, behind the timestamp, without building the line anew: [Request.Message] leaves room in front of it. It is for the engine alone, before
// anyone else sees the message. It reports false, and does nothing, where p is not PositionSize bytes of letters, digits, '-' and '_', or the line was not made by this package. A second call writes
// over the first.
func (m *Message) SetPosition(p string) bool {
	head := m.head()
	if head == 0 || !plainPosition(p) {
		return false
	}
	if !bytes.HasPrefix(m.Line[head:], []byte(positionKey)) {
		if len(m.room) != positionRoom+len(m.Line) {
			return false
		}
		copy(m.room, m.Line[:head]) // it moves to the front, and the gap behind it is the position's
		m.Line, m.room = m.room, nil
		m.Line[head+positionRoom-1] = '"'
		copy(m.Line[head:], positionKey)
	}
	copy(m.Line[head+len(positionKey):], p)
	return true
}

// Position is where the message stands in the history of its destination: empty where none was kept when it was published.
func (m *Message) Position() string {
	rest, there := bytes.CutPrefix(m.Line[m.head():], []byte(positionKey))
	if !there || len(rest) < PositionSize {
		return ""
	}
	return string(rest[:PositionSize])
}

// head is how long the line is up to where a position stands: type and timestamp. Zero: it is no published line. A position of the publisher's own is cut out, so nothing else can stand there.
func (m *Message) head() int {
	digits, published := bytes.CutPrefix(m.Line, []byte(asyncPrefix))
	if !published {
		return 0
	}
	return len(asyncPrefix) + max(0, bytes.IndexAny(digits, ",}"))
}

// plainPosition wants what needs no escaping in JSON, in a URL or in a header.
func plainPosition(p string) bool {
	if len(p) != PositionSize {
		return false
	}
	for i := range len(p) {
		c := p[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
