package message

import (
	"fmt"
	"net/http"
	"time"
)

// Error is the refusal of a request, as the client gets it (see [AppendError]): it must hold nothing that only the log may know.
// It is not changed once it was handed on.
type Error struct {
	Code          Code
	CorrelationID string        // messageId of the refused request; empty where it could not be read
	Seq           uint64        // its seq, which the refusal uses up; 0: none, or it could not be read. It is not told
	Detail        string        // what exactly was wrong; faultDetail
	Setting       string        // the setting behind it; empty: the one of the code
	Value         any           // what Setting is set to: a number in the unit that its name says, text or a boolean; nil: not told
	Expect        uint64        // uplink-gap: the seq that should have come
	RetryAfter    time.Duration // when to try again; zero: as the code says
}

// Errorf makes an Error with a detail. Like the rest of an Error, the detail goes to the client.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Error returns the name of the code and the detail: message: unknown-destination: "x".
func (e *Error) Error() string {
	if e.Detail == "" {
		return "message: " + e.Code.String()
	}
	return "message: " + e.Code.String() + ": " + e.Detail
}

// To returns a copy of e that answers the request with that messageId.
func (e *Error) To(messageID string) *Error {
	answer := *e
	answer.CorrelationID = messageID
	return &answer
}

// HTTPStatus is the status of an HTTP request refused as a whole with e: the one of its code, and 503 Service Unavailable for the codes of ends
// (server-shutdown), which have none.
func (e *Error) HTTPStatus() int {
	if status := e.Code.Info().HTTPStatus; status != 0 {
		return status
	}
	return http.StatusServiceUnavailable
}

// faultCode is the Flex fault code; a request that meets an end (server-shutdown) finds its server unavailable.
func (e *Error) faultCode() string {
	if fault := e.Code.Info().FaultCode; fault != "" {
		return fault
	}
	return "Server.ResourceUnavailable"
}

// settingOf is the setting to blame: own, or else the one of the code.
func settingOf(code Code, own string) string {
	if own != "" {
		return own
	}
	return code.Info().Setting
}

// retryMillis is own in whole milliseconds, rounded up so that nobody comes too early, or else what the code says.
func retryMillis(own time.Duration, code Code) int {
	if own > 0 {
		return int((own + time.Millisecond - 1) / time.Millisecond)
	}
	return code.Info().RetryAfterMillis
}
