package client

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/channel/message"
)

// fake is a server that speaks docs/protocol.md, keeps everything it ever sent, and can be told to misbehave.
type fake struct {
	*httptest.Server
	listener *cuttable
	mux      *http.ServeMux

	mu       sync.Mutex
	cond     *sync.Cond // something in a client has changed
	clients  []*fakeClient
	window   int
	maxOpen  int
	terms    string        // further members of the body of the connect acknowledgement
	spans    string        // further members of that, and of attached
	keep     bool          // a lost WebSocket does not end its client
	off      map[Kind]int  // HTTP status of channels that are out of service
	buffered bool          // streams are held back
	wait     time.Duration // how long a poll is held
	swallow  int           // so many answers to publications are lost, with their connection
	password string
	logins   []string
	log      []fakeMessage // what was published
	history  bool          // and is kept: the position of the nth message is p000n
	gone     int           // how many of them are no longer there
	asked    []string      // subscribe and multi_subscribe, whole
	dropped  []string      // unsubscribed
	worst    int           // the most that was ever unconfirmed
	confirms int           // control lines "confirm"
	beats    int           // client_ping after connect
	promises []int64       // "heartbeat" of whatever had one
	reports  []string      // bodies of client_ping
}

type fakeMessage struct{ id, destination, subtopic, body string }

type fakeClient struct {
	id, secret string
	out        []string // counted lines, with the "for" line before them
	have       int
	attach     uint64
	lastSeq    uint64
	got        uint64
	replies    map[uint64]string
	subs       map[string]*fakeSub // by subscription
	ended      message.Code
}

// cuttable is a listener whose connections can be cut.
type cuttable struct {
	net.Listener
	mu    sync.Mutex
	conns map[net.Conn]bool
}

func (l *cuttable) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.mu.Lock()
		l.conns[c] = true
		l.mu.Unlock()
	}
	return c, err
}

func (f *fake) cut() {
	f.listener.mu.Lock()
	defer f.listener.mu.Unlock()
	for c := range f.listener.conns {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	clear(f.listener.conns)
}

func makeFake() *fake {
	f := &fake{window: 1024, maxOpen: 256, terms: `"confirmIntervalMillis":200`, off: map[Kind]int{}, wait: 200 * time.Millisecond, mux: http.NewServeMux()}
	f.cond = sync.NewCond(&f.mu)
	f.mux.HandleFunc("/websocket", f.serveWebSocket)
	f.mux.HandleFunc("/streaming", f.serveHTTP(Streaming))
	f.mux.HandleFunc("/longpoll", f.serveHTTP(LongPoll))
	return f
}

func newFake(t *testing.T) *fake {
	f := makeFake()
	f.Server = httptest.NewUnstartedServer(f.mux)
	f.listener = &cuttable{Listener: f.Server.Listener, conns: map[net.Conn]bool{}}
	f.Server.Listener = f.listener
	f.Start()
	t.Cleanup(func() {
		f.cut()
		f.Close()
	})
	return f
}

// do runs fn with the fake's state, and wakes whoever waits for a change.
func (f *fake) do(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn()
	f.cond.Broadcast()
}

// await waits until ok, which is asked under the lock; the test fails when that takes long.
func (f *fake) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	timer := time.AfterFunc(10*time.Second, func() { f.do(func() {}) })
	defer timer.Stop()
	end := time.Now().Add(10 * time.Second)
	f.mu.Lock()
	defer f.mu.Unlock()
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("waited too long for %s", what)
		}
		f.cond.Wait()
	}
}

// end ends every client with that code.
func (f *fake) end(code message.Code) {
	f.do(func() {
		for _, c := range f.clients {
			c.ended = code
		}
	})
}

func (f *fake) find(id, secret string) *fakeClient {
	for _, c := range f.clients {
		if c.id == id && c.secret == secret {
			return c
		}
	}
	return nil
}

// endLine is what a client that has ended is told. f.mu is held.
func endLine(operation string, code message.Code) string {
	info := code.Info()
	value := ""
	if info.Setting != "" {
		value = fmt.Sprintf(`"setting":%q,"value":1.5,`, info.Setting)
	}
	return fmt.Sprintf(`{"type":"control","operation":%q,"reason":"expired","code":%d,"name":%q,"message":%q,"reconnect":%q,"retryAfterMillis":%d,%s"incident":"i1"}`,
		operation, code, info.Name, info.Sentence, info.Reconnect, info.RetryAfterMillis, value)
}

func refusal(id string, code message.Code) string {
	return fmt.Sprintf(`{"type":"error","correlationId":%q,"code":%d,"name":%q,"faultString":"no"}`, id, code, code)
}

