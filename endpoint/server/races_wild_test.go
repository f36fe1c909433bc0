package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/flexsession"
)

// wild is a client that is ended in the middle of whatever it does, so it expects nothing: what is refused or breaks is passed over. Its methods may be called from any goroutine.
type wild struct {
	r   *endpointtest.Rig
	ctx context.Context

	mu         sync.Mutex // guards the following
	id, secret string
	cookie     string
	kind       channel.Kind
	path       string
	seq        int
	attach     int
	conn       *endpointtest.Conn // what it receives by
	streamID   string
	deaf       bool // pings are left unanswered
	all        []*endpointtest.Conn
	running    sync.WaitGroup
}

// wildKinds are the kinds of the channels by which clients come.
var wildKinds = map[string]channel.Kind{
	"websocket": channel.WebSocket, "frail": channel.WebSocket, "streaming": channel.Streaming, "strict": channel.Streaming, "longpoll": channel.LongPoll,
}

// wildPatience is how long it waits for anything.
const wildPatience = 30 * time.Second

// dial opens a connection that is closed at the latest by hangUp.
func (w *wild) dial() *endpointtest.Conn {
	conn, err := w.r.Net.DialFrom(w.ctx, "")
	if err != nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, conn)
	return conn
}

// hangUp drops all connections, and waits until everything of this client has ended.
func (w *wild) hangUp() {
	w.mu.Lock()
	all := w.all
	w.all = nil
	w.mu.Unlock()
	for _, conn := range all {
		conn.Close()
	}
	w.running.Wait()
}

func (w *wild) bearer() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.id == "" {
		return ""
	}
	return w.id + "." + w.secret
}

func (w *wild) client() *flexsession.FlexClient {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.r.Server.Registry().Lookup(w.id)
}

// receiver is the client's side of the connection it receives by; it may have ended long ago.
func (w *wild) receiver() *endpointtest.Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conn
}

const wildConnect = `{"type":"command","operation":"client_ping","messageId":"c","headers":{"DSId":"nil"}%s}`

// connect makes the client on the channel, attaches, and subscribes to what is said and to what is not. It reports whether that went as it should.
func (w *wild) connect(path string) bool {
	w.mu.Lock()
	w.path, w.kind = path, wildKinds[path]
	w.mu.Unlock()
	subscribe := w.numbered(`"type":"command","operation":"subscribe","destination":"chat","headers":{"DSSubtopic":"all"}`) + "\n" +
		w.numbered(`"type":"command","operation":"subscribe","destination":"quiet"`)
	if w.kind == channel.WebSocket {
		w.attach = 1
		attached := w.socket(path, fmt.Sprintf(wildConnect, `,"attach":1`)+"\n"+subscribe)
		return attached && w.bearer() != ""
	}
	status, lines, header := w.post(fmt.Sprintf(wildConnect, "") + "\n" + subscribe)
	if status != http.StatusOK || len(lines) == 0 {
		return false
	}
	w.welcome(lines[0])
	if cookie, _, ok := strings.Cut(header.Get("Set-Cookie"), ";"); ok {
		w.mu.Lock()
		w.cookie = cookie
		w.mu.Unlock()
	}
	return w.bearer() != "" && w.listen(path)
}

func (w *wild) welcome(l endpointtest.Line) {
	h, _ := l["headers"].(map[string]any)
	id, _ := h["DSId"].(string)
	secret, _ := h["DSSecret"].(string)
	if id != "" {
		w.mu.Lock()
		w.id, w.secret = id, secret
		w.mu.Unlock()
	}
}

func (w *wild) numbered(fields string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seq++
	typ, rest, _ := strings.Cut(fields, ",") // type stands first
	return fmt.Sprintf(`{%s,"messageId":"m%d","seq":%d,%s}`, typ, w.seq, w.seq, rest)
}

// listen attaches by a new connection of the channel, while it may have another. It reports whether the connection was made.
func (w *wild) listen(path string) bool {
	w.mu.Lock()
	w.attach++
	attach := w.attach
	line := fmt.Sprintf(`{"type":"control","operation":"attach","DSId":%q,"secret":%q,"attach":%d,"have":0}`, w.id, w.secret, attach)
	w.mu.Unlock()
	switch wildKinds[path] {
	case channel.WebSocket:
		return w.socket(path, line)
	case channel.Streaming:
		return w.request(path, "?command=open", line) != nil
	}
	return w.request(path, "", fmt.Sprintf(`{"type":"command","operation":"poll","messageId":"p","attach":%d,"have":0}`, attach)) != nil
}

// socket opens a WebSocket, sends lines, and waits until something has come back.
func (w *wild) socket(path, lines string) bool {
	conn := w.open(path)
	if conn == nil {
		return false
	}
	reader := bufio.NewReader(conn)
	conn.SetReadDeadline(time.Now().Add(wildPatience))
	if resp, err := http.ReadResponse(reader, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		return false
	}
	conn.SetReadDeadline(time.Time{})
	first := make(chan struct{})
	w.running.Go(func() { w.frames(conn, reader, first) })
	if lines != "" && !w.write(conn, endpointtest.Fin|endpointtest.Text, lines) {
		return false
	}
	w.mu.Lock()
	w.conn = conn
	w.mu.Unlock()
	if lines != "" {
		waitFor(first)
	}
	return true
}

// open sends the handshake of a WebSocket.
func (w *wild) open(path string) *endpointtest.Conn {
	conn := w.dial()
	if conn == nil {
		return nil
	}
	_, err := io.WriteString(conn, "GET /"+path+" HTTP/1.1\r\nHost: sluice.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if err != nil {
		return nil
	}
	return conn
}

