package main

import (
	"fmt"
	"strings"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/endpoint/endpointtest"
)

// lifeProbes are of how long a peer is believed to be there, and how long a client may be away.
func lifeProbes() []probe {
	const sv, ch, fc = "servers/server/properties/", "channels/channel-definition/properties/", "flex-client/"
	const reconnect, deadPeer, grace, idle = "reliable-reconnect-duration-millis", "dead-peer-timeout-millis", "reload-grace-millis", "connection-idle-timeout-minutes"
	set := func(mark, name, value string) page {
		return page{mark: fmt.Sprintf("<%s>%s</%s>", name, value, name)}
	}
	held := set("http-properties", "session-timeout-minutes", "0").and(set("longpoll-properties", "wait-interval-millis", "-1"))
	const lcds = "0s connection-lost, 15m0s session-timeout, 15m0s session-timeout"
	const unanswered = "20s missed-heartbeats, 20s missed-heartbeats, 20s missed-heartbeats; ping: missed-pong after 25s"
	const nothing = "nothing, nothing, nothing"
	all := func(text string) string { return text + ", " + text + ", " + text }
	return []probe{
		{setting: fc + reconnect, add: set("flex-client", reconnect, "15000"), see: vanished, want: seen(lcds, all("15s client-vanished"))},
		{setting: ch + reconnect, add: set("streaming-properties", reconnect, "5000"), see: vanished, want: seen(lcds, "0s connection-lost, 5s client-vanished, 15m0s session-timeout")},
		{setting: ch + reconnect, common: set("flex-client", reconnect, "15000"), add: set("websocket-properties", reconnect, "0").and(set("longpoll-properties", reconnect, "7000")),
			see: vanished, want: seen(all("15s client-vanished"), "0s connection-lost, 15s client-vanished, 7s client-vanished")},
		{setting: fc + "timeout-minutes", add: set("flex-client", "timeout-minutes", "2.5"),
			see: vanished, want: seen(lcds, "2m30s client-timeout, 17m30s client-timeout, 17m30s client-timeout")},

		{setting: fc + deadPeer, common: held, add: set("flex-client", deadPeer, "8000"), see: silent, want: seen(unanswered, all("8s missed-heartbeats")+"; ping: missed-pong after 13s")},
		{setting: fc + deadPeer, common: held, add: set("flex-client", deadPeer, "0"), see: silent, want: seen(unanswered, nothing+"; ping: nothing")},
		{setting: fc + deadPeer, common: held, add: set("flex-client", deadPeer, "-1"), see: silent, want: seen(unanswered, nothing+"; ping: nothing")},
		{setting: ch + deadPeer, common: held.and(set("flex-client", deadPeer, "8000")), add: set("websocket-properties", deadPeer, "5000").and(set("streaming-properties", deadPeer, "0")).and(set("longpoll-properties", deadPeer, "-1")),
			see: silent, want: seen(all("8s missed-heartbeats")+"; ping: missed-pong after 13s", "5s missed-heartbeats, nothing, nothing; ping: missed-pong after 10s")},

		{setting: fc + grace, add: set("flex-client", grace, "6000"), see: left, want: seen(all("3s client-detached"), all("6s client-detached"))},
		{setting: fc + grace, add: set("flex-client", grace, "0"), see: left, want: seen(all("3s client-detached"), all("0s client-detached"))},
		{setting: ch + grace, common: set("flex-client", grace, "6000"), add: set("websocket-properties", grace, "0").and(set("streaming-properties", grace, "9000")),
			see: left, want: seen(all("6s client-detached"), "0s client-detached, 9s client-detached, 6s client-detached")},

		{setting: sv + idle, common: held, add: set("server", idle, "20"), see: idles, want: seen(nothing, all("20m0s idle-timeout"))},
		{setting: ch + idle, common: held, add: set("all-properties", idle, "0.5"), see: idles, want: seen(nothing, all("30s idle-timeout"))},
		{setting: ch + idle, common: held.and(set("server", idle, "20")), add: set("websocket-properties", idle, "0").and(set("streaming-properties", idle, "-1")).and(set("longpoll-properties", idle, "30")),
			see: idles, want: seen(all("20m0s idle-timeout"), "nothing, nothing, 30m0s idle-timeout")},

		{setting: ch + "invalidate-messageclient-on-streaming-close", add: set("streaming-properties", "invalidate-messageclient-on-streaming-close", "true"),
			see: subscribedAfterwards, want: seen("1 subscriptions", "0 subscriptions")},
		{setting: ch + "login-after-disconnect", add: set("streaming-properties", "login-after-disconnect", "false"),
			see: configured("loginAfterDisconnect"), want: seen("websocket: true, streaming: true, longpoll: true", "websocket: true, streaming: false, longpoll: true")},
		{setting: "services/service/destination/properties/network/subscription-timeout-minutes", add: page{"plain": "<properties><network><subscription-timeout-minutes>1.5</subscription-timeout-minutes></network></properties>"},
			see: subscribedFor, want: seen("nothing", "1m30s subscription-timeout subscription-timeout-minutes=1.5")},
	}
}

