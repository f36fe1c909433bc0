package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"sluice/endpoint/endpointtest"
)

// toldProbes are of what clients are told, for them to act on, and of the headers of answers.
func toldProbes() []probe {
	const ch, fc = "channels/channel-definition/properties/", "flex-client/"
	const agent = ch + "user-agent-settings/user-agent"
	agents := func(inside string) page {
		return page{"http-properties": "<user-agent-settings>" + inside + "</user-agent-settings>"}
	}
	return []probe{
		{setting: fc + "heartbeat-interval-millis", add: page{"flex-client": "<heartbeat-interval-millis>9000</heartbeat-interval-millis>"},
			see: welcomed("heartbeatIntervalMillis"), want: seen("0 0 0", "9000 9000 9000")},
		{setting: ch + "heartbeat-interval-millis", common: page{"flex-client": "<heartbeat-interval-millis>9000</heartbeat-interval-millis>"},
			add: page{"websocket-properties": "<heartbeat-interval-millis>5000</heartbeat-interval-millis>", "streaming-properties": "<heartbeat-interval-millis>7000</heartbeat-interval-millis>", "longpoll-properties": "<heartbeat-interval-millis>-1</heartbeat-interval-millis>"},
			see: welcomed("heartbeatIntervalMillis"), want: seen("9000 9000 9000", "5000 7000 0")},
		{setting: fc + "confirm-interval-millis", add: page{"flex-client": "<confirm-interval-millis>700</confirm-interval-millis>"},
			see: welcomed("confirmIntervalMillis"), want: seen("5000 5000 5000", "700 700 700")},
		{setting: ch + "connect-timeout-seconds", add: page{"all-properties": "<connect-timeout-seconds>1.5</connect-timeout-seconds>"},
			see: configured("connectTimeoutMillis"), want: seen("websocket: <nil>, streaming: <nil>, longpoll: <nil>", "websocket: 1500, streaming: 1500, longpoll: 1500")},
		{setting: ch + "request-timeout-seconds", add: page{"all-properties": "<request-timeout-seconds>30</request-timeout-seconds>"},
			see: configured("requestTimeoutMillis"), want: seen("websocket: <nil>, streaming: <nil>, longpoll: <nil>", "websocket: 30000, streaming: 30000, longpoll: 30000")},

		{setting: ch + "http-response-headers/header",
			add: page{"all-properties": "<http-response-headers><header>X-Robots-Tag: none</header><header>X-Robots-Tag: noarchive</header><header>Cache-Control: private</header></http-response-headers>"},
			see: func(w *world) string { return header(w, "X-Robots-Tag") + "; " + header(w, "Cache-Control") },
			want: seen(`"" "" "" "" ""; "no-store, no-transform" "no-store, no-transform" "no-store, no-transform" "" "no-store, no-transform"`,
				strings.TrimSpace(strings.Repeat(`"none, noarchive" `, 5))+"; "+strings.TrimSpace(strings.Repeat(`"private" `, 5)))},
		{setting: ch + "add-no-cache-headers", add: page{"http-properties": "<add-no-cache-headers>false</add-no-cache-headers>"},
			see:  func(w *world) string { return header(w, "Cache-Control") },
			want: seen(`"no-store, no-transform" "no-store, no-transform" "no-store, no-transform" "" "no-store, no-transform"`, `"" "" "" "" ""`)},

		{setting: agent, add: agents(`<user-agent match-on="Firefox" kickstart-bytes="100"/>`), see: padding("Firefox/140"), want: seen("0 bytes", "100 bytes")},
		{setting: agent + "/match-on", common: agents(`<user-agent match-on="*" kickstart-bytes="100"/>`),
			instead: agents(`<user-agent match-on="*" kickstart-bytes="100"/><user-agent match-on="Firefox/14" kickstart-bytes="300"/><user-agent match-on="Firefox" kickstart-bytes="200"/>`),
			see:     padding("Firefox/140"), want: seen("100 bytes", "300 bytes")},
		{setting: agent + "/kickstart-bytes", common: agents(`<user-agent match-on="Firefox"/>`),
			instead: agents(`<user-agent match-on="Firefox" kickstart-bytes="100"/>`), see: padding("Firefox/140"), want: seen("0 bytes", "100 bytes")},
		{setting: agent + "/max-persistent-connections-per-session", add: agents(`<user-agent match-on="Firefox" max-persistent-connections-per-session="2"/>`),
			see: tabs, want: seen("a stream, a stream, a stream; 25s ok 1", "a stream, a stream, 503 limit-session-connections max-persistent-connections-per-session=2; 0s limit-session-connections 3000")},
		{setting: agent + "/max-persistent-connections-per-session", add: agents(`<user-agent match-on="Firefox" max-streaming-connections-per-session="2"/>`),
			see: tabs, want: seen("a stream, a stream, a stream; 25s ok 1", "a stream, a stream, 503 limit-session-connections max-persistent-connections-per-session=2; 0s limit-session-connections 3000")},
	}
}

