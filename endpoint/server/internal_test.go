package server_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// inner asks an internal listener on a connection of its own. A status of 0: nobody is there.
func inner(t *testing.T, l *endpointtest.Listener, path string) (status int, body string) {
	t.Helper()
	transport := &http.Transport{DialContext: l.DialContext, DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport}).Get("http://sluice.test" + path)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// runInternal runs f with a Rig that has an internal listener.
func runInternal(t *testing.T, change func(*server.Options), f func(t *testing.T, r *endpointtest.Rig, internal *endpointtest.Listener)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		internal := endpointtest.Listen("192.0.2.2:9080")
		r := endpointtest.New(t, func(o *server.Options) {
			withAPI(o)
			o.Listeners = append(o.Listeners, server.Listener{ID: "internal", Role: server.Internal, Net: internal})
			if change != nil {
				change(o)
			}
		})
		f(t, r, internal)
	})
}

func TestHealthAndReadiness(t *testing.T) {
	runInternal(t, nil, func(t *testing.T, r *endpointtest.Rig, internal *endpointtest.Listener) {
		for _, path := range []string{"/healthz", "/readyz"} {
			if status, body := inner(t, internal, path); status != 200 {
				t.Errorf("%s: %d %s", path, status, body)
			}
		}
		// A request that never comes to its end holds the shutdown up.
		c, err := r.Net.Dial(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST /longpoll HTTP/1.1\r\nHost: sluice.test\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
		synctest.Wait()
		ended := make(chan error)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			ended <- r.Server.Shutdown(ctx)
		}()
		time.Sleep(time.Second)
		if status, body := inner(t, internal, "/readyz"); status != 503 || body != "shutting down\n" {
			t.Errorf("/readyz while the server shuts down: %d %s", status, body)
		}
		if status, _ := inner(t, internal, "/healthz"); status != 200 {
			t.Errorf("/healthz while the server shuts down: %d", status)
		}
		if err := <-ended; err == nil {
			t.Error("the shutdown cut a request off and did not say so")
		}
		if status, _ := inner(t, internal, "/healthz"); status != 0 {
			t.Errorf("/healthz after the shutdown: %d", status)
		}
	})
}

// A server that was made and never started takes nobody.
func TestNotReadyBeforeStart(t *testing.T) {
	change := func(o *server.Options) { o.Listeners = []server.Listener{{ID: "internal", Role: server.Internal}} }
	if w := serveOnce(t, change, "internal", "/readyz", ""); w.Code != 503 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// What is for operators is on internal listeners alone, and nothing else is there.
func TestInternalRoutesAreInternal(t *testing.T) {
	change := func(o *server.Options) {
		withAPI(o)
		o.Listeners = []server.Listener{{ID: "public"}, {ID: "api", Role: server.API}, {ID: "internal", Role: server.Internal}}
	}
	for path, on := range map[string]string{
		"/metrics": "internal", "/healthz": "internal", "/readyz": "internal",
		"/config.json": "public", "/streaming/nowhere": "public", "/": "public", "/websocket": "public",
		"/api/v1/info": "api",
	} {
		for _, listener := range []string{"public", "api", "internal"} {
			w := serveOnce(t, change, listener, path, "Bearer "+apiKey)
			served := w.Code != 404 || strings.Contains(w.Body.String(), message.CodeUnknownDestination.Info().Name)
			if served != (listener == on) {
				t.Errorf("%s on the %s listener: %d", path, listener, w.Code)
			}
		}
	}
}

// metricsOf reads the metrics: values by name and labels.
func metricsOf(t *testing.T, internal *endpointtest.Listener) map[string]float64 {
	t.Helper()
	status, text := inner(t, internal, "/metrics")
	if status != 200 {
		t.Fatalf("/metrics: %d", status)
	}
	values := make(map[string]float64)
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		line = strings.TrimSpace(line)
		space := strings.LastIndex(line, " ")
		value, err := strconv.ParseFloat(line[space+1:], 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		values[line[:space]] = value
	}
	return values
}

func wantMetrics(t *testing.T, internal *endpointtest.Listener, want map[string]float64) {
	t.Helper()
	got := metricsOf(t, internal)
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %v, want %v", name, got[name], value)
		}
	}
}

