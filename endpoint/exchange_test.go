package endpoint

import (
	"runtime"
	"slices"
	"testing"

	"sluice/channel"
	"sluice/channel/memengine"
	"sluice/channel/message"
	"sluice/flexsession"
	"sluice/heartbeat"
)

// attaching is a carrier that finds its client by an attach, as a WebSocket does.
type attaching struct {
	x       *Exchange
	client  *flexsession.FlexClient
	replies []string
}

func (a *attaching) Reply(_ int, line []byte)                      { a.replies = append(a.replies, string(line)) }
func (a *attaching) Connected(*flexsession.FlexClient)             {}
func (a *attaching) Attach(*message.Request, func([]byte))         { a.x.Client = a.client }
func (a *attaching) Record() (*flexsession.Record, *message.Error) { return nil, nil }
func (a *attaching) Renewed(*flexsession.Record)                   {}

func work(x *Exchange, lines ...string) {
	var reqs []*message.Request
	var errs []*message.Error
	for _, line := range lines {
		req, err := message.Decode([]byte(line), message.Limits{})
		reqs, errs = append(reqs, req), append(errs, err)
	}
	x.Work(reqs, errs)
}

// engine is one whose Publish a test watches.
type engine struct {
	channel.Engine
	publish func()
}

func (e *engine) Publish(batch []*message.Message, done func(int, channel.Position, error)) {
	e.publish()
	for i := range batch {
		done(i, "", nil)
	}
}

// From the line that names the client on, nobody else works on lines of that client: they would overtake each other.
func TestLinesBehindAnAttachAreSerial(t *testing.T) {
	var order []string // guarded by the client's Serially, if it does what it should
	var client *flexsession.FlexClient
	done := make(chan struct{})
	e := &engine{Engine: memengine.New(memengine.Options{}), publish: func() {
		started := make(chan struct{})
		go func() {
			defer close(done)
			close(started)
			client.Serially(func() { order = append(order, "another connection") })
		}()
		<-started
		for range 1000 {
			runtime.Gosched() // so that it could come in between
		}
		order = append(order, "published")
	}}
	broker, err := channel.NewMessageBroker(channel.Options{Destinations: []channel.DestinationDefinition{{ID: "chat"}}, Engine: e})
	if err != nil {
		t.Fatal(err)
	}
	registry := flexsession.NewRegistry(flexsession.Options{Wheel: heartbeat.New(heartbeat.Options{})})
	var refused *message.Error
	client, _, refused = registry.NewClient(&channel.ChannelDefinition{}, flexsession.Peer{}, nil, false)
	if refused != nil {
		t.Fatal(refused)
	}
	x := &Exchange{Core: &Core{Broker: broker, Registry: registry, Stats: &Stats{}}, Def: &channel.ChannelDefinition{}}
	a := &attaching{x: x, client: client}
	x.Carrier = a
	work(x, `{"type":"control","operation":"attach","attach":1}`, `{"type":"async","destination":"chat","body":1}`)
	<-done
	if want := []string{"published", "another connection"}; !slices.Equal(order, want) {
		t.Errorf("the order was %q, want %q", order, want)
	}
	if len(a.replies) != 1 {
		t.Errorf("replies %q", a.replies)
	}
}
