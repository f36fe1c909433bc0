// Package client is the Go client of Sluice: what a service imports to publish, to subscribe, or both.
//
// A [ChannelSet] is one client of the server. It holds an ordered list of channels (WebSocket, HTTP streaming, long-poll), uses the first
// that works, and comes back by itself when a connection is lost. It connects with its first call; [ChannelSet.Connect] is for those who
// want to know whether that works before they begin. All three carry the protocol of docs/protocol.md.
//
//	set, err := client.New(client.Options{URL: "https://push.example.com"})
//	if err != nil { … }
//	defer set.Close()
//	news, err := set.Subscribe(ctx, "news", "sport.*")
//	if err != nil { … }
//	for m := range news.Messages(ctx) { … }
//
// What it promises:
//
//   - Order. Messages of one destination arrive in the order the server gave them; what is published and subscribed here runs in the
//     order of the calls.
//   - Nothing is dropped here. What the application has not taken stays unconfirmed, and the server sends no more than its window. So a slow
//     application slows its own client down (all its consumers: there is one count for them), and the server's policy for slow consumers
//     decides about the rest. Calls and replies go on meanwhile: a callback may publish and wait.
//   - Once. While the server keeps the client, a lost connection loses and doubles nothing in either direction. When the server has ended it,
//     the ChannelSet becomes a new client: it logs in and subscribes again, [Event.Resumed] is false, and calls whose outcome is unknown
//     fail with [ErrInDoubt]. A WebSocket that is lost ends its client, unless the server keeps clients for a while.
//   - Bounds. At most Options.MaxOpen calls are open; one more waits. Every wait has a context or a limit.
//   - Endings. When the server says not to come back, or Close, Logout or Disconnect is called, the set has ended: consumers end, calls
//     fail, [ChannelSet.Err] says why. One ChannelSet has one life; make a new one to begin again.
//
// All methods may be called by any number of goroutines.
package client
