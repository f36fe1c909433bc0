package config

import (
	"strings"

	"sluice/channel"
)

// class is what an endpoint class means here.
type class struct {
	name     string
	kind     channel.Kind // empty: nothing that could be served
	foreign  bool
	secure   bool // the URL must be https
	rtmp     bool // the URL names a protocol of its own
	endpoint string
}

// classes are the endpoint classes, by their name without package.
var classes = makeClasses()

func makeClasses() map[string]class {
	out := map[string]class{}
	add := func(name string, kind channel.Kind, foreign, secure, rtmp bool) {
		out[name] = class{name, kind, foreign, secure, rtmp, nativeNames[kind]}
	}
	for kind, name := range nativeNames {
		add(name, kind, false, false, false)
	}
	for _, secure := range []string{"", "Secure"} {
		for _, name := range []string{"AMF", "HTTP", "NIOAMF", "NIOHTTP"} {
			add(secure+name+"Endpoint", channel.LongPoll, true, secure != "", false)
			add(secure+"Streaming"+name+"Endpoint", channel.Streaming, true, secure != "", false)
		}
		add(secure+"RTMPEndpoint", channel.WebSocket, true, false, true)
		add(secure+"WebSocketNIOAMF", channel.WebSocket, true, false, false)
		add(secure+"WebSocketNIOAMFEndpoint", channel.WebSocket, true, false, false)
		add(secure+"AMFSocketEndpoint", "", true, false, false)
	}
	return out
}

var nativeNames = map[channel.Kind]string{
	channel.WebSocket: "WebSocketEndpoint",
	channel.Streaming: "StreamingEndpoint",
	channel.LongPoll:  "LongPollEndpoint",
}

// findClass looks a class up. Ours are bare names; a package of Adobe's is taken off, anyone else's means a class of their own.
func findClass(name string) (class, bool) {
	pkg, bare := "", name
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		pkg, bare = name[:i], name[i+1:]
	}
	c, ok := classes[bare]
	if pkg != "" && (!c.foreign || !strings.HasPrefix(pkg, "flex.")) {
		return class{}, false
	}
	return c, ok
}

// isForeign reports whether a channel-definition was written for BlazeDS or LCDS. A class nobody knows is foreign if it has a package.
func isForeign(n *node) bool {
	name := endpointClass(n)
	if c, ok := findClass(name); ok {
		return c.foreign
	}
	return strings.Contains(name, ".")
}

// endpointClass is the class as it stands there, before anything is checked.
func endpointClass(n *node) string {
	e := n.child("endpoint")
	if e == nil {
		return ""
	}
	name, _ := e.value("class")
	return name
}

// builtInUserAgents is the table of BlazeDS, which its endpoint classes start with.
func builtInUserAgents() []channel.UserAgent {
	return []channel.UserAgent{
		{MatchOn: "MSIE", KickstartBytes: 2048, MaxPersistentConnections: 5},
		{MatchOn: "MSIE 5", KickstartBytes: 2048, MaxPersistentConnections: 1},
		{MatchOn: "MSIE 6", KickstartBytes: 2048, MaxPersistentConnections: 1},
		{MatchOn: "MSIE 7", KickstartBytes: 2048, MaxPersistentConnections: 1},
		{MatchOn: "Firefox", MaxPersistentConnections: 5},
		{MatchOn: "Firefox/1", MaxPersistentConnections: 1},
		{MatchOn: "Firefox/2", MaxPersistentConnections: 1},
		{MatchOn: "Chrome", MaxPersistentConnections: 5},
		{MatchOn: "Safari", KickstartBytes: 512, MaxPersistentConnections: 3},
		{MatchOn: "Android", KickstartBytes: 4010, MaxPersistentConnections: 3},
		{MatchOn: "Opera", MaxPersistentConnections: 3},
		{MatchOn: "Opera 8", MaxPersistentConnections: 7},
		{MatchOn: "Opera/9.8", MaxPersistentConnections: 7},
	}
}
