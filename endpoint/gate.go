package endpoint

import (
	"net"
	"net/http"

	"github.com/go-chi/httprate"
)

// Gate bounds how often an address may begin a session at one listener.
type Gate struct {
	sessions    *httprate.RateLimiter
	MaxSessions int // max-new-sessions-per-minute-per-address, 0: no limit
	MaxCounted  int // max-counted-addresses
}

// NewGate makes one with the limit; zero or less is no limit. It counts at most so many addresses at a time (max-counted-addresses; zero or less: [DefaultMaxCounted]).
func NewGate(sessionsPerMinute, counted int) *Gate {
	g := &Gate{MaxSessions: sessionsPerMinute, MaxCounted: counted}
	if sessionsPerMinute > 0 {
		g.sessions = limiter(sessionsPerMinute, counted)
	}
	return g
}

// NewSession counts a new session from addr; false when it has had its share. An IPv6 address counts as its /64 network: one machine has all of those.
func (g *Gate) NewSession(addr string) bool {
	return g.sessions == nil || !count(g.sessions, httprate.CanonicalizeIP(host(addr)))
}

// count counts one event of key and reports whether that was too many. The limiter wants an answer to write headers to; ours are written elsewhere.
func count(l *httprate.RateLimiter, key string) bool {
	return l.OnLimit(noAnswer{}, new(http.Request), key)
}

type noAnswer struct{}

func (noAnswer) Header() http.Header         { return http.Header{} }
func (noAnswer) Write(b []byte) (int, error) { return len(b), nil }
func (noAnswer) WriteHeader(int)             {}

func host(addr string) string {
	if h, _, err := net.SplitHostPort(addr); err == nil {
		return h
	}
	return addr
}
