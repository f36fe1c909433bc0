package server

import (
	"net/http"
	"runtime"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// mountInternal adds what operators' tools ask: is it alive, does it take clients, what does it count.
func (s *Server) mountInternal(r chi.Router) {
	r.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) })
	r.Get("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !s.ready() {
			w.WriteHeader(http.StatusServiceUnavailable)
			w.Write([]byte("shutting down\n"))
			return
		}
		w.Write([]byte("ready\n"))
	})
	metrics := promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{})
	r.Get("/metrics", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("gc") {
			collectGarbage()
		}
		metrics.ServeHTTP(w, r)
	})
}

// collectGarbage makes go_memstats_heap_alloc_bytes say what lives: the query gc of /metrics, for those who look for leaks. What sync.Pools hold goes with the second
// collection.
func collectGarbage() {
	runtime.GC()
	runtime.GC()
}
