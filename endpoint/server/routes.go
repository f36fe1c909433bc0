package server

import (
	"net/http"
	"runtime/debug"

	"github.com/go-chi/chi/v5"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint"
	"sluice/endpoint/longpoll"
	"sluice/endpoint/streaming"
	"sluice/endpoint/websocket"
	"sluice/web"
)

// routes is what a listener serves, by its role.
func (s *Server) routes(l *listener) http.Handler {
	r := chi.NewRouter()
	r.Use(contain(l.core))
	r.NotFound(func(w http.ResponseWriter, r *http.Request) {
		l.core.Refuse(w, r, &message.Error{Code: message.CodeUnknownEndpoint})
	})
	r.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		l.core.Refuse(w, r, &message.Error{Code: message.CodeMethodNotAllowed})
	})
	switch l.Role {
	case Internal:
		s.mountInternal(r)
	case API:
		s.mountAPI(r, l.core)
	default:
		s.mountPublic(r, l)
	}
	return r
}

func (s *Server) mountPublic(r chi.Router, l *listener) {
	for i := range s.opts.Channels {
		def := &s.opts.Channels[i]
		if def.Server != "" && def.Server != l.ID {
			continue
		}
		switch def.Kind {
		case channel.WebSocket:
			websocket.Mount(r, l.core, def)
		case channel.Streaming:
			streaming.Mount(r, l.core, def)
		case channel.LongPoll:
			longpoll.Mount(r, l.core, def)
		}
	}
	if !s.has(API) {
		s.mountAPI(r, l.core)
	}
	r.Get("/config.json", s.config)
	page := web.Handler()
	r.Method(http.MethodGet, "/*", page)
	r.Method(http.MethodHead, "/*", page)
}

func (s *Server) has(role Role) bool {
	for _, l := range s.opts.Listeners {
		if l.Role == role {
			return true
		}
	}
	return false
}

// config tells clients of any page which channels there are: it holds no secret.
func (s *Server) config(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Cache-Control", "no-cache")
	w.Write(s.shared.Config()) // the client is gone if this fails
}

// contain ends only the request that failed, and tells its peer no more than a code.
func contain(core *endpoint.Core) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				p := recover()
				if p == nil || p == http.ErrAbortHandler {
					return
				}
				core.Logger.Error().Interface("panic", p).Str("path", r.URL.Path).Bytes("stack", debug.Stack()).Msg("a request failed")
				core.Refuse(w, r, &message.Error{Code: message.CodeInternal})
			}()
			next.ServeHTTP(w, r)
		})
	}
}
