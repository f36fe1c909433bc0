package websocket

import (
	"bufio"
	"errors"
	"io"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint"
	"sluice/flexsession"
	"sluice/heartbeat"
)

// goodbye is how long a closing socket may take to say goodbye as well.
const goodbye = 2 * time.Second

// conn is one socket. Its reader goroutine lives as long as it does; its writer only while there is something to write (write.go).
type conn struct {
	now     *endpoint.Current // a reload of the configuration changes it
	pools   *pools
	ws      *websocket.Conn
	net     net.Conn
	reader  *bufio.Reader // what ws reads from
	session *flexsession.WebSocketSession
	pulse   endpoint.Pulse
	timer   heartbeat.Timer // first for the connect, later for the rest of a frame
	bye     heartbeat.Timer // for the goodbye
	x       endpoint.Exchange
	wrote   atomic.Uint64 // bytes

	mu       sync.Mutex // guards the following
	started  bool       // the pulse runs; nothing is written before
	client   *flexsession.FlexClient
	out      *[]byte       // replies to be written before anything else
	control  []byte        // control frames to be written
	working  bool          // a batch of input is being worked on: its replies wait for its end
	epoch    uint64        // of the attach whose answer is in out, or was written; 0: not attached
	writing  bool          // the writer goroutine runs
	again    bool          // … and is to look once more
	closing  []byte        // the disconnect line and the close frame are to be the last; not nil once that is so
	closed   bool          // they were written
	peerGone bool          // the peer has closed: nothing comes any more
	room     chan struct{} // closed when the replies are taken, or never will be; nil: the reader does not wait for that
	cause    flexsession.Cause
}

func newConn(e *Endpoint, ws *websocket.Conn, h *hijacker) *conn {
	c := &conn{now: e.now, pools: e.pools, ws: ws, net: h.conn, reader: h.reader}
	c.reader.Reset(c)
	ws.SetPingHandler(func(data string) error { c.sendControl(opPong, data); return nil })
	ws.SetPongHandler(func(string) error { return nil }) // Read has heard it
	ws.SetCloseHandler(func(int, string) error { return nil })
	return c
}

func (c *conn) start() {
	c.x = endpoint.Exchange{Peer: c.session.Peer(), Carrier: c}
	c.core().Wheel.Schedule(&c.timer, c.core().Limits.Handshake, func() { c.End(flexsession.Because(message.CodeHandshakeTimeout)) })
	c.mu.Lock()
	c.started = true
	c.pulse.Start(c.core().Wheel, endpoint.RhythmOf(c.def()), c)
	if c.again { // it has been ended already, by who heard of its session
		c.wakeLocked()
	}
	c.mu.Unlock()
	c.core().Open.Hijacked(c.net)
	endpoint.Tune(c.net, c.def()) // Guard did so by what was current then; a connection that has ended says so to its reader
	go c.read()
}

// Retime implements Transport and flexsession.Socket.
func (c *conn) Retime() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.started { // else it starts by what is current then
		c.pulse.Retime(endpoint.RhythmOf(c.def()))
		endpoint.Tune(c.net, c.def())
	}
}

func (c *conn) core() *endpoint.Core            { return c.now.Now().Core }
func (c *conn) def() *channel.ChannelDefinition { return c.now.Now().Def }

// read is the reader goroutine. Everything about the socket ends before it does.
func (c *conn) read() {
	c.finish(c.frames())
	io.Copy(io.Discard, c.net) // until the peer has read the goodbye and closes, or its time is over
	c.core().Wheel.Stop(&c.timer)
	c.core().Wheel.Stop(&c.bye)
	c.pulse.Stop()
	c.net.Close()
	c.core().Open.Done(c.net)
	c.core().Open.Leave(c.def().ID)
}

// frames reads until the socket ends, and says why it did. While nothing comes it waits with a shallow stack and no buffer; what comes is read and worked on
// aside, because a goroutine keeps the deepest stack it ever had.
func (c *conn) frames() (cause flexsession.Cause) {
	for over := false; !over; {
		c.await()
		aside(func() { cause, over = c.arrived() })
	}
	return cause
}

// arrived takes what has come in. over: the socket has ended, because of cause.
func (c *conn) arrived() (cause flexsession.Cause, over bool) {
	first, err := c.reader.Peek(1)
	switch {
	case err != nil:
	case first[0]&opControl == 0:
		return c.input()
	default:
		err = c.controlFrame()
	}
	if err != nil {
		return c.readFailed(err), true
	}
	return flexsession.Cause{}, false
}

