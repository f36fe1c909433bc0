package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"sluice/channel"
	"sluice/flexsession"
)

// booksView are the books of a destination, or of a client on one.
type booksView struct {
	Destination string `json:"destination,omitempty"`
	Accepted    uint64 `json:"accepted"`
	Sent        uint64 `json:"sent"`
	Merged      uint64 `json:"merged"`
	Expired     uint64 `json:"expired"`
	Dropped     uint64 `json:"dropped"`
	Abandoned   uint64 `json:"abandoned"`
	Waiting     int    `json:"waiting"`
}

func viewBooks(all []flexsession.DestinationBooks) (views []booksView) {
	for _, b := range all {
		views = append(views, booksView{b.Destination, b.Accepted, b.Sent, b.Merged, b.Expired, b.Dropped, b.Abandoned, b.Waiting})
	}
	return views
}

// totals are the books of a destination: waiting is what was found in the outboxes.
func totals(d *channel.Destination, waiting int) booksView {
	b := d.Books()
	return booksView{"", b.Accepted.Load(), b.Sent.Load(), b.Merged.Load(), b.Expired.Load(), b.Dropped.Load(), b.Abandoned.Load(), waiting}
}

// booksCollector tells the books of the destinations when it is asked.
type booksCollector struct{ s *Server }

var (
	booksDesc = prometheus.NewDesc("sluice_messages_total", "What became of messages, each counted once for each client it was for. When nothing is under way, accepted is the sum of the others and of sluice_waiting_messages.",
		[]string{"destination", "what"}, nil)
	waitingMessagesDesc = prometheus.NewDesc("sluice_waiting_messages", "Messages that wait for clients: in outboxes, and no connection has been given them.", []string{"destination"}, nil)
)

func (*booksCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- booksDesc
	ch <- waitingMessagesDesc
}

func (c *booksCollector) Collect(ch chan<- prometheus.Metric) {
	waiting := c.s.registry.Waiting()
	for _, d := range c.s.broker.Destinations() {
		b, id := totals(d, waiting[d]), d.Definition().ID
		for _, n := range []struct {
			what string
			n    uint64
		}{{"accepted", b.Accepted}, {"sent", b.Sent}, {"merged", b.Merged}, {"expired", b.Expired}, {"dropped", b.Dropped}, {"abandoned", b.Abandoned}} {
			ch <- prometheus.MustNewConstMetric(booksDesc, prometheus.CounterValue, float64(n.n), id, n.what)
		}
		ch <- prometheus.MustNewConstMetric(waitingMessagesDesc, prometheus.GaugeValue, float64(b.Waiting), id)
	}
}
