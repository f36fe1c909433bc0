package server

import "github.com/prometheus/client_golang/prometheus"

// keptCollector looks at what the destinations keep when it is asked. One that keeps nothing has no series.
type keptCollector struct{ server *Server }

var (
	keptMessagesDesc = prometheus.NewDesc("sluice_history_messages", "Messages in the history of a destination.", []string{"destination"}, nil)
	keptBytesDesc    = prometheus.NewDesc("sluice_history_bytes", "Bytes of the lines in the history of a destination.", []string{"destination"}, nil)
	lastValuesDesc   = prometheus.NewDesc("sluice_last_values", "Subtopics of a last-value destination whose newest message is kept.", []string{"destination"}, nil)
	outValuesDesc    = prometheus.NewDesc("sluice_last_values_forgotten_total", "Subtopics of a last-value destination that had to give way to others.", []string{"destination"}, nil)
)

func (k *keptCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- keptMessagesDesc
	ch <- keptBytesDesc
	ch <- lastValuesDesc
	ch <- outValuesDesc
}

func (k *keptCollector) Collect(ch chan<- prometheus.Metric) {
	for _, d := range k.server.broker.Destinations() {
		def, kept := d.Definition(), d.Kept()
		gauge := func(desc *prometheus.Desc, v int) {
			ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(v), def.ID)
		}
		if def.History.Kept() {
			gauge(keptMessagesDesc, kept.Messages)
			gauge(keptBytesDesc, kept.Bytes)
		}
		if def.LastValue {
			gauge(lastValuesDesc, kept.LastValues)
			ch <- prometheus.MustNewConstMetric(outValuesDesc, prometheus.CounterValue, float64(kept.ForgottenLastValues), def.ID)
		}
	}
}