// Connections, sessions, clients and subscriptions are counted up, and down to 0, and their ends by code.
func TestMetricsOfLives(t *testing.T) {
	for _, kind := range endpointtest.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			runInternal(t, nil, func(t *testing.T, r *endpointtest.Rig, internal *endpointtest.Listener) {
				c := r.Connect(kind)
				c.Subscribe("chat", "")
				synctest.Wait()
				connections, sessions := fmt.Sprintf(`sluice_connections{endpoint="%s"}`, kind), fmt.Sprintf(`sluice_sessions{endpoint="%s"}`, kind)
				wantMetrics(t, internal, map[string]float64{connections: 1, sessions: 1, "sluice_clients": 1, "sluice_subscriptions": 1})
				c.Vanish()
				time.Sleep(20 * time.Minute)
				cause := `code="4001",name="session-timeout"`
				if kind == channel.WebSocket {
					cause = `code="4008",name="connection-lost"`
				}
				ended := map[string]float64{connections: 0, sessions: 0, "sluice_clients": 0, "sluice_subscriptions": 0}
				for _, what := range []string{"session", "client", "subscription"} {
					ended[fmt.Sprintf(`sluice_ends_total{%s,what="%s"}`, cause, what)] = 1
				}
				ended[`sluice_ends_total{code="4008",name="connection-lost",what="connection"}`] = 1
				wantMetrics(t, internal, ended)
			})
		})
	}
}

// A plain GET is a connection as well, but not one that was refused.
func TestMetricsOfPlainGETs(t *testing.T) {
	runInternal(t, nil, func(t *testing.T, r *endpointtest.Rig, internal *endpointtest.Listener) {
		const connections = `sluice_connections{endpoint="streaming"}`
		for _, path := range []string{"/streaming/nowhere", "/streaming/plain/a"} {
			if status, _, _ := r.Fetch("GET", path, ""); status == 200 {
				t.Errorf("%s: %d", path, status)
			}
		}
		wantMetrics(t, internal, map[string]float64{connections: 0, "sluice_clients": 0,
			`sluice_refusals_total{code="4507",name="unknown-destination"}`: 1, `sluice_refusals_total{code="4509",name="subtopics-not-allowed"}`: 1})
		stream := r.Do("GET", "/streaming/chat", "")
		wantMetrics(t, internal, map[string]float64{connections: 1, "sluice_clients": 1})
		stream.Body.Close()
		synctest.Wait()
		wantMetrics(t, internal, map[string]float64{connections: 0, "sluice_clients": 0})
	})
}

func TestMetricsOfTraffic(t *testing.T) {
	window := func(o *server.Options) { o.FlexClient.Window.Messages = 80 }
	runInternal(t, window, func(t *testing.T, r *endpointtest.Rig, internal *endpointtest.Listener) {
		c := r.Connect(channel.WebSocket)
		c.Subscribe("chat", "") // the first of the lines
		for range 99 {
			c.Publish("chat", "", "x")
		}
		c.WantRefusal(c.Publish("nowhere", "", "x"), message.CodeUnknownDestination)
		want(t, r, "POST", "/publish", `{"destination":"chat","body":1}`)
		refused(t, r, "POST", "/publish", `{"destination":"nowhere","body":1}`, message.CodeUnknownDestination)
		synctest.Wait()
		wantMetrics(t, internal, map[string]float64{
			"sluice_messages_in_total": 100, "sluice_messages_out_total": 100,
			"sluice_unconfirmed_lines": 80, "sluice_waiting_lines": 21, "sluice_waiting_lines_max": 21,
			"sluice_publish_to_write_seconds_count":                         1, // line 65
			`sluice_publish_to_write_seconds_bucket{le="+Inf"}`:             1,
			`sluice_refusals_total{code="4507",name="unknown-destination"}`: 2,
		})
		before := metricsOf(t, internal)
		if before["sluice_writes_total"] < 2 || before["sluice_bytes_out_total"] < 80*50 {
			t.Errorf("%v writes of %v bytes", before["sluice_writes_total"], before["sluice_bytes_out_total"])
		}
		c.Send(`{"type":"control","operation":"confirm","have":80}`)
		synctest.Wait()
		wantMetrics(t, internal, map[string]float64{"sluice_unconfirmed_lines": 21, "sluice_waiting_lines": 0, "sluice_waiting_lines_max": 0})
		if after := metricsOf(t, internal); after["sluice_writes_total"] <= before["sluice_writes_total"] || after["sluice_bytes_out_total"] < before["sluice_bytes_out_total"]+21*50 {
			t.Errorf("%v writes of %v bytes", after["sluice_writes_total"], after["sluice_bytes_out_total"])
		}
		for _, name := range []string{"go_goroutines", "process_resident_memory_bytes"} {
			if before[name] == 0 {
				t.Errorf("%s is missing", name)
			}
		}
	})
}
