package message

// The types that a client may send.
const (
	TypeCommand = "command"
	TypeAsync   = "async"
	TypeControl = "control"
)

// Request is one line of a client, checked. What is absent or null is the zero value. Its strings are its own, Body and the fields that [Request.Message]
// hands on are parts of the line.
type Request struct {
	Type          string // command, async or control
	Operation     string // there on every command and control
	MessageID     string // at most 256 bytes
	CorrelationID string // at most 256 bytes
	ClientID      string // at most 128 bytes
	Destination   string // at most 255 bytes; there on every async
	DSId          string // attach on a WebSocket: which client
	Secret        string // attach on a WebSocket: the proof of it
	StreamID      string // attach of a stream from another request

	Seq, Attach, Have, Got             uint64 // 0 to 2^53-1
	HasSeq, HasAttach, HasHave, HasGot bool

	// What a client promises and asks, in milliseconds, 0 to 2^53-1.
	Heartbeat, Wait       uint64 // heartbeat: its next one comes at latest then, 0: none comes; wait: of a poll, the longest it wants to be held
	HasHeartbeat, HasWait bool

	Unreliable bool    // reliable is false
	Timestamp  int64   // milliseconds since 1970, as the client says
	TimeToLive int64   // milliseconds for which a published message is worth delivering; zero or less: not told
	Position   string  // subscribe: go on behind it; at most 128 bytes
	Headers    Headers // what the server reads of them
	Body       []byte  // the JSON of it; nil: none

	line []byte
	kept runs // what of line subscribers get
}

// Headers are the headers that the server reads. All others are handed on.
type Headers struct {
	DSId        string   // connect: "nil"
	DSSecret    string   // never handed on
	Subtopics   []string // DSSubtopic; none for "" and []
	NeedsConfig bool     // DSNeedsConfig
	AddSub      []Topic  // DSAddSub
	RemSub      []Topic  // DSRemSub

	Selector     string  // DSSelector: of a subscription, for all its subtopics; at most 4096 bytes
	MaxFrequency float64 // DSMaxFrequency: of a subscription, messages per second; zero or less: no limit
	Priority     int     // DSPriority: of a published message, 0 to 9
	HasPriority  bool

	Last     uint64 // DSLast: of a subscription, begin with so many messages of the past
	HasLast  bool
	Since    int64 // DSSince: of a subscription, begin with the messages from then on, in milliseconds since 1970; 0: with the earliest there is
	HasSince bool

	Presence     bool   // DSPresence: of a subscription, tell who comes and goes
	PresenceInfo []byte // DSPresenceInfo: of a subscription, JSON that the others are shown, of at most [MaxPresenceInfo] bytes; a part of the line
}

// Topic is an entry of DSAddSub and DSRemSub: subtopic_;_selector_;_maxFrequency.
type Topic struct {
	Subtopic     string // empty: the messages without one
	Selector     string // empty: all
	MaxFrequency float64
}

// Topics are those of a subscribe: each of its subtopics, or none, under its selector and frequency.
func (h *Headers) Topics() []Topic {
	topics := make([]Topic, max(1, len(h.Subtopics)))
	for i := range topics {
		topics[i] = Topic{Selector: h.Selector, MaxFrequency: h.MaxFrequency}
		if len(h.Subtopics) > 0 {
			topics[i].Subtopic = h.Subtopics[i]
		}
	}
	return topics
}

// The sizes of what a client may name, in bytes, and of its lists.
const (
	maxMessageID   = 256
	maxDestination = 255
	maxName        = 128 // ids that the server made
	maxList        = 100
	maxSelector    = 4096

	// MaxSubtopic is how long a subtopic may be, in bytes.
	MaxSubtopic = 1024
)

// runs are the parts of a line that are handed on, each one or more whole members with the commas between them. A run ends only where a known member
// is cut out or the headers begin or end, and a known member is there once: so the array is long enough for any line.
type runs struct {
	at [fieldCount + 2]span
	n  int

	open   bool // the member before this one was kept, so that the last run can grow
	inside span // the runs that stand inside the headers; empty: the headers are whole, or there are none
}

// keep adds a member.
func (r *runs) keep(start, end int) {
	if r.open {
		r.at[r.n-1].end = int32(end)
		return
	}
	r.at[r.n] = span{int32(start), int32(end)}
	r.n++
	r.open = true
}

// cut leaves a member out.
func (r *runs) cut() { r.open = false }

// begin and end stand around the members of the headers.
func (r *runs) begin() {
	r.open = false
	r.inside.start = int32(r.n)
}

func (r *runs) end() {
	r.open = false
	r.inside.end = int32(r.n)
}
