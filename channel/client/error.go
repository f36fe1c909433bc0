package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"sluice/channel/message"
)

// Errors to decide on with errors.Is.
var (
	// ErrClosed is returned by calls on a ChannelSet that was closed, disconnected or logged out by this side.
	ErrClosed = errors.New("client: closed")
	// ErrInDoubt is returned by a call that was sent and whose answer never came: it may have run or not.
	ErrInDoubt = errors.New("client: delivery in doubt: the request was sent, its answer was lost")
	// ErrUnsubscribed ends a Consumer that was unsubscribed.
	ErrUnsubscribed = errors.New("client: unsubscribed")
	// ErrTooLarge is returned for a message that is larger than the server takes.
	ErrTooLarge = errors.New("client: message too large for the server")
)

// Error is the reason of a refused request, or of an end: what the server said or, where it said nothing, what this side concluded (codes 4008, 4027 and
// 4028). Codes are listed in docs/protocol.md section 7.
type Error struct {
	Code       message.Code  // stable, 4000 and up
	Kind       EndKind       // what that means for a program
	Name       string        // its name: "unknown-destination"
	Message    string        // a sentence for people
	Detail     string        // what exactly, where there is more to say
	Setting    string        // the server's setting behind it, if there is one
	Value      any           // what that is set to: a float64 in the unit its name says, of some refusals a bool; nil: not told
	Incident   string        // also in the server's log
	Reconnect  string        // "yes", "no" or "after"
	RetryAfter time.Duration // how long to wait first, where the server asks for it
	Away       time.Duration // of client-asleep: for how long

	concluded bool // on this side
}

// Error returns the sentence with everything an operator needs to act on it.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%d %s", strings.TrimSuffix(e.Message, "."), e.Code, e.Name)
	if e.Setting != "" {
		fmt.Fprintf(&b, "; setting %s", e.Setting)
		if value, err := json.Marshal(e.Value); err == nil && e.Value != nil {
			fmt.Fprintf(&b, " = %s", value)
		}
	}
	if e.Incident != "" {
		fmt.Fprintf(&b, "; incident %s", e.Incident)
	}
	b.WriteString(")")
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	return b.String()
}

// final tells whether the server said not to come back.
func (e *Error) final() bool { return e.Reconnect == "no" }

func (l *line) error() *Error {
	e := &Error{
		Code: message.Code(l.Code), Name: l.Name, Message: l.Message, Detail: l.FaultDetail, Setting: l.Setting, Value: l.Value,
		Incident: l.Incident, Reconnect: l.Reconnect, RetryAfter: time.Duration(l.RetryAfterMillis) * time.Millisecond,
	}
	if e.Message == "" {
		e.Message = l.FaultString
	}
	return e.complete()
}

// complete fills in from the table what the line did not say.
func (e *Error) complete() *Error {
	info := e.Code.Info()
	e.Kind = EndKind(info.Kind)
	if e.Name == "" {
		e.Name = e.Code.String()
	}
	if e.Message == "" {
		e.Message = info.Sentence
	}
	if e.Reconnect == "" {
		e.Reconnect = info.Reconnect
		e.RetryAfter = max(e.RetryAfter, time.Duration(info.RetryAfterMillis)*time.Millisecond)
	}
	return e
}

// goneError says that the server no longer has this client: a new one must connect.
type goneError struct {
	reason string
	cause  *Error
}

func (e *goneError) Error() string {
	return fmt.Sprintf("the server has no such client (%s): %v", e.reason, e.cause)
}
func (e *goneError) Unwrap() error { return e.cause }

// isFinal tells whether err is the server's last word, or says that it has not what is asked for.
func isFinal(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.final() || errors.Is(err, errNotOffered)
}

// retryAfter returns the pause the server asks for, or zero.
func retryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}