// Read reads for reader. Every byte is a sign of life: who sends a long message slowly cannot answer a ping in the middle of it.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.net.Read(b)
	if n > 0 {
		c.pulse.Heard()
	}
	return n, err
}

// await returns when something has come in. Meanwhile the connection holds no buffer, where it can do without.
func (c *conn) await() {
	if c.reader.Buffered() > 0 {
		return
	}
	if w, ok := c.net.(waiter); ok {
		c.pools.readers.takeBack(c.reader)
		err := w.WaitReadable()
		c.pools.readers.lend(c.reader, c)
		if err == nil {
			return
		}
	}
	c.reader.Peek(1) // what became of it is seen by who reads on
}

// controlFrame takes a control frame that stands between messages; gorilla would go on to wait for the next message, with all that this takes. Those in the middle
// of a message it takes itself. Like a message, one that is not there as a whole has its time to arrive.
func (c *conn) controlFrame() error {
	if !wholeControl(c.reader) {
		c.patience()
		defer c.calm()
	}
	op, payload, err := readControl(c.reader)
	if err != nil {
		return err
	}
	switch op {
	case opPing:
		c.sendControl(opPong, payload)
	case opClose:
		return closeError(payload)
	}
	return nil
}

// aside runs f on a goroutine of its own and waits for it.
func aside(f func()) {
	var done sync.WaitGroup
	done.Go(f)
	done.Wait()
}

// input reads what has arrived, at least one message, and works on it as one batch. over: the socket has ended, because of cause. A fault in one connection ends that connection only.
func (c *conn) input() (cause flexsession.Cause, over bool) {
	defer func() {
		if p := recover(); p != nil {
			c.core().Logger.Error().Interface("panic", p).Bytes("stack", debug.Stack()).Msg("a connection failed")
			cause, over = flexsession.Because(message.CodeInternalError), true
		}
	}()
	buf := c.pools.buffers.get()
	defer c.pools.buffers.put(buf)
	for more := true; more; more = len(*buf) < batchBytes && wholeFrame(c.reader) {
		if err := c.message(buf); err != nil {
			return c.readFailed(err), true
		}
	}
	c.work(*buf)
	return flexsession.Cause{}, false
}

// errBinary is a frame of a type that the protocol does not have.
var errBinary = errors.New("websocket: a binary frame")

// message appends the next message to buf, and an LF. One that is not there as a whole has its time to arrive, so that nobody holds a buffer by sending a byte a minute.
func (c *conn) message(buf *[]byte) error {
	if !wholeFrame(c.reader) {
		c.patience()
		defer c.calm()
	}
	c.ws.SetReadLimit(int64(c.def().MaxRequestSize))
	kind, r, err := c.ws.NextReader()
	if err != nil {
		return err
	}
	if kind != websocket.TextMessage {
		return errBinary
	}
	if *buf, err = appendAll(*buf, r); err == nil {
		*buf = append(*buf, '\n')
	}
	return err
}

// batchBytes bounds how much input is gathered before it is worked on.
const batchBytes = 64 << 10

// appendAll appends what r yields to data.
func appendAll(data []byte, r io.Reader) ([]byte, error) {
	for {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := r.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if err == io.EOF {
			return data, nil
		}
		if err != nil {
			return data, err
		}
	}
}

// work works on the lines of data, a batch at a time; the replies to a batch leave while the next one is worked on.
func (c *conn) work(data []byte) {
	if r := c.session.Record(); r != nil {
		r.Touch()
	}
	for len(data) > 0 {
		var reqs []*message.Request
		var errs []*message.Error
		now := c.now.Now()
		reqs, errs, data = now.Core.Decode(data, now.Def)
		c.x.Core, c.x.Def = now.Core, now.Def
		c.mu.Lock()
		if c.closing != nil { // it has been told that it is over
			c.mu.Unlock()
			return
		}
		c.working = true
		c.mu.Unlock()
		c.x.Work(reqs, errs)
		c.mu.Lock()
		c.working = false
		c.mu.Unlock()
		c.Wake()
		c.awaitRoom()
	}
}

// patience gives the rest of a frame its time; calm ends that. Until a client is bound the time for the connect goes on instead.
func (c *conn) patience() {
	if c.bound() != nil {
		c.core().Wheel.Schedule(&c.timer, c.core().Limits.RequestTimeout, func() {
			c.End(flexsession.Cause{Code: message.CodeRequestTimeout, Value: c.core().Limits.RequestTimeout.Milliseconds()})
		})
	}
}

func (c *conn) calm() {
	if c.bound() != nil {
		c.core().Wheel.Stop(&c.timer)
	}
}

func (c *conn) bound() *flexsession.FlexClient {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.client
}

