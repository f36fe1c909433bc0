package config

import (
	"slices"
	"time"

	"sluice/channel"
)

// Which channels a setting has a meaning for.
var (
	onHTTP      = []channel.Kind{channel.Streaming, channel.LongPoll}
	onStreaming = []channel.Kind{channel.Streaming}
	onLongPoll  = []channel.Kind{channel.LongPoll}
	onWebSocket = []channel.Kind{channel.WebSocket}
)

// channelSettings is what stands around the properties.
func channelSettings() []Setting {
	ch := on[channelDraft]
	return slices.Concat(
		include(ScopeRoot, "channels", "channel-include", "channels"),
		within(ScopeChannel, "",
			Setting{Name: "id", Kind: ID, Required: true, From: blazeDS, Example: "other", Doc: "Name of the channel, which clients and destinations use.",
				set: ch(func(c *channelDraft, v Value) { c.ID = v.Text })},
			Setting{Name: "class", Kind: Class, Status: JavaOnly, Quiet: true, Instead: "the client takes its class from the endpoint's", From: blazeDS, Doc: "Client class of the channel."},
			Setting{Name: "server-only", Kind: Bool, Default: "false", From: blazeDS, Doc: "Browsers are not told of the channel.",
				set: ch(func(c *channelDraft, v Value) { c.ServerOnly = v.Bool })},
			Setting{Name: "remote", Kind: Bool, Default: "false", From: blazeDS, Doc: "The endpoint is another server's and not started here.",
				set: ch(func(c *channelDraft, v Value) { c.remote = v.Bool })},
			Setting{Name: "security-constraint", Kind: Ref, AttrOnly: true, From: blazeDS, Example: "users", Doc: "Shortcut for security/security-constraint/@ref.",
				set: ch(func(c *channelDraft, v Value) { c.constraint.ref = ref{v.Text, v.at} })},
			Setting{In: "endpoint", Name: "url", OldNames: []string{"uri"}, Kind: URL, Required: true, Strict: true, From: blazeDS, Example: "http://{server.name}:{server.port}/other",
				Doc: "Where clients find the endpoint. The client fills in {server.name} and {server.port}; the path is what the server listens for.",
				set: ch(func(c *channelDraft, v Value) { c.url = ref{v.Text, v.at} })},
			Setting{In: "endpoint", Name: "class", Kind: Class, Required: true, From: blazeDS, Example: "StreamingEndpoint",
				Doc: "WebSocketEndpoint, StreamingEndpoint, LongPollEndpoint, or a class of BlazeDS or LCDS, which is served by the nearest of these.",
				set: ch(func(c *channelDraft, v Value) { c.className = v.Text })},
			Setting{In: "server", Name: "ref", Kind: Ref, Strict: true, From: lcds, Example: "second", Doc: "The only server on which the channel is served; absent: every public one.",
				set: ch(func(c *channelDraft, v Value) { c.server = ref{v.Text, v.at} })},
			Setting{In: "security", Name: "security-constraint", Kind: Group, From: blazeDS, Doc: "Who may use the channel: a reference, or a constraint written here.",
				set: ch(func(c *channelDraft, v Value) { c.constraint.read(v) })},
		),
		constraintSettings(ScopeChannel, "security/security-constraint"),
	)
}

