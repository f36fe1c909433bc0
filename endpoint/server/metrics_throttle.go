package server

import "github.com/prometheus/client_golang/prometheus"

// throttleCollector looks at the destinations' throttles when it is asked.
type throttleCollector struct{ m *metrics }

var (
	throttledDesc = prometheus.NewDesc("sluice_throttled_messages_total", "Messages that publishers sent above the frequency of throttle-inbound: refused, ignored, merged into a newer one, or held and published later.",
		[]string{"destination", "what"}, nil)
	heldDesc = prometheus.NewDesc("sluice_held_messages", "Messages that throttle-inbound holds.", []string{"destination"}, nil)
)

func (c *throttleCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- throttledDesc
	ch <- heldDesc
}

func (c *throttleCollector) Collect(ch chan<- prometheus.Metric) {
	for _, d := range c.m.server.broker.Destinations() {
		id, n := d.Definition().ID, d.Throttled()
		for what, count := range map[string]uint64{"refused": n.Refused, "ignored": n.Ignored, "merged": n.Merged, "held": n.Held} {
			ch <- prometheus.MustNewConstMetric(throttledDesc, prometheus.CounterValue, float64(count), id, what)
		}
		ch <- prometheus.MustNewConstMetric(heldDesc, prometheus.GaugeValue, float64(n.Waiting), id)
	}
}
