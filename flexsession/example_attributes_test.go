package flexsession_test

import (
	"errors"
	"fmt"

	"sluice/channel"
	"sluice/flexsession"
	"sluice/heartbeat"
)

// A program remembers something with a client, and reads it where it hears of the client's end. Sessions have the same methods.
func ExampleAttributes() {
	registry := flexsession.NewRegistry(flexsession.Options{
		Wheel: heartbeat.New(heartbeat.Options{}),
		Listeners: []flexsession.Listener{{
			ClientDestroyed: func(c *flexsession.FlexClient, cause flexsession.Cause) {
				var cart []string
				if left, err := c.Attribute("cart", &cart); left && err == nil {
					fmt.Println(cause.Code.Info().Name, "with", cart)
				}
			},
		}},
	})
	def := &channel.ChannelDefinition{ID: "websocket", Kind: channel.WebSocket}
	client, _, refused := registry.NewClient(def, flexsession.Peer{}, nil, false)
	if refused != nil {
		return
	}
	fmt.Println(client.SetAttribute("cart", []string{"tea", "milk"}))
	err := client.SetAttribute("essay", make([]byte, 10000))
	fmt.Println(errors.Is(err, flexsession.ErrAttributeLimit))
	client.End(flexsession.Because(4000))
	// Output:
	// <nil>
	// true
	// client-disconnect with [tea milk]
}
