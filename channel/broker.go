package channel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"sluice/channel/message"
	"sluice/heartbeat"
)

// Principal is a logged-in user. It is immutable: a change of user is another Principal.
type Principal struct {
	Name  string
	Roles []string

	Expires time.Time // when the login is over (token-expired); zero: never
}

// Options configure a MessageBroker.
type Options struct {
	Destinations []DestinationDefinition
	Constraints  []SecurityConstraint // what destinations and channels refer to
	Engine       Engine               // required
	Wheel        *heartbeat.Wheel     // for what a throttle holds, and for presence; required where a destination has either
	Logger       zerolog.Logger       // the zero Logger is silent
}

// MessageBroker routes messages to the subscribers of their destinations. Its methods are safe for concurrent use.
type MessageBroker struct {
	engine Engine
	wheel  *heartbeat.Wheel
	logger zerolog.Logger

	choices choices

	changing sync.Mutex // held by Reconfigure
	table    atomic.Pointer[table]
}

// table is what the configuration says. It is replaced whole and never changed.
type table struct {
	destinations []*Destination // in the order of the configuration
	byID         map[string]*Destination
	constraints  map[string]SecurityConstraint
}

// NewMessageBroker makes a broker. All mistakes in the options are reported together.
func NewMessageBroker(opts Options) (*MessageBroker, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	b := &MessageBroker{engine: opts.Engine, wheel: opts.Wheel, logger: opts.Logger}
	b.table.Store(b.newTable(&table{}, opts.Destinations, opts.Constraints))
	opts.Engine.Configure(opts.Destinations)
	return b, nil
}

// Run runs the engine, delivers what it brings, and returns when the engine has: after ctx has ended and the last delivery has returned.
// It is called once.
func (b *MessageBroker) Run(ctx context.Context) error {
	d := &delivery{broker: b}
	defer b.Release() // nobody is to wait for an answer for ever
	if err := b.engine.Run(ctx, d.batch); err != nil {
		return fmt.Errorf("run engine: %w", err)
	}
	return nil
}

// Destination returns the destination of that id, nil when there is none.
func (b *MessageBroker) Destination(id string) *Destination { return b.table.Load().byID[id] }

// Destinations returns all destinations in the order of the configuration. The slice is the caller's.
func (b *MessageBroker) Destinations() []*Destination {
	return slices.Clone(b.table.Load().destinations)
}

// Publish hands messages to the engine. The caller has checked rights and subtopics ([Destination.AllowSend], [Destination.CheckSend]). done is
// called exactly once for each message, i being its index, from any goroutine and perhaps after Publish has returned: with nil when the message has
// its place in the order, in the order of the batch; else with the answer for the publisher, which for an unknown destination comes at once. done
// must not block. Publish may wait while too much is under way, and must not be called from within Deliver or Flush.
func (b *MessageBroker) Publish(batch []*message.Message, done func(i int, err *message.Error)) {
	known, byID := 0, b.table.Load().byID // from here on
	for i, m := range batch {
		if d := byID[m.Destination]; d != nil {
			d.Settle(m)
		} else {
			b.publish(batch[known:i], known, done)
			done(i, message.Errorf(message.CodeUnknownDestination, "%q", m.Destination))
			known = i + 1
		}
	}
	b.publish(batch[known:], known, done)
}

// publish hands on a part of a batch, the message with index first and those behind it.
func (b *MessageBroker) publish(batch []*message.Message, first int, done func(i int, err *message.Error)) {
	if len(batch) == 0 {
		return
	}
	b.engine.Publish(batch, func(i int, _ Position, err error) {
		if err != nil {
			done(first+i, b.refusal(err))
			return
		}
		done(first+i, nil)
	})
}

// refusal is what a publisher is told of an engine's error. The log gets what the publisher must not see.
func (b *MessageBroker) refusal(err error) *message.Error {
	var answer *message.Error
	if errors.As(err, &answer) {
		return answer
	}
	b.logger.Error().Err(err).Msg("publish")
	return &message.Error{Code: message.CodeInternal}
}

// Allow checks whether p satisfies the security constraint of that id; "" allows everyone, a nil p is nobody. The errors are login-required and
// access-denied. An id that is not configured allows nobody.
func (b *MessageBroker) Allow(constraintID string, p *Principal) *message.Error {
	if constraintID == "" {
		return nil
	}
	if p == nil {
		return &message.Error{Code: message.CodeLoginRequired}
	}
	constraint, known := b.table.Load().constraints[constraintID]
	if known && len(constraint.Roles) == 0 {
		return nil
	}
	for _, role := range constraint.Roles {
		if slices.Contains(p.Roles, role) {
			return nil
		}
	}
	return &message.Error{Code: message.CodeAccessDenied}
}
