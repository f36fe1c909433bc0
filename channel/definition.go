package channel

import "time"

// Kind is the sort of transport a channel uses.
type Kind string

// The three kinds. Their names are what clients and operators write.
const (
	WebSocket Kind = "websocket"
	Streaming Kind = "streaming"
	LongPoll  Kind = "longpoll"
)

// ChannelDefinition is the entry of one channel in services-config.xml: <channel-definition>. The endpoint is its server side.
// It is never changed, so any number of goroutines may read it: a reload of the configuration makes another one.
type ChannelDefinition struct {
	ID         string // channel-definition/@id
	Kind       Kind   // from endpoint/@class
	Path       string // path part of endpoint/@url, tokens replaced, always with a leading and without a trailing slash
	URL        string // endpoint/@url as clients get it; {server.name} and {server.port} stay for the client to fill in
	Server     string // server/@ref; empty: every public listener
	Constraint string // security-constraint/@ref, empty: none
	ServerOnly bool   // server-only="true": not told to browsers
	Secure     bool   // endpoint/@class is one of BlazeDS that begins with Secure: requests without TLS, here or at a trusted proxy, are refused

	// AllowedOrigins are the foreign origins ("https://app.example.com", or "*") that may use the channel. Empty: the same origin only.
	// XML: allowed-origins/origin.
	AllowedOrigins []string

	SessionTimeout                time.Duration // session-timeout-minutes: absent 15 min, 0 never. HTTP channels.
	InvalidateSessionOnDisconnect bool          // invalidate-session-on-disconnect: absent false. HTTP channels.
	ServerHeartbeat               time.Duration // server-to-client-heartbeat-millis: absent 5 s, zero or less: off
	ClientHeartbeat               time.Duration // heartbeat-interval-millis (channel or flex-client): absent 0 (off); told to the client

	ReliableReconnectDuration time.Duration // reliable-reconnect-duration-millis (channel or flex-client): how long a client that lost its transport may come back; 0: LCDS's rule, a client dies with its WebSocket
	DeadPeerTimeout           time.Duration // dead-peer-timeout-millis (channel or flex-client): how long a peer may leave bytes, pings and promised heartbeats unanswered; zero or less: off
	ReloadGrace               time.Duration // reload-grace-millis (channel or flex-client): how long a client that left its page may be resumed; 0: it ends at once
	IdleTimeout               time.Duration // connection-idle-timeout-minutes (channel or server): a connection without messages and client heartbeats is closed; zero or less: never
	KeepAlive                 *KeepAlive    // socket-keepalive-enabled and its times; nil: those of the listener

	InvalidateSubscriptionsOnStreamClose bool // invalidate-messageclient-on-streaming-close: absent false
	LoginAfterDisconnect                 bool // login-after-disconnect: told to the client

	MaxStreamingClients    int           // max-streaming-clients: open streams of this endpoint
	WaitInterval           time.Duration // wait-interval-millis: how long a poll is parked; 0: not at all; negative: until something comes
	MaxWaitingPollRequests int           // max-waiting-poll-requests: parked polls of this endpoint
	ClientWaitInterval     time.Duration // client-wait-interval-millis: pause after a poll that waited
	PollingInterval        time.Duration // polling-interval-millis: pause after a poll that could not wait
	UserAgents             []UserAgent   // user-agent-settings/user-agent
	MaxConnections         int           // max-connections: WebSockets of this endpoint
	MaxMessageSize         int           // max-message-size-bytes: one message, uplink
	MaxRequestSize         int           // max-request-size-bytes: one frame or body, uplink
	WriteTimeout           time.Duration // write-timeout-millis: how long a socket may take nothing before it is closed
	ConnectTimeout         time.Duration // connect-timeout-seconds: how long the client gives this channel before it tries the next; 0: the client's own default
	RequestTimeout         time.Duration // request-timeout-seconds: how long the client waits for a reply; 0: for ever
	Headers                []Header      // http-response-headers/header: added to every HTTP answer of the endpoint
	NoCacheHeaders         bool          // add-no-cache-headers: absent true
}

// KeepAlive is how TCP probes a silent peer: socket-keepalive-enabled, -idle-seconds, -interval-seconds and -count. Zero times and counts are the operating system's own.
type KeepAlive struct {
	Enabled        bool
	Idle, Interval time.Duration // whole seconds
	Count          int
}

// Header is one line of http-response-headers.
type Header struct{ Name, Value string }

// UserAgent is one entry of user-agent-settings: what browsers of that name need. The longest MatchOn that is part of the User-Agent wins; "*" fits all.
type UserAgent struct {
	MatchOn                  string // match-on
	KickstartBytes           int    // kickstart-bytes: padding written first on a stream, so that the browser starts to hand it over
	MaxPersistentConnections int    // max-persistent-connections-per-session: streams and parked polls of one FlexSession, 0: no limit
}

// DestinationDefinition is a configured destination: <destination> of a message service.
type DestinationDefinition struct {
	ID       string   // destination/@id
	Channels []string // ids of the channels it may be used over, in the client's order of preference; empty: all

	AllowSubtopics            bool   // server/allow-subtopics: absent false
	SubtopicSeparator         string // server/subtopic-separator: absent "."
	DisallowWildcardSubtopics bool   // server/disallow-wildcard-subtopics: absent false
	DisallowSelectors         bool   // server/allow-selectors is false: absent true

	Inbound  Throttle // network/throttle-inbound: what publishers may send
	Outbound Throttle // network/throttle-outbound: what each subscriber gets

	SubscriptionTimeout time.Duration // network/subscription-timeout-minutes: a subscription to which nothing was sent for so long ends; 0: it lives as long as its client

	MessageTimeToLive  time.Duration // server/message-time-to-live: replaces the publisher's; zero: that holds; negative: messages never expire
	MessagePriority    *int          // server/message-priority: 0 to 9, of messages whose publisher gave none; nil: 4
	SlowConsumer       SlowPolicy    // network/slow-consumer-policy: absent disconnect
	ConflateKey        string        // network/conflate-key: the header whose value, with the subtopics, is the key of a message; empty: the subtopics alone are
	MaxWaitingMessages int           // network/max-waiting-messages: messages of the destination that may wait for one client; 0: as many as may wait for the client at all
	MaxWaitingBytes    int           // network/max-waiting-bytes: the same in bytes; one message alone may be more

	History       History // server/history: absent none
	LastValue     bool    // server/last-value: absent false: the newest message of each subtopic is kept for new subscribers
	MaxLastValues int     // server/max-last-values: subtopics of which it is kept; zero or less means DefaultMaxLastValues

	Presence           bool          // server/presence: absent false: who is subscribed is told to those who may subscribe
	MaxPresenceMembers int           // server/max-presence-members: how many one answer lists; zero or less means DefaultMaxPresenceMembers
	PresenceInterval   time.Duration // server/presence-interval-millis: how often those who watch a subtopic are told of it; zero or less means DefaultPresenceInterval

	Constraint          string // security/security-constraint: for sending and subscribing
	SendConstraint      string // server/send-security-constraint
	SubscribeConstraint string // server/subscribe-security-constraint
}

// SecurityConstraint names who may use what refers to it: <security-constraint>.
type SecurityConstraint struct {
	ID    string
	Basic bool     // auth-method Basic: HTTP requests without a user are answered 401 with WWW-Authenticate
	Roles []string // any one of them is enough; none: any logged-in user
}
