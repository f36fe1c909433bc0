package client

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// What the server is told of the channels that were tried in vain before the one that works (docs/protocol.md section 2): with the connect, or the
// first client_ping after it.

const (
	maxTried  = 16      // how many tries are told of: the first, which says what the set would rather be on, and the latest
	maxDetail = 200     // bytes of what is said of each
	maxReport = 1 << 10 // bytes of all; what is older is left out, but for the first. It travels when max-request-size-bytes is not known yet
)

// try is one channel that could not be attached.
type try struct {
	ChannelID string `json:"channelId"`
	Millis    int64  `json:"millis"` // how long it took
	Code      int    `json:"code"`
	Detail    string `json:"detail,omitempty"`
}

// failed notes that c could not be attached.
func (cs *ChannelSet) failed(c Channel, took time.Duration, err error) {
	cause := causeOf(err)
	detail := cause.Detail
	if detail == "" {
		detail = cause.Message
	}
	if len(detail) > maxDetail {
		detail = strings.ToValidUTF8(detail[:maxDetail], "")
	}
	cs.opts.Logger.Info().Str("channel", c.id()).Dur("took", took).Err(err).Msg("a channel could not be attached")
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.tried = append(cs.tried, try{c.id(), took.Milliseconds(), int(cause.Code), detail})
	if len(cs.tried) > maxTried {
		cs.tried = slices.Delete(cs.tried, 1, 1+len(cs.tried)-maxTried)
	}
}

// reportLocked is the body of a client_ping that tells of them; empty if there is nothing to tell.
func (cs *ChannelSet) reportLocked() string {
	cs.reported = len(cs.tried)
	if cs.reported == 0 {
		return ""
	}
	for tried := slices.Clone(cs.tried); ; tried = slices.Delete(tried, 1, 2) {
		body, err := encode(map[string][]try{"tried": tried})
		if err != nil {
			panic(err) // texts and numbers always encode
		}
		if len(body) <= maxReport || len(tried) == 1 {
			return `,"body":` + string(body)
		}
	}
}

// toldLocked notes that the server has the report.
func (cs *ChannelSet) toldLocked() {
	cs.tried = cs.tried[min(cs.reported, len(cs.tried)):]
	cs.reported = 0
}

// unreachable is what went wrong with each channel. It counts as the most hopeful of them: one channel may not be used, but others may yet come up.
type unreachable struct {
	text  string
	cause *Error
	err   error // that cause is of
}

// and adds what went wrong with c; u may be nil.
func (u *unreachable) and(c Channel, err error) *unreachable {
	text, cause := fmt.Sprintf("%s: %v", c.Kind, err), causeOf(err)
	if u == nil {
		return &unreachable{text, cause, err}
	}
	both := *u
	if refused := new(net.OpError); !errors.As(err, &refused) || !strings.Contains(u.text, refused.Error()) { // else told already: the channels of one server fail alike
		both.text += "; " + text
	}
	if cause.hopeful(u.cause) {
		both.cause, both.err = cause, err
	}
	return &both
}

// hopeful tells whether e is a better reason to come back than other, or asks for more patience.
func (e *Error) hopeful(other *Error) bool {
	switch {
	case e.final() != other.final():
		return other.final()
	case e.concluded != other.concluded:
		return other.concluded
	}
	return e.RetryAfter > other.RetryAfter
}

func (u *unreachable) Error() string   { return u.text }
func (u *unreachable) Unwrap() []error { return []error{u.cause, u.err} }
