package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sluice/channel/client"
	"sluice/channel/message"
)

// The phases of a run, for those who stay.
const (
	phaseQuiet int32 = iota // all stay and hear, and do nothing
	phaseBusy               // all publish, and have troubles
	phaseOver               // all leave
)

// world is a server as a soak or a chaos sees it, and what all who meet it there note down. It is safe for concurrent use.
type world struct {
	url, internal string
	at            map[string]place // channels by id
	http          *http.Client
	connected     atomic.Int64 // clients that the server has made
	stalls        stalls

	mu     sync.Mutex  // guards the following
	ends   map[int]int // ends that clients were told, by code
	faults []fault
}

// place is where a channel is.
type place struct {
	kind client.Kind
	url  *url.URL
}

// fault is one way in which the server has failed.
type fault struct {
	who, first string // the first time
	times      int
}

// newWorld is the world of a server that has these channels beside soakChannels. conns is how many connections for requests are kept at a time.
func newWorld(address, internal string, conns int, more map[string]client.Kind) (*world, error) {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || internal == "" {
		return nil, errors.New("bench: the address of the server is needed, and of its internal listener")
	}
	if base.Path == "" {
		base.Path = "/" // JoinPath would make a relative path
	}
	w := &world{
		url: strings.TrimSuffix(address, "/"), internal: internal, at: make(map[string]place), ends: make(map[int]int),
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: conns, IdleConnTimeout: 10 * time.Second}},
	}
	for _, id := range soakChannels {
		w.at[id] = place{client.Kind(id), base.JoinPath(id)}
	}
	for id, kind := range more {
		w.at[id] = place{kind, base.JoinPath(id)}
	}
	return w, nil
}

// fail notes a fault of the server, which who has met.
func (w *world) fail(who string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.faults {
		if w.faults[i].who == who {
			w.faults[i].times++
			return
		}
	}
	w.faults = append(w.faults, fault{who, err.Error(), 1})
}

// faulty tells whether a fault was noted.
func (w *world) faulty() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.faults) > 0
}

// told notes an end, which must be explained.
func (w *world) told(l serverLine) {
	if l.Code == 0 && l.Reason != "" {
		return // gone for a reason that has no code, such as more confirmed than sent
	}
	if why := unexplainedLine(l); why != "" {
		w.fail("an end", fmt.Errorf("%s: %s", why, l.raw))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends[l.Code]++
}

// guest makes one that has not connected.
func (w *world) guest(ctx context.Context, rng *rand.Rand) *guest {
	return &guest{w: w, at: w.at, ctx: ctx, rng: rng}
}

// judge says what was wrong with the server: the faults that were noted, what its log (which may be nil) and its metrics tell, and what is left
// now that all have gone, in comparison with before.
func (w *world) judge(log *ServerLog, before, after *vitals) []string {
	if log != nil {
		for _, line := range log.Errors() {
			w.fail("the server's log", errors.New(line))
		}
	}
	all := []string{}
	for _, f := range w.faults {
		all = append(all, fmt.Sprintf("%s, %d times; first: %s", f.who, f.times, f.first))
	}
	all = append(all, after.leaked(before)...)
	for _, e := range after.unexplained() {
		all = append(all, "unexplained: "+e)
	}
	if after.internal > 0 {
		all = append(all, fmt.Sprintf("the server has failed %d requests with %d %s", after.internal, message.CodeInternal, message.CodeInternal))
	}
	if ended, made := after.ended("client"), int(w.connected.Load()); ended < made {
		all = append(all, fmt.Sprintf("%d clients were made, and %d have ended", made, ended))
	}
	return all
}

// heapTolerance is how much the heap of a later round may be above that of the first.
const heapTolerance = 0.05

// grown says whether any of the heaps is larger than the first, which is one of the same clients; empty: no.
func grown(heaps []float64) string {
	for _, heap := range heaps {
		if heap > heaps[0]*(1+heapTolerance) {
			return fmt.Sprintf("the heap has grown from %.0f KiB after the first round to %.0f KiB", heaps[0]/1024, heap/1024)
		}
	}
	return ""
}