// endpointSettings is what this version makes of the properties.
func endpointSettings() []Setting {
	ch := on[channelDraft]
	dur := func(f func(*channelDraft) *time.Duration) func(any, Value) {
		return ch(func(c *channelDraft, v Value) { *f(c) = v.Dur })
	}
	num := func(f func(*channelDraft) *int) func(any, Value) {
		return ch(func(c *channelDraft, v Value) { *f(c) = v.Int })
	}
	return within(ScopeChannel, "properties",
		Setting{In: "allowed-origins", Name: "origin", Kind: Origin, List: true, Strict: true, From: sluice, Example: "https://app.example.com", Doc: "A foreign origin whose pages may use the channel; none: the same origin only; *: all.",
			set: ch(func(c *channelDraft, v Value) { c.AllowedOrigins = append(c.AllowedOrigins, v.Text) })},
		Setting{Name: "session-timeout-minutes", Kind: Minutes, Kinds: onHTTP, Default: "15", Zero: "never", From: lcds, Doc: "An HTTP session without activity for so long ends.",
			set: ch(func(c *channelDraft, v Value) { c.SessionTimeout = v.Dur })},
		Setting{Name: "invalidate-session-on-disconnect", Kind: Bool, Kinds: onHTTP, Default: "false", From: blazeDS, Doc: "A client's disconnect ends its HTTP session, and with it that of the other tabs.",
			set: ch(func(c *channelDraft, v Value) { c.InvalidateSessionOnDisconnect = v.Bool })},
		Setting{Name: "server-to-client-heartbeat-millis", Kind: Millis, Min: anyNegative, Default: "5000", Zero: "off", Negative: "off", Kinds: []channel.Kind{channel.WebSocket, channel.Streaming}, From: blazeDS,
			Doc: "After so long without a write the server sends a heartbeat: a null byte on a stream, a ping on a WebSocket.",
			set: ch(func(c *channelDraft, v Value) { c.ServerHeartbeat = max(0, v.Dur) })},
		Setting{Name: "heartbeat-interval-millis", Kind: Millis, Min: anyNegative, Zero: "off", Negative: "off", From: blazeDS, Example: "7000", Doc: "How often clients of this channel send a heartbeat; absent: what flex-client says.",
			set: ch(func(c *channelDraft, v Value) { d := max(0, v.Dur); c.clientHeartbeat = &d })},
		Setting{Name: "max-streaming-clients", Kind: Int, Kinds: onStreaming, Default: "10000", ForeignDefault: "10", Zero: "no stream is opened", From: blazeDS, Doc: "Open streams of this endpoint.",
			set: num(func(c *channelDraft) *int { return &c.MaxStreamingClients })},
		Setting{Name: "wait-interval-millis", Kind: Millis, Min: anyNegative, Kinds: onLongPoll, Default: "25000", ForeignDefault: "0", Zero: "polls are answered at once", Negative: "until something comes", From: blazeDS, Doc: "How long a poll is parked when there is nothing to send.",
			set: dur(func(c *channelDraft) *time.Duration { return &c.WaitInterval })},
		Setting{Name: "max-waiting-poll-requests", Kind: Int, Kinds: onLongPoll, Default: "10000", ForeignDefault: "0", Zero: "polls are answered at once", From: blazeDS, Doc: "Parked polls of this endpoint; further ones are answered at once.",
			set: num(func(c *channelDraft) *int { return &c.MaxWaitingPollRequests })},
		Setting{Name: "client-wait-interval-millis", Kind: Millis, Kinds: onLongPoll, Default: "1", ForeignDefault: "0", Zero: "as polling-interval-millis", From: blazeDS, Doc: "How long the client pauses after a poll that was parked; 1 is at once.",
			set: dur(func(c *channelDraft) *time.Duration { return &c.ClientWaitInterval })},
		Setting{Name: "polling-interval-millis", Kind: Millis, Min: anyNegative, Kinds: onLongPoll, Default: "3000", Zero: "polls again at once", Negative: "3000", From: blazeDS, Doc: "How long the client pauses after a poll that could not be parked; at least 3000 where there was no room for it.",
			set: ch(func(c *channelDraft, v Value) {
				if c.PollingInterval = v.Dur; v.Dur < 0 {
					c.PollingInterval = 3 * time.Second
				}
			})},
		Setting{Name: "polling-interval-seconds", Kind: Seconds, Kinds: onLongPoll, From: blazeDS, Example: "4", Doc: "Old form of polling-interval-millis, which it overrides.",
			set: ch(func(c *channelDraft, v Value) { c.oldPolling = &v.Dur })},
		Setting{In: "user-agent-settings", Name: "user-agent", Kind: Group, List: true, Kinds: onHTTP, From: blazeDS, Doc: "What browsers of that name need. BlazeDS classes start with its table of old browsers; ours with none.",
			set: ch((*channelDraft).userAgent)},
		Setting{In: "user-agent-settings/user-agent", Name: "match-on", Kind: Text, Kinds: onHTTP, Required: true, From: blazeDS, Example: "Chrome", Doc: "Part of the User-Agent; the longest that fits wins; * fits all.",
			set: on(func(u *channel.UserAgent, v Value) { u.MatchOn = v.Text })},
		Setting{In: "user-agent-settings/user-agent", Name: "kickstart-bytes", Kind: Bytes, Max: 1 << 20, Kinds: onHTTP, Default: "0", From: blazeDS, Example: "2048", Doc: "Padding written first on a stream, so that the browser begins to hand it over.",
			set: on(func(u *channel.UserAgent, v Value) { u.KickstartBytes = v.Int })},
		Setting{In: "user-agent-settings/user-agent", Name: "max-persistent-connections-per-session", OldNames: []string{"max-streaming-connections-per-session"}, Kind: Int, Min: anyNegative, Kinds: onHTTP,
			Default: "0", ForeignDefault: "5", Zero: "no limit", Negative: "no limit", From: blazeDS, Example: "3", Doc: "Streams and parked polls of one FlexSession, which all tabs of a browser share.",
			set: on(func(u *channel.UserAgent, v Value) { u.MaxPersistentConnections = max(0, v.Int) })},
		Setting{Name: "max-connections", Kind: Int, Min: 1, Kinds: onWebSocket, Default: "100000", From: sluice, Doc: "WebSockets of this endpoint.",
			set: num(func(c *channelDraft) *int { return &c.MaxConnections })},
		Setting{Name: "max-message-size-bytes", Kind: Bytes, Min: 256, Max: 1 << 30, Default: "262144", From: sluice, Doc: "The largest message a client may send.",
			set: num(func(c *channelDraft) *int { return &c.MaxMessageSize })},
		Setting{Name: "max-request-size-bytes", Kind: Bytes, Min: 256, Max: 1 << 30, Default: "1048576", From: sluice, Example: "2097152", Doc: "The largest frame or request body a client may send, which may hold several messages.",
			set: num(func(c *channelDraft) *int { return &c.MaxRequestSize })},
		Setting{Name: "write-timeout-millis", Kind: Millis, Min: 100, Default: "10000", From: sluice, Doc: "How long a socket may take nothing before it is closed.",
			set: dur(func(c *channelDraft) *time.Duration { return &c.WriteTimeout })},
		Setting{Name: "connect-timeout-seconds", Kind: Seconds, Default: "0", Zero: "the client's own default", From: blazeDS, Doc: "How long the client gives this channel before it tries the next.",
			set: dur(func(c *channelDraft) *time.Duration { return &c.ConnectTimeout })},
		Setting{Name: "request-timeout-seconds", Kind: Seconds, Default: "0", Zero: "for ever", From: blazeDS, Doc: "How long the client waits for a reply.",
			set: dur(func(c *channelDraft) *time.Duration { return &c.RequestTimeout })},
		Setting{In: "http-response-headers", Name: "header", Kind: Header, List: true, Strict: true, From: blazeDS, Example: "X-Robots-Tag: none", Doc: "A header of every HTTP answer of the endpoint, as \"Name: value\".",
			set: ch(func(c *channelDraft, v Value) {
				name, value, _ := splitHeader(v.Text)
				c.Headers = append(c.Headers, channel.Header{Name: name, Value: value})
			})},
		Setting{Name: "add-no-cache-headers", Kind: Bool, Default: "true", From: blazeDS, Doc: "Answers carry headers that forbid caching.",
			set: ch(func(c *channelDraft, v Value) { c.NoCacheHeaders = v.Bool })},
	)
}

