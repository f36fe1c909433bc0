package bench

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/channel/message"
)

// mustEnd are the codes that every soak brings about, by what visits do.
var mustEnd = []message.Code{
	message.CodeClientDisconnect, message.CodeSessionTimeout, message.CodeSessionInvalidated, message.CodeAdministrator, message.CodeDisplaced, message.CodeSlowConsumer,
	message.CodeProtocolError, message.CodeConnectionLost, message.CodeLogout, message.CodeClientDetached, message.CodeStreamClosed, message.CodeHandshakeTimeout,
	message.CodeMessageTooLarge, message.CodeConnectionClosed, message.CodeClientVanished, message.CodeIdleTimeout, message.CodeMissedPong, message.CodeMissedHeartbeats,
	message.CodeSubscriptionTimeout,
}

// SoakReport is what came of a soak.
type SoakReport struct {
	Seed   uint64    `json:"seed"`
	Visits int       `json:"visits"`
	Ends   []SoakEnd `json:"ends"`   // by code
	Heaps  []float64 `json:"heaps"`  // bytes in use after a collection, with only the honest clients there, by round
	Faults []string  `json:"faults"` // what was wrong; none: the server has passed

	soak      *soak
	base, end *vitals
}

// SoakEnd is how many have ended by a code.
type SoakEnd struct {
	Code          string `json:"code"`
	Name          string `json:"name"`
	Connections   int    `json:"connections"`
	Sessions      int    `json:"sessions"`
	Clients       int    `json:"clients"`
	Subscriptions int    `json:"subscriptions"`
	Told          int    `json:"told"` // lines that told it to visitors and honest clients
}

// judge finds what is wrong with the server at the end.
func (r *SoakReport) judge() {
	r.Ends = r.table()
	for _, n := range r.soak.paid {
		r.Visits += n
	}
	r.Faults = r.soak.judge(r.soak.opts.Log, r.base, r.end)
	for _, code := range mustEnd {
		if r.ended(code) == 0 {
			r.Faults = append(r.Faults, fmt.Sprintf("nothing has ended by %d %s", code, code))
		}
	}
	if why := grown(r.Heaps); why != "" {
		r.Faults = append(r.Faults, why)
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
func unexplainedLine(l serverLine) string {
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
	p.raw("%-4s %-24s %12s %12s %12s %13s %8s\n", "end", "", "connections", "sessions", "clients", "subscriptions", "told")
	for _, e := range r.Ends {
		p.raw("%-4s %-24s %12d %12d %12d %13d %8d\n", e.Code, e.Name, e.Connections, e.Sessions, e.Clients, e.Subscriptions, e.Told)
	}
	published := 0
	for i := range r.soak.published {
		published += int(r.soak.published[i].Load())
	}
	p.line("visits", "%d of %d kinds, seed %d", r.Visits, len(r.soak.paid), r.Seed)
	p.line("honest clients", "%d, %d messages published, %d troubles", len(r.soak.published), published, r.soak.troubles.Load())
	var heaps []string
	for _, h := range r.Heaps {
		heaps = append(heaps, fmt.Sprintf("%.0f", h/1024))
	}
	p.line("heap", "%s KiB after each round", strings.Join(heaps, ", "))
	p.line("longest stall", "%v", r.soak.stalls.max().Round(time.Millisecond))
	p.line("before", "%v", r.base)
	p.line("afterwards", "%v", r.end)
	for _, f := range r.Faults {
		p.line("FAULT", "%s", f)
	}
	switch {
	case len(r.Faults) == 0:
		p.line("verdict", "passed")
	case r.NoVerdict():
		p.line("verdict", "none: this machine has let nothing run for %v, and so the faults may be its own", r.soak.stalls.max().Round(time.Millisecond))
	default:
		p.line("verdict", "failed, %d faults", len(r.Faults))
	}
	return p.err
}

// table are the ends by code.
func (r *SoakReport) table() (all []SoakEnd) {
	rows := make(map[endKey]*SoakEnd)
	for e, n := range r.end.ends {
		key := endKey{Code: e.Code, Name: e.Name}
		row := rows[key]
		if row == nil {
			code, _ := strconv.Atoi(e.Code) // that it is none is a fault, and told as such
			row = &SoakEnd{Code: e.Code, Name: e.Name, Told: r.soak.ends[code]}
			rows[key] = row
		}
		switch e.What {
		case "connection":
			row.Connections += n
		case "session":
			row.Sessions += n
		case "client":
			row.Clients += n
		case "subscription":
			row.Subscriptions += n
		}
	}
	for _, row := range rows {
		all = append(all, *row)
	}
	slices.SortFunc(all, func(a, b SoakEnd) int { return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Name, b.Name)) })
	return all
}

// Passed tells whether nothing was wrong.
func (r *SoakReport) Passed() bool { return len(r.Faults) == 0 }

// NoVerdict tells whether there are faults that may be this machine's own, because it stood still for too long.
func (r *SoakReport) NoVerdict() bool { return !r.Passed() && r.soak.stalls.max() > stallLimit }

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
