package longpoll

import (
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint"
	"sluice/flexsession"
)

// Endpoint serves one long-poll channel.
type Endpoint struct {
	core *endpoint.Core
	def  *channel.ChannelDefinition
}

// Mount adds the endpoint's routes to r.
func Mount(r chi.Router, core *endpoint.Core, def *channel.ChannelDefinition) {
	e := &Endpoint{core, def}
	r.Route(def.Path, func(r chi.Router) {
		r.Use(core.Guard(def))
		r.Post("/", e.post)
		endpoint.MountPublish(r, core, def)
	})
}

func (e *Endpoint) post(w http.ResponseWriter, r *http.Request) {
	q := e.core.Read(w, r, e.def)
	if q == nil {
		return
	}
	if req := q.Alone(); req != nil && req.Operation == "poll" {
		e.poll(w, r, q, req)
		return
	}
	q.Exchange()
}

// poll holds the request until the client has something to get.
func (e *Endpoint) poll(w http.ResponseWriter, r *http.Request, q *endpoint.Request, req *message.Request) {
	if req.Attach == 0 {
		e.core.Refuse(w, r, message.Errorf(message.CodeBadField, "attach: expected a number above 0, higher than that of the poll before").To(req.MessageID))
		return
	}
	session, _ := q.Session().(*flexsession.LongPollSession)
	if session == nil {
		endpoint.AnswerAttach(w, endpoint.GoneLine(q.Ended()))
		return
	}
	if req.HasGot {
		q.Client.Got(req.Got)
	}
	q.Client.Touch()

	held := e.core.Hold(w, r, e.def, session, q.Client, false)
	defer held.Abandon()
	e.core.Stats.Opened(e.def.ID)
	cookie := q.CookieCame()
	line, ok := held.Attach(q.Client, req.Attach, req.Have, &cookie)
	if !ok {
		held.Refused(line)
		endpoint.AnswerAttach(w, line)
		return
	}

	wait, refused := e.place(session, req)
	body, parked, over := e.hold(held, r, session, wait)
	if !over {
		pause := turn(q.Client, e.pause(parked, refused, wait), refused)
		q.Client.Advise(pause)
		body = message.AppendAcknowledge(body, message.Acknowledge{
			CorrelationID: req.MessageID,
			Headers:       message.AcknowledgeHeaders{HasPollWait: true, PollWait: pause},
			Code:          refused,
		})
	}
	w.Header().Set("Content-Type", endpoint.ContentLines)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	held.Ended(held.Respond(r, body))
}

// place takes a place for a held poll. It returns how long the poll may be held, 0: not at all, and then why, if that is for want of a place.
func (e *Endpoint) place(s *flexsession.LongPollSession, req *message.Request) (wait time.Duration, refused message.Code) {
	wait = e.def.WaitInterval
	if asked := time.Duration(min(req.Wait, 1<<31)) * time.Millisecond; req.HasWait && (wait < 0 || asked < wait) {
		wait = asked
	}
	if wait == 0 || e.def.MaxWaitingPollRequests <= 0 {
		return 0, 0
	}
	if _, ok := s.Open(); !ok {
		return 0, message.CodeLimitSessionConnections
	}
	if !e.core.Open.Enter(e.def.ID, e.def.MaxWaitingPollRequests) {
		s.Close()
		return 0, message.CodeLimitPolls
	}
	return wait, 0
}

// hold holds the poll in its place.
func (e *Endpoint) hold(h *endpoint.Held, r *http.Request, s *flexsession.LongPollSession, wait time.Duration) (body []byte, parked, over bool) {
	if wait != 0 {
		defer func() {
			e.core.Open.Leave(e.def.ID)
			s.Close()
		}()
	}
	return h.Answer(r, wait)
}

// unheldPause is the least pause after a poll that found no place, so that those who find none do not take all the server's time (BlazeDS: 3 s).
const unheldPause = 3 * time.Second

// pause is when to poll next.
func (e *Endpoint) pause(parked bool, refused message.Code, wait time.Duration) time.Duration {
	switch {
	case refused != 0:
		return max(e.def.PollingInterval, unheldPause)
	case parked:
		return e.def.ClientWaitInterval
	case wait == 0:
		return e.def.PollingInterval
	}
	return 0
}

// longestTurn bounds the pause of a poller whose messages are held to a frequency: what the server has to say otherwise does not wait for longer.
const longestTurn = 10 * time.Second

// turn is the pause of a poller for which a message is held (throttle-outbound): until that has its turn, if nothing can come before; else no longer than that.
func turn(c *flexsession.FlexClient, pause time.Duration, refused message.Code) time.Duration {
	next, sure := c.NextTurn()
	switch {
	case next == 0 || refused != 0:
		return pause
	case sure:
		return min(next, longestTurn)
	}
	return min(pause, next)
}
