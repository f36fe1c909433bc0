package endpoint

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/flexsession"
)

// MountPublish adds the plain POST of a message to a destination and a subtopic, for curl and scripts (docs/protocol.md section 8).
func MountPublish(r chi.Router, core *Core, def *channel.ChannelDefinition) {
	publish := func(w http.ResponseWriter, r *http.Request) {
		line, err := core.publish(w, r, def)
		if err != nil {
			core.RefusePlain(w, r, def, err)
			return
		}
		answer(w, http.StatusOK, line)
	}
	r.Post("/{destination}", publish)
	r.Post("/{destination}/{subtopic}", publish)
}

// Target is the destination and the subtopic that r's path names; "" for none.
func Target(core *Core, r *http.Request) (*channel.Destination, string, *message.Error) {
	id := parameter(r, "destination")
	d := core.Broker.Destination(id)
	if d == nil {
		return nil, "", message.Errorf(message.CodeUnknownDestination, "%q", bounded(id, 255))
	}
	return d, parameter(r, "subtopic"), nil
}

// parameter is a part of r's path. chi takes the parts from the raw path where net/http keeps one, and from the decoded path elsewhere.
func parameter(r *http.Request, name string) string {
	part := chi.URLParam(r, name)
	if r.URL.RawPath != "" {
		if decoded, err := url.PathUnescape(part); err == nil {
			return decoded
		}
	}
	return part
}

// User is who sends a plain request: by a ticket, by Authorization: Basic, or by the login record of its cookie. Nobody is nil.
func (k *Core) User(r *http.Request, record *flexsession.Record) (*channel.Principal, *message.Error) {
	if id := r.URL.Query().Get("ticket"); id != "" {
		p, ok := k.Tickets.Use(id)
		if !ok {
			return nil, &message.Error{Code: message.CodeBadTicket}
		}
		return p, nil
	}
	if user, password, ok := r.BasicAuth(); ok {
		return k.Verify(k.PeerOf(r).RemoteAddr, user, password)
	}
	if record == nil {
		return nil, nil
	}
	return record.Principal(), nil
}

// RefusePlain refuses a plain request. Where it is a constraint with auth-method Basic that keeps r out, the answer asks for a name and a password (RFC 7617 section 2).
func (k *Core) RefusePlain(w http.ResponseWriter, r *http.Request, def *channel.ChannelDefinition, err *message.Error) {
	if (err.Code == message.CodeLoginRequired || err.Code == message.CodeBadCredentials) && k.asksForPassword(r, def) {
		w.Header().Set("WWW-Authenticate", `Basic realm="sluice", charset="UTF-8"`)
	}
	k.Refuse(w, r, err)
}

func (k *Core) asksForPassword(r *http.Request, def *channel.ChannelDefinition) bool {
	constraints := []string{def.Constraint}
	if d, _, _ := Target(k, r); d != nil {
		own := d.Definition()
		constraints = append(constraints, own.Constraint, own.SubscribeConstraint)
		if r.Method == http.MethodPost {
			constraints[2] = own.SendConstraint
		}
	}
	return slices.ContainsFunc(constraints, func(id string) bool { return k.Basic[id] })
}

// publish sends the body of r as a message. No client is made for it. It may be that of a cookie's user, so it wants application/json of an empty body too: a foreign page can send
// other media types, and none, without a preflight (CORS-safelisted, Fetch Standard section 2.2.2).
func (k *Core) publish(w http.ResponseWriter, r *http.Request, def *channel.ChannelDefinition) ([]byte, *message.Error) {
	peer := k.PeerOf(r)
	if !k.Gate.NewSession(peer.RemoteAddr) {
		return nil, &message.Error{Code: message.CodeLimitNewSessions, Value: k.Gate.MaxSessions}
	}
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media != "application/json" {
		return nil, message.Errorf(message.CodeBadContentType, "found %q", bounded(media, 100))
	}
	d, subtopic, err := Target(k, r)
	if err != nil {
		return nil, err
	}
	user, err := k.User(r, k.CookieRecord(r))
	if err != nil {
		return nil, err
	}
	if err := k.Broker.Allow(def.Constraint, user); err != nil {
		return nil, err
	}
	if err := d.AllowSend(def, user); err != nil {
		return nil, err
	}
	var subtopics []string
	if subtopic != "" {
		subtopics = []string{subtopic}
	}
	if err := d.CheckSend(subtopics); err != nil {
		return nil, err
	}
	body, err := k.body(w, r, def)
	if err != nil {
		return nil, err
	}
	if len(body) > def.MaxMessageSize {
		return nil, &message.Error{Code: message.CodeMessageTooBig, Value: def.MaxMessageSize}
	}
	m, err := message.New(d.Definition().ID, subtopics, json.RawMessage(body), nil, flexsession.NewID(), time.Now())
	if err != nil {
		return nil, err
	}
	how, err := k.offer(d, peer.RemoteAddr, m)
	if err != nil {
		return nil, err
	}
	return publishedLine(m, how), nil
}

// offer is PublishOne of a message that is held to what its publisher may send. It has no client, so that is who comes from the same address.
func (k *Core) offer(d *channel.Destination, from string, m *message.Message) (channel.Admission, *message.Error) {
	type answer struct {
		how channel.Admission
		err *message.Error
	}
	done := make(chan answer, 1)
	how, err := d.Admit(from, m, func(how channel.Admission, err *message.Error) { done <- answer{how, err} })
	switch {
	case err != nil || how == channel.Ignored:
		return how, err
	case how == channel.Admitted:
		return how, k.PublishOne(m)
	}
	a := <-done
	if a.err == nil && a.how == channel.Admitted {
		k.Stats.MessagesIn.Add(1)
	}
	return a.how, a.err
}

// PublishOne hands m to the broker and waits until it has its place in the order.
func (k *Core) PublishOne(m *message.Message) *message.Error {
	done := make(chan *message.Error, 1)
	k.Broker.Publish([]*message.Message{m}, func(_ int, err *message.Error) { done <- err })
	err := <-done
	if err == nil {
		k.Stats.MessagesIn.Add(1)
	}
	return err
}

// Guest makes the simple client behind a plain GET, and its session.
func (k *Core) Guest(w http.ResponseWriter, r *http.Request, def *channel.ChannelDefinition) (*flexsession.FlexClient, flexsession.Session, *message.Error) {
	peer := k.PeerOf(r)
	if !k.Gate.NewSession(peer.RemoteAddr) {
		return nil, nil, &message.Error{Code: message.CodeLimitNewSessions, Value: k.Gate.MaxSessions}
	}
	record := k.CookieRecord(r)
	user, err := k.User(r, record)
	if err != nil {
		return nil, nil, err
	}
	guest := record == nil || record.Principal() != user
	if guest {
		record = k.Registry.NewGuestRecord(def)
	}
	c, _, err := k.Registry.NewClient(def, peer, record, true)
	if err == nil && guest && user != nil {
		err = k.logIn(c, user, false)
	}
	if err != nil {
		if guest {
			record.End(flexsession.Because(err.Code))
		}
		return nil, nil, err
	}
	_, limit := UserAgentOf(def, peer.UserAgent)
	return c, record.Session(def, peer, limit), nil
}
