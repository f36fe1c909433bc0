package flexsession

import (
	"fmt"
	"time"

	"sluice/channel/message"
)

// Cause says why a session, a client, a subscription or a connection ended. The zero Cause is no cause.
type Cause struct {
	Code       message.Code
	Detail     string        // for people; safe to show to the peer
	Setting    string        // the setting behind it; empty: the one of the code
	Value      any           // value of the setting, if there is one
	RetryAfter time.Duration // when to come back; zero: as the code table says
	Incident   string        // ties the peer's event to the server's log; made by End where it is empty
}

// Because is a Cause of nothing but its code.
func Because(code message.Code) Cause { return Cause{Code: code} }

// String is the code's number and name, for logs.
func (c Cause) String() string {
	if c.Detail != "" {
		return fmt.Sprintf("%d %s: %s", c.Code, c.Code.Info().Name, c.Detail)
	}
	return fmt.Sprintf("%d %s", c.Code, c.Code.Info().Name)
}

// Message is the sentence for people: the code table's, and the detail behind it.
func (c Cause) Message() string {
	if c.Detail != "" {
		return c.Code.Info().Sentence + " " + c.Detail
	}
	return c.Code.Info().Sentence
}

// Key is the setting behind it: its own, or else the code's; "" for none.
func (c Cause) Key() string {
	if c.Setting != "" {
		return c.Setting
	}
	return c.Code.Info().Setting
}

// RetryAfterMillis is when to come back, in whole milliseconds, rounded up so that nobody comes too early; 0 where the client is not told to come back after a time.
func (c Cause) RetryAfterMillis() int {
	switch info := c.Code.Info(); {
	case info.Reconnect != "after":
		return 0
	case c.RetryAfter > 0:
		return int((c.RetryAfter + time.Millisecond - 1) / time.Millisecond)
	default:
		return info.RetryAfterMillis
	}
}

// WithIncident is the cause with an incident.
func (c Cause) WithIncident() Cause {
	if c.Incident == "" {
		c.Incident = randomText(9)
	}
	return c
}
