package endpointtest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"sluice/channel/message"
)

// Do makes a request.
func (r *Rig) Do(method, path, body string, headers ...string) *http.Response {
	r.T.Helper()
	resp, err := r.request(context.Background(), method, path, body, headers...)
	if err != nil {
		r.T.Fatalf("%s %s: %v", method, path, err)
	}
	return resp
}

func (r *Rig) request(ctx context.Context, method, path, body string, headers ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, r.URL(path), strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	return r.HTTP.Do(req)
}

// Post posts lines and returns the status, the lines of the answer and its headers.
func (r *Rig) Post(path, body string, headers ...string) (int, []Line, http.Header) {
	r.T.Helper()
	return r.Fetch("POST", path, body, headers...)
}

// Fetch makes a request and reads the lines of its answer.
func (r *Rig) Fetch(method, path, body string, headers ...string) (int, []Line, http.Header) {
	r.T.Helper()
	resp := r.Do(method, path, body, headers...)
	defer resp.Body.Close()
	return resp.StatusCode, ReadLines(r.T, resp.Body), resp.Header
}

// ReadLines reads lines until the end.
func ReadLines(t testing.TB, r io.Reader) []Line {
	t.Helper()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	var lines []Line
	for raw := range message.Lines(data) {
		var line Line
		if err := json.Unmarshal(raw, &line); err != nil {
			t.Fatalf("not a line: %q", raw)
		}
		lines = append(lines, line)
	}
	return lines
}
