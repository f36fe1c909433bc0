package client_test

import (
	"context"
	"fmt"
	"time"

	"sluice/channel/client"
	"sluice/endpoint/server"
)

// A service publishes, and hears itself.
func Example() {
	address, _, stop, err := start(server.Options{}) // a server of its own, for the example
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()

	set, err := client.New(client.Options{URL: "http://" + address})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer set.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := set.Connect(ctx); err != nil {
		fmt.Println(err)
		return
	}
	rooms, err := set.Subscribe(ctx, "chat", "room.*")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, text := range []string{"hello", "goodbye"} {
		if err := set.Publish(ctx, "chat", "room.1", map[string]string{"text": text}); err != nil {
			fmt.Println(err)
			return
		}
	}
	for m := range rooms.Messages(ctx) {
		var body struct{ Text string }
		if err := m.Decode(&body); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(m.Subtopic, body.Text)
		if body.Text == "goodbye" {
			break
		}
	}
	fmt.Println(set.Disconnect(ctx))
	// Output:
	// room.1 hello
	// room.1 goodbye
	// <nil>
}

// A service hears how its connection fares, and decides by the kind of an end. It need not do anything about it: the set comes back by itself, unless it was told not to.
func ExampleOptions_onEvent() {
	address, _, stopServer, err := start(server.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	events := make(chan client.Event, 100) // OnEvent must not block
	set, err := client.New(client.Options{URL: "http://" + address, OnEvent: func(e client.Event) { events <- e }})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := set.Connect(ctx); err != nil {
		fmt.Println(err)
		return
	}
	stopServer()
	for e := range events {
		switch e.Kind {
		case client.Connected:
			fmt.Println("connected over", e.Channel)
		case client.Disconnected, client.Unreachable:
			switch e.Cause.Kind {
			case client.EndShutdown:
				fmt.Printf("the server goes down (%d %s); trying again after %v or more: %v\n",
					e.Cause.Code, e.Cause.Name, time.Second, e.Delay >= time.Second)
			case client.EndVanished:
				fmt.Println("the server has vanished")
			case client.EndTimeout:
				fmt.Println("timed out by", e.Cause.Setting)
			default:
				fmt.Println(e.Cause)
			}
			set.Close() // it would come back; this one has seen enough
			close(events)
		}
	}
	// Output:
	// connected over websocket
	// the server goes down (4007 server-shutdown); trying again after 1s or more: true
}

// A service begins where an earlier life of it had come to, takes only what it wants, and hears of what is missing. Message.Position is what it stores.
func ExampleChannelSet_Consume() {
	address, _, stop, err := start(server.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	set, err := client.New(client.Options{URL: "http://" + address})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer set.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	orders := client.Producer{Set: set, Destination: "orders", Subtopic: "eu.new"}
	for i, amount := range []int{20, 700, 15, 900} {
		orders.Headers = map[string]any{"amount": amount}
		if err := orders.Publish(ctx, fmt.Sprint("order ", i)); err != nil {
			fmt.Println(err)
			return
		}
	}

	options := client.ConsumerOptions{
		Selection: client.Selection{Subtopics: []string{"eu.*", "us.*"}, Selector: "amount > 500"},
		From:      client.Earliest(),
		OnEvent: func(e client.ConsumerEvent) {
			switch e.Kind {
			case client.Recovered:
				fmt.Println("all of the past is there:", e.Complete)
			case client.Loss:
				fmt.Println("messages are missing:", e.Reason)
			case client.Live:
				fmt.Println("what follows is new")
			}
		},
	}
	large, err := set.Consume(ctx, "orders", options)
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := large.Next(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(m.Body))
	stored := m.Position
	if err := large.Unsubscribe(ctx); err != nil {
		fmt.Println(err)
		return
	}

	options.From = client.After(stored) // later, perhaps in another process
	if large, err = set.Consume(ctx, "orders", options); err != nil {
		fmt.Println(err)
		return
	}
	if m, err = large.Next(ctx); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(m.Body))
	// Output:
	// all of the past is there: true
	// "order 1"
	// all of the past is there: true
	// "order 3"
}

// A Producer is a value: a copy of it makes one message more urgent, or worth less for long, than the others.
func ExampleProducer() {
	address, _, stop, err := start(server.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	set, err := client.New(client.Options{URL: "http://" + address})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer set.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	prices := client.Producer{Set: set, Destination: "chat", Subtopic: "prices", TimeToLive: time.Minute}
	fmt.Println(prices.Publish(ctx, 17.5))
	urgent := prices
	urgent.TimeToLive, urgent.Priority = 0, new(9)
	fmt.Println(urgent.Publish(ctx, "trading is suspended"))
	// Output:
	// <nil>
	// <nil>
}
