package endpoint

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/flexsession"
)

// ContentLines is the media type of answers made of lines.
const ContentLines = "application/x-ndjson; charset=utf-8"

// Refuse answers r as a whole: the status of the code, and one error line.
func (k *Core) Refuse(w http.ResponseWriter, r *http.Request, err *message.Error) {
	k.Stats.refused(err.Code)
	retry := err.Code.Info().RetryAfterMillis
	if err.RetryAfter > 0 {
		retry = int((err.RetryAfter + time.Millisecond - 1) / time.Millisecond)
	}
	if retry > 0 {
		w.Header().Set("Retry-After", seconds(retry))
	}
	answer(w, err.HTTPStatus(), message.AppendError(nil, err))
}

// seconds is a time for a Retry-After header (RFC 9110 section 10.2.3), rounded up.
func seconds(millis int) string { return strconv.Itoa((millis + 999) / 1000) }

func answer(w http.ResponseWriter, status int, lines []byte) {
	w.Header().Set("Content-Type", ContentLines)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="sluice"`) // RFC 9110 section 15.5.2 wants one
	}
	w.WriteHeader(status)
	w.Write(lines) // the client is gone if this fails, and finds out by itself
}

// AnswerAttach answers a request whose attach had no effect with the line that says why: gone has status 401, displaced 200.
func AnswerAttach(w http.ResponseWriter, line []byte) {
	status := http.StatusOK
	if IsGone(line) {
		status = http.StatusUnauthorized
	}
	answer(w, status, line)
}

// IsGone says whether the answer to an attach is that the server cannot go on with the client.
func IsGone(line []byte) bool {
	return bytes.HasPrefix(line, []byte(`{"type":"control","operation":"gone"`))
}

// gone answers a request of a client that the server does not know, or no longer.
func (k *Core) gone(w http.ResponseWriter, ended *flexsession.Cause) {
	answer(w, http.StatusUnauthorized, GoneLine(ended))
}

// GoneLine says why a client cannot be gone on with; nil: it is unknown.
func GoneLine(ended *flexsession.Cause) []byte {
	if ended == nil {
		return message.AppendGone(nil, message.Gone{Reason: message.GoneUnknown, End: message.End{Code: message.CodeUnknownClient}})
	}
	return message.AppendGone(nil, message.Gone{Reason: message.GoneExpired, End: ended.End()})
}

// Bearer takes id and secret from the Authorization header (RFC 6750). ok is false where there is none.
func Bearer(r *http.Request) (id, secret string, ok bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", "", false
	}
	id, secret, _ = strings.Cut(strings.TrimSpace(token), ".")
	return id, secret, true
}

// Request is one POST to an HTTP endpoint: who sent it, and its lines. It implements [Carrier] for those lines.
type Request struct {
	Core   *Core
	Def    *channel.ChannelDefinition
	Client *flexsession.FlexClient // by its bearer token; nil without one
	Peer   flexsession.Peer
	Reqs   []*message.Request // the first lines, at most a batch
	Errs   []*message.Error

	// rest is what follows those lines; empty: nothing does.
	rest []byte

	// OnAttach serves a control attach; nil where none can be.
	OnAttach func(req *message.Request, reply func([]byte))

	w       http.ResponseWriter
	r       *http.Request
	record  *flexsession.Record
	user    *channel.Principal // by Authorization: Basic, for the client that is to be connected
	fresh   bool               // record was made for this request
	old     string             // the cookie's value as it came
	mu      sync.Mutex
	replies [][]byte // by line of the batch
	open    sync.WaitGroup
}

// Read checks who sends r and reads its lines. When it returns nil it has answered.
func (k *Core) Read(w http.ResponseWriter, r *http.Request, def *channel.ChannelDefinition) *Request {
	q := &Request{Core: k, Def: def, Peer: k.PeerOf(r), w: w, r: r}
	if c, err := r.Cookie(k.Limits.CookieName); err == nil {
		q.old = c.Value
	}
	if id, secret, ok := Bearer(r); ok {
		c, ended := k.Registry.Client(id, secret)
		if c == nil || c.Foreign(k.CookieRecord(r)) {
			k.gone(w, ended)
			return nil
		}
		q.Client = c
	}
	body, err := k.body(w, r, def)
	if err != nil {
		k.Refuse(w, r, err)
		return nil
	}
	q.Reqs, q.Errs, q.rest = k.Decode(body, def)
	if q.Client == nil && !q.connects() {
		k.Refuse(w, r, q.notConnected())
		return nil
	}
	if err := q.admit(); err != nil {
		k.RefusePlain(w, r, def, err)
		return nil
	}
	return q
}

// connects says whether the first line is a connect: the only one that needs no client.
func (q *Request) connects() bool {
	return len(q.Reqs) > 0 && q.Errs[0] == nil && q.Reqs[0].Operation == "client_ping" && q.Reqs[0].Headers.DSId == "nil"
}

func (q *Request) notConnected() *message.Error {
	if len(q.Errs) > 0 && q.Errs[0] != nil {
		return q.Errs[0]
	}
	return &message.Error{Code: message.CodeNotConnected}
}

// body reads the body within its limits of size and time.
func (k *Core) body(w http.ResponseWriter, r *http.Request, def *channel.ChannelDefinition) ([]byte, *message.Error) {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.ContentLength != 0 && media != "application/json" && media != "application/x-ndjson" {
		return nil, message.Errorf(message.CodeBadContentType, "found %q", bounded(media, 100))
	}
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(k.Limits.RequestTimeout)) // where it cannot be set (a test's recorder) there is no slow peer either
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(def.MaxRequestSize)))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &message.Error{Code: message.CodeMessageTooBig, Setting: "max-request-size-bytes", Value: def.MaxRequestSize}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &message.Error{Code: message.CodeRequestTimeout, Value: k.Limits.RequestTimeout.Milliseconds()}
	case err != nil:
		return nil, message.Errorf(message.CodeBadRequest, "the body could not be read")
	}
	control.SetReadDeadline(time.Time{})
	return body, nil
}

// Session is the client's session at this endpoint; nil when its record has ended. A client that comes from a WebSocket, where it had no cookie, gets a record of its own: no
// cookie is set for it, and it ends with the client.
func (q *Request) Session() flexsession.Session {
	record := q.Client.Record()
	if record == nil {
		guest := q.Core.Registry.NewGuestRecord(q.Def)
		var err *message.Error
		if record, err = q.Client.SetRecord(guest); err != nil {
			guest.End(flexsession.Because(err.Code)) // nobody will
			return nil
		}
	}
	_, limit := UserAgentOf(q.Def, q.Peer.UserAgent)
	return record.Session(q.Def, q.Peer, limit)
}

// Ended is why Session was nil: the client has ended, or its record has, and the client is about to.
func (q *Request) Ended() *flexsession.Cause {
	if cause := q.Client.Ended(); cause != nil {
		return cause
	}
	if r := q.Client.Record(); r != nil {
		return r.Ended()
	}
	return nil
}

// CookieCame says whether the request brought the cookie of the client's record, which is told to clients.
func (q *Request) CookieCame() bool {
	if q.Client == nil || q.old == "" {
		return false
	}
	r := q.Core.CookieRecord(q.r)
	return r != nil && r == q.Client.Record()
}

// Alone is the only line of the request; nil when there are others, or none, or it cannot be read.
func (q *Request) Alone() *message.Request {
	if len(q.Reqs) != 1 || len(q.rest) > 0 {
		return nil
	}
	return q.Reqs[0]
}

// Empty says whether the request has no line at all.
func (q *Request) Empty() bool { return len(q.Reqs) == 0 }

// Exchange works on the lines, a batch at a time, and answers with their replies. When those grow larger than what may wait for a client, the lines that are left are not
// worked on, and one error says so.
func (q *Request) Exchange() {
	x := Exchange{Core: q.Core, Def: q.Def, Client: q.Client, Peer: q.Peer, Carrier: q}
	lines := q.batch(&x, nil)
	for len(q.rest) > 0 {
		if limit := q.Core.Limits.MaxReplies; len(lines) > limit {
			refused := &message.Error{Code: message.CodeTooManyRequests, Setting: "max-waiting-bytes", Value: limit}
			q.Core.Stats.refused(refused.Code)
			lines = message.AppendError(lines, refused)
			break
		}
		q.Reqs, q.Errs, q.rest = q.Core.Decode(q.rest, q.Def)
		lines = q.batch(&x, lines)
	}
	if x.Client != nil {
		x.Client.Touch()
	} else if q.fresh {
		q.record.End(flexsession.Because(message.CodeConnectionClosed)) // the connect was refused
	}
	answer(q.w, http.StatusOK, lines)
}

// batch works on the decoded lines and appends their replies.
func (q *Request) batch(x *Exchange, lines []byte) []byte {
	q.replies = make([][]byte, len(q.Reqs))
	for i := range q.Reqs {
		if q.answers(i) {
			q.open.Add(1)
		}
	}
	x.Work(q.Reqs, q.Errs)
	q.open.Wait()
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, line := range q.replies {
		lines = append(lines, line...)
	}
	return lines
}

// Reply implements Carrier.
func (q *Request) Reply(i int, line []byte) {
	q.mu.Lock()
	first := q.replies[i] == nil
	q.replies[i] = append(q.replies[i], line...)
	q.mu.Unlock()
	if first && q.answers(i) {
		q.open.Done()
	}
}

// answers says whether line i gets exactly one reply, perhaps later.
func (q *Request) answers(i int) bool {
	return q.Errs[i] != nil || q.Reqs[i].Type != message.TypeControl
}

// Connected implements Carrier. A new record gets its cookie only now that there is a client for it, and the client its session at this endpoint.
func (q *Request) Connected(c *flexsession.FlexClient) {
	q.Client = c
	if s := q.Session(); s != nil {
		c.Use(s)
	}
	if q.logIn() || q.fresh {
		q.Renewed(c.Record())
	}
}

// Attach implements Carrier.
func (q *Request) Attach(req *message.Request, reply func([]byte)) {
	if q.OnAttach == nil {
		reply(message.AppendError(nil, message.Errorf(message.CodeBadField, "attach: expected on a WebSocket, a stream or a poll").To(req.MessageID)))
		return
	}
	q.OnAttach(req, reply)
}

// Record implements Carrier: the client's own record, else the cookie's, else a new one.
func (q *Request) Record() (*flexsession.Record, *message.Error) {
	if q.Client != nil {
		if r := q.Client.Record(); r != nil {
			return r, nil
		}
	}
	if q.record == nil {
		q.record = q.Core.CookieRecord(q.r)
	}
	if q.record == nil {
		r, err := q.Core.Registry.NewRecord(q.Def)
		if err != nil {
			return nil, err
		}
		q.record, q.fresh = r, true
	}
	return q.record, nil
}

// Renewed implements Carrier: the cookie gets a new value.
func (q *Request) Renewed(r *flexsession.Record) {
	if r.Guest() {
		return // no cookie came back from its client
	}
	if err := q.Core.setCookie(q.w, q.r, r); err != nil {
		q.Core.Logger.Error().Err(err).Msg("a session cookie could not be renewed")
	}
}

// UserAgentOf is the entry of user-agent-settings for a browser: how much padding it needs on a stream and how many connections its session may hold (0: no limit). The longest match wins.
func UserAgentOf(def *channel.ChannelDefinition, userAgent string) (kickstart, limit int) {
	best := -1
	for _, u := range def.UserAgents {
		n := len(u.MatchOn)
		if u.MatchOn == "*" {
			n = 0
		} else if !strings.Contains(userAgent, u.MatchOn) {
			continue
		}
		if n > best {
			best, kickstart, limit = n, u.KickstartBytes, u.MaxPersistentConnections
		}
	}
	return kickstart, limit
}