// welcomed says what a client of each kind of channel is told when it connects.
func welcomed(name string) func(w *world) string {
	return func(w *world) string {
		c := w.RawSocket()
		c.Frame(endpointtest.Fin|endpointtest.Text, connectLine)
		return fmt.Sprint(c.NextLine()["body"].(map[string]any)[name], " ", w.told("/streaming", name), " ", w.told("/longpoll", name))
	}
}

// config is /config.json.
func (w *world) config() (config struct {
	Channels     []map[string]any
	Destinations []struct {
		ID       string
		Channels []string
	}
	DefaultChannels []string
}) {
	w.t.Helper()
	resp := w.do("GET", "/config.json", "")
	if err := json.NewDecoder(resp.Body).Decode(&config); err != nil {
		w.t.Fatal(err)
	}
	return config
}

// configured says what clients are told of each channel under name.
func configured(name string) func(w *world) string {
	return func(w *world) string {
		var all []string
		for _, c := range w.config().Channels {
			all = append(all, fmt.Sprintf("%v: %v", c["id"], c[name]))
		}
		return strings.Join(all, ", ")
	}
}

// header says what it is in an answer to a request, of a stream, of a poll that is refused, of a handshake, and in one to a foreign page.
func header(w *world, name string) string {
	_, auth := w.welcome("/streaming")
	socket := w.Raw()
	socket.Request("GET", "/websocket", "", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
	var all []string
	for _, resp := range []*http.Response{
		w.do("POST", "/longpoll", connectLine),
		w.do("POST", "/streaming?command=open", "", auth...),
		w.do("POST", "/longpoll", pingLine),
		socket.Head(),
		w.do("POST", "/longpoll", connectLine, "Origin", "https://elsewhere.example"),
	} {
		all = append(all, fmt.Sprintf("%q", strings.Join(resp.Header.Values(name), ", ")))
	}
	return strings.Join(all, " ")
}

// padding counts the NULs with which a stream begins.
func padding(agent string) func(w *world) string {
	return func(w *world) string {
		resp := w.do("GET", "/streaming/plain", "", "User-Agent", agent)
		first := make([]byte, 4096)
		n, err := resp.Body.Read(first)
		if err != nil {
			w.t.Fatal(err)
		}
		return fmt.Sprintf("%d bytes", n-len(strings.TrimLeft(string(first[:n]), "\x00")))
	}
}

// tabs opens streams of a browser's tabs, which share a session, and a poll of one more.
func tabs(w *world) string {
	_, auth := w.welcome("/streaming", "User-Agent", "Firefox/140")
	tab := func(path string) []string {
		_, own := w.welcome(path, "User-Agent", "Firefox/140", "Cookie", auth[3])
		return []string{own[0], own[1], "Cookie", auth[3], "User-Agent", "Firefox/140"}
	}
	return times(3, func(int) string { return w.post("/streaming?command=open", "", tab("/streaming")...) }) + "; " + poll(w, "/longpoll", tab("/longpoll"))
}
