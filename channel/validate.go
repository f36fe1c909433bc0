package channel

import (
	"errors"
	"fmt"
	"strings"
)

// validate returns everything that is wrong, joined.
func (o *Options) validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if o.Engine == nil {
		wrong("no engine")
	}
	constraints := map[string]bool{"": true}
	for _, c := range o.Constraints {
		if err := checkID(c.ID); err != nil {
			wrong("security-constraint %q: %w", c.ID, err)
		}
		if c.ID != "" && constraints[c.ID] {
			wrong("security-constraint %q: defined twice", c.ID)
		}
		constraints[c.ID] = true
	}
	destinations := map[string]bool{}
	for _, d := range o.Destinations {
		if err := checkID(d.ID); err != nil {
			wrong("destination %q: %w", d.ID, err)
		}
		if destinations[d.ID] {
			wrong("destination %q: defined twice", d.ID)
		}
		destinations[d.ID] = true
		if strings.Contains(d.SubtopicSeparator, wildcard) {
			wrong("destination %q: subtopic-separator %q: expected one without a wildcard", d.ID, d.SubtopicSeparator)
		}
		if p := d.MessagePriority; p != nil && (*p < 0 || *p > 9) {
			wrong("destination %q: message-priority %d: expected 0 to 9", d.ID, *p)
		}
		if d.Presence && o.Wheel == nil {
			wrong("destination %q: presence: no wheel", d.ID)
		}
		switch d.SlowConsumer {
		case "", SlowDisconnect, SlowDropOldest, SlowConflate:
		default:
			wrong("destination %q: slow-consumer-policy %q: expected disconnect, drop-oldest or conflate", d.ID, d.SlowConsumer)
		}
		if err := d.Inbound.validate(ThrottleNone, ThrottleError, ThrottleIgnore, ThrottleBuffer, ThrottleConflate); err != nil {
			wrong("destination %q: throttle-inbound: %w", d.ID, err)
		}
		if err := d.Outbound.validate(ThrottleNone, ThrottleIgnore, ThrottleBuffer, ThrottleConflate); err != nil {
			wrong("destination %q: throttle-outbound: %w", d.ID, err)
		}
		if d.Inbound.Policy.Holds() && o.Wheel == nil {
			wrong("destination %q: throttle-inbound: policy %s: no wheel", d.ID, d.Inbound.Policy)
		}
		for _, ref := range [...]struct{ element, id string }{
			{"security-constraint", d.Constraint},
			{"send-security-constraint", d.SendConstraint},
			{"subscribe-security-constraint", d.SubscribeConstraint},
		} {
			if !constraints[ref.id] {
				wrong("destination %q: %s %q is not defined", d.ID, ref.element, ref.id)
			}
		}
	}
	return errors.Join(errs...)
}

// checkID follows the ids of BlazeDS: 1 to 255 characters, none of them a comma, semicolon or colon, which separate ids in lists.
func checkID(id string) error {
	if id == "" || len(id) > 255 || strings.ContainsAny(id, ",;:") {
		return errors.New("expected an id of 1 to 255 bytes without ',', ';' and ':'")
	}
	return nil
}
