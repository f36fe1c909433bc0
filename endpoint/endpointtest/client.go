package endpointtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/channel"
	"sluice/channel/message"
)

// Line is one decoded line.
type Line map[string]any

// Text is the text under key, "" when there is none.
func (l Line) Text(key string) string { s, _ := l[key].(string); return s }

// Code is the code of an error, a disconnect or a gone; 0 when there is none.
func (l Line) Code() message.Code { n, _ := l["code"].(float64); return message.Code(n) }

// Client follows docs/protocol.md and nothing else: it is written with net/http and a WebSocket library that the server does not use. It is for tests that look at lines.
type Client struct {
	Kind       channel.Kind
	ID, Secret string
	Cookie     string // what connect set, "name=value"
	StreamID   string // of the stream that was opened last

	t    testing.TB
	rig  *Rig
	ws   *websocket.Conn
	down chan Line // what was pushed: counted lines, disconnect, displaced, gone
	body io.Closer // of the stream

	mu      sync.Mutex
	seq     int
	attach  int
	have    int
	replies map[string]chan Line
	stop    context.CancelFunc
	ctx     context.Context
	Beats   int // heartbeats seen: NULs of a stream, pings of a socket

	// Mute leaves the server's pings unanswered, though everything is read.
	Mute atomic.Bool
}

// wait is how long a test waits, of the bubble's time, for what should be there.
const wait = time.Hour

// Connect makes a client and attaches it over its kind of channel.
func (r *Rig) Connect(kind channel.Kind, headers ...string) *Client {
	r.T.Helper()
	c := r.NewClient(kind)
	c.Connect(headers...)
	return c
}

// NewClient makes one that has not connected.
func (r *Rig) NewClient(kind channel.Kind) *Client {
	c := &Client{Kind: kind, t: r.T, rig: r, down: make(chan Line, 10000), replies: map[string]chan Line{}}
	c.ctx, c.stop = context.WithCancel(context.Background())
	r.T.Cleanup(c.Vanish)
	return c
}

// Connect connects and attaches. headers are pairs of HTTP headers for the first request.
func (c *Client) Connect(headers ...string) {
	c.t.Helper()
	connect := `{"type":"command","operation":"client_ping","messageId":"connect","headers":{"DSId":"nil"}%s}`
	if c.Kind == channel.WebSocket {
		c.Dial(headers...)
		c.attach = 1
		c.welcome(c.exchangeWS(fmt.Sprintf(connect, `,"attach":1`), "connect"))
		if line := c.Next(); line.Text("operation") != "attached" {
			c.t.Fatalf("after connect: %v, want attached", line)
		}
		return
	}
	status, lines, h := c.rig.Post("/"+string(c.Kind), fmt.Sprintf(connect, ""), headers...)
	if status != http.StatusOK || len(lines) != 1 {
		c.t.Fatalf("connect: %d %v", status, lines)
	}
	c.Cookie, _, _ = strings.Cut(h.Get("Set-Cookie"), ";")
	c.welcome(lines[0])
	c.Listen()
}

// Resume attaches the client behind old anew, over a connection of that kind, where old has received its last line. Old's own connection is left as it is: it may be gone, or open.
func (r *Rig) Resume(old *Client, kind channel.Kind) *Client {
	r.T.Helper()
	c := r.NewClient(kind)
	c.ID, c.Secret = old.ID, old.Secret
	old.mu.Lock()
	c.attach, c.have, c.seq = old.attach+100, old.have, old.seq // whatever old goes on attaching is lower
	old.mu.Unlock()
	if kind != channel.WebSocket {
		c.Listen()
		return c
	}
	c.Dial()
	c.Send(c.attachLine(fmt.Sprintf(`,"DSId":%q,"secret":%q`, c.ID, c.Secret)))
	if line := c.Next(); line.Text("operation") != "attached" {
		r.T.Fatalf("attach: %v", line)
	}
	return c
}

func (c *Client) welcome(line Line) {
	c.t.Helper()
	h, _ := line["headers"].(map[string]any)
	c.ID, _ = h["DSId"].(string)
	c.Secret, _ = h["DSSecret"].(string)
	if c.ID == "" || c.Secret == "" {
		c.t.Fatalf("connect: %v", line)
	}
}

// Listen opens the stream, or begins to poll.
func (c *Client) Listen() {
	c.t.Helper()
	if c.Kind == channel.Streaming {
		c.OpenStream()
	} else {
		go c.poll()
	}
}

// Dial opens the socket alone.
func (c *Client) Dial(headers ...string) {
	c.t.Helper()
	h := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	ws, _, err := websocket.Dial(c.ctx, c.rig.URL("/websocket"), &websocket.DialOptions{
		HTTPClient: c.rig.HTTP, HTTPHeader: h, Subprotocols: []string{"sluice"},
		OnPingReceived: func(context.Context, []byte) bool { c.beat(); return !c.Mute.Load() },
	})
	if err != nil {
		c.t.Fatalf("dial: %v", err)
	}
	ws.SetReadLimit(64 << 20)
	c.ws = ws
	go c.readWS(ws)
}

