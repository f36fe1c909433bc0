package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

// elsewhere stands for what serves all that is no file of ours.
func elsewhere(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }

func get(t *testing.T, method, target string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler(http.HandlerFunc(elsewhere)).ServeHTTP(w, r)
	return w.Result()
}

func TestFiles(t *testing.T) {
	for target, media := range map[string]string{
		"/":            "text/html; charset=utf-8",
		"/index.html":  "text/html; charset=utf-8",
		"/app.css":     "text/css; charset=utf-8",
		"/app.js":      "text/javascript; charset=utf-8",
		"/sluice.js":   "text/javascript; charset=utf-8",
		"/sluice.mjs":  "text/javascript; charset=utf-8",
		"/sluice.d.ts": "application/typescript; charset=utf-8",

		"/sluice-shared.mjs":  "text/javascript; charset=utf-8",
		"/sluice-shared.d.ts": "application/typescript; charset=utf-8",

		"/icon.svg": "image/svg+xml",
	} {
		res := get(t, "GET", target)
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != media || res.ContentLength == 0 {
			t.Errorf("GET %s: %s, %q, %d bytes", target, res.Status, res.Header.Get("Content-Type"), res.ContentLength)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache", "Referrer-Policy": "no-referrer"} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("GET %s: %s is %q, want %q", target, name, got, want)
			}
		}
		again := get(t, "GET", target, "If-None-Match", res.Header.Get("ETag"))
		if again.StatusCode != http.StatusNotModified {
			t.Errorf("GET %s with its ETag %s: %s, want 304", target, res.Header.Get("ETag"), again.Status)
		}
		if head := get(t, "HEAD", target); head.StatusCode != 200 || head.Header.Get("ETag") != res.Header.Get("ETag") {
			t.Errorf("HEAD %s: %s, ETag %q", target, head.Status, head.Header.Get("ETag"))
		}
	}
}

func TestNothingElse(t *testing.T) {
	for _, target := range []string{"/nothing", "/static/index.html", "/../web.go", "/client/package.json", "/404.html"} {
		for _, accept := range []string{"", "*/*", "application/json", "image/avif,image/*,*/*;q=0.8"} {
			if res := get(t, "GET", target, "Accept", accept); res.StatusCode != http.StatusTeapot {
				t.Errorf("GET %s, Accept %q: %s, want it left to the other handler", target, accept, res.Status)
			}
		}
		res := get(t, "GET", target, "Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
		body, _ := io.ReadAll(res.Body)
		if res.StatusCode != http.StatusNotFound || res.Header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(string(body), "4536") {
			t.Errorf("GET %s by a browser: %s, %q\n%s", target, res.Status, res.Header.Get("Content-Type"), body)
		}
		if res.Header.Get("Content-Security-Policy") == "" || res.Header.Get("Vary") != "Accept" {
			t.Errorf("GET %s by a browser: headers %v", target, res.Header)
		}
	}
	if res := get(t, "POST", "/", "Accept", "text/html"); res.StatusCode != http.StatusTeapot {
		t.Errorf("POST /: %s, want it left to the other handler", res.Status)
	}
}

// A page of another server imports the client from here; without CORS a module does not load at all. The page itself is nobody else's.
func TestClientIsForEveryOrigin(t *testing.T) {
	for _, target := range []string{"/", "/index.html", "/app.js", "/app.css", "/icon.svg", "/sluice.js", "/sluice.mjs", "/sluice.d.ts", "/sluice-shared.mjs", "/sluice-shared.d.ts"} {
		origin, policy := "", ""
		if strings.HasPrefix(target, "/sluice") {
			origin, policy = "*", "cross-origin"
		}
		h := get(t, "GET", target, "Origin", "https://app.example.com").Header
		if h.Get("Access-Control-Allow-Origin") != origin || h.Get("Cross-Origin-Resource-Policy") != policy {
			t.Errorf("GET %s: Access-Control-Allow-Origin %q, Cross-Origin-Resource-Policy %q, want %q and %q",
				target, h.Get("Access-Control-Allow-Origin"), h.Get("Cross-Origin-Resource-Policy"), origin, policy)
		}
	}
}

// The policy forbids inline script and style; a page that used them would look right in a file and be dead on the server.
func TestPageObeysItsPolicy(t *testing.T) {
	res := get(t, "GET", "/")
	got := res.Header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'self'", "connect-src 'self' ws: wss:", "frame-ancestors 'none'"} {
		if !strings.Contains(got, part) {
			t.Errorf("the policy %q lacks %q", got, part)
		}
	}
	if strings.Contains(got, "unsafe") {
		t.Errorf("the policy %q allows inline code", got)
	}
	page, err := static.ReadFile("static/index.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{`<script>`, `<style`, ` style="`, ` onclick=`, `src="http`, `href="http://`} {
		if strings.Contains(string(page), bad) {
			t.Errorf("the page holds %s", bad)
		}
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="([a-z.]+)"`).FindAllStringSubmatch(string(page), -1) {
		if res := get(t, "GET", "/"+m[1]); res.StatusCode != 200 {
			t.Errorf("the page refers to %s: %s", m[1], res.Status)
		}
	}
}

func TestUnknownKindOfFile(t *testing.T) {
	defer func() {
		if p := recover(); p == nil {
			t.Error("a file without a media type was taken")
		}
	}()
	load(fstest.MapFS{"static/a.xyz": {Data: []byte("x")}})
}
