package endpoint

import (
	"math"
	"runtime"
	"sync"

	"github.com/go-chi/httprate"

	"sluice/channel/message"
)

// loginsPerCPU bounds how many logins may be under way for each CPU: the last to come waits no longer than so many comparisons of a password take (with bcrypt's
// cost 10, about a second).
const loginsPerCPU = 16

// Logins bounds the logins that may fail, and those that are under way. There is one for all listeners of a server. It is safe for concurrent use.
//
// A login that is under way may fail, so it counts until it has ended as if it had: however many guesses come at a time, no more are tried than may fail.
type Logins struct {
	max      int                   // max-login-failures-per-minute, of an address or of a user name; 0: no limit
	most     int                   // under way in all
	failures *httprate.RateLimiter // nil: no limit

	mu    sync.Mutex // guards the following
	under map[string]int
	total int
}

// NewLogins makes one that lets an address and a user name fail so often in a minute; zero or less is no limit. It counts at most so many of them at a time
// (max-counted-addresses; zero or less: [DefaultMaxCounted]).
func NewLogins(failuresPerMinute, counted int) *Logins {
	l := &Logins{max: max(failuresPerMinute, 0), most: loginsPerCPU * runtime.GOMAXPROCS(0), under: make(map[string]int)}
	if l.max > 0 {
		l.failures = limiter(l.max, counted)
	}
	return l
}

// Begin takes a place for a login of user from addr. Who gets no error calls Ended when it is known how the login went. The errors are limit-logins where either has failed
// too often, and overloaded where those under way must end first. It does not block.
func (l *Logins) Begin(addr, user string) *message.Error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total >= l.most {
		return &message.Error{Code: message.CodeOverloaded, Setting: "password-file", Detail: "Too many logins are under way."}
	}
	keys := loginKeys(addr, user)
	for _, key := range keys {
		if err := l.refusedLocked(key); err != nil {
			return err
		}
	}
	l.total++
	for _, key := range keys {
		l.under[key]++
	}
	return nil
}

func (l *Logins) refusedLocked(key string) *message.Error {
	if l.failures == nil {
		return nil
	}
	_, rate, err := l.failures.Status(key)
	failed := int(math.Round(rate)) // as the limiter rounds: what it would not count must not be tried
	switch {
	case err != nil || failed >= l.max:
		return &message.Error{Code: message.CodeLimitLogins, Value: l.max}
	case failed+l.under[key] >= l.max: // they may all be right
		return &message.Error{
			Code: message.CodeOverloaded, Setting: message.CodeLimitLogins.Info().Setting, Value: l.max,
			Detail: "As many logins of this address or user are under way as may still fail.",
		}
	}
	return nil
}

// Ended gives the place back, and counts the login if it has failed.
func (l *Logins) Ended(addr, user string, failed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	for _, key := range loginKeys(addr, user) {
		if l.under[key]--; l.under[key] == 0 {
			delete(l.under, key)
		}
		if failed && l.failures != nil {
			count(l.failures, key)
		}
	}
}

func loginKeys(addr, user string) [2]string {
	return [...]string{"address " + httprate.CanonicalizeIP(host(addr)), "user " + user}
}
