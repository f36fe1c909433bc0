package streaming

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"sluice/channel/message"
	"sluice/endpoint"
	"sluice/flexsession"
)

// read serves a plain GET of a destination and a subtopic: curl gets lines, EventSource events. The reader is a client of its own that ends with the request.
func (e *Endpoint) read(w http.ResponseWriter, r *http.Request) {
	c, session, err := e.reader(w, r)
	if err != nil {
		e.core.RefusePlain(w, r, e.def, err)
		return
	}
	leave, err := e.place(session)
	if err == nil {
		defer leave()
		err = e.subscribe(c, r)
	}
	if err != nil {
		c.End(flexsession.Because(err.Code))
		e.core.RefusePlain(w, r, e.def, err)
		return
	}
	e.core.Stats.Opened(e.def.ID)
	held := e.core.Hold(w, r, e.def, session, c, true)
	defer held.Abandon()
	held.Attach(c, 1, 0, nil)
	if strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		e.head(w, "text/event-stream; charset=utf-8", session.Peer())
		held.Ended(held.Stream(r, []byte(": open\n\n"), events, []byte(":\n\n")))
		return
	}
	padding := e.head(w, contentLines, session.Peer())
	held.Ended(held.Stream(r, padding, nil, []byte{0}))
}

// reader makes the client behind a GET: as the user of a ticket, of Authorization: Basic, or of the cookie.
func (e *Endpoint) reader(w http.ResponseWriter, r *http.Request) (*flexsession.FlexClient, *flexsession.StreamingSession, *message.Error) {
	c, s, err := e.core.Guest(w, r, e.def)
	if err != nil {
		return nil, nil, err
	}
	session, ok := s.(*flexsession.StreamingSession)
	if !ok {
		c.End(flexsession.Because(message.CodeSessionTimeout))
		return nil, nil, &message.Error{Code: message.CodeUnknownClient}
	}
	return c, session, nil
}

func (e *Endpoint) subscribe(c *flexsession.FlexClient, r *http.Request) *message.Error {
	d, subtopic, err := endpoint.Target(e.core, r)
	if err != nil {
		return err
	}
	if err := e.core.Broker.Allow(e.def.Constraint, c.Principal()); err != nil {
		return err
	}
	if err := d.AllowSubscribe(e.def, c.Principal()); err != nil {
		return err
	}
	begin, err := endpoint.Begin(r)
	if err != nil {
		return err
	}
	topic := message.Topic{Subtopic: subtopic, Selector: r.URL.Query().Get("selector")}
	_, _, err = c.SubscribeFrom(d, []message.Topic{topic}, begin, flexsession.Attend{}, "")
	return err
}

// events turns lines into server-sent events (HTML Living Standard, section 9.2): data for a message, event loss where messages are missing, event disconnect for the last line. Of the rest only the
// positions count: an id stands where there is one, also without data, so that a reader to which nothing has come yet can go on where it was.
func events(dst, lines []byte) []byte {
	for line := range bytes.Lines(lines) {
		switch {
		case bytes.HasPrefix(line, []byte(`{"type":"async"`)):
			dst = appendID(dst, (&message.Message{Line: line}).Position())
		case bytes.HasPrefix(line, []byte(`{"type":"subscription-state"`)):
			var state struct{ Position string }
			if json.Unmarshal(line, &state) == nil && state.Position != "" {
				dst = append(appendID(dst, state.Position), '\n')
			}
			continue
		case bytes.HasPrefix(line, []byte(`{"type":"loss"`)):
			dst = append(dst, "event: loss\n"...)
		case bytes.HasPrefix(line, []byte(`{"type":"control","operation":"disconnect"`)):
			dst = append(dst, "event: disconnect\n"...)
		default:
			continue
		}
		dst = append(dst, "data: "...)
		dst = append(dst, line...)
		dst = append(dst, '\n')
	}
	return dst
}

func appendID(dst []byte, position string) []byte {
	if position == "" {
		return dst
	}
	dst = append(dst, "id: "...)
	dst = append(dst, position...)
	return append(dst, '\n')
}
