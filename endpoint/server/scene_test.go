package server_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
	"sluice/flexsession"
)

// scene is a browser with two tabs on one kind of channel. To the first, c, something happens; the other one, tab, sends a heartbeat each half minute.
type scene struct {
	*endpointtest.Rig
	t    *testing.T
	kind channel.Kind
	row  *row
	book book

	c, tab          *endpointtest.Client
	wire            *wire // the connections of c
	heard, tabHeard *ear
	session, sub    string // ids: of the session that c is attached under, and of its subscription
	beats           chan struct{}
	quiet           sync.Once
	began           time.Time
	counted         map[message.Code]int // ends of connections before it began
	forever         bool                 // sessions do not time out
	incident        string               // what the row says is told
	down            bool                 // the server is
}

const tableKey = "0123456789abcdef"

// newScene sets a server up for one.
func newScene(t *testing.T, kind channel.Kind, regime regime, row *row, o *server.Options) *scene {
	s := &scene{t: t, kind: kind, row: row}
	for i := range o.Channels {
		o.Channels[i].ReliableReconnectDuration = regime.reconnect
	}
	o.FlexClient.ClientTimeout = regime.timeout
	o.APIKeys = []server.APIKey{{ID: "test", Value: tableKey}}
	o.Listeners = append(o.Listeners, server.Listener{ID: "internal", Role: server.Internal, Net: endpointtest.Listen("192.0.2.2:90")})
	if row.users {
		users(t)(o)
	}
	if row.set != nil {
		row.set(o)
	}
	s.forever = slices.ContainsFunc(o.Channels, func(c channel.ChannelDefinition) bool { return c.Kind != channel.WebSocket && c.SessionTimeout == 0 })
	o.FlexClient.Listeners = append(o.FlexClient.Listeners, s.book.listener())
	return s
}

// channels changes all channels.
func channels(f func(c *channel.ChannelDefinition)) func(*server.Options) {
	return func(o *server.Options) {
		for i := range o.Channels {
			f(&o.Channels[i])
		}
	}
}

// open opens the two tabs.
func (s *scene) open(t *testing.T, r *endpointtest.Rig) {
	s.t, s.Rig, s.beats = t, r, make(chan struct{})
	cookie := s.cookie()
	s.tab = r.Connect(s.kind, "Cookie", cookie)
	var rig *endpointtest.Rig
	rig, s.wire = wired(r)
	s.c = rig.Connect(s.kind, "Cookie", cookie)
	s.sub = s.c.Subscribe("chat", "")
	synctest.Wait() // the first polls are held
	s.session = r.Server.Registry().Lookup(s.c.ID).Facts().Sessions[0]
	s.heard, s.tabHeard = listen(t, s.c), listen(t, s.tab)
	t.Cleanup(s.silence)
	go s.beat()
}

// cookie makes the browser's cookie: some first page has connected, logged in perhaps, and is gone.
func (s *scene) cookie() string {
	lines := connectLine
	if s.row.users {
		lines += "\n" + login("ann", "secret", 1)
	}
	_, answer, h := s.Post("/longpoll", lines)
	first := endpointtest.Client{Kind: channel.LongPoll}
	first.ID = answer[0]["headers"].(map[string]any)["DSId"].(string)
	s.Server.Registry().Lookup(first.ID).End(flexsession.Because(message.CodeClientDisconnect))
	cookie, _, _ := strings.Cut(h.Get("Set-Cookie"), ";")
	return cookie
}

// beat keeps the other tab, and so the cookie's record, active.
func (s *scene) beat() {
	for {
		select {
		case <-s.beats:
			return
		case <-time.After(30 * time.Second):
			s.touch()
		}
	}
}

func (s *scene) touch() {
	req, _ := http.NewRequest("POST", s.URL("/longpoll"), strings.NewReader(pingLine))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", s.tab.Auth()[1])
	if resp, err := s.HTTP.Do(req); err == nil { // else the server is down
		resp.Body.Close()
	}
}

