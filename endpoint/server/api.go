package server

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/rs/zerolog"

	"sluice/channel/message"
	"sluice/endpoint"
	"sluice/flexsession"
)

// api is /api/v1: publishing and operating for services. docs/openapi.yaml describes it.
type api struct {
	s    *Server
	core *endpoint.Core
	log  zerolog.Logger
}

// apiPath is where the API is.
const apiPath = "/api/v1"

func (s *Server) mountAPI(r chi.Router, core *endpoint.Core) {
	a := &api{s: s, core: core, log: s.opts().Log("Endpoint.API")}
	r.Route(apiPath, func(r chi.Router) {
		r.Use(a.authorise)
		r.NotFound(func(w http.ResponseWriter, r *http.Request) {
			a.fail(w, &message.Error{Code: message.CodeUnknownEndpoint})
		})
		r.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
			a.fail(w, &message.Error{Code: message.CodeMethodNotAllowed})
		})
		r.Post("/publish", serve(a, a.publish))
		r.Post("/broadcast", serve(a, a.broadcast))
		r.Post("/send", serve(a, a.send))
		r.Post("/disconnect", serve(a, a.disconnect))
		r.Get("/info", a.info)
		r.Get("/sessions", a.sessions)
		r.Get("/sessions/{id}", a.session)
		r.Get("/clients", a.clients)
		r.Get("/clients/{id}", a.client)
		r.Get("/subscriptions", a.subscriptions)
		r.Get("/presence/{id}", a.presence)
		r.Get("/diagnostics", a.diagnostics)
		r.Put("/diagnostics", serve(a, a.setDiagnostics))
		r.Post("/reload", a.reload)
	})
}

// authorise lets in who presents one of the configured keys as a bearer token.
func (a *api) authorise(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		known, id := false, ""
		for _, k := range a.s.opts().APIKeys { // all of them, in the same time whichever fits
			if subtle.ConstantTimeCompare([]byte(k.Value), []byte(key)) == 1 {
				known, id = true, k.ID
			}
		}
		if !known || key == "" || !strings.EqualFold(scheme, "Bearer") {
			err := &message.Error{Code: message.CodeBadApiKey}
			if len(a.s.opts().APIKeys) == 0 {
				err.Detail = "no key is configured"
			}
			w.Header().Set("WWW-Authenticate", `Bearer realm="sluice"`)
			a.fail(w, err)
			return
		}
		event := a.log.Debug()
		if r.Method == http.MethodPut || r.URL.Path == apiPath+"/disconnect" || r.URL.Path == apiPath+"/reload" {
			event = a.log.Info() // who changed something, or ended others
		}
		event.Str("key", id).Str("method", r.Method).Str("path", r.URL.Path).Msg("request")
		next.ServeHTTP(w, r)
	})
}

// maxAPIBody bounds a request of a service.
const maxAPIBody = 4 << 20

// serve decodes the body into a Req, calls f, and answers with what it returns.
func serve[Req any](a *api, f func(*Req) (any, *message.Error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		req := new(Req)
		if err := a.read(w, r, req); err != nil {
			a.fail(w, err)
			return
		}
		answer, refused := f(req)
		if refused != nil {
			a.fail(w, refused)
			return
		}
		a.answer(w, http.StatusOK, answer)
	}
}

// read decodes the body, within its limits of size and time.
func (a *api) read(w http.ResponseWriter, r *http.Request, into any) *message.Error {
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(a.core.Limits.RequestTimeout)) // no slow peer where it cannot be set
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAPIBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return message.Errorf(message.CodeMessageTooBig, "body: expected at most %d bytes", maxAPIBody)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &message.Error{Code: message.CodeRequestTimeout, Value: a.core.Limits.RequestTimeout.Milliseconds()}
	case err != nil:
		return message.Errorf(message.CodeBadRequest, "the body could not be read")
	}
	control.SetReadDeadline(time.Time{})
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return message.Errorf(message.CodeBadRequest, "body: %v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return message.Errorf(message.CodeBadRequest, "body: expected one JSON object and nothing behind it")
	}
	return nil
}

func (a *api) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // the caller is gone if this fails
}

// fail answers with the error in the API's form. Problems are all that is wrong, where that is more than one thing.
func (a *api) fail(w http.ResponseWriter, err *message.Error, problems ...string) {
	a.core.Stats.RequestError(err.Code)
	info := err.Code.Info()
	type body struct {
		Code     message.Code `json:"code"`
		Name     string       `json:"name"`
		Message  string       `json:"message"`
		Detail   string       `json:"detail,omitempty"`
		Setting  string       `json:"setting,omitempty"`
		Value    any          `json:"value,omitempty"`
		Problems []string     `json:"problems,omitempty"`
	}
	setting := err.Setting
	if setting == "" && err.Code != message.CodeMessageTooBig { // the API's own limit is no setting
		setting = info.Setting
	}
	if info.RetryAfterMillis > 0 {
		w.Header().Set("Retry-After", strconv.Itoa((info.RetryAfterMillis+999)/1000)) // RFC 9110 section 10.2.3
	}
	a.answer(w, err.HTTPStatus(), map[string]body{"error": {err.Code, info.Name, info.Sentence, err.Detail, setting, err.Value, problems}})
}

// outgoing is what publish, broadcast and send have in common.
type outgoing struct {
	Destination string          `json:"destination"`
	MessageID   string          `json:"messageId"`
	Headers     map[string]any  `json:"headers"`
	Body        json.RawMessage `json:"body"`
}