// javaEndpointSettings is what others make of the properties.
func javaEndpointSettings() []Setting {
	props := func(rows ...Setting) []Setting { return within(ScopeChannel, "properties", rows...) }
	return slices.Concat(
		props(
			Setting{Name: "piggybacking-enabled", Kind: Bool, Default: "false", Status: NotServed, Harmless: []string{"false"}, From: blazeDS, Doc: "A poll rides on every message the client sends."},
			Setting{Name: "client-load-balancing", Kind: Opaque, Status: NotServed, Instead: "clients use the endpoint's url", From: blazeDS, Doc: "URLs of which the client picks one at random."},
			Setting{Name: "adaptive-frequency", Kind: Bool, Default: "false", Status: NotServed, Refused: true, Harmless: []string{"false"}, From: lcds, Doc: "Lets the server slow a client's messages down by its measured lag."},
			Setting{Name: "whitelist", Kind: Opaque, Status: NotServed, Refused: true, Instead: "let a firewall do it", From: lcds, Doc: "ip-address and ip-address-pattern of those who may connect."},
			Setting{Name: "blacklist", Kind: Opaque, Status: NotServed, Refused: true, Instead: "let a firewall do it", From: lcds, Doc: "ip-address and ip-address-pattern of those who may not."},
			Setting{Name: "polling-enabled", Kind: Bool, Status: JavaOnly, Quiet: true, Harmless: []string{"true"}, Instead: "a client polls while it has subscriptions", From: blazeDS, Doc: "The client polls this channel."},
			Setting{Name: "redirect-url", Kind: Text, Status: JavaOnly, Instead: "a request that is none of ours is answered with a code", From: blazeDS, Doc: "Where to send requests that are no messages."},
			Setting{Name: "session-rewriting-enabled", Kind: Bool, Status: JavaOnly, Harmless: []string{"false"}, Instead: "session ids are never put into URLs", From: blazeDS, Doc: "Session id in the URL for clients without cookies."},
		),
		props(javaOnly(blazeDS, "latency is among the metrics", Bool, "record-message-sizes", "record-message-times")...),
		props(javaOnly(lcds, "one listener serves all channels; see servers/server", Text, "bind-address", "port")...),
		props(javaOnly(lcds, goRuntime, Text, "accept-backlog", "max-worker-threads", "min-worker-threads", "idle-worker-timeout-seconds", "socket-tcp-no-delay-enabled", "socket-receive-buffer-size",
			"socket-send-buffer-size", "socket-linger-seconds", "websphere-workmanager-jndi-name", "connection-read-buffer-size", "connection-write-buffer-size")...),
		props(javaOnly(lcds, "RTMP channels are WebSocket channels here", Text, "rtmpt-poll-wait-millis-on-client", "rtmpt-encryption", "block-rtmpt-polling-clients", "block-rtmpt-connections", "rtmp-block-rtmpt-polling-clients")...),
		props(javaOnly(lcds, "see session-cookie-name of security", Text, "session-cookie-name")...),
		props(javaOnly(lcds, "see max-request-size-bytes", Text, "max-request-body-size", "max-request-line-size")...),
		props(javaOnly(lcds, "name origins in allowed-origins", Opaque, "allow-access-from", "cors")...),
		props(serializationSettings()...),
		queueProcessor(ScopeChannel, "properties"),
	)
}

func serializationSettings() []Setting {
	names := []string{"enable-small-messages", "instantiate-types", "ignore-property-errors", "log-property-errors", "include-read-only", "max-object-nest-level",
		"max-collection-nest-level", "prefer-vectors", "restore-references", "create-asobject-for-missing-type", "support-remote-class", "legacy-collection", "legacy-map", "legacy-xml",
		"legacy-xml-namespaces", "legacy-throwable", "legacy-big-numbers", "legacy-externalizable", "legacy-dictionary", "show-stacktraces", "type-marshaller", "custom-deserializer",
		"custom-serializer"}
	rows := javaOnly(blazeDS, jsonMessages, Text, names...)
	for _, name := range []string{"allow-xml", "allow-xml-doctype-declaration", "allow-xml-external-entity-expansion"} {
		since := "BlazeDS 4.7.1"
		if name == "allow-xml" {
			since = "BlazeDS 4.7.3"
		}
		rows = append(rows, Setting{Name: name, Kind: Bool, Status: JavaOnly, Harmless: []string{"false"}, Instead: "XML in messages is text", From: blazeDS, Since: since, Doc: "XML in AMF messages."})
	}
	return within(ScopeChannel, "serialization", rows...)
}
