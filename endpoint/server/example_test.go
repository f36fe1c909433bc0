package server_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/channel"
	"sluice/channel/client"
	"sluice/channel/message"
	"sluice/endpoint/server"
	"sluice/flexsession"
)

// A program with a server inside: it hears who comes and goes, remembers something with a client, sends it a message of its own, and ends it.
func Example() {
	lives := make(chan string, 100) // listeners must not block
	listener := flexsession.Listener{
		ClientCreated:          func(c *flexsession.FlexClient) { lives <- "client created" },
		ClientDestroyed:        func(c *flexsession.FlexClient, why flexsession.Cause) { lives <- "client destroyed: " + why.String() },
		MessageClientCreated:   func(s *flexsession.MessageClient) { lives <- "subscribed to " + s.Destination() },
		MessageClientDestroyed: func(s *flexsession.MessageClient, why flexsession.Cause) { lives <- "unsubscribed" },
	}
	s, err := server.New(server.Options{
		Channels:     []channel.ChannelDefinition{{ID: "websocket", Kind: channel.WebSocket, Path: "/websocket", ClientHeartbeat: 10 * time.Second}},
		Destinations: []channel.DestinationDefinition{{ID: "orders", AllowSubtopics: true, SubtopicSeparator: "."}},
		Listeners:    []server.Listener{{ID: "public", Addr: "127.0.0.1:0"}},
		FlexClient:   flexsession.Options{Listeners: []flexsession.Listener{listener}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := s.Start(); err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	defer s.Shutdown(ctx)

	// Somewhere else, a desk wants its orders.
	desk, err := client.New(client.Options{URL: "http://" + s.Addr("public").String()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer desk.Close()
	orders, err := desk.Subscribe(ctx, "orders", "desk.7")
	if err != nil {
		fmt.Println(err)
		return
	}

	// Here, the program finds it by a subtopic, and remembers when it came.
	for _, c := range s.Registry().Clients() {
		if err := c.SetAttribute("came", time.Now()); err != nil {
			fmt.Println(err)
			return
		}
		hello, bad := message.New("orders", []string{"desk.7"}, []byte(`"good morning"`), nil, "hello", time.Now())
		if bad != nil {
			fmt.Println(bad)
			return
		}
		c.Push(s.Broker().Destination("orders"), hello) // to this client alone; Broker().Publish is for all
	}
	m, err := orders.Next(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("the desk received", string(m.Body))

	for _, c := range s.Registry().Clients() {
		var came time.Time
		if known, err := c.Attribute("came", &came); err != nil || !known || time.Since(came) > time.Minute {
			continue
		}
		c.End(flexsession.Cause{Code: message.CodeAdministrator, Detail: "Desk 7 is closed today."})
	}
	<-desk.Done()
	var why *client.Error
	if errors.As(desk.Err(), &why) {
		fmt.Println("the desk was told:", why.Message, why.Kind)
	}
	for range 4 {
		fmt.Println(<-lives)
	}
	// Output:
	// the desk received "good morning"
	// the desk was told: An administrator ended this session or client. Desk 7 is closed today. removed
	// client created
	// subscribed to orders
	// unsubscribed
	// client destroyed: 4003 administrator: Desk 7 is closed today.
}
