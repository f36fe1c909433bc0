package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed static
var static embed.FS

// policy keeps the page to its own files and its own server: no inline script or style, no foreign host, no framing.
// Safari before version 16 does not count WebSockets as "self", hence ws: and wss:.
const policy = "default-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"

// types are the media types of what is embedded. The system's table is not asked: it differs from machine to machine.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".mjs":  "text/javascript; charset=utf-8",
	".ts":   "application/typescript; charset=utf-8", // what tools that load types by URL look for; the registered type of .ts is a film's
	".svg":  "image/svg+xml",
}

// file is one embedded file, ready to be served.
type file struct {
	content []byte
	etag    string
	media   string
}

// public are the files that pages of other servers may load: they are code that holds no secret and does nothing by itself. What it then
// may do with a server is for that server's allowed-origins to say.
var public = map[string]bool{"/sluice.js": true, "/sluice.mjs": true, "/sluice.d.ts": true, "/sluice-shared.mjs": true, "/sluice-shared.d.ts": true}

// notFound is the page for people who follow a wrong address. It has no address of its own.
const notFound = "/404.html"

// Handler serves the page at "/" and the built client beside it, to GET and HEAD. A browser asks each time whether a file has
// changed (Cache-Control: no-cache, RFC 9111 section 5.2.2.4) and is told 304 by its ETag, so that after an update nobody runs an old
// client. Whoever asks for something else and accepts text/html gets a readable page with status 404; all the rest is left to other.
// It reads nothing from disk, and may be used by any number of goroutines.
func Handler(other http.Handler) http.Handler {
	files := load(static)
	missing := files[notFound]
	delete(files, notFound)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			other.ServeHTTP(w, r)
			return
		}
		name := path.Clean("/" + r.URL.Path)
		if name == "/" {
			name = "/index.html"
		}
		h := w.Header()
		f, ok := files[name]
		if !ok {
			h.Add("Vary", "Accept")
			if !strings.Contains(r.Header.Get("Accept"), "text/html") {
				other.ServeHTTP(w, r)
				return
			}
			protect(h, missing.media)
			h.Set("Cache-Control", "no-store")
			w.WriteHeader(http.StatusNotFound)
			w.Write(missing.content) // the client is gone if this fails
			return
		}
		protect(h, f.media)
		h.Set("ETag", f.etag)
		h.Set("Cache-Control", "no-cache")
		if public[name] {
			h.Set("Access-Control-Allow-Origin", "*")
			h.Set("Cross-Origin-Resource-Policy", "cross-origin") // for pages with Cross-Origin-Embedder-Policy
		}
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(f.content)) // If-None-Match, Range, HEAD
	})
}

// protect sets the headers that every file has.
func protect(h http.Header, media string) {
	h.Set("Content-Type", media)
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

// load reads the embedded files, by the path they are served at. It cannot fail but by a mistake in this package.
func load(from fs.FS) map[string]file {
	files := make(map[string]file)
	err := fs.WalkDir(from, "static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		media, ok := types[path.Ext(name)]
		if !ok {
			return fmt.Errorf("%s: no media type is known for it", name)
		}
		sum := sha256.Sum256(content)
		files[name[len("static"):]] = file{content: content, etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`, media: media}
		return nil
	})
	if err != nil {
		panic("web: " + err.Error())
	}
	return files
}