// handle runs one line of a client and returns the reply. f.mu is held.
func (f *fake) handle(c *fakeClient, l *line, raw []byte) string {
	var extra struct {
		Seq, Got, Have uint64
		fakeRequest
	}
	_ = json.Unmarshal(raw, &extra)
	if extra.Got > 0 {
		c.got = max(c.got, extra.Got)
	}
	f.note(l, raw)
	if l.Type == "control" {
		if l.Operation == "confirm" {
			f.confirms++
			c.have = max(c.have, int(extra.Have))
		}
		return ""
	}
	if l.Operation == "client_ping" {
		f.beats++
		return fmt.Sprintf(`{"type":"acknowledge","correlationId":%q}`, l.MessageID)
	}
	switch {
	case extra.Seq == 0:
		return refusal(l.MessageID, message.CodeBadField)
	case extra.Seq <= c.lastSeq:
		if r, ok := c.replies[extra.Seq]; ok && extra.Seq > c.got {
			return r
		}
		return refusal(l.MessageID, message.CodeInternal)
	case extra.Seq > c.lastSeq+1:
		return strings.TrimSuffix(refusal(l.MessageID, message.CodeUplinkGap), "}") + fmt.Sprintf(`,"expect":%d}`, c.lastSeq+1)
	case extra.Seq > c.got+uint64(f.maxOpen):
		return refusal(l.MessageID, message.CodeTooManyRequests)
	}
	c.lastSeq = extra.Seq
	if strings.HasSuffix(l.Operation, "subscribe") {
		f.asked = append(f.asked, string(raw))
	}
	reply := f.run(c, l, extra.fakeRequest)
	c.replies[extra.Seq] = reply
	return reply
}

// note keeps what a line promises and reports. f.mu is held.
func (f *fake) note(l *line, raw []byte) {
	var promise struct{ Heartbeat *int64 }
	if _ = json.Unmarshal(raw, &promise); promise.Heartbeat != nil {
		f.promises = append(f.promises, *promise.Heartbeat)
	}
	if l.Operation == "client_ping" && len(l.Body) > 0 {
		f.reports = append(f.reports, string(l.Body))
	}
}

func (f *fake) run(c *fakeClient, l *line, r fakeRequest) string {
	if l.Destination == "nowhere" {
		return refusal(l.MessageID, message.CodeUnknownDestination)
	}
	if l.Type == "async" {
		m := fakeMessage{l.MessageID, l.Destination, r.subtopics()[0], string(l.Body)}
		f.log = append(f.log, m)
		f.publish(m)
		return fmt.Sprintf(`{"type":"acknowledge","correlationId":%q}`, l.MessageID)
	}
	state := func(sub, more string) {
		c.out = append(c.out, fmt.Sprintf(`{"type":"subscription-state","operation":%q,"destination":%q,"clientId":%q,"correlationId":%q%s}`,
			l.Operation, l.Destination, sub, l.MessageID, more))
	}
	switch l.Operation {
	case "login":
		var body []byte // Base64
		_ = json.Unmarshal(l.Body, &body)
		f.logins = append(f.logins, string(body))
		if f.password != "" && string(body) != f.password {
			return refusal(l.MessageID, message.CodeBadCredentials)
		}
	case "subscribe":
		id := fmt.Sprintf("sub-%d-%s", len(c.out), c.id)
		at, said, past := f.begin(r)
		c.subs[id] = &fakeSub{destination: l.Destination, topics: r.subtopics()}
		state(id, said)
		if past {
			f.replay(c, id, at, r.Position != "")
		}
		return fmt.Sprintf(`{"type":"acknowledge","correlationId":%q,"clientId":%q,"body":{%s}}`, l.MessageID, id, strings.TrimPrefix(said, ","))
	case "multi_subscribe":
		if l.ClientID == "" {
			r.Headers.DSSubtopic, l.Operation = r.Headers.DSAddSub, "subscribe"
			return f.run(c, l, r)
		}
		sub := c.subs[l.ClientID]
		switch {
		case sub == nil:
			return refusal(l.MessageID, message.CodeNotSubscribed)
		case slices.Contains(r.Headers.DSAddSub, "nonsense_;_"):
			return refusal(l.MessageID, message.CodeBadSubtopic)
		}
		sub.topics = append(sub.topics, r.Headers.DSAddSub...)
		sub.topics = slices.DeleteFunc(sub.topics, func(topic string) bool {
			return slices.Contains(r.Headers.DSRemSub, topic) || slices.Contains(r.Headers.DSRemSub, topic+"_;_")
		})
		state(l.ClientID, "")
	case "unsubscribe":
		f.dropped = append(f.dropped, l.ClientID)
		if _, ok := c.subs[l.ClientID]; !ok {
			return refusal(l.MessageID, message.CodeNotSubscribed)
		}
		delete(c.subs, l.ClientID)
		state(l.ClientID, "")
	case "disconnect":
		c.ended = message.CodeClientDisconnect
	case "logout":
		c.ended = message.CodeLogout
	}
	return fmt.Sprintf(`{"type":"acknowledge","correlationId":%q}`, l.MessageID)
}