// silence ends the heartbeats of the other tab.
func (s *scene) silence() { s.quiet.Do(func() { close(s.beats) }) }

// play does what happens and looks on.
func (s *scene) play(do func(*scene), watch time.Duration) {
	s.counted = s.ended()
	s.from()
	do(s)
	if watch == 0 {
		watch = 10 * time.Minute
	}
	time.Sleep(watch)
	synctest.Wait()
}

// from makes this the moment from which times are counted.
func (s *scene) from() { s.began = time.Now() }

// shutDown ends the server.
func (s *scene) shutDown() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s.down = true
	if err := s.Server.Shutdown(ctx); err != nil {
		s.t.Errorf("shutdown: %v", err)
	}
}

var connectionEnds = regexp.MustCompile(`sluice_ends_total\{code="(\d+)",name="[a-z-]+",what="connection"\} (\d+)`)

// ended is how many connections have ended by each code, as operators see it.
func (s *scene) ended() map[message.Code]int {
	w := httptest.NewRecorder()
	s.Server.Handler("internal").ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	ends := map[message.Code]int{}
	for _, m := range connectionEnds.FindAllStringSubmatch(w.Body.String(), -1) {
		code, _ := strconv.Atoi(m[1])
		ends[message.Code(code)], _ = strconv.Atoi(m[2])
	}
	return ends
}

// wire is all connections of one client.
type wire struct {
	mu    sync.Mutex
	conns []*endpointtest.Conn
}

// wired is the same server, reached over connections that are noted.
func wired(r *endpointtest.Rig) (*endpointtest.Rig, *wire) {
	w := new(wire)
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, err := r.Net.DialFrom(ctx, "")
		if err != nil {
			return nil, err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.conns = append(w.conns, c)
		return c, nil
	}}
	r.T.Cleanup(func() {
		transport.CloseIdleConnections()
		synctest.Wait()
	})
	other := *r
	other.HTTP = &http.Client{Transport: transport}
	return &other, w
}

// each does something to all connections there are: f is given the client's side.
func (w *wire) each(f func(*endpointtest.Conn)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		f(c)
	}
}

// ear notes what is pushed to a client, and when.
type ear struct {
	deaf func() // ends it for now

	mu    sync.Mutex // guards the following
	heard []heard
}

type heard struct {
	line endpointtest.Line
	at   time.Time
}

// listen takes all that is pushed to c from now on, until deaf is called or the test ends.
func listen(t *testing.T, c *endpointtest.Client) *ear {
	e := new(ear)
	e.listen(c)
	t.Cleanup(func() { e.deaf() })
	return e
}

func (e *ear) listen(c *endpointtest.Client) {
	over := make(chan struct{})
	e.deaf = sync.OnceFunc(func() { close(over); synctest.Wait() })
	go func() {
		for {
			select {
			case line := <-c.Pushed():
				e.mu.Lock()
				e.heard = append(e.heard, heard{line, time.Now()})
				e.mu.Unlock()
			case <-over:
				return
			}
		}
	}()
}

func (e *ear) lines() (lines []endpointtest.Line) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, h := range e.heard {
		lines = append(lines, h.line)
	}
	return lines
}

// last is the last word on the client's connection.
func (e *ear) last(began time.Time) (last end) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, h := range e.heard {
		switch h.line.Text("operation") {
		case "disconnect", "gone":
			last = end{h.line.Code(), h.at.Sub(began)}
		case "displaced":
			last = end{message.CodeDisplaced, h.at.Sub(began)}
		}
	}
	return last
}

// ending is that word, and what followed it: the close of the connection.
func (e *ear) ending() (last, closed endpointtest.Line) {
	for _, line := range e.lines() {
		switch op := line.Text("operation"); {
		case op == "disconnect", op == "gone", op == "displaced":
			last = line
		case line.Text("type") == "closed":
			closed = line
		}
	}
	return last, closed
}
