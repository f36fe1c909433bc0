package message

import (
	"strconv"
	"time"
)

// Acknowledge is the good answer to one request. Empty fields are left out.
type Acknowledge struct {
	CorrelationID string // messageId of the request
	ClientID      string // the subscription it was about
	Destination   string
	Headers       AcknowledgeHeaders
	Body          []byte // one JSON value without line ends; nil: none
	Code          Code   // limit-polls on the answer of a poll that could not wait; zero: none
}

// AcknowledgeHeaders are the headers of an acknowledgement. The zero value has none.
type AcknowledgeHeaders struct {
	DSId     string // connect: the new client's id; DSMessagingVersion 1 goes with it
	DSSecret string // connect: the new client's secret

	HasPollWait bool          // the answer of a poll: tell PollWait, even if it is 0
	PollWait    time.Duration // DSPollWait: pause before the next poll, told in whole milliseconds, rounded up
}

// AppendAcknowledge appends the line of an acknowledgement.
func AppendAcknowledge(b []byte, a Acknowledge) []byte {
	b = append(b, `{"type":"acknowledge"`...)
	b = appendText(b, "correlationId", a.CorrelationID)
	b = appendText(b, "clientId", a.ClientID)
	b = appendText(b, "destination", a.Destination)
	b = appendAcknowledgeHeaders(b, a.Headers)
	b = appendRaw(b, "body", a.Body)
	if a.Code != 0 {
		b = appendCode(b, a.Code)
	}
	return appendEnd(b)
}

// appendAcknowledgeHeaders leaves empty headers out. The first header of the object takes the place of the comma with the brace.
func appendAcknowledgeHeaders(b []byte, h AcknowledgeHeaders) []byte {
	if h == (AcknowledgeHeaders{}) {
		return b
	}
	b = appendKey(b, "headers")
	brace := len(b)
	if h.DSId != "" {
		b = appendText(b, "DSId", h.DSId)
		b = appendText(b, "DSSecret", h.DSSecret)
		b = append(b, `,"DSMessagingVersion":1`...)
	}
	if h.HasPollWait {
		b = appendKey(b, "DSPollWait")
		b = strconv.AppendInt(b, int64((max(h.PollWait, 0)+time.Millisecond-1)/time.Millisecond), 10)
	}
	if len(b) == brace {
		b = append(b, '{')
	}
	b[brace] = '{'
	return append(b, '}')
}

// AppendError appends the line of an error. What e leaves open (setting, when to try again) is filled in from the table of codes.
func AppendError(b []byte, e *Error) []byte {
	b = append(b, `{"type":"error"`...)
	b = appendText(b, "correlationId", e.CorrelationID)
	b = appendCode(b, e.Code)
	b = appendText(b, "faultCode", e.faultCode())
	b = appendText(b, "faultString", e.Code.Info().Sentence)
	b = appendText(b, "faultDetail", e.Detail)
	b = appendText(b, "setting", settingOf(e.Code, e.Setting))
	b = appendValue(b, "value", e.Value)
	if e.Expect != 0 {
		b = appendUint(b, "expect", e.Expect)
	}
	b = appendRetry(b, retryMillis(e.RetryAfter, e.Code))
	return appendEnd(b)
}

func appendCode(b []byte, c Code) []byte {
	b = appendInt(b, "code", int(c))
	return appendText(b, "name", c.Info().Name)
}

func appendRetry(b []byte, millis int) []byte {
	if millis <= 0 {
		return b
	}
	return appendInt(b, "retryAfterMillis", millis)
}
