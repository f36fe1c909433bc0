package server_test

import (
	"net/http"
	"strings"
	"testing"

	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
)

// An address where nothing is answers with its code, as every refusal does, and only to a browser that wants to show something with a page.
func TestUnknownAddress(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		for _, method := range []string{"GET", "POST"} {
			if status, lines, _ := r.Fetch(method, "/nope", ""); status != http.StatusNotFound || len(lines) != 1 || lines[0].Code() != message.CodeUnknownEndpoint {
				t.Errorf("%s: %d %v, want the line of code 4536", method, status, lines)
			}
		}
		req, _ := http.NewRequest("GET", r.URL("/nope"), nil)
		req.Header.Set("Accept", "text/html,*/*;q=0.8")
		resp, err := r.HTTP.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if media := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusNotFound || !strings.HasPrefix(media, "text/html") {
			t.Errorf("a browser is answered %s, %s", resp.Status, media)
		}
	})
}
