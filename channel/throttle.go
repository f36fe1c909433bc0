package channel

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// Throttle holds what comes to a destination, or what leaves it, to a frequency: throttle-inbound, throttle-outbound. The zero Throttle does nothing.
type Throttle struct {
	Policy             ThrottlePolicy // policy: what becomes of a message above the frequency
	MaxFrequency       int            // max-frequency: messages per second; 0: no limit
	MaxClientFrequency int            // max-client-frequency: of one client; 0: no limit
	MaxHeld            int            // max-held-messages: inbound, how many BUFFER and CONFLATE may hold; 0: DefaultMaxHeld
}

// DefaultMaxHeld is the MaxHeld of a throttle that gives none.
const DefaultMaxHeld = 1000

// maxHeldBytes bounds what a throttle holds for a destination, whatever MaxHeld says. One message alone may be more.
const maxHeldBytes = 16 << 20

// validate checks what BlazeDS does: the policy, and that no client may have more than the whole destination.
func (t *Throttle) validate(policies ...ThrottlePolicy) error {
	switch {
	case t.Policy != "" && !slices.Contains(policies, t.Policy):
		return fmt.Errorf("policy %q: expected one of %v", t.Policy, policies)
	case t.MaxFrequency < 0 || t.MaxClientFrequency < 0 || t.MaxHeld < 0:
		return fmt.Errorf("max-frequency %d, max-client-frequency %d, max-held-messages %d: expected none below 0", t.MaxFrequency, t.MaxClientFrequency, t.MaxHeld)
	case t.MaxFrequency > 0 && t.MaxClientFrequency > t.MaxFrequency:
		return fmt.Errorf("max-client-frequency %d: it is more than the destination's max-frequency, %d", t.MaxClientFrequency, t.MaxFrequency)
	}
	return nil
}

// maxHold is how long a message of a publisher may have to wait for its turn, so that its answer comes while somebody waits for it. One that would have to wait for longer is refused.
const maxHold = 20 * time.Second

// ThrottlePolicy says what becomes of a message above the frequency. Below it every message goes at once.
type ThrottlePolicy string

// The policies of BlazeDS (NONE, ERROR, IGNORE) and LCDS (BUFFER, CONFLATE). Outbound there is no ERROR: nobody is there to be told.
const (
	ThrottleNone     ThrottlePolicy = "NONE"     // the frequencies are not in force; also the zero ThrottlePolicy
	ThrottleError    ThrottlePolicy = "ERROR"    // it is refused
	ThrottleIgnore   ThrottlePolicy = "IGNORE"   // it is dropped; who has sent it is told so
	ThrottleBuffer   ThrottlePolicy = "BUFFER"   // it waits
	ThrottleConflate ThrottlePolicy = "CONFLATE" // it waits, but only the newest with its key does
)

// InForce says whether it does anything.
func (p ThrottlePolicy) InForce() bool { return p != "" && p != ThrottleNone }

// Holds says whether messages wait under it.
func (p ThrottlePolicy) Holds() bool { return p == ThrottleBuffer || p == ThrottleConflate }

// ThrottleStats count what became of the messages that publishers sent above the frequency of throttle-inbound.
type ThrottleStats struct {
	Refused uint64 // with throttled
	Ignored uint64 // dropped, and the publisher was told
	Merged  uint64 // a newer one with the same key stands for it, and the publisher was told
	Held    uint64 // had to wait, and were published later
	Waiting int    // wait now
}

type throttleCounts struct {
	refused, ignored, merged, held atomic.Uint64
	waiting                        atomic.Int64
}

// Throttled are the counts of throttle-inbound.
func (d *Destination) Throttled() ThrottleStats {
	c := &d.inbound.counts
	return ThrottleStats{Refused: c.refused.Load(), Ignored: c.ignored.Load(), Merged: c.merged.Load(), Held: c.held.Load(), Waiting: int(c.waiting.Load())}
}
