package server

import (
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint"
	"sluice/endpoint/longpoll"
	"sluice/endpoint/streaming"
	"sluice/endpoint/websocket"
	"sluice/web"
)

// routes is what a listener serves, by its role. A reload makes them anew.
func (s *Server) routes(l *Listener, core *endpoint.Core, what *serving) http.Handler {
	r := chi.NewRouter()
	r.Use(contain(core))
	nothing := func(w http.ResponseWriter, r *http.Request) {
		core.Refuse(w, r, &message.Error{Code: message.CodeUnknownEndpoint})
	}
	r.NotFound(nothing)
	r.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		core.Refuse(w, r, &message.Error{Code: message.CodeMethodNotAllowed})
	})
	switch l.Role {
	case Internal:
		s.mountInternal(r)
	case API:
		s.mountAPI(r, core)
	default:
		s.mountPublic(r, l, core, what, nothing)
	}
	return r
}

func (s *Server) mountPublic(r chi.Router, l *Listener, core *endpoint.Core, what *serving, nothing http.HandlerFunc) {
	for _, def := range what.channels {
		if !servedAt(def, l) {
			continue
		}
		switch def.Kind {
		case channel.WebSocket:
			websocket.Mount(r, core, def)
		case channel.Streaming:
			streaming.Mount(r, core, def)
		case channel.LongPoll:
			longpoll.Mount(r, core, def)
		}
	}
	if hasAPI(l, what) {
		s.mountAPI(r, core)
	}
	r.Get("/config.json", config(core))
	r.NotFound(web.Handler(nothing).ServeHTTP) // no route of its own: with one, every unknown address would be known, only not to POST
}

// hasAPI says whether the API is served by l: by those of its role, or else by the public ones.
func hasAPI(l *Listener, what *serving) bool {
	return l.Role == API || l.Role == Public && !has(what.opts.Listeners, API)
}

// refusal answers requests that no route is to see: those of the API in its form, all others in the protocol's.
func (s *Server) refusal(l *Listener, core *endpoint.Core, what *serving) func(http.ResponseWriter, *http.Request, *message.Error) {
	return func(w http.ResponseWriter, r *http.Request, err *message.Error) {
		if hasAPI(l, what) && strings.HasPrefix(r.URL.Path+"/", apiPath+"/") {
			(&api{s: s, core: core}).fail(w, err)
			return
		}
		core.Refuse(w, r, err)
	}
}

func has(listeners []Listener, role Role) bool {
	return slices.ContainsFunc(listeners, func(l Listener) bool { return l.Role == role })
}

// servedAt says whether the channel of def is served by l, which is a public listener.
func servedAt(def *channel.ChannelDefinition, l *Listener) bool {
	return def.Server == "" || def.Server == l.ID
}

// config tells clients of any page which channels there are: it holds no secret.
func config(core *endpoint.Core) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Cache-Control", "no-cache")
		w.Write(core.Config()) // the client is gone if this fails
	}
}
