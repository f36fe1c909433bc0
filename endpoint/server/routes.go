package server

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/longpoll"
	"sluice/endpoint/streaming"
	"sluice/endpoint/websocket"
	"sluice/web"
)

// routes is what a listener serves, by its role.
func (s *Server) routes(l *listener) http.Handler {
	r := chi.NewRouter()
	r.Use(contain(l.core))
	nothing := func(w http.ResponseWriter, r *http.Request) {
		l.core.Refuse(w, r, &message.Error{Code: message.CodeUnknownEndpoint})
	}
	r.NotFound(nothing)
	r.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		l.core.Refuse(w, r, &message.Error{Code: message.CodeMethodNotAllowed})
	})
	switch l.Role {
	case Internal:
		s.mountInternal(r)
	case API:
		s.mountAPI(r, l.core)
	default:
		s.mountPublic(r, l, nothing)
	}
	return r
}

func (s *Server) mountPublic(r chi.Router, l *listener, nothing http.HandlerFunc) {
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
	r.NotFound(web.Handler(nothing).ServeHTTP) // no route of its own: with one, every unknown address would be known, only not to POST
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
