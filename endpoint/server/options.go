package server

import (
	"net"
	"net/netip"
	"time"

	"github.com/rs/zerolog"

	"sluice/channel"
	"sluice/flexsession"
	"sluice/flexsession/filestore"
)

// Options says what a server is to be. New fills in the defaults that are named.
type Options struct {
	Channels        []channel.ChannelDefinition
	Destinations    []channel.DestinationDefinition
	Constraints     []channel.SecurityConstraint
	DefaultChannels []string // told to clients that bring no list of their own
	Listeners       []Listener

	FlexClient flexsession.Options // the limits of clients; what is not a limit is filled in by New

	ConfirmInterval  time.Duration // confirm-interval-millis: zero is 5 s
	CookieName       string        // session-cookie-name: empty is SluiceSessionId
	CookieSecure     string        // session-cookie-secure: auto (also empty), true or false
	MaxLoginFailures int           // max-login-failures-per-minute of an address or a user: zero is no limit
	MaxTickets       int           // max-tickets: how many tickets for plain GETs may be out; zero is 10000
	DrainWindow      time.Duration // drain-window-millis: over how long a shutdown spreads the turns at which clients are told to move; zero: all at once
	MaxCounted       int           // max-counted-addresses: addresses and names whose sessions and failed logins are counted, of each listener and of all logins; zero is 100000
	Failover         string        // failover-diagnostics: of which clients reports of failover are kept, logged and counted, as long as the API does not say otherwise: all (also empty) or none
	RememberIDs      int           // max-remembered-message-ids: how many messageIds the API remembers to publish each once; zero is 10000

	// Sessions, if not nil, keeps HTTP sessions over a restart: who opened it closes it, after Shutdown. With nil they end with the process. (session-store, data-directory)
	Sessions *filestore.Store

	Passwords *flexsession.Passwords // nil: nobody can log in
	APIKeys   []APIKey               // none: the API answers nobody

	Engine  channel.Engine // nil: a memory engine
	Version string         // told by the API
	Logger  zerolog.Logger // the zero Logger is silent

	// Reload, if not nil, is what POST /api/v1/reload does: to read the configuration again and hand it to [Server.Reload]. Its errors are those.
	Reload func() (*Reloaded, error)

	// Log, if not nil, is the logger for a category ("Endpoint", "Client", "Service" …, as in BlazeDS); otherwise Logger serves all.
	Log func(category string) zerolog.Logger
}

// APIKey is one who may use the API. Value is the secret.
type APIKey struct{ ID, Value string }

// Role is what a listener serves.
type Role string

// The roles. The API is on the listeners of its role, or, where there is none, on the public ones. The internal one is never public: it is not served where no listener has that role.
const (
	Public   Role = "public"
	API      Role = "api"
	Internal Role = "internal"
)

// Listener is one address the server listens on: <server> in services-config.xml.
type Listener struct {
	ID   string // what channels refer to
	Role Role   // empty is public
	Addr string // as for net.Listen, "host:port"

	// Net, if not nil, is served in place of Addr, for programs that bring their own listener. The server closes it.
	Net net.Listener

	CertificateFile, PrivateKeyFile string // PEM; TLS when both are named

	TrustedProxies []netip.Prefix // whose X-Forwarded-* and PROXY lines are believed
	ProxyProtocol  bool           // connections of trusted proxies begin with a PROXY line

	MaxConnections     int                // max-connections: zero is 20000
	MaxNewSessions     int                // max-new-sessions-per-minute-per-address: zero is no limit
	ReadHeaderTimeout  time.Duration      // read-header-timeout-millis: zero is 10 s
	RequestBodyTimeout time.Duration      // request-body-timeout-millis: zero is 30 s
	KeepAlive          *channel.KeepAlive // socket-keepalive-enabled and its times: nil is as Go sets them; a channel may have its own
	IdleTimeout        time.Duration      // connection-idle-timeout-minutes: how long an HTTP connection may wait for its next request, where that is less than the 2 min there are anyway; zero is those
	HandshakeTimeout   time.Duration      // handshake-timeout-millis: how long a WebSocket may be open without a client; zero is 10 s
}

func orDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

func (o *Options) defaults() {
	orDefault(&o.ConfirmInterval, 5*time.Second)
	orDefault(&o.CookieName, "SluiceSessionId")
	orDefault(&o.CookieSecure, "auto")
	orDefault(&o.MaxTickets, 10000)
	orDefault(&o.RememberIDs, 10000)
	orDefault(&o.FlexClient.MaxOpenRequests, 256)
	orDefault(&o.FlexClient.MaxWaitingBytes, 4<<20)
	if o.Log == nil {
		o.Log = func(string) zerolog.Logger { return o.Logger }
	}
	for i := range o.Listeners {
		l := &o.Listeners[i]
		orDefault(&l.Role, Public)
		orDefault(&l.MaxConnections, 20000)
		orDefault(&l.ReadHeaderTimeout, 10*time.Second)
		orDefault(&l.RequestBodyTimeout, 30*time.Second)
		orDefault(&l.HandshakeTimeout, 10*time.Second)
	}
	for i := range o.Channels {
		c := &o.Channels[i]
		orDefault(&c.MaxMessageSize, 1<<20)
		orDefault(&c.MaxRequestSize, 4<<20)
		orDefault(&c.WriteTimeout, 10*time.Second)
	}
}
