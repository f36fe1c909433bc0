package client

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// line is any line the server sends: docs/protocol.md section 1. Which fields mean something depends on Type and Operation.
type line struct {
	Type          string          `json:"type"`
	Operation     string          `json:"operation"`
	MessageID     string          `json:"messageId"`
	CorrelationID string          `json:"correlationId"`
	ClientID      string          `json:"clientId"`
	Destination   string          `json:"destination"`
	Timestamp     int64           `json:"timestamp"`
	Headers       json.RawMessage `json:"headers"`
	Body          json.RawMessage `json:"body"`

	Attach    uint64   `json:"attach"`
	Have      uint64   `json:"have"`
	Window    window   `json:"window"`
	Count     uint64   `json:"count"`
	Position  string   `json:"position"`
	Recovered *bool    `json:"recovered"`
	From      string   `json:"from"`
	To        string   `json:"to"`
	Waiting   uint64   `json:"waiting"`
	Limit     uint64   `json:"limit"`
	ClientIDs []string `json:"clientIds"`
	StreamID  string   `json:"streamId"`
	Expect    uint64   `json:"expect"`
	Reason    string   `json:"reason"`
	spans

	Code             int    `json:"code"`
	Name             string `json:"name"`
	Message          string `json:"message"`
	FaultString      string `json:"faultString"`
	FaultDetail      string `json:"faultDetail"`
	Reconnect        string `json:"reconnect"`
	RetryAfterMillis int64  `json:"retryAfterMillis"`
	Setting          string `json:"setting"`
	Value            any    `json:"value"`
	Incident         string `json:"incident"`
}

// window is how much the server lets be unconfirmed.
type window struct {
	Messages uint64 `json:"messages"`
	Bytes    uint64 `json:"bytes"`
}

// handshake is what the headers of the acknowledgement of connect bring.
type handshake struct {
	DSId     string `json:"DSId"`
	DSSecret string `json:"DSSecret"`
}

// terms are the body of the acknowledgement of connect.
type terms struct {
	HeartbeatIntervalMillis int64  `json:"heartbeatIntervalMillis"`
	ConfirmIntervalMillis   int64  `json:"confirmIntervalMillis"`
	MaxMessageSize          int    `json:"maxMessageSize"`
	MaxRequestSize          int    `json:"maxRequestSize"`
	MaxOpenRequests         uint64 `json:"maxOpenRequests"`
	spans
}

// spans are times of the channel, in milliseconds: the acknowledgement of connect has them, and the attached line of a client that comes to another channel.
type spans struct {
	ReconnectMillis       *int64 `json:"reconnectMillis"`       // how long the client lives on without a connection; 0: it does not. Nil: none are told
	ServerHeartbeatMillis int64  `json:"serverHeartbeatMillis"` // the longest silence of the server on a WebSocket or a stream; 0: there is no bound
	DeadPeerMillis        int64  `json:"deadPeerMillis"`        // how long a peer may leave something unanswered; 0: not said
}

// reconnect is how long the client lives on without a connection.
func (s spans) reconnect() time.Duration {
	if s.ReconnectMillis == nil {
		return 0
	}
	return millis(*s.ReconnectMillis)
}

func parseLine(raw []byte) (*line, error) {
	l := new(line)
	if err := json.Unmarshal(raw, l); err != nil {
		return nil, fmt.Errorf("read a line of the server: %w", err)
	}
	if l.Type == "" {
		return nil, errors.New("read a line of the server: it has no type")
	}
	return l, nil
}

// firstSubtopic reads the header DSSubtopic, which is a text or an array of texts, and returns the first.
func firstSubtopic(headers map[string]json.RawMessage) string {
	raw := headers["DSSubtopic"]
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return one
	}
	var many []string
	if json.Unmarshal(raw, &many) == nil && len(many) > 0 {
		return many[0]
	}
	return ""
}

// lines reads lines from r, each at most max bytes. NUL bytes and empty lines mean nothing and are left out.
type lines struct {
	r   *bufio.Reader
	max int
	// whole says that the last line may lack its LF: so in a WebSocket frame, where the frame's end ends it too. Elsewhere it was cut off.
	whole bool
}

func newLines(r io.Reader, max int, whole bool) *lines {
	return &lines{r: bufio.NewReaderSize(r, 4096), max: max, whole: whole}
}

// next returns the next line; the caller may keep it. The error is io.EOF at the end.
func (ls *lines) next() ([]byte, error) {
	for {
		raw, err := ls.read()
		if err != nil && !(err == io.EOF && ls.whole) {
			return nil, err
		}
		raw = bytes.TrimSpace(bytes.Trim(raw, "\x00"))
		if len(raw) > 0 || err != nil {
			if len(raw) > 0 {
				err = nil
			}
			return raw, err
		}
	}
}

func (ls *lines) read() ([]byte, error) {
	var raw []byte
	for {
		part, err := ls.r.ReadSlice('\n')
		if len(raw) == 0 {
			part = bytes.TrimLeft(part, "\x00") // heartbeats and padding do not count as length
		}
		if len(raw)+len(part) > ls.max {
			return nil, fmt.Errorf("the server sent a line longer than %d bytes (Options.MaxLine)", ls.max)
		}
		raw = append(raw, part...)
		if err != bufio.ErrBufferFull {
			return raw, err
		}
	}
}