func (c *Client) beat() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Beats++
}

// Heartbeats is how many have come.
func (c *Client) Heartbeats() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Beats
}

func (c *Client) readWS(ws *websocket.Conn) {
	for {
		_, data, err := ws.Read(c.ctx)
		if err != nil {
			c.push(Line{"type": "closed", "status": float64(websocket.CloseStatus(err)), "reason": err.Error()})
			return
		}
		for line := range message.Lines(data) {
			c.arrived(line)
		}
	}
}

// arrived sorts a line: replies to who asked, the rest to Next.
func (c *Client) arrived(raw []byte) {
	var line Line
	if err := json.Unmarshal(raw, &line); err != nil {
		c.t.Errorf("a line that is not JSON: %q", raw)
		return
	}
	if !bytes.HasPrefix(raw, []byte(`{"type":"`)) {
		c.t.Errorf("type is not the first key: %s", raw)
	}
	switch line.Text("type") {
	case "acknowledge", "error":
		c.mu.Lock()
		reply := c.replies[line.Text("correlationId")]
		c.mu.Unlock()
		if reply != nil {
			reply <- line
			return
		}
	case "control":
	default:
		c.mu.Lock()
		c.have++
		c.mu.Unlock()
	}
	c.push(line)
}

func (c *Client) push(line Line) {
	select {
	case c.down <- line:
	default:
		c.t.Error("more lines came than the test takes")
	}
}

// OpenStream opens the stream with the next attach.
func (c *Client) OpenStream() {
	c.t.Helper()
	resp := c.rig.Do("POST", "/streaming?command=open", c.attachLine(""), c.Auth()...)
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(resp.Body)
		c.t.Fatalf("open: %d %s", resp.StatusCode, body)
	}
	c.body = resp.Body
	go c.readStream(resp.Body)
	for {
		if line := c.Next(); line.Text("operation") == "attached" {
			return
		} else if line.Text("operation") != "open" {
			c.t.Fatalf("open: %v", line)
		} else {
			c.StreamID = line.Text("streamId")
		}
	}
}

func (c *Client) attachLine(more string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attach++
	return fmt.Sprintf(`{"type":"control","operation":"attach","attach":%d,"have":%d,"got":%d%s}`, c.attach, c.have, c.seq, more)
}

func (c *Client) readStream(body io.Reader) {
	r := bufio.NewReaderSize(body, 64<<10)
	for {
		for b, err := r.Peek(1); err == nil && b[0] == 0; b, err = r.Peek(1) {
			c.beat()
			r.Discard(1)
		}
		line, err := r.ReadBytes('\n')
		if line = bytes.TrimSpace(bytes.Trim(line, "\x00")); len(line) > 0 && err == nil {
			c.arrived(line)
		}
		if err != nil {
			c.push(Line{"type": "closed", "reason": err.Error()})
			return
		}
	}
}

