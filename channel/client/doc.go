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
//   - Once. A lost connection, whatever the channel, loses and doubles nothing in either direction while the server keeps the client
//     (reliable-reconnect-duration-millis; 0: no longer than its WebSocket). The set comes back on whichever channel works, goes on where it was, and
//     repeats what was not answered. When the server has ended the client, the set becomes a new one: it logs in and subscribes again, [Event.Resumed]
//     is false, and only then do calls whose outcome is unknown fail with [ErrInDoubt].
//   - The best channel. After a fallback the set goes back by itself to a better one, once that has proved itself ([Moved]), without an interruption; [ChannelSet.MoveTo] does it on request.
//   - The past. On a destination with history a [Consumer] keeps its position by itself, and goes on behind it also with a new client: still nothing is lost or doubled. It can begin in the past
//     ([ConsumerOptions].From), and store its position to go on in another life of the program. What is gone all the same is told where it is missing, as [Loss].
//   - Life. Its heartbeats keep the session alive, and a server that has gone without a word is found: one that leaves a heartbeat unanswered for
//     dead-peer-timeout-millis, or a stream or WebSocket silent for that long beyond server-to-client-heartbeat-millis, or a poll unanswered for that long
//     beyond 30 s. After a sleep of the machine there is one reconnect.
//   - Bounds. At most Options.MaxOpen calls are open; one more waits. Every wait has a context or a limit.
//   - Endings. Each has a cause ([Event.Cause]): a code, a sentence, the incident by which the server's log knows it, and a Kind that tells "timed out" from
//     "the server goes down" from "the server has vanished". When the server says not to come back, or Close, Logout or Disconnect is called, the
//     set has ended: consumers end, calls fail, [ChannelSet.Err] says why. After anything else it comes back, not before the server wants it, and not
//     at the same moment as all others. One ChannelSet has one life; make a new one to begin again.
//
// All methods may be called by any number of goroutines.
package client
