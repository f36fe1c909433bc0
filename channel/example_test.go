package channel_test

import (
	"context"
	"fmt"
	"time"

	"sluice/channel"
	"sluice/channel/memengine"
	"sluice/channel/message"
)

// printer is a Subscriber that shows what it gets.
type printer struct{}

func (printer) Deliver(m *message.Message, s *channel.Subscription) bool {
	fmt.Printf("%s: %s", s.ID(), m.Line)
	return true
}

func (printer) Flush() { fmt.Println("flush") }

func Example() {
	broker, err := channel.NewMessageBroker(channel.Options{
		Engine:       memengine.New(memengine.Options{}),
		Destinations: []channel.DestinationDefinition{{ID: "chat", AllowSubtopics: true}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	subscription := broker.Destination("chat").Subscribe("sub-1", printer{})
	if err := subscription.Add(message.Topic{Subtopic: "room.*"}); err != nil {
		fmt.Println(err)
		return
	}

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error)
	go func() { ended <- broker.Run(ctx) }()

	hello, refusal := message.New("chat", []string{"room.1"}, []byte(`"hello"`), nil, "m1", time.UnixMilli(1_700_000_000_000))
	if refusal != nil {
		fmt.Println(refusal)
		return
	}
	broker.Publish([]*message.Message{hello}, func(_ int, err *message.Error) {
		if err != nil {
			fmt.Println(err)
		}
	})
	cancel()
	fmt.Println(<-ended)
	// Output:
	// sub-1: {"type":"async","timestamp":1700000000000,"messageId":"m1","destination":"chat","headers":{"DSSubtopic":"room.1"},"body":"hello"}
	// flush
	// <nil>
}