// each does something to a client of each kind of channel, and puts side by side what is seen of it.
func each(w *world, see func(c *endpointtest.Client) string) string {
	return times(len(endpointtest.Kinds), func(i int) string {
		c := w.Connect(endpointtest.Kinds[i])
		synctest.Wait() // the first poll is held
		return see(c)
	})
}

// vanished says when clients end that lose their connection, and why.
func vanished(w *world) string {
	return each(w, func(c *endpointtest.Client) string { c.Vanish(); return w.lives(c) })
}

// left says when clients end whose page is left.
func left(w *world) string {
	return each(w, func(c *endpointtest.Client) string {
		c.Send(`{"type":"control","operation":"detach"}`)
		return w.lives(c)
	})
}

// lives is how many whole seconds c lives, and why it ends.
func (w *world) lives(c *endpointtest.Client) string {
	began := time.Now()
	time.Sleep(500 * time.Millisecond) // it ends soon after a whole second
	for ; time.Since(began) < patience; time.Sleep(time.Second) {
		if ended, _ := w.api("GET", "/clients/"+c.ID, "")["ended"].(map[string]any); ended != nil {
			return fmt.Sprint(time.Since(began).Truncate(time.Second), " ", ended["name"])
		}
	}
	return "it lives on"
}

// patience is how long a probe waits for what may not come.
const patience = 50 * time.Minute

// told is what a client is told next, and when.
func told(c *endpointtest.Client, say func(endpointtest.Line) string) string {
	began := time.Now()
	select {
	case line := <-c.Pushed():
		return fmt.Sprint(time.Since(began).Truncate(500*time.Millisecond), " ", say(line))
	case <-time.After(patience):
		return "nothing"
	}
}

func name(line endpointtest.Line) string { return line.Text("name") }

// silent says when clients are told that the heartbeats they promised have not come, and when one that it has left a ping unanswered.
func silent(w *world) string {
	text := each(w, func(c *endpointtest.Client) string {
		c.Ask(strings.Replace(pingLine, `"messageId"`, `"heartbeat":1000,"messageId"`, 1), "h")
		return told(c, name)
	})
	mute := w.Connect(channel.WebSocket)
	mute.Mute.Store(true)
	when, what, _ := strings.Cut(told(mute, name), " ")
	if what == "" {
		return text + "; ping: " + when
	}
	return text + "; ping: " + what + " after " + when
}

// idles says when clients that say nothing are told so.
func idles(w *world) string {
	return each(w, func(c *endpointtest.Client) string { return told(c, name) })
}

// subscribedAfterwards says what of a client's subscriptions is left after its stream.
func subscribedAfterwards(w *world) string {
	c := w.Connect(channel.Streaming)
	c.Subscribe("plain", "")
	w.post("/streaming?command=close&streamId="+c.StreamID, "", c.Auth()...)
	c.WantEnd(4013)
	return fmt.Sprint(w.api("GET", "/clients/"+c.ID, "")["subscriptions"], " subscriptions")
}

// subscribedFor says when a subscription ends to which nothing is sent.
func subscribedFor(w *world) string {
	c := w.Connect(channel.WebSocket)
	c.Subscribe("plain", "")
	return told(c, says)
}
