package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"sluice/channel"
	"sluice/endpoint/endpointtest"
)

// timeProbes are of what happens after a time. In a bubble an hour passes in no time.
func timeProbes() []probe {
	const sv, ch, fc = "servers/server/properties/", "channels/channel-definition/properties/", "flex-client/"
	noHold := page{"longpoll-properties": "<wait-interval-millis>0</wait-interval-millis>"}
	return []probe{
		{setting: sv + "read-header-timeout-millis", add: page{"server": "<read-header-timeout-millis>2000</read-header-timeout-millis>"},
			see: func(w *world) string {
				c := w.Raw()
				c.Send("GET /config.json HTT")
				return took(c.WantClosed)
			},
			want: seen("10s", "2s")},
		{setting: sv + "request-body-timeout-millis", common: page{"websocket-properties": "<dead-peer-timeout-millis>0</dead-peer-timeout-millis>"}, // the raw socket answers no pings
			add:  page{"server": "<request-body-timeout-millis>2000</request-body-timeout-millis>"},
			see:  func(w *world) string { return halfBody(w) + "; " + halfFrame(w) },
			want: seen("30s 408 request-timeout request-body-timeout-millis=30000; 30s", "2s 408 request-timeout request-body-timeout-millis=2000; 2s")},
		{setting: sv + "handshake-timeout-millis", add: page{"server": "<handshake-timeout-millis>2000</handshake-timeout-millis>"},
			see: func(w *world) string {
				c := w.RawSocket()
				var last endpointtest.Line
				return took(func() { last = c.NextLine() }) + " " + says(last)
			},
			want: seen("10s handshake-timeout handshake-timeout-millis", "2s handshake-timeout handshake-timeout-millis")},
		{setting: sv + "shutdown-timeout-millis", add: page{"server": "<shutdown-timeout-millis>2000</shutdown-timeout-millis>"}, see: shutdown, want: seen("10s", "2s")},
		{setting: sv + "shutdown-timeout-millis", add: page{"server": "<shutdown-timeout-millis>0</shutdown-timeout-millis>"}, see: shutdown, want: seen("10s", "0s")},
		{setting: sv + "session-timeout-minutes", add: page{"server": "<session-timeout-minutes>1.5</session-timeout-minutes>"},
			see: idle, want: seen("15m0s session-timeout session-timeout-minutes=15", "1m30s session-timeout session-timeout-minutes=1.5")},

		{setting: ch + "session-timeout-minutes", add: page{"http-properties": "<session-timeout-minutes>1.5</session-timeout-minutes>"},
			see: idle, want: seen("15m0s session-timeout session-timeout-minutes=15", "1m30s session-timeout session-timeout-minutes=1.5")},
		{setting: ch + "session-timeout-minutes", common: page{"server": "<session-timeout-minutes>7</session-timeout-minutes>"},
			add: page{"http-properties": "<session-timeout-minutes>1.5</session-timeout-minutes>"},
			see: idle, want: seen("7m0s session-timeout session-timeout-minutes=7", "1m30s session-timeout session-timeout-minutes=1.5")},
		{setting: ch + "session-timeout-minutes", add: page{"http-properties": "<session-timeout-minutes>0</session-timeout-minutes>"},
			see: func(w *world) string {
				_, auth := w.welcome("/longpoll")
				time.Sleep(1000 * time.Hour)
				return w.post("/longpoll", pingLine, auth...)
			},
			want: seen("401 session-timeout session-timeout-minutes=15", "ok")},
		{setting: ch + "server-to-client-heartbeat-millis", add: heartbeat("2000"), see: beats, want: seen("websocket 2, streaming 2", "websocket 5, streaming 5")},
		{setting: ch + "server-to-client-heartbeat-millis", add: heartbeat("0"), see: beats, want: seen("websocket 2, streaming 2", "websocket 0, streaming 0")},
		{setting: ch + "server-to-client-heartbeat-millis", add: heartbeat("-1"), see: beats, want: seen("websocket 2, streaming 2", "websocket 0, streaming 0")},
		{setting: ch + "write-timeout-millis", add: page{"all-properties": "<write-timeout-millis>3000</write-timeout-millis>"},
			see: func(w *world) string {
				return "websocket " + stuck(w, socketReader) + ", streaming " + stuck(w, streamReader)
			},
			want: seen("websocket 11s, streaming 11s", "websocket 4s, streaming 4s")},

		{setting: ch + "wait-interval-millis", add: page{"longpoll-properties": "<wait-interval-millis>5000</wait-interval-millis>"}, see: polls(1), want: seen("25s ok 1", "5s ok 1")},
		{setting: ch + "wait-interval-millis", add: noHold, see: polls(1), want: seen("25s ok 1", "0s ok 3000")},
		{setting: ch + "wait-interval-millis", add: page{"longpoll-properties": "<wait-interval-millis>-1</wait-interval-millis>"},
			see: func(w *world) string {
				_, auth := w.welcome("/longpoll")
				w.post("/longpoll", subscribeLine("plain", ""), auth...)
				w.post("/longpoll", pollLine(1), auth...) // of the subscription-state
				answer := make(chan string, 1)
				go func() {
					answer <- took(func() { w.Post("/longpoll", strings.Replace(pollLine(2), `"have":0`, `"have":1`, 1), auth...) })
				}()
				time.Sleep(10 * time.Minute)
				w.post("/longpoll/plain", "1")
				return <-answer
			},
			want: seen("25s", "10m0s")},
		{setting: ch + "client-wait-interval-millis", add: page{"longpoll-properties": "<client-wait-interval-millis>500</client-wait-interval-millis>"}, see: polls(1), want: seen("25s ok 1", "25s ok 500")},
		{setting: ch + "client-wait-interval-millis", add: page{"longpoll-properties": "<client-wait-interval-millis>0</client-wait-interval-millis>"}, see: polls(1), want: seen("25s ok 1", "25s ok 3000")},
		{setting: ch + "polling-interval-millis", common: noHold, add: page{"longpoll-properties": "<polling-interval-millis>4000</polling-interval-millis>"}, see: polls(1), want: seen("0s ok 3000", "0s ok 4000")},
		{setting: ch + "polling-interval-millis", common: noHold, add: page{"longpoll-properties": "<polling-interval-millis>0</polling-interval-millis>"}, see: polls(1), want: seen("0s ok 3000", "0s ok 0")},
		{setting: ch + "polling-interval-seconds", common: noHold, add: page{"longpoll-properties": "<polling-interval-seconds>4.5</polling-interval-seconds>"}, see: polls(1), want: seen("0s ok 3000", "0s ok 4500")},
	}
}