// message makes the message for the given subtopics.
func (a *api) message(o *outgoing, subtopics []string) (*message.Message, *message.Error) {
	d := a.s.broker.Destination(o.Destination)
	if d == nil {
		return nil, message.Errorf(message.CodeUnknownDestination, "%q", o.Destination)
	}
	if err := d.CheckSend(subtopics); err != nil {
		return nil, err
	}
	m, err := message.New(o.Destination, subtopics, o.Body, o.Headers, o.MessageID, time.Now())
	if err == nil {
		d.Settle(m) // one that is sent to a client does not come by the broker
	}
	return m, err
}

type published struct {
	MessageID string `json:"messageId"`
	Duplicate bool   `json:"duplicate,omitempty"` // the same messageId was published before; nothing was sent now
}

// once publishes o to the subtopics, unless the service gave an id that was published on the destination before. While another publish of that id is under way it waits to
// see how that one goes, for as long as a request may take; then it is refused, and may be tried again.
func (a *api) once(o *outgoing, subtopics []string) (any, *message.Error) {
	m, err := a.message(o, subtopics)
	if err != nil {
		return nil, err
	}
	if o.MessageID == "" {
		return published{MessageID: m.ID}, a.core.PublishOne(m)
	}
	key := o.Destination + "\x00" + o.MessageID
	for until := time.Now().Add(a.core.Limits.RequestTimeout); ; {
		id, mine := a.s.recent.begin(key)
		if mine {
			err := a.core.PublishOne(m)
			a.s.recent.end(key, id, err != nil)
			return published{MessageID: m.ID}, err
		}
		switch ended := id.wait(time.Until(until)); {
		case !ended:
			return nil, message.Errorf(message.CodeOverloaded, "This messageId is being published.")
		case !id.failed:
			return published{MessageID: m.ID, Duplicate: true}, nil
		}
	}
}

type publishRequest struct {
	outgoing
	Subtopic string `json:"subtopic"`
}

func (a *api) publish(req *publishRequest) (any, *message.Error) {
	return a.once(&req.outgoing, list(req.Subtopic))
}

type broadcastRequest struct {
	outgoing
	Subtopics []string `json:"subtopics"`
}

// broadcast sends one body to many subtopics. Who has subscribed to several of them gets it once.
func (a *api) broadcast(req *broadcastRequest) (any, *message.Error) {
	if len(req.Subtopics) == 0 {
		return nil, message.Errorf(message.CodeBadField, "subtopics: expected at least one")
	}
	return a.once(&req.outgoing, req.Subtopics)
}

type sendRequest struct {
	outgoing
	Subtopic string `json:"subtopic"`
	User     string `json:"user"`
	Client   string `json:"client"`
}

// send hands a message to one client, or to all of a user, that have a subscription it matches.
func (a *api) send(req *sendRequest) (any, *message.Error) {
	clients, err := a.addressed(req.User, req.Client, "")
	if err != nil {
		return nil, err
	}
	m, err := a.message(&req.outgoing, list(req.Subtopic))
	if err != nil {
		return nil, err
	}
	reached := 0
	for _, c := range clients {
		if c.Push(a.s.broker.Destination(m.Destination), m) {
			reached++
		}
	}
	return map[string]any{"messageId": m.ID, "clients": len(clients), "reached": reached}, nil
}

// addressed are the clients that exactly one of user, client and session names.
func (a *api) addressed(user, client, session string) ([]*flexsession.FlexClient, *message.Error) {
	var found []*flexsession.FlexClient
	switch {
	case user != "" && client == "" && session == "":
		found = a.s.registry.OfUser(user)
	case client != "" && user == "" && session == "":
		if c := a.s.registry.Lookup(client); c != nil {
			found = append(found, c)
		}
	case session != "" && user == "" && client == "":
		if s := a.s.registry.Session(session); s != nil {
			return s.Clients(), nil
		}
	default:
		return nil, message.Errorf(message.CodeBadField, "expected exactly one of user, client and session")
	}
	if len(found) == 0 {
		return nil, &message.Error{Code: message.CodeNotFound}
	}
	return found, nil
}

type disconnectRequest struct {
	User    string `json:"user"`
	Client  string `json:"client"`
	Session string `json:"session"`
	Reason  string `json:"reason"`
}

// disconnect ends a session, a client, or all that a user has: his clients, and his HTTP sessions, so that no cookie lets him in again. The reason is told to them.
func (a *api) disconnect(req *disconnectRequest) (any, *message.Error) {
	if len(req.Reason) > 200 {
		return nil, message.Errorf(message.CodeBadField, "reason: expected at most 200 bytes")
	}
	cause := flexsession.Cause{Code: message.CodeAdministrator, Detail: req.Reason}.WithIncident()
	if req.User != "" && req.Client == "" && req.Session == "" {
		ended, found := a.s.registry.EndUser(req.User, cause)
		if !found {
			return nil, &message.Error{Code: message.CodeNotFound}
		}
		return map[string]any{"ended": ended, "incident": cause.Incident}, nil
	}
	clients, err := a.addressed(req.User, req.Client, req.Session)
	if err != nil {
		return nil, err
	}
	ended := 0
	for _, c := range clients {
		if c.End(cause) {
			ended++
		}
	}
	if req.Session != "" {
		if s := a.s.registry.Session(req.Session); s != nil {
			s.Invalidate(cause)
		}
	}
	return map[string]any{"ended": ended, "incident": cause.Incident}, nil
}

func list(subtopic string) []string {
	if subtopic == "" {
		return nil
	}
	return []string{subtopic}
}
