package bench

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// ChaosReport is what came of a chaos.
type ChaosReport struct {
	Seed      uint64         `json:"seed"`
	Clients   int            `json:"clients"`   // that were thrown about
	Seconds   float64        `json:"seconds"`   // that they were, without the rests
	Switches  int            `json:"switches"`  // forced ones, from one channel to another
	Pairs     map[string]int `json:"pairs"`     // … by channels, as "websocket to streaming"
	Ways      map[string]int `json:"ways"`      // … by how they were forced
	InFlight  int            `json:"inFlight"`  // … with something unconfirmed both ways: a request without an answer, and a message that was not confirmed
	Thrown    int            `json:"thrown"`    // lines that had come, were given up with their connection, and had to come again
	Repeated  int            `json:"repeated"`  // requests that were sent once more, because a connection was given up before the answer came
	Up        int            `json:"up"`        // messages the clients have published meanwhile
	Down      int            `json:"down"`      // messages that were handed to them meanwhile
	Upwards   Mistakes       `json:"upwards"`   // of what they published, as the witness has heard it
	Downwards Mistakes       `json:"downwards"` // of what they heard
	Books     map[string]int `json:"books"`     // what the server says has become of its messages
	Heaps     []float64      `json:"heaps"`     // bytes in use after a collection, with all at rest, by round
	Faults    []string       `json:"faults"`    // what was wrong; none: the server has passed

	chaos     *chaos
	base, end *vitals
}

// atLeast is which part of the switches there must be of each pair, of those with something in flight, and of the rate.
const (
	pairShare   = 1. / 10
	flightShare = 1. / 2
	rateShare   = 4. / 5
)

// judge finds what is wrong with the server, and with the run, at the end.
func (r *ChaosReport) judge() {
	c := r.chaos
	r.count()
	r.Faults = c.judge(c.opts.Log, r.base, r.end)
	wrong := func(format string, args ...any) { r.Faults = append(r.Faults, fmt.Sprintf(format, args...)) }
	for _, half := range []struct {
		name string
		Mistakes
	}{{"published by", r.Upwards}, {"for", r.Downwards}} {
		if m := half.Mistakes; m != (Mistakes{}) {
			wrong("of what was %s the clients, %d messages were lost, %d doubled, %d out of order, %d strange", half.name, m.Lost, m.Duplicated, m.OutOfOrder, m.Strange)
		}
	}
	if why := grown(r.Heaps); why != "" {
		wrong("%s", why)
	}
	if len(r.Faults) > 0 {
		return // then it has ended early
	}
	if r.Switches < c.opts.Switches {
		wrong("there were only %d switches of %d", r.Switches, c.opts.Switches)
	}
	for pair, n := range r.Pairs {
		if least := int(pairShare * float64(c.opts.Switches)); n < least {
			wrong("there were only %d switches from %s; at least %d are wanted", n, pair, least)
		}
	}
	if least := int(flightShare * float64(r.Switches)); r.InFlight < least {
		wrong("only %d switches had something unconfirmed both ways; at least %d are wanted", r.InFlight, least)
	}
	if up, down := r.rates(); min(up, down) < rateShare*float64(c.opts.Rate) {
		wrong("there were only %.0f messages a second up and %.0f down; at least %.0f are wanted", up, down, rateShare*float64(c.opts.Rate))
	}
}

// count takes what was counted.
func (r *ChaosReport) count() {
	c, t := r.chaos, &r.chaos.tally
	r.Clients, r.Switches, r.InFlight = len(c.published), t.all(), int(t.inFlight.Load())
	r.Thrown, r.Repeated = int(t.thrown.Load()), int(t.repeated.Load())
	r.Pairs, r.Ways = make(map[string]int), make(map[string]int)
	for i, from := range soakChannels {
		for j, to := range soakChannels {
			if i != j {
				r.Pairs[from+" to "+to] = int(t.switches[i][j].Load())
			}
		}
	}
	for i := range ways {
		r.Ways[ways[i].name] = int(t.ways[i].Load())
	}
	r.Ways["by the Go client"] = int(t.ways[len(ways)].Load())
	for i, e := range c.ears {
		m, _ := e.mistakes()
		if i < r.Clients {
			r.Downwards.add(m)
		} else {
			r.Upwards.add(m)
		}
	}
}

// rates are messages a second.
func (r *ChaosReport) rates() (up, down float64) {
	if r.Seconds == 0 {
		return 0, 0
	}
	return float64(r.Up) / r.Seconds, float64(r.Down) / r.Seconds
}