func (c *Client) poll() {
	for {
		c.mu.Lock()
		c.attach++
		poll := fmt.Sprintf(`{"type":"command","operation":"poll","messageId":"poll","attach":%d,"have":%d,"got":%d}`, c.attach, c.have, c.seq)
		c.mu.Unlock()
		resp, err := c.rig.request(c.ctx, "POST", "/longpoll", poll, c.Auth()...)
		if err != nil {
			c.push(Line{"type": "closed", "reason": err.Error()})
			return
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		again, pause := false, 0.0
		for raw := range message.Lines(body) {
			var line Line
			json.Unmarshal(raw, &line)
			switch {
			case line.Text("type") == "acknowledge":
				again = true
				h, _ := line["headers"].(map[string]any)
				pause, _ = h["DSPollWait"].(float64)
			case line.Text("operation") == "attached":
			default:
				c.arrived(raw)
			}
		}
		if !again {
			c.push(Line{"type": "closed", "status": float64(resp.StatusCode)})
			return
		}
		select {
		case <-time.After(time.Duration(pause) * time.Millisecond):
		case <-c.ctx.Done():
			return
		}
	}
}

// Auth is the bearer header.
func (c *Client) Auth() []string {
	return []string{"Authorization", "Bearer " + c.ID + "." + c.Secret}
}

// Do sends a request, given as the fields of its line behind type, with the next seq and a messageId of its own, and returns the reply.
func (c *Client) Do(typ, fields string) Line {
	c.t.Helper()
	c.mu.Lock()
	c.seq++
	id := fmt.Sprintf("m%d", c.seq)
	line := fmt.Sprintf(`{"type":%q,"messageId":%q,"seq":%d,%s}`, typ, id, c.seq, fields)
	c.mu.Unlock()
	return c.Ask(line, id)
}

// Ask sends a whole line and returns the reply to messageId.
func (c *Client) Ask(line, messageID string) Line {
	c.t.Helper()
	if c.Kind == channel.WebSocket {
		return c.exchangeWS(line, messageID)
	}
	_, lines, _ := c.rig.Post("/"+string(c.Kind), line, c.Auth()...)
	if len(lines) != 1 {
		c.t.Fatalf("%s: %d replies: %v", line, len(lines), lines)
	}
	return lines[0]
}

func (c *Client) exchangeWS(line, messageID string) Line {
	c.t.Helper()
	reply := make(chan Line, 1)
	c.mu.Lock()
	c.replies[messageID] = reply
	c.mu.Unlock()
	c.Send(line)
	select {
	case l := <-reply:
		return l
	case <-time.After(wait):
		c.t.Fatalf("no reply to %s", line)
		return nil
	}
}

// Send sends lines without waiting for replies; over HTTP the replies go to Next.
func (c *Client) Send(lines string) {
	c.t.Helper()
	if c.Kind == channel.WebSocket {
		if err := c.ws.Write(c.ctx, websocket.MessageText, []byte(lines)); err != nil {
			c.t.Fatalf("send: %v", err)
		}
		return
	}
	_, replies, _ := c.rig.Post("/"+string(c.Kind), lines, c.Auth()...)
	for _, l := range replies {
		c.push(l)
	}
}

// Next is the next line that was pushed.
func (c *Client) Next() Line {
	c.t.Helper()
	select {
	case line := <-c.down:
		return line
	case <-time.After(wait):
		c.t.Fatal("nothing came")
		return nil
	}
}

// Pushed is where Next takes its lines from, for tests that note when each of them comes.
func (c *Client) Pushed() <-chan Line { return c.down }

// Nothing fails the test when something was pushed within d.
func (c *Client) Nothing(d time.Duration) {
	c.t.Helper()
	select {
	case line := <-c.down:
		c.t.Fatalf("unexpected: %v", line)
	case <-time.After(d):
	}
}

// Subscribe subscribes and takes the subscription-state line. subtopic "": none.
func (c *Client) Subscribe(destination, subtopic string) (clientID string) {
	c.t.Helper()
	reply := c.Do("command", fmt.Sprintf(`"operation":"subscribe","destination":%q,"headers":{"DSSubtopic":%q}`, destination, subtopic))
	if reply.Text("type") != "acknowledge" {
		c.t.Fatalf("subscribe: %v", reply)
	}
	if line := c.Next(); line.Text("type") != "subscription-state" || line.Text("clientId") != reply.Text("clientId") {
		c.t.Fatalf("subscribe: %v, want subscription-state", line)
	}
	return reply.Text("clientId")
}

// Publish publishes a text and returns the reply.
func (c *Client) Publish(destination, subtopic, body string) Line {
	c.t.Helper()
	return c.Do("async", fmt.Sprintf(`"destination":%q,"headers":{"DSSubtopic":%q},"body":%q`, destination, subtopic, body))
}

// WantMessages takes pushed lines until it has one message with each of the bodies, in their order.
func (c *Client) WantMessages(bodies ...string) {
	c.t.Helper()
	for _, want := range bodies {
		line := c.Next()
		if line.Text("type") != "async" || line.Text("body") != want {
			c.t.Fatalf("got %v, want the message %q", line, want)
		}
	}
}

// WantRefusal checks a reply.
func (c *Client) WantRefusal(reply Line, code message.Code) {
	c.t.Helper()
	if reply.Text("type") != "error" || reply.Code() != code || reply.Text("faultString") != code.Info().Sentence {
		c.t.Fatalf("got %v, want the error %v", reply, code)
	}
}

// WantEnd takes pushed lines until the one that says the end, and checks its code, and that the value of its setting is a number.
func (c *Client) WantEnd(code message.Code) Line {
	c.t.Helper()
	for {
		line := c.Next()
		switch op := line.Text("operation"); {
		case op == "disconnect" || op == "gone":
			if line.Code() != code || line.Text("name") != code.Info().Name {
				c.t.Fatalf("the end is %v, want %v", line, code)
			}
			if _, number := line["value"].(float64); line["value"] != nil && !number {
				c.t.Errorf("the end has a value that is no number: %v", line)
			}
			return line
		case line.Text("type") == "closed":
			c.t.Fatalf("closed without a word: %v", line)
		}
	}
}

// Vanish drops all connections without a word.
func (c *Client) Vanish() {
	c.stop()
	if c.ws != nil {
		c.ws.CloseNow()
	}
	if c.body != nil {
		c.body.Close()
	}
}

// CloseWebSocket closes the socket in order.
func (c *Client) CloseWebSocket() {
	c.t.Helper()
	if err := c.ws.Close(websocket.StatusNormalClosure, ""); err != nil {
		c.t.Errorf("close: %v", err)
	}
}

// DropStream ends the stream without a word.
func (c *Client) DropStream() { c.body.Close() }

// Adopt takes id and secret from the acknowledgement of a connect that the test has sent itself.
func (c *Client) Adopt(connected Line) { c.t.Helper(); c.welcome(connected) }

// PollLine is a poll.
func (c *Client) PollLine(attach, have int) string {
	return fmt.Sprintf(`{"type":"command","operation":"poll","messageId":"poll","attach":%d,"have":%d}`, attach, have)
}
