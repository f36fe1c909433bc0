package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

// Kind is the sort of transport a channel uses.
type Kind string

// The three kinds, in the order they are tried when neither Options nor the server names channels.
const (
	WebSocket Kind = "websocket"
	Streaming Kind = "streaming"
	LongPoll  Kind = "longpoll"
)

// Channel is one way to reach the server.
type Channel struct {
	Kind Kind
	// URL is where its endpoint is: http, https, ws or wss. Empty means what the server says in its config.json, all of that kind (and ID) or, where
	// it says nothing, Options.URL followed by "/" and the kind.
	URL string
	// ID is what the server calls it; it tells several channels of a kind from each other, and names the channel where the server is told of those
	// that failed. Empty means what the server says or, where it says nothing, the kind.
	ID string

	wishes wishes
}

// wishes are what the server asks for of those who use a channel.
type wishes struct {
	connect, request time.Duration // connect-timeout-seconds and request-timeout-seconds; zero: nothing
	forget           bool          // login-after-disconnect is false
}

// Options configures a ChannelSet. URL, or a URL in every channel, is needed; all else may stay zero.
type Options struct {
	// URL is the server: "https://push.example.com". Channels without a URL of their own are found by URL/config.json, which is read when the set
	// begins to connect, and anew after every channel has failed.
	//
	// A URL whose path does not end in a slash may be a channel's own: "wss://push.example.com/websocket", or any with the one kind it is of in
	// Channels. So end it with a slash if the server stands below a path and Channels names one kind.
	URL string
	// Channels are tried in this order each time a connection is made. None means those of the server's config.json in its order (docs/protocol.md
	// section 9) or, where it has none, WebSocket, Streaming and LongPoll.
	Channels []Channel

	// User and Password, if User is not empty, log in each time the server makes a new client of this set; only the first time where the server
	// wants it so (login-after-disconnect false in its config.json): then [Event.User] is empty, and Login makes it known again.
	User, Password string

	// HTTPClient serves the HTTP channels. Its Timeout must be zero: streams do not end. Nil means one of the set's own, without cookies.
	HTTPClient *http.Client
	// Header is added to every request and WebSocket handshake: Origin, X-Forwarded-For and the like.
	Header http.Header
	// TLS is used for wss and, unless HTTPClient is given, https. Nil means the defaults of crypto/tls.
	TLS *tls.Config
	// Dial makes the network connections, unless HTTPClient is given for the HTTP channels. Nil means a net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// ConnectTimeout is how long one channel may take until it is attached. Zero means what the server's config.json says of it
	// (connect-timeout-seconds), else 10s.
	ConnectTimeout time.Duration
	// RequestTimeout is how long the server may take to answer; after that the connection counts as lost and is made anew, and the
	// request is sent once more. Zero means what the server's config.json says of the channel (request-timeout-seconds), else 30s.
	RequestTimeout time.Duration
	// Heartbeat is the longest silence of this side, and what it promises the server: the connection of a client that is silent for twice as long, and
	// for longer than dead-peer-timeout-millis, is ended there. Zero means what the server asks for (heartbeat-interval-millis), negative disables it
	// and promises nothing.
	Heartbeat time.Duration
	// OpenTimeout is how long a stream may keep back its first line before it counts as buffered on the way. Zero means 2s.
	OpenTimeout time.Duration

	// MinDelay and MaxDelay bound the pause before a connection is tried again. It doubles with every failure and is drawn at random from
	// its upper half. Zero means 500ms and 30s. For as long as the server keeps the client (reliable-reconnect-duration-millis) the pause is at
	// most a quarter of that time, so that several tries fall into it. A longer pause that the server asks for is kept in any case.
	MinDelay, MaxDelay time.Duration
	// MaxAttempts is how many times in a row the whole list of channels may fail before the set ends. Zero means never.
	MaxAttempts int

	// UpgradeDelay is after how long a set that is not connected over the first of its channels looks whether it can be, and moves there if so ([Moved]): nothing is lost or doubled by that. The pause
	// doubles with every attempt up to MaxUpgradeDelay, until the first channel has lasted, and is drawn at random from its upper half. Zero means 5s and 5m; a negative UpgradeDelay, never.
	UpgradeDelay, MaxUpgradeDelay time.Duration

	// MaxOpen is how many calls (publish, subscribe …) may be without an answer; one more waits. Zero means 256.
	MaxOpen int
	// MaxLine is the longest line taken from the server, in bytes. Zero means 8 MiB.
	MaxLine int
	// Buffer is how many messages a Consumer without a callback holds for its reader. Zero means 64.
	Buffer int

	// OnEvent is told of connects, losses and the end, in order, by one goroutine. It must not block. Nil means nobody.
	OnEvent func(Event)
	// Logger gets the same and what went wrong on the way. The zero Logger is silent.
	Logger zerolog.Logger
}

