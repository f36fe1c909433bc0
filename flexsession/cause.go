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
	Value      any           // what that is set to, a number (int, int64 or float64) in the unit that its name says: of session-timeout-minutes the minutes; nil: none
	RetryAfter time.Duration // when to come back; zero: as the code table says
	Incident   string        // ties the peer's event to the server's log; empty: it gets one with the end
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

// End is the cause as the client is told it.
func (c Cause) End() message.End { return message.End(c) }

// Message is the sentence for people: the code table's, and the detail behind it.
func (c Cause) Message() string { return c.End().Message() }

// Key is the setting behind it: its own, or else the code's; "" for none.
func (c Cause) Key() string { return c.End().Key() }

// WithIncident is the cause with an incident.
func (c Cause) WithIncident() Cause {
	if c.Incident == "" {
		c.Incident = randomText(9)
	}
	return c
}
