package websocket

import (
	"runtime/debug"
	"time"

	"sluice/channel/message"
	"sluice/endpoint"
	"sluice/flexsession"
)

// maxWrite is how much is gathered into one frame; one line alone may be longer.
const maxWrite = 64 << 10

// Wake implements Transport: the writer runs until there is nothing left.
func (c *conn) Wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wakeLocked()
}

func (c *conn) wakeLocked() {
	if c.closed {
		return
	}
	c.again = true
	if c.started && !c.writing {
		c.writing = true
		go c.write()
	}
}

// reply takes a line that goes before all others. A peer that asks and does not read is a slow consumer.
func (c *conn) reply(line []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing != nil {
		return
	}
	if c.out != nil && len(*c.out)+len(line) > c.core().Limits.MaxReplies {
		c.endLocked(flexsession.Cause{Code: message.CodeSlowConsumer, Detail: "Its replies were left unread."})
		return
	}
	c.appendOut(line)
	if !c.working {
		c.wakeLocked()
	}
}

// awaitRoom returns when the replies have been taken to be written, if there are many: who sends much and reads it all is no slow consumer, but must not be worked for faster than
// it reads.
func (c *conn) awaitRoom() {
	c.mu.Lock()
	if c.out == nil || len(*c.out) < maxWrite/2 || c.closing != nil {
		c.mu.Unlock()
		return
	}
	room := make(chan struct{})
	c.room = room
	c.mu.Unlock()
	<-room
}

func (c *conn) giveRoom() {
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
}

// maxControl bounds the control frames that wait: a peer that pings and does not read.
const maxControl = 4096

func (c *conn) sendControl(op byte, payload string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing != nil || len(c.control) > maxControl {
		return // RFC 6455 section 5.5.3: a later pong answers the earlier pings as well
	}
	c.control = appendControl(c.control, op, payload)
	c.wakeLocked()
}

// Beat implements endpoint.Pulsed.
func (c *conn) Beat() { c.sendControl(opPing, "") }

// Over implements endpoint.Pulsed: a ping was left unanswered, or the socket is idle. A peer that is not there cannot be told, but one that only seems so can.
func (c *conn) Over(code message.Code) {
	cause := flexsession.Cause{Code: code, Value: c.def().IdleTimeout.Minutes()}
	if d := c.def().DeadPeerTimeout; code == message.CodeMissedPong {
		cause.Code, cause.Value = endpoint.MissedCode(c.net, code, d), d.Milliseconds()
	}
	c.End(cause)
}

// Quiet implements endpoint.Pulsed. Until a client has connected handshake-timeout-millis holds.
func (c *conn) Quiet() time.Duration {
	if client := c.bound(); client != nil {
		return client.Quiet()
	}
	return 0
}

// Stuck implements endpoint.Pulsed: the socket has taken nothing for write-timeout-millis.
func (c *conn) Stuck() {
	c.mu.Lock()
	if c.cause.Code == 0 {
		c.cause = flexsession.Cause{Code: message.CodeWriteTimeout, Value: c.def().WriteTimeout.Milliseconds()}.WithIncident()
	}
	c.closing = []byte{}
	c.mu.Unlock()
	endpoint.CutOff(c.net) // on the wheel's goroutine, which must not wait
}

// Displace implements Transport: the socket says so and closes.
func (c *conn) Displace(attach uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing == nil {
		c.appendOut(message.AppendDisplaced(nil, message.Displaced{Attach: attach}))
		c.endLocked(flexsession.Because(message.CodeDisplaced))
	}
}

// End implements Transport and flexsession.Socket: what was to be said before is said, then why it ends, then the close frame.
func (c *conn) End(cause flexsession.Cause) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endLocked(cause)
}

func (c *conn) appendOut(line []byte) {
	if c.out == nil {
		c.out = c.pools.buffers.get()
	}
	*c.out = append(*c.out, line...)
}

