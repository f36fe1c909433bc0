package bench

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/channel/message"
)

// heapTolerance is how much the heap of a later round may be above that of the first.
const heapTolerance = 0.05

// mustEnd are the codes that every soak brings about, by what visits do.
var mustEnd = []message.Code{
	message.CodeClientDisconnect, message.CodeSessionTimeout, message.CodeSessionInvalidated, message.CodeAdministrator, message.CodeDisplaced, message.CodeSlowConsumer,
	message.CodeProtocolError, message.CodeConnectionLost, message.CodeLogout, message.CodeClientDetached, message.CodeStreamClosed, message.CodeHandshakeTimeout,
	message.CodeMessageTooLarge, message.CodeConnectionClosed, message.CodeClientVanished, message.CodeIdleTimeout, message.CodeMissedPong, message.CodeMissedHeartbeats,
	message.CodeSubscriptionTimeout,
}

// SoakReport is what came of a soak.
type SoakReport struct {
	Seed   uint64
	Heaps  []float64 // bytes in use after a collection, with only the honest clients there, by round
	Faults []string  // what was wrong; none: the server has passed

	soak      *soak
	base, end *vitals
}

// judge finds what is wrong with the server at the end.
func (r *SoakReport) judge() {
	if r.soak.opts.Log != nil {
		for _, line := range r.soak.opts.Log.Errors() {
			r.soak.fail("the server's log", errors.New(line))
		}
	}
	for _, f := range r.soak.faults {
		r.Faults = append(r.Faults, fmt.Sprintf("%s, %d times; first: %s", f.who, f.times, f.first))
	}
	wrong := func(format string, args ...any) { r.Faults = append(r.Faults, fmt.Sprintf(format, args...)) }
	if r.end.living() != 0 {
		wrong("after everyone has gone there are left: %v", r.end)
	}
	if r.end.Goroutines > r.base.Goroutines || r.end.Descriptors > r.base.Descriptors || r.end.Timers > r.base.Timers {
		wrong("leaked: before there were %d goroutines, %d descriptors and %d timers, afterwards %d, %d and %d",
			r.base.Goroutines, r.base.Descriptors, r.base.Timers, r.end.Goroutines, r.end.Descriptors, r.end.Timers)
	}
	for _, e := range r.end.unexplained() {
		wrong("unexplained: %s", e)
	}
	if r.end.internal > 0 {
		wrong("the server has failed %d requests with %d %s", r.end.internal, message.CodeInternal, message.CodeInternal)
	}
	if ended, made := r.end.ended("client"), int(r.soak.connected.Load()); ended < made {
		wrong("%d clients were made, and %d have ended", made, ended)
	}
	for _, code := range mustEnd {
		if r.ended(code) == 0 {
			wrong("nothing has ended by %d %s", code, code)
		}
	}
	for _, heap := range r.Heaps {
		if heap > r.Heaps[0]*(1+heapTolerance) {
			wrong("the heap has grown from %.0f KiB after the first round to %.0f KiB", r.Heaps[0]/1024, heap/1024)
			break
		}
	}
}

// ended is how many ends of any kind had the code.
func (r *SoakReport) ended(code message.Code) (n int) {
	for e, count := range r.end.ends {
		if e.Code == strconv.Itoa(int(code)) {
			n += count
		}
	}
	return n
}

// unexplainedLine is what is wrong with the line that tells an end; empty: nothing.
func unexplainedLine(l soakLine) string {
	info := message.Code(l.Code).Info()
	switch {
	case int(info.Code) != l.Code:
		return "a code that is not in the table"
	case info.Name != l.Name:
		return "the name is not that of the code"
	case info.Client:
		return "only clients conclude it"
	case l.Message == "":
		return "no sentence"
	case l.Reason == message.GoneUnknown:
		return "" // nothing has ended
	case l.Incident == "":
		return "no incident"
	case l.Reconnect == "":
		return "it is not told whether to come back"
	}
	return ""
}

// Write prints the report for people.
func (r *SoakReport) Write(w io.Writer) error {
	p := printer{w: w}
	r.table(&p)
	visits := 0
	for _, n := range r.soak.paid {
		visits += n
	}
	published := 0
	for i := range r.soak.published {
		published += int(r.soak.published[i].Load())
	}
	p.line("visits", "%d of %d kinds, seed %d", visits, len(r.soak.paid), r.Seed)
	p.line("honest clients", "%d, %d messages published, %d troubles", len(r.soak.published), published, r.soak.troubles.Load())
	var heaps []string
	for _, h := range r.Heaps {
		heaps = append(heaps, fmt.Sprintf("%.0f", h/1024))
	}
	p.line("heap", "%s KiB after each round", strings.Join(heaps, ", "))
	p.line("before", "%v", r.base)
	p.line("afterwards", "%v", r.end)
	for _, f := range r.Faults {
		p.line("FAULT", "%s", f)
	}
	if len(r.Faults) == 0 {
		p.line("verdict", "passed")
	} else {
		p.line("verdict", "failed, %d faults", len(r.Faults))
	}
	return p.err
}

// table prints the ends by code.
func (r *SoakReport) table(p *printer) {
	whats := []string{"connection", "session", "client", "subscription"}
	counts := make(map[endKey][]int)
	for e, n := range r.end.ends {
		key := endKey{Code: e.Code, Name: e.Name}
		if counts[key] == nil {
			counts[key] = make([]int, len(whats))
		}
		if i := slices.Index(whats, e.What); i >= 0 {
			counts[key][i] += n
		}
	}
	p.raw("%-4s %-24s %12s %12s %12s %12s %8s\n", "end", "", "connections", "sessions", "clients", "subscriptions", "told")
	for _, key := range slices.SortedFunc(maps.Keys(counts), func(a, b endKey) int { return cmp.Compare(a.Code, b.Code) }) {
		c := counts[key]
		code, _ := strconv.Atoi(key.Code)
		p.raw("%-4s %-24s %12d %12d %12d %12d %8d\n", key.Code, key.Name, c[0], c[1], c[2], c[3], r.soak.ends[code])
	}
}

// Passed tells whether nothing was wrong.
func (r *SoakReport) Passed() bool { return len(r.Faults) == 0 }

// progress draws how far it is.
func (s *soak) progress() (stop func()) {
	began := time.Now()
	return progress(s.opts.Progress, "soaking", func() (float64, string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		visits := 0
		for _, n := range s.paid {
			visits += n
		}
		return time.Since(began).Seconds() / s.opts.Duration.Seconds(), fmt.Sprintf("%d visits, %d faults", visits, len(s.faults))
	})
}
