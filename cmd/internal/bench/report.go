package bench

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// Report is what a run measured. Fields that were not measured are left out.
type Report struct {
	Channel    string  `json:"channel"`
	Consumers  int     `json:"consumers"`
	Publishers int     `json:"publishers,omitempty"`
	Subtopics  int     `json:"subtopics"`
	Size       int     `json:"size,omitempty"`
	Rate       float64 `json:"rate,omitempty"`     // messages per second asked for; 0: closed loop
	InFlight   int     `json:"inFlight,omitempty"` // of the closed loop

	ConnectsPerSecond   float64 `json:"connectsPerSecond"`
	Connects            int64   `json:"connects,omitempty"`            // of a churn
	MemoryBeforeKB      int     `json:"memoryBeforeKB,omitempty"`      // the server's VmRSS: before connecting, or after a first round of a churn
	MemoryAfterKB       int     `json:"memoryAfterKB,omitempty"`       // with all connected, or after the churn
	KBPerConnection     float64 `json:"kbPerConnection,omitempty"`     // the growth, by consumers
	Published           int64   `json:"published,omitempty"`           // messages
	Refused             int64   `json:"refused"`                       // publications without a good answer
	Delivered           int64   `json:"delivered,omitempty"`           // messages times consumers
	Seconds             float64 `json:"seconds,omitempty"`             // from the first publication to the last delivery
	DeliveriesPerSecond float64 `json:"deliveriesPerSecond,omitempty"` //
	Latency             Latency `json:"latencyMillis,omitzero"`
	ServerMicros        float64 `json:"serverCPUMicrosPerDelivery,omitempty"` // user and system
	ServerCores         float64 `json:"serverCores,omitempty"`                // CPU seconds per second
	GeneratorCores      float64 `json:"generatorCores,omitempty"`             // of this process; near its share of the machine, the rate is a lower bound

	Lost         int    `json:"lost"`
	Duplicated   int    `json:"duplicated"`
	OutOfOrder   int    `json:"outOfOrder"`
	Strange      int    `json:"strange"`              // messages nobody here published
	Disconnected int    `json:"disconnected"`         // connections that ended before their time
	FirstError   string `json:"firstError,omitempty"` // why the first of them did

	connected atomic.Int64
	numbers   [][]uint32 // what was published, by subtopic and publisher
}

// Latency is from the moment a message was sent, or was due, to its arrival; in milliseconds.
type Latency struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

func newReport(o Options) *Report {
	r := &Report{Channel: string(o.Channel), Consumers: o.Consumers, Subtopics: o.Subtopics}
	if !o.Idle && !o.Churn {
		r.Publishers, r.Size, r.Rate = o.Publishers, o.Size, o.Rate
		if o.Rate == 0 {
			r.InFlight = o.InFlight
		}
	}
	r.numbers = make([][]uint32, o.Subtopics)
	for i := range r.numbers {
		r.numbers[i] = make([]uint32, o.Publishers)
	}
	return r
}

func (r *Report) memory(before, after, connections int) {
	r.MemoryBeforeKB, r.MemoryAfterKB = before, after
	r.KBPerConnection = float64(after-before) / float64(connections)
}

func (r *Report) churned(before, after int) {
	r.MemoryBeforeKB, r.MemoryAfterKB = before, after
	r.Connects = r.connected.Load()
}

func (r *Report) measured(l *load, took time.Duration, delivered int64, server, own time.Duration) {
	r.Delivered, r.Seconds = delivered, took.Seconds()
	r.DeliveriesPerSecond = float64(delivered) / took.Seconds()
	values, longest := l.latency.quantiles(0.5, 0.9, 0.99, 0.999)
	r.Latency = Latency{millis(values[0]), millis(values[1]), millis(values[2]), millis(values[3]), millis(longest)}
	r.ServerCores, r.GeneratorCores = server.Seconds()/took.Seconds(), own.Seconds()/took.Seconds()
	if delivered > 0 {
		r.ServerMicros = float64(server.Microseconds()) / float64(delivered)
	}
}

func (r *Report) publisher(p *publisher) {
	r.Refused += p.failed.Load()
	for i, n := range p.numbers {
		r.numbers[i][p.id] = n
		r.Published += int64(n)
	}
}

// check adds up the ledgers of the consumers, which must have ended.
func (r *Report) check(l *load, ended int) {
	for _, c := range l.consumers {
		r.Lost += c.ledger.lost(r.numbers[c.subtopic])
		r.Duplicated += c.ledger.twice
		r.OutOfOrder += c.ledger.late
		r.Strange += c.ledger.strange
	}
	r.Disconnected = ended
	if first := l.firstEnd.Load(); first != nil && ended > 0 {
		r.FirstError = *first
	}
}

// Faultless tells whether everything arrived once, in order, and no connection ended before its time.
func (r *Report) Faultless() bool {
	return r.Lost == 0 && r.Duplicated == 0 && r.OutOfOrder == 0 && r.Strange == 0 && r.Refused == 0 && r.Disconnected == 0
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Write prints the report for people.
func (r *Report) Write(w io.Writer) error {
	p := printer{w: w}
	p.line("channel", "%s, %d consumers on %d subtopics", r.Channel, r.Consumers, r.Subtopics)
	p.line("connecting", "%.0f/s", r.ConnectsPerSecond)
	if r.Connects > 0 {
		p.line("came and went", "%d", r.Connects)
	}
	if r.MemoryAfterKB > 0 {
		p.line("server memory", "%.1f MiB before, %.1f MiB after", float64(r.MemoryBeforeKB)/1024, float64(r.MemoryAfterKB)/1024)
	}
	if r.KBPerConnection != 0 {
		p.line("per connection", "%.1f KiB", r.KBPerConnection)
	}
	if r.Publishers > 0 && r.Seconds > 0 {
		how := fmt.Sprintf("%d in flight", r.InFlight)
		if r.Rate > 0 {
			how = fmt.Sprintf("%g/s", r.Rate)
		}
		p.line("published", "%d messages of %d bytes by %d publishers, %s", r.Published, r.Size, r.Publishers, how)
		p.line("delivered", "%d in %.2f s, %.0f/s", r.Delivered, r.Seconds, r.DeliveriesPerSecond)
		p.line("latency", "p50 %.3f  p90 %.3f  p99 %.3f  p99.9 %.3f  max %.3f ms", r.Latency.P50, r.Latency.P90, r.Latency.P99, r.Latency.P999, r.Latency.Max)
		if r.ServerMicros > 0 {
			p.line("server CPU", "%.2f µs per delivery, %.2f cores", r.ServerMicros, r.ServerCores)
		}
		p.line("generator CPU", "%.2f cores", r.GeneratorCores)
		p.line("faults", "%d lost, %d duplicated, %d out of order, %d strange, %d refused", r.Lost, r.Duplicated, r.OutOfOrder, r.Strange, r.Refused)
	}
	if r.FirstError != "" {
		p.line("ended early", "%d connections; the first: %s", r.Disconnected, r.FirstError)
	}
	return p.err
}

type printer struct {
	w   io.Writer
	err error
}

func (p *printer) raw(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

func (p *printer) line(name, format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, "%-15s %s\n", name, fmt.Sprintf(format, args...))
	}
}
