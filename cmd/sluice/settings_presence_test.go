package main

import (
	"fmt"
	"time"

	"sluice/channel"
	"sluice/endpoint/endpointtest"
)

// presenceProbes are of who is told who is subscribed.
func presenceProbes() []probe {
	const de = "services/service/destination/properties/server/"
	on := func(more string) page { return page{"chat-server": "<presence>true</presence>" + more} }
	return []probe{
		{setting: de + "presence", add: on(""), see: membersOfTwo, want: seen("presence-not-kept presence=false", "2 of 2")},
		{setting: de + "max-presence-members", common: on(""), instead: on("<max-presence-members>1</max-presence-members>"), see: membersOfTwo, want: seen("2 of 2", "1 of 2")},
		{setting: de + "presence-interval-millis", common: on(""), instead: on("<presence-interval-millis>8000</presence-interval-millis>"), see: secondJoin, want: seen("1s", "8s")},
	}
}

// membersOfTwo lets two clients subscribe and asks for them.
func membersOfTwo(w *world) string {
	c, other := w.Connect(channel.WebSocket), w.Connect(channel.WebSocket)
	for _, c := range []*endpointtest.Client{c, other} {
		c.Subscribe("chat", "")
	}
	reply := c.Do("command", `"operation":"presence","destination":"chat"`)
	answer, ok := reply["body"].(map[string]any)
	if !ok {
		return says(reply)
	}
	return fmt.Sprintf("%d of %v", len(answer["members"].([]any)), answer["count"])
}

// secondJoin is when one who watches is told of a client that comes right after itself.
func secondJoin(w *world) string {
	c, other := w.Connect(channel.WebSocket), w.Connect(channel.WebSocket)
	c.Do("command", `"operation":"subscribe","destination":"chat","headers":{"DSPresence":true}`)
	c.Next()
	c.Next()
	other.Subscribe("chat", "")
	began := time.Now()
	c.Next()
	return time.Since(began).Round(time.Second).String()
}
