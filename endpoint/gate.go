package endpoint

import (
	"net"
	"net/http"
	"time"

	"github.com/go-chi/httprate"
)

// Gate bounds how often an address may begin a session or fail to log in.
type Gate struct {
	sessions, logins *httprate.RateLimiter
	MaxSessions      int // max-new-sessions-per-minute-per-address, 0: no limit
	MaxLoginFailures int // max-login-failures-per-minute, of an address or of a user name, 0: no limit
}

// NewGate makes one with the two limits; zero or less is no limit.
func NewGate(sessionsPerMinute, loginFailuresPerMinute int) *Gate {
	g := &Gate{MaxSessions: sessionsPerMinute, MaxLoginFailures: loginFailuresPerMinute}
	if sessionsPerMinute > 0 {
		g.sessions = httprate.NewRateLimiter(sessionsPerMinute, time.Minute)
	}
	if loginFailuresPerMinute > 0 {
		g.logins = httprate.NewRateLimiter(loginFailuresPerMinute, time.Minute)
	}
	return g
}

// NewSession counts a new session from addr; false when it has had its share. An IPv6 address counts as its /64 network: one machine has all of those.
func (g *Gate) NewSession(addr string) bool {
	return g.sessions == nil || !count(g.sessions, httprate.CanonicalizeIP(host(addr)))
}

// MayLogin says whether addr and user have not failed too often.
func (g *Gate) MayLogin(addr, user string) bool {
	return g.logins == nil || g.within(loginAddress(addr)) && g.within(loginUser(user))
}

// LoginFailed counts a failure.
func (g *Gate) LoginFailed(addr, user string) {
	if g.logins != nil {
		count(g.logins, loginAddress(addr))
		count(g.logins, loginUser(user))
	}
}

func loginAddress(addr string) string { return "address " + httprate.CanonicalizeIP(host(addr)) }
func loginUser(user string) string    { return "user " + user }

// within says whether key has one more failure left. The limiter's own answer is whether there were more than the limit, which never happens: at the limit it stops to count.
func (g *Gate) within(key string) bool {
	_, rate, err := g.logins.Status(key)
	return err == nil && rate < float64(g.MaxLoginFailures)
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