// readFailed puts gorilla's error into our words. When this side has begun to close, its own cause stands.
func (c *conn) readFailed(err error) flexsession.Cause {
	var closed *websocket.CloseError
	goodbye := errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure
	c.mu.Lock()
	cause, ours, said := c.cause, c.closing != nil, c.closed
	c.peerGone = c.peerGone || goodbye
	c.mu.Unlock()
	switch {
	case ours:
		if goodbye && said {
			c.net.Close()
		}
		return cause
	case goodbye:
		return flexsession.Because(message.CodeConnectionClosed)
	case errors.Is(err, websocket.ErrReadLimit):
		return c.fatal(message.CodeMessageTooLarge, "")
	case closed == nil && strings.HasPrefix(err.Error(), "websocket: "):
		return c.fatal(message.CodeProtocolError, strings.TrimPrefix(err.Error(), "websocket: "))
	}
	c.net.Close()
	return endpoint.Lost(c.net, c.def(), message.CodeConnectionLost)
}

// fatal ends the socket for a fault of the peer's. What still comes in is not read: gorilla has given up on it.
func (c *conn) fatal(code message.Code, detail string) flexsession.Cause {
	cause := flexsession.Cause{Code: code, Detail: detail}
	if code == message.CodeMessageTooLarge {
		cause.Value = c.def().MaxRequestSize
	}
	c.End(cause)
	return cause
}

// finish takes the socket out of everything. The goodbye that is still to be written has its time.
func (c *conn) finish(cause flexsession.Cause) {
	c.End(cause) // says goodbye, unless that was done already
	c.mu.Lock()
	cause = c.cause
	c.mu.Unlock()
	if client := c.bound(); client != nil {
		client.Detach(c, cause)
	}
	c.session.Invalidate(cause)
	c.core().Stats.Ended(endpoint.Connection{
		Endpoint: c.def().ID, Kind: channel.WebSocket, Session: c.session, Client: c.bound(), Began: c.session.Created(), Bytes: c.wrote.Load(),
	}, cause)
}

// Channel implements Transport.
func (c *conn) Channel() *channel.ChannelDefinition { return c.def() }

// Session implements Transport.
func (c *conn) Session() flexsession.Session { return c.session }

// EndsClient implements Transport: whether a client outlives its WebSocket is for the channel to say.
func (c *conn) EndsClient() bool { return false }

// Reply implements endpoint.Carrier.
func (c *conn) Reply(_ int, line []byte) { c.reply(line) }

// Connected implements endpoint.Carrier.
func (c *conn) Connected(client *flexsession.FlexClient) { c.bind(client) }

func (c *conn) bind(client *flexsession.FlexClient) {
	c.mu.Lock()
	c.client = client
	c.mu.Unlock()
	c.x.Client = client
	client.Use(c.session)
	c.core().Wheel.Stop(&c.timer)
	if ended := client.Ended(); ended != nil { // before it knew of this socket
		c.End(*ended)
	}
}

// Record implements endpoint.Carrier: the login record of the cookie that came with the upgrade.
func (c *conn) Record() (*flexsession.Record, *message.Error) { return c.session.Record(), nil }

// Renewed implements endpoint.Carrier. A socket cannot set a cookie; the stored user is gone all the same.
func (c *conn) Renewed(*flexsession.Record) {}

// Attach implements endpoint.Carrier: of the client that connected here, or of one that comes from another connection with its secret.
func (c *conn) Attach(req *message.Request, reply func([]byte)) {
	client := c.bound()
	switch {
	case !req.HasAttach || req.Attach == 0:
		reply(message.AppendError(nil, message.Errorf(message.CodeBadField, "attach: expected a number above 0").To(req.MessageID)))
		return
	case client != nil && req.DSId != "" && req.DSId != client.ID():
		reply(message.AppendError(nil, (&message.Error{Code: message.CodeAlreadyConnected}).To(req.MessageID)))
		return
	case client == nil:
		known, ended := c.core().Registry.Client(req.DSId, req.Secret)
		if known == nil || known.Foreign(c.session.Record()) {
			reply(endpoint.GoneLine(ended))
			return
		}
		client = known
		if req.HasGot {
			client.Got(req.Got)
		}
	}
	line, epoch := c.x.Core.Attach(client, c, c.x.Def, req.Attach, req.Have, nil)
	reply(line)
	if epoch == 0 {
		return // the client, and this socket, are as they were
	}
	c.bind(client)
	c.mu.Lock()
	c.epoch = epoch // from here on its lines may be taken: behind the answer
	c.mu.Unlock()
	c.Wake()
}
