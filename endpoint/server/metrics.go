package server

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"sluice/channel/message"
	"sluice/endpoint"
	"sluice/flexsession"
)

// metrics are the server's counters, in a registry of its own: two servers in one program do not meet.
type metrics struct {
	server   *Server
	registry *prometheus.Registry
	counts   *endpoint.Stats

	connections *prometheus.GaugeVec
	sessions    *prometheus.GaugeVec
	clients     prometheus.Gauge
	subscribed  prometheus.Gauge
	ends        *prometheus.CounterVec
	refusals    *prometheus.CounterVec
	failovers   *prometheus.CounterVec
	badReports  prometheus.Counter
	slow        *prometheus.CounterVec
	delay       prometheus.Histogram
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		server:   s,
		registry: prometheus.NewRegistry(),
		counts:   &endpoint.Stats{},
		connections: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "sluice_connections",
			Help: "Open sockets, streams and polls being answered."}, []string{"endpoint"}),
		sessions: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "sluice_sessions", Help: "FlexSessions that live."}, []string{"endpoint"}),
		clients:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "sluice_clients", Help: "FlexClients that live."}),
		subscribed: prometheus.NewGauge(prometheus.GaugeOpts{Name: "sluice_subscriptions",
			Help: "Subscriptions (MessageClients) that live."}),
		ends: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_ends_total",
			Help: "What ended and why: connections, sessions, clients and subscriptions by code."}, []string{"what", "code", "name"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_refusals_total",
			Help: "Requests and connections refused, by code."}, []string{"code", "name"}),
		failovers: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_failovers_total",
			Help: "Channels that clients report to have tried in vain (from) before the other one they are on (to), by the code of the failure."}, []string{"from", "to", "code"}),
		badReports: prometheus.NewCounter(prometheus.CounterOpts{Name: "sluice_bad_failover_reports_total",
			Help: "Reports of failover that could not be read."}),
		slow: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_slow_warnings_total",
			Help: "Clients found to read too slowly: three quarters of what may wait for them do."}, []string{"destination", "setting"}),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "sluice_publish_to_write_seconds",
			Help:    "From the acceptance of a message to its hand-over to a connection, of one in 64 deliveries.",
			Buckets: prometheus.ExponentialBuckets(50e-6, 4, 10)}),
	}
	total := func(name, help string, f func() uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(f()) })
	}
	level := func(name, help string, f func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(f()) })
	}
	m.registry.MustRegister(m.connections, m.sessions, m.clients, m.subscribed, m.ends, m.refusals, m.failovers, m.badReports, m.slow, m.delay,
		level("sluice_records", "Login records that live: one behind each cookie, and for each HTTP client without one.", func() int { return s.registry.Records() }),
		level("sluice_timers", "Timers that are armed.", func() int { return s.wheel.Len() }),
		total("sluice_messages_in_total", "Messages accepted from clients and services.", m.counts.MessagesIn.Load),
		total("sluice_messages_out_total", "Deliveries put into outboxes.", m.delivered),
		total("sluice_bytes_out_total", "Bytes written to clients, of lines and heartbeats.", m.counts.BytesOut.Load),
		total("sluice_writes_total", "Writes to clients' connections.", m.counts.Writes.Load),
		&queueCollector{m}, &booksCollector{s}, &keptCollector{s}, &throttleCollector{m}, &presenceCollector{s},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) delivered() (n uint64) {
	for _, d := range m.server.broker.Destinations() {
		n += d.Stats().Delivered
	}
	return n
}

func (m *metrics) latency(d time.Duration) { m.delay.Observe(d.Seconds()) }

func labels(c message.Code) (code, name string) { return strconv.Itoa(int(c)), c.Info().Name }

func (m *metrics) ended(what string, c message.Code) {
	code, name := labels(c)
	m.ends.WithLabelValues(what, code, name).Inc()
}

// stats are the counters the endpoints write to.
func (m *metrics) stats() *endpoint.Stats {
	m.counts.RequestError = func(c message.Code) {
		code, name := labels(c)
		m.refusals.WithLabelValues(code, name).Inc()
	}
	m.counts.BadFailover = m.badReports.Inc
	m.counts.ConnOpened = func(endpoint string) { m.connections.WithLabelValues(endpoint).Inc() }
	m.counts.ConnEnded = func(c endpoint.Connection, cause flexsession.Cause) {
		m.connections.WithLabelValues(c.Endpoint).Dec()
		m.ended("connection", cause.Code)
	}
	return m.counts
}

// listener counts lives.
func (m *metrics) listener() flexsession.Listener {
	return flexsession.Listener{
		SessionCreated: func(s flexsession.Session) { m.sessions.WithLabelValues(s.Endpoint()).Inc() },
		SessionDestroyed: func(s flexsession.Session, c flexsession.Cause) {
			m.sessions.WithLabelValues(s.Endpoint()).Dec()
			m.ended("session", c.Code)
		},
		ClientCreated: func(*flexsession.FlexClient) { m.clients.Inc() },
		ClientDestroyed: func(_ *flexsession.FlexClient, c flexsession.Cause) {
			m.clients.Dec()
			m.ended("client", c.Code)
		},
		ClientSlow: func(_ *flexsession.FlexClient, s flexsession.Slow) {
			m.slow.WithLabelValues(s.Destination, s.Setting).Inc()
		},
		MessageClientCreated: func(*flexsession.MessageClient) { m.subscribed.Inc() },
		MessageClientDestroyed: func(_ *flexsession.MessageClient, c flexsession.Cause) {
			m.subscribed.Dec()
			m.ended("subscription", c.Code)
		},
	}
}

// queueCollector looks at the outboxes when it is asked.
type queueCollector struct{ m *metrics }

var (
	waitingDesc     = prometheus.NewDesc("sluice_waiting_lines", "Lines in outboxes that no connection has been given.", nil, nil)
	unconfirmedDesc = prometheus.NewDesc("sluice_unconfirmed_lines", "Lines that were sent and not confirmed.", nil, nil)
	deepestDesc     = prometheus.NewDesc("sluice_waiting_lines_max", "The most lines that wait for one client.", nil, nil)
)

func (q *queueCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- waitingDesc
	ch <- unconfirmedDesc
	ch <- deepestDesc
}

func (q *queueCollector) Collect(ch chan<- prometheus.Metric) {
	var waiting, unconfirmed, deepest int
	for _, c := range q.m.server.registry.Clients() {
		w, u := c.Depth()
		waiting, unconfirmed, deepest = waiting+w, unconfirmed+u, max(deepest, w)
	}
	gauge := func(d *prometheus.Desc, v int) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v))
	}
	gauge(waitingDesc, waiting)
	gauge(unconfirmedDesc, unconfirmed)
	gauge(deepestDesc, deepest)
}
