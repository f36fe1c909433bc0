package channel

import (
	"math"
	"time"
)

// Rate holds something to a frequency, exactly: of what it lets through there are never more in any second than the frequency says. It keeps when each of the last second went, as LCDS does, so a burst of a
// whole second's worth goes at once; a bucket of tokens would let nearly twice as much through in the second after a pause. Below one in a second it is one in so many seconds.
//
// The zero Rate lets everything through. It is guarded by its owner. Times must not go back.
type Rate struct {
	most   int           // in any window
	window time.Duration // 0: no limit
	began  time.Time     // what the times count from
	ring   []time.Duration
	head   int // the oldest
	n      int
}

// maxRing bounds the memory of a Rate, which grows only with what really goes. A higher frequency is held to in windows that are shorter than a second.
const maxRing = 8192

// Set makes it another frequency, in events per second: zero or less is no limit. What has gone counts.
func (r *Rate) Set(frequency float64) {
	most, window := frequencyOf(frequency)
	if most == r.most && window == r.window {
		return
	}
	for r.n > most { // the newest ones count
		r.drop()
	}
	if r.most, r.window = most, window; window == 0 {
		r.ring, r.head, r.n = nil, 0, 0
	}
}

func frequencyOf(frequency float64) (most int, window time.Duration) {
	if frequency <= 0 || math.IsNaN(frequency) {
		return 0, 0
	}
	most = int(max(1, math.Floor(min(frequency, maxRing))))
	nanos := min(float64(most)/frequency*float64(time.Second), float64(longestWindow))
	return most, max(1, time.Duration(math.Ceil(nanos)))
}

// longestWindow is that of the lowest frequency: one in a year.
const longestWindow = 365 * 24 * time.Hour

// Limited says whether there is a limit.
func (r *Rate) Limited() bool { return r.window > 0 }

// Wait is how long it takes until the next may go; 0: it may now.
func (r *Rate) Wait(now time.Time) time.Duration {
	if r.window == 0 {
		return 0
	}
	at := now.Sub(r.began)
	for r.n > 0 && at-r.ring[r.head] >= r.window {
		r.drop()
	}
	if r.n < r.most {
		return 0
	}
	return r.window - (at - r.ring[r.head])
}

// Take notes that one goes now. Where Wait is not 0 it is one too many, and the oldest is forgotten for it.
func (r *Rate) Take(now time.Time) {
	if r.window == 0 {
		return
	}
	if r.began.IsZero() {
		r.began = now
	}
	if r.n == r.most {
		r.drop()
	}
	if r.n == len(r.ring) {
		r.grow()
	}
	r.ring[(r.head+r.n)%len(r.ring)] = now.Sub(r.began)
	r.n++
}

// Idle says whether nothing that has gone counts any more: a new Rate would be as good.
func (r *Rate) Idle(now time.Time) bool {
	r.Wait(now)
	return r.n == 0 || r.window == 0
}

// Round is how long n that wait take at most to go, one after the other, when nothing else does and whoever lets them go is up to a second late.
func (r *Rate) Round(n int) time.Duration {
	if r.window == 0 {
		return 0
	}
	windows := time.Duration(1 + (n+r.most-1)/r.most)
	if windows > math.MaxInt64/2/r.window {
		return math.MaxInt64 / 2
	}
	return windows*r.window + time.Second
}

// after is how long it takes at most until one may go behind n others.
func (r *Rate) after(n int, now time.Time) time.Duration {
	if r.window == 0 {
		return 0
	}
	return r.Wait(now) + time.Duration(n/r.most)*r.window
}

func (r *Rate) drop() {
	r.head = (r.head + 1) % len(r.ring)
	if r.n--; r.n == 0 && len(r.ring) > smallRing {
		r.ring, r.head = nil, 0 // one that was busy once does not hold the memory for ever
	}
}

// smallRing is the largest that is kept empty.
const smallRing = 16

func (r *Rate) grow() {
	ring := make([]time.Duration, min(max(1, 2*len(r.ring)), r.most))
	for i := range r.n {
		ring[i] = r.ring[(r.head+i)%len(r.ring)]
	}
	r.ring, r.head = ring, 0
}
