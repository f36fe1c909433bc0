package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// httpClient makes the requests of the HTTP channels.
type httpClient struct {
	client *http.Client
	own    *http.Transport // nil if the application gave the client
}

func newHTTPClient(opts Options) *httpClient {
	if opts.HTTPClient != nil {
		return &httpClient{client: opts.HTTPClient}
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = opts.TLS.Clone()
	if opts.Dial != nil {
		t.DialContext = opts.Dial
	}
	t.MaxIdleConnsPerHost = 4
	t.Protocols = new(http.Protocols) // a stream costs the server less over HTTP/1, where it is a connection and nothing else
	t.Protocols.SetHTTP1(true)
	return &httpClient{client: &http.Client{Transport: t}, own: t}
}

func (h *httpClient) close() {
	if h.own != nil {
		h.own.CloseIdleConnections()
	}
}

// refresh forgets the connections that wait to be used again: they are of a server, or of a network, that is not there any more.
func (h *httpClient) refresh() { h.client.CloseIdleConnections() }

// reception is the receiving half of a link: a goroutine, its end and its reason.
type reception struct {
	ended chan struct{}
	err   *error // set before ended is closed
}

func newReception() reception { return reception{ended: make(chan struct{}), err: new(error)} }

func (r reception) start(receive func() error) {
	go func() {
		defer close(r.ended)
		*r.err = receive()
	}()
}

func (r reception) down() <-chan struct{} { return r.ended }

func (r reception) wait() error {
	<-r.ended
	return *r.err
}

// request POSTs lines and returns an answer of status 200 whose lines are still to be read; any other answer becomes an error.
func (cs *ChannelSet) request(ctx context.Context, url string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range cs.opts.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	req.Header.Set("Content-Type", "application/json")
	cs.mu.Lock()
	if cs.session.id != "" {
		req.Header.Set("Authorization", "Bearer "+cs.session.id+"."+cs.session.secret)
	}
	cs.mu.Unlock()
	resp, err := cs.http.client.Do(req)
	if err != nil {
		return nil, withCause(ctx, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, refusedAnswer(resp)
	}
	return resp, nil
}

// refusedAnswer returns what an answer that is not 200 says, be it of the server or of something in between.
func refusedAnswer(resp *http.Response) error {
	ls := newLines(io.LimitReader(resp.Body, 64<<10), 64<<10, true)
	for {
		raw, err := ls.next()
		if err != nil {
			return fmt.Errorf("the answer was HTTP status %s", resp.Status)
		}
		l, err := parseLine(raw)
		switch {
		case err != nil:
			return fmt.Errorf("the answer was HTTP status %s and not the protocol", resp.Status)
		case l.Operation == "gone":
			return &goneError{reason: l.Reason, cause: l.error()}
		case l.Code != 0:
			return l.error()
		}
	}
}

// exchange POSTs lines and takes the lines of the answer. a is nil unless the answer brings pushed lines.
func (cs *ChannelSet) exchange(ctx context.Context, url string, body []byte, a *attachment) error {
	resp, err := cs.request(ctx, url, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return cs.receiveAll(ctx, resp.Body, a)
}

func (cs *ChannelSet) receiveAll(ctx context.Context, body io.Reader, a *attachment) error {
	ls := newLines(body, cs.opts.MaxLine, false)
	for {
		raw, err := ls.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return withCause(ctx, err)
		}
		if err := cs.receive(a, raw); err != nil {
			return err
		}
	}
}

// uplink sends the lines of a link over HTTP, one request at a time.
type uplink struct {
	cs  *ChannelSet
	url string
}

func (u uplink) post(ctx context.Context, frame []byte) error {
	limit, what := u.cs.patience(), "heartbeat"
	if u.cs.unanswered() {
		limit, what = u.cs.requestTimeout(), "request"
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, vanished("a %s was not answered for %v", what, limit))
	defer cancel()
	if err := u.cs.exchange(ctx, u.url, frame, nil); err != nil {
		return err
	}
	if u.cs.unanswered() {
		return errors.New("the server's answer leaves out a request")
	}
	return nil
}

// unanswered tells whether a request that was sent on this link has no answer.
func (cs *ChannelSet) unanswered() bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, c := range cs.session.open {
		if c.onLink && !c.answered {
			return true
		}
	}
	return false
}

// introduce makes sure that the server knows this client: it connects a new one, or asks after the one there is.
func (cs *ChannelSet) introduce(ctx context.Context, url string) error {
	var first []byte
	if cs.identity() == "" {
		first = cs.connectLine(nil)
	} else {
		cs.mu.Lock()
		first = cs.pingLocked(time.Now())
		cs.mu.Unlock()
	}
	if err := cs.exchange(ctx, url, first, nil); err != nil {
		return err
	}
	if cs.identity() == "" {
		return errors.New("the server did not acknowledge the connect")
	}
	return nil
}

// connectLine returns the line that makes a new client; with a, it is attached at once.
func (cs *ChannelSet) connectLine(a *attachment) []byte {
	id := cs.newID()
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.session.connectID = id
	attach := ""
	if a != nil {
		attach = fmt.Sprintf(`,"attach":%d`, a.number)
	}
	return fmt.Appendf(nil, `{"type":"command","operation":"client_ping","messageId":%q,"headers":{"DSId":"nil"}%s%s%s}`+"\n",
		id, attach, cs.promiseLocked(), cs.reportLocked())
}

// attachLine returns the line that attaches the client there is, and takes what it says as told.
func (cs *ChannelSet) attachLine(a *attachment, identify bool) []byte {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	s, who := cs.session, ""
	if identify {
		who = fmt.Sprintf(`,"DSId":%q,"secret":%q`, s.id, s.secret)
	}
	return fmt.Appendf(nil, `{"type":"control","operation":"attach"%s,%s%s}`+"\n", who, s.position(a), cs.promiseLocked())
}

// attachStreamLine attaches a stream that was opened before.
func (cs *ChannelSet) attachStreamLine(a *attachment) []byte {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.session.number(a)
	return fmt.Appendf(nil, `{"type":"control","operation":"attach","streamId":%q,%s%s}`+"\n", a.streamID, cs.session.position(a), cs.promiseLocked())
}

// pollLine returns a poll, which attaches too, and asks to be held for so long.
func (cs *ChannelSet) pollLine(a *attachment, wait time.Duration) []byte {
	id := cs.newID()
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return fmt.Appendf(nil, `{"type":"command","operation":"poll","messageId":%q,"wait":%d,%s%s}`+"\n",
		id, wait.Milliseconds(), cs.session.position(a), cs.promiseLocked())
}

func (s *session) position(a *attachment) string {
	s.tell()
	s.spoke = time.Now()
	return fmt.Sprintf(`"attach":%d,"have":%d,"got":%d`, a.number, s.handed.lines, s.got)
}

// withQuery returns raw with a query parameter more.
func withQuery(raw, name, value string) string {
	sep := "?"
	if strings.Contains(raw, "?") {
		sep = "&"
	}
	return raw + sep + name + "=" + url.QueryEscape(value)
}

// withCause puts the reason why ctx ended in place of the error it made.
func withCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