// unbalanced says what is wrong with the server's books at rest; nil: nothing. All that was heard was accepted for who heard it, and sent, and nothing else was either.
func (c *chaos) unbalanced(v *vitals) error {
	book, ok := v.books[chaosDestination]
	if !ok {
		return errors.New("the server keeps no books")
	}
	heard := 0
	for _, e := range c.ears {
		heard += e.count()
	}
	var wrong []string
	for what, n := range book {
		want := 0
		if what == "accepted" || what == "sent" {
			want = heard
		}
		if n != want {
			wrong = append(wrong, fmt.Sprintf("%d messages %s, not %d", n, what, want))
		}
	}
	for _, what := range []string{"accepted", "sent", "merged", "expired", "dropped", "abandoned", "waiting"} {
		if _, ok := book[what]; !ok {
			wrong = append(wrong, "nothing about "+what)
		}
	}
	if wrong == nil {
		return nil
	}
	slices.Sort(wrong)
	return errors.New("the server's books: " + strings.Join(wrong, ", "))
}

// Write prints the report for people.
func (r *ChaosReport) Write(w io.Writer) error {
	p := printer{w: w}
	table := func(name string, rows map[string]int) {
		type row struct {
			name string
			n    int
		}
		var all []row
		for name, n := range rows {
			all = append(all, row{name, n})
		}
		slices.SortFunc(all, func(a, b row) int { return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.name, b.name)) })
		for _, one := range all {
			p.line(name, "%7d %s", one.n, one.name)
			name = ""
		}
	}
	up, down := r.rates()
	p.line("clients", "%d, %d of them by the Go client, seed %d", r.Clients, r.chaos.opts.Programs, r.Seed)
	p.line("switches", "%7d in %.0f s, %.0f a second", r.Switches, r.Seconds, float64(r.Switches)/max(r.Seconds, 1e-3))
	p.line("in flight", "%7d of them with something unconfirmed both ways (%.0f %%)", r.InFlight, 100*float64(r.InFlight)/float64(max(r.Switches, 1)))
	table("from, to", r.Pairs)
	table("ways", r.Ways)
	p.line("thrown away", "%7d lines that had come, and had to come again", r.Thrown)
	p.line("repeated", "%7d requests", r.Repeated)
	p.line("up", "%7d messages, %.0f a second: %d lost, %d doubled, %d out of order, %d strange", r.Up, up, r.Upwards.Lost, r.Upwards.Duplicated, r.Upwards.OutOfOrder, r.Upwards.Strange)
	p.line("down", "%7d messages, %.0f a second: %d lost, %d doubled, %d out of order, %d strange", r.Down, down, r.Downwards.Lost, r.Downwards.Duplicated, r.Downwards.OutOfOrder, r.Downwards.Strange)
	table("books", r.Books)
	var heaps []string
	for _, h := range r.Heaps {
		heaps = append(heaps, fmt.Sprintf("%.0f", h/1024))
	}
	p.line("heap", "%s KiB after each round", strings.Join(heaps, ", "))
	p.line("longest stall", "%v", r.chaos.stalls.max().Round(time.Millisecond))
	for _, f := range r.Faults {
		p.line("FAULT", "%s", f)
	}
	switch {
	case r.Passed():
		p.line("verdict", "passed")
	case r.NoVerdict():
		p.line("verdict", "none: this machine has let nothing run for %v, and so the faults may be its own", r.chaos.stalls.max().Round(time.Millisecond))
	default:
		p.line("verdict", "failed, %d faults", len(r.Faults))
	}
	return p.err
}

// Passed tells whether nothing was wrong.
func (r *ChaosReport) Passed() bool { return len(r.Faults) == 0 }

// NoVerdict tells whether there are faults that may be this machine's own, because it stood still for too long. That something was lost, doubled or out of order never is.
func (r *ChaosReport) NoVerdict() bool {
	return !r.Passed() && r.chaos.stalls.max() > stallLimit && r.Upwards == (Mistakes{}) && r.Downwards == (Mistakes{})
}

// progress draws how far it is.
func (c *chaos) progress() (stop func()) {
	return progress(c.opts.Progress, "chaos", func() (float64, string) {
		n := c.tally.all()
		return float64(n) / float64(c.opts.Switches), fmt.Sprintf("%d switches, %d messages up, %d down", n, c.tally.up.Load(), c.tally.down.Load())
	})
}
