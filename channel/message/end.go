package message

import "time"

// End is why a connection, a client or a subscription ended, as the client gets it: it must hold nothing that only the log may know. The zero End says nothing.
type End struct {
	Code       Code
	Detail     string        // for people, behind the code's sentence; safe to show
	Setting    string        // the setting behind it; empty: the one of the code
	Value      any           // what that is set to, a number (int, int64 or float64) in the unit that its name says: of session-timeout-minutes the minutes; nil: not told
	RetryAfter time.Duration // when to come back; zero: as the code says; only told where the code says "after"
	Incident   string        // also in the server's log
}

// Message is the sentence for people: the code's, and the detail behind it.
func (e End) Message() string {
	switch {
	case e.Code == 0:
		return e.Detail
	case e.Detail == "":
		return e.Code.Info().Sentence
	}
	return e.Code.Info().Sentence + " " + e.Detail
}

// Key is the setting behind it: its own, or else the code's; "" for none.
func (e End) Key() string { return settingOf(e.Code, e.Setting) }

// RetryAfterMillis is when to come back, in whole milliseconds, rounded up so that nobody comes too early; 0 where the client is not told to come back after a time.
func (e End) RetryAfterMillis() int {
	if e.Code.Info().Reconnect != "after" {
		return 0
	}
	return retryMillis(e.RetryAfter, e.Code)
}

// appendTo appends the fields of an end, with or without whether and when to come back.
func (e End) appendTo(b []byte, comeBack bool) []byte {
	b = e.appendReason(b)
	if comeBack {
		b = appendText(b, "reconnect", e.Code.Info().Reconnect)
		b = appendRetry(b, e.RetryAfterMillis())
	}
	b = appendText(b, "setting", e.Key())
	b = appendValue(b, "value", e.Value)
	return appendText(b, "incident", e.Incident)
}

// appendReason appends code, name and sentence. Code zero leaves code and name out.
func (e End) appendReason(b []byte) []byte {
	if e.Code != 0 {
		b = appendCode(b, e.Code)
	}
	return appendText(b, "message", e.Message())
}
