package streaming

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint"
	"sluice/flexsession"
)

const contentLines = endpoint.ContentLines

// Endpoint serves one streaming channel.
type Endpoint struct {
	core *endpoint.Core
	def  *channel.ChannelDefinition
}

// Mount adds the endpoint's routes to r.
func Mount(r chi.Router, core *endpoint.Core, def *channel.ChannelDefinition) {
	e := &Endpoint{core: core, def: def}
	r.Route(def.Path, func(r chi.Router) {
		r.Use(core.Guard(def))
		r.Post("/", e.post)
		endpoint.MountPublish(r, core, def)
		r.Get("/{destination}", e.read)
		r.Get("/{destination}/{subtopic}", e.read)
	})
}

func (e *Endpoint) post(w http.ResponseWriter, r *http.Request) {
	q := e.core.Read(w, r, e.def)
	if q == nil {
		return
	}
	q.OnAttach = func(req *message.Request, reply func([]byte)) { e.attach(q, req, reply) }
	switch command := r.URL.Query().Get("command"); command {
	case "":
		q.Exchange()
	case "open":
		e.open(w, r, q)
	case "close":
		e.close(w, r, q)
	default:
		e.core.Refuse(w, r, message.Errorf(message.CodeBadRequest, "command: expected open or close"))
	}
}

// open answers with a stream. With an attach line in the body it is attached at once; without one it waits for a POST of the line with its streamId.
func (e *Endpoint) open(w http.ResponseWriter, r *http.Request, q *endpoint.Request) {
	if q.Client == nil {
		e.core.Refuse(w, r, &message.Error{Code: message.CodeNotConnected})
		return
	}
	req := q.Alone()
	if !q.Empty() && (req == nil || req.Operation != "attach" || req.Attach == 0) {
		e.core.Refuse(w, r, message.Errorf(message.CodeBadRequest, "a stream is opened with one attach line, or none"))
		return
	}
	session, _ := q.Session().(*flexsession.StreamingSession)
	if session == nil {
		endpoint.AnswerAttach(w, endpoint.GoneLine(q.Ended()))
		return
	}
	leave, err := e.place(session)
	if err != nil {
		e.core.Refuse(w, r, err)
		return
	}
	defer leave()

	e.core.Stats.Opened(e.def.ID)
	held := e.core.Hold(w, r, e.def, session, q.Client, q.Client.Unreliable())
	defer held.Abandon()
	id := e.core.Lasting.Keep(q.Client, held)
	defer e.core.Lasting.Drop(id)
	q.Client.Touch()
	if req != nil {
		if req.HasGot {
			q.Client.Got(req.Got)
		}
		cookie := q.CookieCame()
		line, ok := held.Attach(q.Client, req.Attach, req.Have, &cookie)
		switch {
		case ok:
		case endpoint.IsGone(line):
			endpoint.AnswerAttach(w, line)
			held.Refused(line)
			return
		default:
			held.Close(line, flexsession.Because(message.CodeDisplaced))
		}
	}
	head := e.head(w, contentLines, q.Peer)
	head = message.AppendOpen(head, message.Open{StreamID: id})
	held.Ended(held.Stream(r, head, nil, []byte{0}))
}

// place takes a place at the endpoint and in the session for one more stream.
func (e *Endpoint) place(s *flexsession.StreamingSession) (leave func(), err *message.Error) {
	if limit, ok := s.Open(); !ok {
		return nil, &message.Error{Code: message.CodeLimitSessionConnections, Value: limit}
	}
	if e.def.MaxStreamingClients <= 0 || !e.core.Open.Enter(e.def.ID, e.def.MaxStreamingClients) {
		s.Close()
		return nil, &message.Error{Code: message.CodeLimitStreams, Value: e.def.MaxStreamingClients}
	}
	return func() {
		e.core.Open.Leave(e.def.ID)
		s.Close()
	}, nil
}

// head sends the header of a stream and returns the padding that some browsers want before they hand over what comes.
func (e *Endpoint) head(w http.ResponseWriter, contentType string, p flexsession.Peer) []byte {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Accel-Buffering", "no") // nginx: do not hold it back
	w.WriteHeader(http.StatusOK)
	kickstart, _ := endpoint.UserAgentOf(e.def, p.UserAgent)
	return make([]byte, kickstart)
}

// close ends a stream of the client. The client lives on.
func (e *Endpoint) close(w http.ResponseWriter, r *http.Request, q *endpoint.Request) {
	held := e.core.Lasting.Stream(e.def.ID, q.Client, r.URL.Query().Get("streamId"))
	if held == nil {
		e.core.Refuse(w, r, &message.Error{Code: message.CodeUnknownStream})
		return
	}
	held.End(flexsession.Because(message.CodeStreamClosed))
	w.Header().Set("Content-Type", contentLines)
	w.Write(message.AppendAcknowledge(nil, message.Acknowledge{})) // the stream has ended, whether the client hears it or not
}

// attach serves an attach line that was POSTed for a stream which has proved itself.
func (e *Endpoint) attach(q *endpoint.Request, req *message.Request, reply func([]byte)) {
	held := e.core.Lasting.Stream(e.def.ID, q.Client, req.StreamID)
	if held == nil {
		reply(message.AppendError(nil, (&message.Error{Code: message.CodeUnknownStream}).To(req.MessageID)))
		return
	}
	cookie := q.CookieCame()
	line, _ := held.Attach(q.Client, req.Attach, req.Have, &cookie)
	reply(line)
}
