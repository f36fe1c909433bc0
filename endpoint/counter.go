package endpoint

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/go-chi/httprate"
)

// DefaultMaxCounted is how many addresses and names are counted at a time where nothing else is said (max-counted-addresses).
const DefaultMaxCounted = 100_000

// counter counts by key in this minute and the one before, for an [httprate.RateLimiter]. Unlike the library's own it holds a bounded number of counts (24 bytes each, about): when
// there are as many, a new key takes the place of one of the minute before or, where those are gone, of any. Which one nobody can choose, so whoever wants a certain count
// forgotten has to come from as many addresses, each with a share of its own. To refuse the new ones instead would let him shut everybody out. Safe for concurrent use.
type counter struct {
	most int
	seed maphash.Seed // keys are of any length, and chosen by peers

	mu            sync.Mutex // guards the following
	window        time.Time
	current, last map[uint64]int
}

var _ httprate.LimitCounter = (*counter)(nil)

// newCounter makes one of at most so many counts; zero or less: [DefaultMaxCounted].
func newCounter(most int) *counter {
	if most <= 0 {
		most = DefaultMaxCounted
	}
	return &counter{most: most, seed: maphash.MakeSeed(), current: map[uint64]int{}, last: map[uint64]int{}}
}

// Config implements LimitCounter: the limits do not concern it.
func (c *counter) Config(int, time.Duration) {}

// Increment implements LimitCounter.
func (c *counter) Increment(key string, window time.Time) error {
	return c.IncrementBy(key, window, 1)
}

// IncrementBy implements LimitCounter.
func (c *counter) IncrementBy(key string, window time.Time, amount int) error {
	k := maphash.String(c.seed, key)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.window.Equal(window) {
		c.last, c.current = c.current, map[uint64]int{} // a new map: one that was full once does not hold the memory
		if !c.window.Equal(window.Add(-time.Minute)) {
			c.last = map[uint64]int{}
		}
		c.window = window
	}
	if _, known := c.current[k]; !known {
		c.makeRoom()
	}
	c.current[k] += amount
	return nil
}

// makeRoom forgets a count if there is no room for one more. The caller holds c.mu.
func (c *counter) makeRoom() {
	if len(c.current)+len(c.last) < c.most {
		return
	}
	from := c.last
	if len(from) == 0 {
		from = c.current
	}
	for k := range from { // in no order
		delete(from, k)
		return
	}
}

// Get implements LimitCounter.
func (c *counter) Get(key string, window, before time.Time) (now, then int, err error) {
	k := maphash.String(c.seed, key)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.window.Equal(window):
		return c.current[k], c.last[k], nil
	case c.window.Equal(before):
		return 0, c.current[k], nil
	}
	return 0, 0, nil
}

// limiter is a rate limiter of so many events a minute for each key, and of most keys.
func limiter(perMinute, most int) *httprate.RateLimiter {
	return httprate.NewRateLimiter(perMinute, time.Minute, httprate.WithLimitCounter(newCounter(most)))
}
