package message

import (
	"strconv"
	"time"
)

// Member is one client that is subscribed to a subtopic, as others may see it.
type Member struct {
	ID    string    // made by the server for this alone: it proves nothing, and is not the DSId
	User  string    // empty: not logged in
	Since time.Time // when it came
	Info  []byte    // what the client says of itself: JSON in one line, at most [MaxPresenceInfo] bytes; empty: nothing
}

// MaxPresenceInfo is how long the header DSPresenceInfo may be, in bytes.
const MaxPresenceInfo = 1024

// The operations of [Presence].
const (
	PresenceJoin   = "join"
	PresenceLeave  = "leave"
	PresenceChange = "change" // members changed: so many that they are not told one by one
	PresenceOff    = "off"    // the destination keeps no presence any more
)

// Presence tells who came to a subtopic, or left it. It is counted.
type Presence struct {
	Operation   string // one of the operations above
	Destination string
	Subtopic    string  // empty: the subscribers to messages without one
	Member      *Member // join and leave: who; a leave tells its ID and User alone. A join of an ID that is there tells that its User is another one now
	Joined      uint64  // change: how many came since the last line of the subtopic
	Left        uint64  // change: and how many left
	Count       int     // how many are there behind that; not with off
	Number      uint64  // of the change, increasing within the destination; not with off
}

// AppendPresence appends a counted line.
func AppendPresence(b []byte, p Presence) []byte {
	b = append(b, `{"type":"presence"`...)
	b = appendText(b, "operation", p.Operation)
	b = appendText(b, "destination", p.Destination)
	b = appendText(b, "subtopic", p.Subtopic)
	switch p.Operation {
	case PresenceJoin:
		b = append(b, ',')
		b = p.Member.appendTo(b)
	case PresenceLeave:
		b = appendText(b, "id", p.Member.ID)
		b = appendText(b, "user", p.Member.User)
	case PresenceChange:
		b = appendUint(b, "joined", p.Joined)
		b = appendUint(b, "left", p.Left)
	case PresenceOff:
		return appendEnd(b)
	}
	b = appendInt(b, "count", p.Count)
	return appendEnd(appendUint(b, "number", p.Number))
}

func (m *Member) appendTo(b []byte) []byte {
	b = append(b, `"id":`...)
	b = AppendString(b, m.ID)
	b = appendText(b, "user", m.User)
	b = strconv.AppendInt(appendKey(b, "since"), m.Since.UnixMilli(), 10)
	return appendRaw(b, "info", m.Info)
}

// Members is a part of those who are subscribed to a subtopic, the longest there first.
type Members struct {
	Count   int      // of all of them
	Number  uint64   // of the destination's last change: presence lines with this number and below are in here
	Self    string   // ID of the one who asks; empty: it is not there, or nobody of them asks
	Members []Member // of this part
	Next    string   // where the next part begins; empty: there is none
}

// Body is the body of the acknowledgement that has them.
func (m *Members) Body() []byte {
	b := strconv.AppendInt([]byte(`{"count":`), int64(m.Count), 10)
	b = appendUint(b, "number", m.Number)
	b = appendText(b, "self", m.Self)
	b = append(b, `,"members":[`...)
	for i := range m.Members {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(m.Members[i].appendTo(append(b, '{')), '}')
	}
	b = append(b, ']')
	return append(appendText(b, "next", m.Next), '}')
}
