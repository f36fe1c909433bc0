package server

import (
	"bufio"
	"net"
	"net/http"
	"runtime/debug"

	"sluice/channel/message"
	"sluice/endpoint"
)

// contain ends only the request that failed, and tells its peer no more than a code. Where the answer has begun the connection is cut instead: an error behind half an answer
// would look like a part of it, and an end as usual like the whole.
func contain(core *endpoint.Core) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen := &answer{ResponseWriter: w, http1: r.ProtoMajor == 1}
			defer func() {
				p := recover()
				if p == nil {
					return
				}
				if p == http.ErrAbortHandler { // net/http's own way to cut a connection
					panic(p)
				}
				core.Logger.Error().Interface("panic", p).Str("path", r.URL.Path).Bytes("stack", debug.Stack()).Msg("a request failed")
				if seen.begun {
					panic(http.ErrAbortHandler)
				}
				core.Refuse(w, r, &message.Error{Code: message.CodeInternal})
			}()
			next.ServeHTTP(seen, r)
		})
	}
}

// answer knows whether anything of an answer may have been sent.
type answer struct {
	http.ResponseWriter
	http1 bool
	begun bool
}

func (a *answer) WriteHeader(status int) {
	if status == http.StatusRequestEntityTooLarge && a.http1 {
		a.Header().Set("Connection", "close") // the rest of the body is not waited for; http.MaxBytesReader cannot tell net/http so through us
	}
	a.begun = a.begun || status >= 200 // RFC 9110 section 15.2: more follows an informational one
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	a.begun = true
	return a.ResponseWriter.Write(b)
}

// FlushError is what [http.ResponseController.Flush] calls.
func (a *answer) FlushError() error {
	a.begun = true
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// Hijack implements http.Hijacker. What follows is nobody's answer.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	a.begun = true
	return http.NewResponseController(a.ResponseWriter).Hijack()
}

// Unwrap lets [http.ResponseController] set deadlines.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
