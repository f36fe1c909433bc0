package server_test

import (
	"strings"
	"testing"

	"sluice/channel"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

func TestMetricsOfWhatIsKept(t *testing.T) {
	change := func(o *server.Options) {
		for i := range o.Destinations {
			if d := &o.Destinations[i]; d.ID == "chat" {
				d.History = channel.History{MaxMessages: 3}
				d.LastValue, d.MaxLastValues = true, 2
			}
		}
	}
	runInternal(t, change, func(t *testing.T, r *endpointtest.Rig, internal *endpointtest.Listener) {
		c := r.Connect(channel.WebSocket)
		c.Subscribe("chat", "*")
		c.Next()
		const least = len(`{"type":"async","timestamp":946684800000,"position":"AAAAAAAAAAAAAAAAAAAA"}`) // of a line
		for _, subtopic := range []string{"a", "b", "c", "a", "b"} {
			c.Publish("chat", subtopic, "x")
			c.Publish("plain", "", "x")
			line := c.Next()
			if len(line.Text("position")) != 20 {
				t.Errorf("position %q", line.Text("position"))
			}
		}
		wantMetrics(t, internal, map[string]float64{
			`sluice_history_messages{destination="chat"}`:            3,
			`sluice_last_values{destination="chat"}`:                 2,
			`sluice_last_values_forgotten_total{destination="chat"}`: 3, // c for a, a for b, b for c
		})
		got := metricsOf(t, internal)
		if n := int(got[`sluice_history_bytes{destination="chat"}`]); n < 3*least || n > 3*1000 {
			t.Errorf("%d bytes are kept", n)
		}
		for name := range got {
			if strings.Contains(name, `destination="plain"`) && (strings.HasPrefix(name, "sluice_history") || strings.HasPrefix(name, "sluice_last")) {
				t.Errorf("%s, though it keeps nothing", name)
			}
		}
	})
}
