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