func (c *conn) endLocked(cause flexsession.Cause) {
	if c.closing != nil {
		return
	}
	c.cause = cause.WithIncident()
	code := int(cause.Code)
	if cause.Code == message.CodeClientDisconnect || cause.Code == message.CodeConnectionClosed {
		code = 1000 // RFC 6455 section 7.4.1: normal closure
	}
	if cause.Code != message.CodeConnectionClosed {
		c.appendOut(endpoint.DisconnectLine(c.cause))
	}
	c.closing = appendClose(nil, code, cause.Code.Info().Name)
	c.core().Wheel.Schedule(&c.bye, goodbye, func() { endpoint.CutOff(c.net) })
	c.wakeLocked()
}

// write is the writer goroutine. There is one at a time.
func (c *conn) write() {
	defer func() {
		if p := recover(); p != nil {
			c.core().Logger.Error().Interface("panic", p).Bytes("stack", debug.Stack()).Msg("a connection failed while writing")
			c.writeFailed(flexsession.Because(message.CodeInternalError))
		}
	}()
	buf := c.pools.buffers.get()
	defer c.pools.buffers.put(buf)
	for {
		b, last, stop := c.gather((*buf)[:0])
		if stop {
			return
		}
		*buf = b[:0]
		if err := c.send(b); err != nil {
			c.writeFailed(endpoint.Lost(c.net, c.def(), message.CodeConnectionLost))
			return
		}
		if last {
			c.said()
			return
		}
	}
}

// gather puts what is to be written next into b: control frames, then one text frame with the replies and what the client's outbox has, at the end the close frame. stop: there is nothing, and the
// writer has ended.
func (c *conn) gather(b []byte) (_ []byte, last, stop bool) {
	c.mu.Lock()
	if !c.again {
		c.writing = false
		c.mu.Unlock()
		return b, false, true
	}
	c.again = false
	control, out, closing := c.control, c.out, c.closing
	c.control, c.out = nil, nil
	c.giveRoom()
	client, epoch := c.client, c.epoch
	if epoch == 0 || closing != nil {
		client = nil
	}
	c.mu.Unlock()

	b = append(b, control...)
	start := len(b)
	b = append(b, make([]byte, headerRoom)...)
	if out != nil {
		b = append(b, *out...)
		c.pools.buffers.put(out)
	}
	if client != nil {
		var more bool
		b, more = client.Take(epoch, b, start+headerRoom+maxWrite)
		if more {
			c.mu.Lock()
			c.again = true
			c.mu.Unlock()
		}
	}
	if len(b) > start+headerRoom {
		c.pulse.Said()
		framed := frame(opText, b[start:])
		b = append(b[:start], framed...)
	} else {
		b = b[:start]
	}
	return append(b, closing...), closing != nil, false
}

// send writes b in pieces that the pulse can watch.
func (c *conn) send(b []byte) error {
	for len(b) > 0 {
		n := min(len(b), maxWrite)
		c.pulse.Begin()
		_, err := c.net.Write(b[:n])
		c.pulse.End()
		if err != nil {
			return err
		}
		c.core().Stats.Wrote(n)
		c.wrote.Add(uint64(n))
		b = b[n:]
	}
	return nil
}

func (c *conn) writeFailed(cause flexsession.Cause) {
	c.mu.Lock()
	if c.closing == nil {
		c.cause, c.closing = cause.WithIncident(), []byte{}
	}
	c.writing, c.closed = false, true
	c.giveRoom()
	c.mu.Unlock()
	c.net.Close() // the reader finds out, and finishes
}

// said runs when the close frame is out. A peer that has not said goodbye has a little time for it: to close at once would throw away what it has not read (RFC 9293 section 3.10.4: a reset).
func (c *conn) said() {
	c.mu.Lock()
	c.writing, c.closed = false, true
	gone := c.peerGone
	c.mu.Unlock()
	if gone {
		c.net.Close()
	}
}
