package channel_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"sluice/channel"
	"sluice/channel/memengine"
	"sluice/channel/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// direct is an engine that delivers each batch at once on the publisher's goroutine: for tests of what a broker does with a batch.
type direct struct {
	forgetful
	deliver func([]*message.Message)
	fail    error
}

// forgetful keeps nothing.
type forgetful struct{}

func (forgetful) Configure([]channel.DestinationDefinition) {}
func (forgetful) Since(string, channel.Query) (channel.Page, error) {
	return channel.Page{}, channel.ErrNoHistory
}
func (forgetful) LastValues(string, channel.Query) (channel.Page, error) {
	return channel.Page{}, channel.ErrNoHistory
}
func (forgetful) Kept(string) channel.Kept { return channel.Kept{} }

func (e *direct) Run(ctx context.Context, deliver func([]*message.Message)) error {
	e.deliver = deliver
	return e.fail
}

func (e *direct) Publish(batch []*message.Message, done func(int, channel.Position, error)) {
	for i := range batch {
		done(i, "", e.fail)
	}
	if e.fail == nil {
		e.deliver(batch)
	}
}

// broker makes a broker with the destinations news (subtopics), plain (none) and exact (no wildcards), on an engine that delivers at once.
func broker(t testing.TB) *channel.MessageBroker {
	t.Helper()
	b, _ := loggingBroker(t)
	return b
}

func loggingBroker(t testing.TB) (*channel.MessageBroker, *strings.Builder) {
	t.Helper()
	log := new(strings.Builder)
	b, err := channel.NewMessageBroker(channel.Options{
		Engine: &direct{},
		Destinations: []channel.DestinationDefinition{
			{ID: "news", AllowSubtopics: true},
			{ID: "plain"},
			{ID: "exact", AllowSubtopics: true, DisallowWildcardSubtopics: true},
			{ID: "pairs", AllowSubtopics: true, SubtopicSeparator: "::"},
		},
		Logger: zerolog.New(log),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return b, log
}

// client notes what it gets.
type client struct {
	got     []*message.Message
	by      []string // ids of the subscriptions, in the order of got
	owed    bool
	flushes int
	panics  bool
}

func (c *client) Deliver(m *message.Message, s *channel.Subscription) bool {
	if c.panics {
		panic("deliver")
	}
	c.got, c.by = append(c.got, m), append(c.by, s.ID())
	first := !c.owed
	c.owed = true
	return first
}

func (c *client) Flush() {
	if c.panics {
		panic("flush")
	}
	c.owed = false
	c.flushes++
}

// take returns the ids of what came, and forgets it.
func (c *client) take() string {
	var ids []string
	for _, m := range c.got {
		ids = append(ids, m.ID)
	}
	c.got, c.by = nil, nil
	return strings.Join(ids, " ")
}

// subscribe makes a subscription with topics, which must be good.
func subscribe(t testing.TB, d *channel.Destination, sub channel.Subscriber, id string, topics ...string) *channel.Subscription {
	t.Helper()
	s := d.Subscribe(id, sub)
	for _, topic := range topics {
		if err := s.Add(message.Topic{Subtopic: topic}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// publish publishes messages on one destination, each named by its subtopics: "a b" goes to the subtopics a and b, "" to none.
func publish(t testing.TB, b *channel.MessageBroker, destination string, messages ...string) {
	t.Helper()
	var batch []*message.Message
	for _, subtopics := range messages {
		batch = append(batch, &message.Message{ID: subtopics, Destination: destination, Subtopics: strings.Fields(subtopics)})
	}
	b.Publish(batch, func(i int, err *message.Error) {
		if err != nil {
			t.Errorf("%s: %v", messages[i], err)
		}
	})
}

// running makes a broker on the memory engine that takes messages until stop is called, or the test ends. When stop has returned, everything that was
// taken has been delivered.
func running(t testing.TB, destinations ...channel.DestinationDefinition) (b *channel.MessageBroker, stop func()) {
	t.Helper()
	b, err := channel.NewMessageBroker(channel.Options{Engine: memengine.New(memengine.Options{}), Destinations: destinations})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() {
		if err := b.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); run.Wait() }
	t.Cleanup(stop)
	for taken := false; !taken; { // Run is about to begin
		b.Publish([]*message.Message{{Destination: destinations[0].ID}}, func(_ int, err *message.Error) { taken = err == nil })
	}
	return b, stop
}
