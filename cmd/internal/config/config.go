package config

import (
	"net"
	"net/netip"
	"strconv"
	"time"

	"sluice/channel"
)

// Config is a whole services-config.xml, with defaults filled in and every reference resolved. It is made by Load and not changed
// after that, so any number of goroutines may read it.
type Config struct {
	Channels        []channel.ChannelDefinition     // channels/channel-definition, those that are started here
	Destinations    []channel.DestinationDefinition // services/service/destination, those that are served
	Constraints     []channel.SecurityConstraint    // security/security-constraint, and those written inside a channel or destination
	DefaultChannels []string                        // services/default-channels
	Servers         []Server                        // servers/server
	FlexClient      FlexClient                      // flex-client
	Security        Security                        // security
	API             API                             // api
	Logging         Logging                         // logging
	System          System                          // system
}

// Role is who a listener is for.
type Role string

// Public listeners serve channels, api ones /api/v1, internal ones /healthz, /readyz and /metrics.
const (
	RolePublic   Role = "public"
	RoleAPI      Role = "api"
	RoleInternal Role = "internal"
)

// Server is one listener: servers/server.
type Server struct {
	ID   string // id
	Role Role   // role: absent public

	BindAddress     string // bind-address: absent or * is every interface
	Port            int    // port: absent 8080; 0 any free one
	CertificateFile string // certificate-file: PEM, the leaf first; as seen from the working directory
	PrivateKeyFile  string // private-key-file: PEM

	TrustedProxies []netip.Prefix // trusted-proxies/proxy: whose X-Forwarded-* and PROXY lines are believed
	ProxyProtocol  bool           // proxy-protocol: connections from trusted proxies begin with a PROXY line

	MaxConnections                    int           // max-connections: of this listener, of all kinds
	MaxNewSessionsPerMinutePerAddress int           // max-new-sessions-per-minute-per-address: 0 no limit
	ReadHeaderTimeout                 time.Duration // read-header-timeout-millis
	RequestBodyTimeout                time.Duration // request-body-timeout-millis
	HandshakeTimeout                  time.Duration // handshake-timeout-millis
	ShutdownTimeout                   time.Duration // shutdown-timeout-millis
	DrainWindow                       time.Duration // drain-window-millis

	IdleTimeout time.Duration     // connection-idle-timeout-minutes: 0 never; of HTTP connections without a request, and of the channels that have none of their own
	KeepAlive   channel.KeepAlive // socket-keepalive-enabled and its times
}

// TLS reports whether the listener speaks TLS itself.
func (s *Server) TLS() bool { return s.CertificateFile != "" }

// Address is what net.Listen takes.
func (s *Server) Address() string {
	host := s.BindAddress
	if host == "*" {
		host = ""
	}
	return net.JoinHostPort(host, strconv.Itoa(s.Port))
}

// FlexClient is what holds for every client application: flex-client.
type FlexClient struct {
	MaxUnconfirmedMessages int           // max-unconfirmed-messages
	MaxUnconfirmedBytes    int           // max-unconfirmed-bytes
	MaxWaitingMessages     int           // max-waiting-messages
	MaxWaitingBytes        int           // max-waiting-bytes
	ConfirmInterval        time.Duration // confirm-interval-millis
	MaxSubscriptions       int           // max-subscriptions
	MaxOpenRequests        int           // max-open-requests
	MaxKeptReplyBytes      int           // max-kept-reply-bytes
	HeartbeatInterval      time.Duration // heartbeat-interval-millis: already copied to every channel that has none of its own
	MaxClients             int           // max-clients
	MaxClientsPerSession   int           // max-clients-per-session
	MaxSessions            int           // max-sessions: over HTTP
	MaxPendingMessages     int           // max-pending-messages
	MaxAttributes          int           // max-attributes
	MaxAttributeBytes      int           // max-attribute-bytes
	MaxRememberedEnds      int           // max-remembered-ends
	MaxTickets             int           // max-tickets
	Timeout                time.Duration // timeout-minutes
	FailoverDiagnostics    string        // failover-diagnostics: all or none
}

// Security is who may log in, and how a login is remembered: security.
type Security struct {
	PasswordFile              string       // password-file, as seen from the working directory; empty: nobody can log in by password
	SessionCookieName         string       // session-cookie-name
	SessionCookieSecure       CookieSecure // session-cookie-secure
	MaxLoginFailuresPerMinute int          // max-login-failures-per-minute: of one address or user, 0 no limit
	MaxCountedAddresses       int          // max-counted-addresses: of each listener, and of the logins
	SessionStore              SessionStore // session-store
}

// SessionStore says where HTTP sessions are kept.
type SessionStore string

// In memory they end with the process; in a file of the data directory they outlive it.
const (
	StoreMemory SessionStore = "memory"
	StoreFile   SessionStore = "file"
)

// System is what concerns the process as a whole: system.
type System struct {
	DataDirectory string // data-directory, as seen from the working directory; empty: none
}

// CookieSecure says when the session cookie carries Secure.
type CookieSecure string

// Auto follows the request: Secure when it came over TLS, here or at a trusted proxy.
const (
	SecureAuto   CookieSecure = "auto"
	SecureAlways CookieSecure = "true"
	SecureNever  CookieSecure = "false"
)

// API is the HTTP interface for services: api.
type API struct {
	Keys                    []APIKey // key
	MaxRememberedMessageIDs int      // max-remembered-message-ids
}

// APIKey is one key/@id and key/@value. Value is a secret.
type APIKey struct{ ID, Value string }

// Logging is where log lines go: logging. Without a target there is one to standard error, level info.
type Logging struct {
	Targets []LogTarget // target
}

// Level is the least severity a target writes.
type Level string

// The levels of BlazeDS. They are read by their first letter, so that Information is Info.
const (
	LevelNone  Level = "none"
	LevelError Level = "error"
	LevelWarn  Level = "warn"
	LevelInfo  Level = "info"
	LevelDebug Level = "debug"
	LevelAll   Level = "all"
)

// LogTarget is one logging/target.
type LogTarget struct {
	Level    Level    // level
	Format   string   // properties/format: auto (console on a terminal, else json), json or console
	Prefix   string   // properties/prefix: put before every message
	Patterns []string // filters/pattern: categories written; none: all. A star may end a pattern
}
