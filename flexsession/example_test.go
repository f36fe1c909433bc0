package flexsession_test

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

// serve starts a server with one channel, and connects a client to it. Both are ended by stop.
func serve(kind channel.Kind, listeners ...flexsession.Listener) (s *server.Server, set *client.ChannelSet, stop func(), err error) {
	s, err = server.New(server.Options{
		Channels: []channel.ChannelDefinition{{
			ID: string(kind), Kind: kind, Path: "/" + string(kind), SessionTimeout: 15 * time.Minute,
			MaxWaitingPollRequests: 100, WaitInterval: 25 * time.Second,
		}},
		Destinations: []channel.DestinationDefinition{{ID: "chat"}},
		Listeners:    []server.Listener{{ID: "public", Addr: "127.0.0.1:0"}},
		FlexClient:   flexsession.Options{Listeners: listeners},
	})
	if err != nil {
		return nil, nil, nil, err
	}
	if err := s.Start(); err != nil {
		return nil, nil, nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	stop = func() {
		if set != nil {
			set.Close()
		}
		s.Shutdown(ctx)
		cancel()
	}
	set, err = client.New(client.Options{URL: "http://" + s.Addr("public").String()})
	if err == nil {
		err = set.Connect(ctx)
	}
	if err != nil {
		stop()
		return nil, nil, nil, err
	}
	return s, set, stop, nil
}

// Each session, client and subscription is created once and destroyed once, and the destruction has a cause.
func ExampleListener() {
	lives := make(chan string, 100) // they must not block
	_, set, stop, err := serve(channel.WebSocket, flexsession.Listener{
		SessionCreated:   func(s flexsession.Session) { lives <- "session created on " + s.Endpoint() },
		SessionDestroyed: func(s flexsession.Session, why flexsession.Cause) { lives <- "session destroyed: " + why.Code.String() },
		ClientCreated:    func(c *flexsession.FlexClient) { lives <- "client created" },
		ClientDestroyed: func(c *flexsession.FlexClient, why flexsession.Cause) {
			lives <- "client destroyed: " + why.Code.String()
		},
		MessageClientCreated: func(s *flexsession.MessageClient) { lives <- "subscribed to " + s.Destination() },
		MessageClientDestroyed: func(s *flexsession.MessageClient, why flexsession.Cause) {
			lives <- "unsubscribed: " + why.Code.String()
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	if _, err := set.Subscribe(context.Background(), "chat", ""); err != nil {
		fmt.Println(err)
		return
	}
	set.Close() // takes leave: a disconnect
	for range 6 {
		fmt.Println(<-lives)
	}
	// Output:
	// session created on websocket
	// client created
	// subscribed to chat
	// unsubscribed: client-disconnect
	// client destroyed: client-disconnect
	// session destroyed: client-disconnect
}

// What a program remembers with a session is there for as long as the session, for all clients of a browser and on all its HTTP channels. Invalidate ends the session, and the clients are told why.
func ExampleSession() {
	sessions := make(chan flexsession.Session, 100)
	_, set, stop, err := serve(channel.LongPoll, flexsession.Listener{SessionCreated: func(s flexsession.Session) { sessions <- s }})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	session := <-sessions
	if err := session.SetAttribute("cart", map[string]int{"items": 3}); err != nil { // with a file store it is on disk now
		fmt.Println(err)
		return
	}
	var cart struct{ Items int }
	found, err := session.Attribute("cart", &cart)
	fmt.Println(session.Kind(), session.AttributeNames(), found, err, cart.Items)

	session.Invalidate(flexsession.Cause{Code: message.CodeAdministrator, Detail: "The shop closes."})
	<-set.Done()
	if why := new(client.Error); errors.As(set.Err(), &why) {
		fmt.Println(why.Message, len(session.Clients()))
	}
	// Output:
	// longpoll [cart] true <nil> 3
	// An administrator ended this session or client. The shop closes. 0
}