// line is the nth message. f.mu is held.
func (f *fake) line(m fakeMessage, n int) string {
	position := ""
	if f.history {
		position = fmt.Sprintf(`"position":%q,`, fakePosition(n))
	}
	return fmt.Sprintf(`{"type":"async","timestamp":1000,%s"messageId":%q,"destination":%q,"headers":{"DSSubtopic":%q},"body":%s}`, position, m.id, m.destination, m.subtopic, m.body)
}

// publish queues m for everyone it is for. f.mu is held.
func (f *fake) publish(m fakeMessage) {
	line := f.line(m, len(f.log))
	for _, c := range f.clients {
		var ids []string
		there := 0
		for id, s := range c.subs {
			if s.destination == m.destination {
				there++
				if s.matches(m) {
					ids = append(ids, id)
				}
			}
		}
		if len(ids) == 0 {
			continue
		}
		prefix := ""
		if there > 1 {
			slices.Sort(ids)
			list, _ := json.Marshal(ids)
			prefix = fmt.Sprintf(`{"type":"control","operation":"for","clientIds":%s}`+"\n", list)
		}
		c.out = append(c.out, prefix+line)
	}
	f.cond.Broadcast()
}

// connect makes a client and returns the acknowledgement. f.mu is held.
func (f *fake) connect(l *line, raw []byte) (*fakeClient, string) {
	f.note(l, raw)
	c := &fakeClient{id: fmt.Sprintf("c%d", len(f.clients)+1), secret: "s3", replies: map[uint64]string{}, subs: map[string]*fakeSub{}}
	f.clients = append(f.clients, c)
	return c, fmt.Sprintf(`{"type":"acknowledge","correlationId":%q,"headers":{"DSId":%q,"DSSecret":%q,"DSMessagingVersion":1},"body":{"maxOpenRequests":%d,%s%s}}`,
		l.MessageID, c.id, c.secret, f.maxOpen, f.terms, f.spans)
}

// attached takes over an attach and returns its answer, or gone or displaced. f.mu is held.
func (f *fake) attached(c *fakeClient, raw []byte) (answer string, ok bool) {
	var a struct {
		Attach, Have, Got uint64
		Heartbeat         *int64
	}
	if _ = json.Unmarshal(raw, &a); a.Heartbeat != nil {
		f.promises = append(f.promises, *a.Heartbeat)
	}
	switch {
	case c == nil:
		return endLine("gone", message.CodeUnknownClient), false
	case c.ended != 0:
		return endLine("gone", c.ended), false
	case a.Attach < c.attach:
		return `{"type":"control","operation":"displaced"}`, false
	case int(a.Have) > len(c.out):
		return endLine("gone", message.CodeUnknownClient), false
	}
	c.attach, c.have, c.got = a.Attach, max(c.have, int(a.Have)), max(c.got, a.Got)
	f.cond.Broadcast()
	return fmt.Sprintf(`{"type":"control","operation":"attached","attach":%d,"have":%d,"window":{"messages":%d,"bytes":1000000}%s}`,
		a.Attach, c.have, f.window, f.spans), true // a confirm may have overtaken this request
}

// pending waits for lines above sent that may go out on attachment number attach. An empty result is the end; last is the line for it.
// f.mu is held.
func (f *fake) pending(c *fakeClient, attach uint64, sent int, lost *bool, until time.Time) (lines []string, last string) {
	for {
		switch {
		case *lost:
			return nil, ""
		case c.attach > attach:
			return nil, `{"type":"control","operation":"displaced"}`
		}
		if n := min(len(c.out), c.have+f.window); n > sent {
			f.worst = max(f.worst, n-c.have)
			return c.out[sent:n], ""
		}
		if c.ended != 0 {
			return nil, endLine("disconnect", c.ended)
		}
		if !until.IsZero() && time.Now().After(until) {
			return nil, ""
		}
		f.cond.Wait()
	}
}

func (f *fake) swallowed(l *line) bool {
	if l.Type == "async" && f.swallow > 0 {
		f.swallow--
		return true
	}
	return false
}
