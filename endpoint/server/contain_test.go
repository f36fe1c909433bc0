package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sluice/endpoint"
)

// A request that fails before its answer is told so; half an answer is cut off, and is neither completed nor followed by an error; and who wants the connection cut gets that.
func TestContain(t *testing.T) {
	handlers := map[string]http.HandlerFunc{
		"/early": func(http.ResponseWriter, *http.Request) { panic("early") },
		"/written": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "half")
			panic("late")
		},
		"/flushed": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "half")
			http.NewResponseController(w).Flush()
			panic("late")
		},
		"/headed": func(w http.ResponseWriter, r *http.Request) {
			http.NewResponseController(w).Flush()
			panic("late")
		},
		"/informed": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusProcessing)
			panic("early")
		},
		"/aborted": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"/large": func(w http.ResponseWriter, r *http.Request) {
			io.ReadAll(http.MaxBytesReader(w, r.Body, 10))
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		},
		"/whole": func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "whole") },
	}
	core := &endpoint.Core{Stats: &endpoint.Stats{}}
	s := httptest.NewServer(contain(core)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handlers[r.URL.Path](w, r) })))
	defer s.Close()
	client := s.Client()
	defer client.CloseIdleConnections()
	for path, want := range map[string]struct {
		status int // 0: no answer at all
		body   string
		cut    bool
		closes bool
	}{
		"/early":    {500, `"code":4550,"name":"internal"`, false, false},
		"/informed": {500, `"code":4550`, false, false},
		"/written":  {0, "", true, false}, // it was not sent yet
		"/flushed":  {200, "half", true, false},
		"/headed":   {200, "", true, false},
		"/aborted":  {0, "", true, false},
		"/large":    {413, "", false, true},
		"/whole":    {200, "whole", false, false},
	} {
		resp, err := client.Post(s.URL+path, "application/json", strings.NewReader(strings.Repeat("x", 100)))
		if err != nil {
			if want.status != 0 || strings.Contains(err.Error(), "refused") {
				t.Errorf("%s: %v", path, err)
			}
			continue
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		text := string(body)
		if resp.StatusCode != want.status || !strings.Contains(text, want.body) || want.cut && text != want.body || (err != nil) != want.cut || resp.Close != want.closes {
			t.Errorf("%s: %d %q (%v), closed %v, want %+v", path, resp.StatusCode, text, err, resp.Close, want)
		}
	}
}