func (w *wild) write(conn *endpointtest.Conn, op byte, payload string) bool {
	if conn == nil {
		return false
	}
	conn.SetWriteDeadline(time.Now().Add(wildPatience))
	_, err := io.WriteString(conn, endpointtest.FrameHead(op, len(payload))+payload)
	return err == nil
}

// frames reads a socket to its end, and answers pings. It closes first after the first line, or at the end.
func (w *wild) frames(conn *endpointtest.Conn, reader *bufio.Reader, first chan struct{}) {
	told := sync.OnceFunc(func() { close(first) })
	defer told()
	for {
		op, payload, err := readFrame(reader)
		if err != nil {
			return
		}
		switch op & 0xF {
		case endpointtest.Text:
			for raw := range message.Lines([]byte(payload)) {
				w.line(raw)
			}
			told()
		case endpointtest.Ping:
			w.mu.Lock()
			deaf := w.deaf
			w.mu.Unlock()
			if !deaf {
				w.write(conn, endpointtest.Fin|endpointtest.Pong, payload)
			}
		case endpointtest.Close:
			conn.Close()
		}
	}
}

func readFrame(r *bufio.Reader) (op byte, payload string, err error) {
	head := make([]byte, 2, 10)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, "", err
	}
	n := uint64(head[1])
	if more := map[uint64]int{126: 2, 127: 8}[n]; more > 0 {
		long := head[2 : 2+more]
		if _, err := io.ReadFull(r, long); err != nil {
			return 0, "", err
		}
		n = 0
		for _, b := range long {
			n = n<<8 | uint64(b)
		}
	}
	data := make([]byte, n)
	_, err = io.ReadFull(r, data)
	return head[0], string(data), err
}

// line learns what there is to learn.
func (w *wild) line(raw []byte) {
	var l endpointtest.Line
	if json.Unmarshal(raw, &l) != nil {
		return
	}
	w.welcome(l)
	if id := l.Text("streamId"); id != "" {
		w.mu.Lock()
		w.streamID = id
		w.mu.Unlock()
	}
}

// request sends a POST on a connection of its own, whose answer is read to its end. Of a stream it waits for the first line.
func (w *wild) request(path, query, body string) *endpointtest.Conn {
	conn := w.dial()
	if conn == nil {
		return nil
	}
	head := fmt.Sprintf("POST /%s%s HTTP/1.1\r\nHost: sluice.test\r\nContent-Type: application/json\r\nContent-Length: %d\r\nAuthorization: Bearer %s\r\n", path, query, len(body), w.bearer())
	w.mu.Lock()
	if w.cookie != "" {
		head += "Cookie: " + w.cookie + "\r\n"
	}
	w.conn = conn
	w.mu.Unlock()
	if _, err := io.WriteString(conn, head+"\r\n"+body); err != nil {
		return nil
	}
	first := make(chan struct{})
	w.running.Go(func() {
		told := sync.OnceFunc(func() { close(first) })
		defer told()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return
		}
		lines := bufio.NewReader(resp.Body)
		for {
			raw, err := lines.ReadBytes('\n')
			if err != nil {
				return
			}
			w.line([]byte(strings.Trim(string(raw), "\x00")))
			told()
		}
	})
	if query != "" { // a stream
		waitFor(first)
	}
	return conn
}

// waitFor waits until c is closed, but not for ever.
func waitFor(c chan struct{}) {
	select {
	case <-c:
	case <-time.After(wildPatience):
	}
}

// post sends lines over HTTP.
func (w *wild) post(lines string) (status int, answer []endpointtest.Line, h http.Header) {
	path := w.path
	if w.kind == channel.WebSocket {
		path = "longpoll"
	}
	return w.fetch(path, lines)
}

func (w *wild) fetch(path, lines string) (status int, answer []endpointtest.Line, h http.Header) {
	req, err := http.NewRequestWithContext(w.ctx, http.MethodPost, w.r.URL("/"+path), strings.NewReader(lines))
	if err != nil {
		return 0, nil, nil
	}
	req.Header.Set("Content-Type", "application/json")
	if token := w.bearer(); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	w.mu.Lock()
	if w.cookie != "" {
		req.Header.Set("Cookie", w.cookie)
	}
	w.mu.Unlock()
	resp, err := w.r.HTTP.Do(req)
	if err != nil {
		return 0, nil, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	for raw := range message.Lines(text) {
		var l endpointtest.Line
		if json.Unmarshal(raw, &l) == nil {
			answer = append(answer, l)
		}
	}
	return resp.StatusCode, answer, resp.Header
}

// send sends a line by the socket, or else over HTTP.
func (w *wild) send(line string) {
	w.mu.Lock()
	socket := w.kind == channel.WebSocket
	conn := w.conn
	w.mu.Unlock()
	if !socket {
		w.post(line)
	} else {
		w.write(conn, endpointtest.Fin|endpointtest.Text, line)
	}
}

// beat shows for d that it is alive, every few seconds, and polls again where it polls.
func (w *wild) beat(d time.Duration) {
	for until := time.Now().Add(d); time.Now().Before(until); {
		time.Sleep(min(7*time.Second, time.Until(until)))
		w.send(`{"type":"command","operation":"client_ping","messageId":"h"}`)
		if w.kind == channel.LongPoll {
			w.listen("longpoll")
		}
	}
}

// pick is one of all.
func pick[T any](rng *rand.Rand, all []T) T { return all[rng.IntN(len(all))] }