// withDefaults returns a copy in which every zero has its meaning, and every URL is one that can be used.
func (o Options) withDefaults() (Options, error) {
	o.OpenTimeout = orDuration(o.OpenTimeout, 2*time.Second)
	o.MinDelay = orDuration(o.MinDelay, 500*time.Millisecond)
	o.MaxDelay = max(orDuration(o.MaxDelay, 30*time.Second), o.MinDelay)
	o.UpgradeDelay = orDuration(o.UpgradeDelay, 5*time.Second)
	o.MaxUpgradeDelay = max(orDuration(o.MaxUpgradeDelay, 5*time.Minute), o.UpgradeDelay)
	o.MaxOpen = orInt(o.MaxOpen, 256)
	o.MaxLine = orInt(o.MaxLine, 8<<20)
	o.Buffer = orInt(o.Buffer, 64)
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	if o.HTTPClient != nil && o.HTTPClient.Timeout != 0 {
		return o, errors.New("client: Options.HTTPClient has a Timeout; it would cut every stream")
	}
	list := o.Channels
	if len(list) == 0 || slices.ContainsFunc(list, func(c Channel) bool { return c.URL == "" }) {
		root, err := o.root()
		if err != nil {
			return o, err
		}
		switch isChannel := !strings.HasSuffix(root.Path, "/"); {
		case isChannel && len(list) == 1:
			list = []Channel{{Kind: list[0].Kind, URL: o.URL, ID: list[0].ID}}
		case isChannel && len(list) == 0 && strings.HasPrefix(strings.ToLower(o.URL), "ws"):
			list = []Channel{{Kind: WebSocket, URL: o.URL}}
		}
	}
	o.Channels = slices.Clone(list)
	for i, c := range list {
		if !c.Kind.known() {
			return o, fmt.Errorf("client: unknown channel %q: it is websocket, streaming or longpoll", c.Kind)
		}
		if c.URL == "" {
			continue
		}
		u, secure, err := parseURL(c.URL)
		if err != nil {
			return o, fmt.Errorf("client: channel %s: %w", c.Kind, err)
		}
		u.Scheme = scheme(c.Kind, secure)
		o.Channels[i].URL = u.String()
	}
	return o, nil
}

// connectTimeout is how long c may take until it is attached.
func (o Options) connectTimeout(c Channel) time.Duration {
	return orDuration(orDuration(o.ConnectTimeout, c.wishes.connect), 10*time.Second)
}

// requestTimeout is how long the server may take to answer over c.
func (o Options) requestTimeout(c Channel) time.Duration {
	return orDuration(orDuration(o.RequestTimeout, c.wishes.request), 30*time.Second)
}

// id is how c is named in a report.
func (c Channel) id() string {
	if c.ID != "" {
		return c.ID
	}
	return string(c.Kind)
}

// root is Options.URL with the scheme for a request.
func (o Options) root() (*url.URL, error) {
	u, secure, err := parseURL(o.URL)
	if err != nil {
		return nil, fmt.Errorf("client: Options.URL: %w", err)
	}
	u.Scheme = scheme(LongPoll, secure)
	if u.Path == "" {
		u.Path = "/" // JoinPath would make a relative path
	}
	return u, nil
}

// parseURL takes the four schemes, and tells whether it is one over TLS.
func parseURL(raw string) (u *url.URL, secure bool, err error) {
	if u, err = url.Parse(raw); err != nil {
		return nil, false, err
	}
	switch u.Scheme {
	case "http", "https", "ws", "wss":
	default:
		return nil, false, fmt.Errorf("%q: expected http://, https://, ws:// or wss://", raw)
	}
	if u.Host == "" {
		return nil, false, fmt.Errorf("%q names no host", raw)
	}
	return u, u.Scheme == "https" || u.Scheme == "wss", nil
}

func orDuration(d, zero time.Duration) time.Duration {
	if d == 0 {
		return zero
	}
	return d
}

func orInt(n, zero int) int {
	if n <= 0 {
		return zero
	}
	return n
}