func heartbeat(millis string) page {
	text := "<server-to-client-heartbeat-millis>" + millis + "</server-to-client-heartbeat-millis>"
	return page{"websocket-properties": text, "streaming-properties": text}
}

// beats counts the heartbeats of eleven seconds.
func beats(w *world) string {
	socket, stream := w.Connect(channel.WebSocket), w.Connect(channel.Streaming)
	time.Sleep(11 * time.Second)
	return fmt.Sprintf("websocket %d, streaming %d", socket.Heartbeats(), stream.Heartbeats())
}

// halfBody sends half a body, and says when it is answered and how.
func halfBody(w *world) string {
	c := w.Raw()
	c.Send("POST /longpoll HTTP/1.1\r\nHost: sluice.test\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"type\"")
	var resp *http.Response
	return took(func() { resp = c.Head() }) + " " + answered(resp)
}

// halfFrame sends half a frame on the socket of a client, and says when the socket is closed.
func halfFrame(w *world) string {
	c := w.RawSocket()
	c.Frame(endpointtest.Fin|endpointtest.Text, connectLine)
	c.NextLine()
	c.Send(endpointtest.FrameHead(endpointtest.Fin|endpointtest.Text, 100) + "{")
	return took(func() {
		for line := c.NextLine(); line.Text("operation") != "disconnect"; line = c.NextLine() {
			continue
		}
	})
}

// shutdown says how long the end of the server takes while half a body is on its way.
func shutdown(w *world) string {
	c := w.Raw()
	c.Send("POST /longpoll HTTP/1.1\r\nHost: sluice.test\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	time.Sleep(time.Second)
	return took(w.stop)
}

// idle says when a client that streams and says nothing is ended, and how.
func idle(w *world) string {
	c := w.Connect(channel.Streaming)
	var last endpointtest.Line
	return took(func() { last = c.Next() }) + " " + says(last)
}

// stuck floods the connection of a client that stops reading, and says how long the client lives on, looking once a second.
func stuck(w *world, open func(w *world) *endpointtest.Raw) string {
	c := open(w)
	c.Freeze()
	body := fmt.Sprintf("%q", strings.Repeat("x", 200_000))
	for range 2 {
		w.post("/longpoll/plain", body)
	}
	return took(func() {
		for len(w.api("GET", "/clients?limit=1", "")["items"].([]any)) > 0 {
			time.Sleep(time.Second)
		}
		c.Thaw()
	})
}

// socketReader is a client with a subscription, on a WebSocket.
func socketReader(w *world) *endpointtest.Raw {
	c := w.RawSocket()
	c.Frame(endpointtest.Fin|endpointtest.Text, strings.Replace(connectLine, `}}`, `},"attach":1}`, 1)+subscribeLine("plain", ""))
	for {
		_, payload, over := c.NextFrame()
		switch {
		case strings.Contains(payload, "subscription-state"):
			return c
		case over || strings.Contains(payload, `"type":"error"`):
			w.t.Fatalf("no subscription: %s", payload)
		}
	}
}

// streamReader is one behind a GET.
func streamReader(w *world) *endpointtest.Raw {
	c := w.Raw()
	c.Request("GET", "/streaming/plain", "")
	resp := c.Head()
	if _, err := io.ReadAtLeast(resp.Body, make([]byte, 1024), 20); err != nil {
		w.t.Fatal(err)
	}
	return c
}
