package endpoint

import (
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/flexsession"
)

// maxWrite is how much is gathered for one write.
const maxWrite = 64 << 10

// Held is an HTTP answer that is held open for a client: a stream, a waiting poll, a plain GET. The handler's goroutine is its writer. It implements
// [flexsession.Transport].
type Held struct {
	now     *Current // a reload of the configuration changes it
	session flexsession.Session
	owner   *flexsession.FlexClient // whose answer it is, attached or not
	conn    net.Conn                // what the request came over; nil: not known
	ends    bool                    // a lost connection is the end of the client
	w       http.ResponseWriter
	control *http.ResponseController
	pulse   Pulse
	began   time.Time
	wrote   uint64 // bytes; only the handler's goroutine uses this, and the next
	noted   bool   // Ended was called
	wake    chan struct{}

	mu     sync.Mutex                              // guards the following
	rhythm func(*channel.ChannelDefinition) Rhythm // what the pulse goes by; nil: it does not run
	client *flexsession.FlexClient
	epoch  uint64 // of the attach whose answer is in first, or was written
	first  []byte // to be written before the client's next lines: the answer to its attach
	beat   bool   // a heartbeat is due
	last   []byte // the last line; after it the answer ends
	cause  flexsession.Cause
	over   bool // it has ended, and is off its client
}

// Hold makes a Held for the answer to r, a request of c. ends: its loss ends the client.
func (k *Core) Hold(w http.ResponseWriter, r *http.Request, def *channel.ChannelDefinition, s flexsession.Session, c *flexsession.FlexClient, ends bool) *Held {
	return &Held{now: k.Lasting.Channel(k, def), conn: ConnOf(r), session: s, owner: c, ends: ends, w: w, control: http.NewResponseController(w), began: time.Now(), wake: make(chan struct{}, 1)}
}

// Ended notes that the answer has ended, for that cause. The handler's goroutine calls it, once.
func (h *Held) Ended(cause flexsession.Cause) {
	h.noted = true
	h.core().Stats.Ended(Connection{h.Channel().ID, h.Channel().Kind, h.session, h.owner, h.began, h.wrote}, cause.WithIncident())
}

// Abandon takes the answer off its client, and notes its end, where that has not happened because the handler panicked. The handler defers it.
func (h *Held) Abandon() {
	if !h.noted {
		h.Ended(h.lost(message.CodeInternalError))
	}
}

// Refused notes that the answer has ended with line, which says why its attach had no effect.
func (h *Held) Refused(line []byte) {
	cause := flexsession.Because(message.CodeDisplaced)
	if IsGone(line) {
		cause.Code = message.CodeUnknownClient
		if ended := h.owner.Ended(); ended != nil {
			cause = *ended
		}
	}
	h.Ended(cause)
}

// Channel implements Transport.
func (h *Held) Channel() *channel.ChannelDefinition { return h.now.Now().Def }

func (h *Held) core() *Core { return h.now.Now().Core }

// Session implements Transport.
func (h *Held) Session() flexsession.Session { return h.session }

// EndsClient implements Transport.
func (h *Held) EndsClient() bool { return h.ends }

// Wake implements Transport.
func (h *Held) Wake() {
	select {
	case h.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Displace implements Transport: the answer says so and ends.
func (h *Held) Displace(attach uint64) {
	line := message.AppendDisplaced(nil, message.Displaced{Attach: attach})
	h.finish(line, flexsession.Because(message.CodeDisplaced))
}

// End implements Transport: the answer says why and ends.
func (h *Held) End(cause flexsession.Cause) {
	cause = cause.WithIncident()
	h.finish(DisconnectLine(cause), cause)
}

// Close ends the answer with a last line of the caller's.
func (h *Held) Close(last []byte, cause flexsession.Cause) { h.finish(last, cause) }

func (h *Held) finish(last []byte, cause flexsession.Cause) {
	h.mu.Lock()
	if h.cause.Code == 0 {
		h.last, h.cause = last, cause
	}
	h.mu.Unlock()
	h.Wake()
}

// Attach attaches the client to this answer and returns the line that says what became of it; the line is also written here, before any other, when the attach took effect.
func (h *Held) Attach(c *flexsession.FlexClient, attach, have uint64, cookie *bool) (line []byte, ok bool) {
	now := h.now.Now()
	line, epoch := now.Core.Attach(c, h, now.Def, attach, have, cookie)
	if epoch == 0 {
		return line, false
	}
	h.mu.Lock()
	h.client, h.epoch = c, epoch // from here on its lines may be taken: behind the answer
	h.first = append(h.first, line...)
	over, cause := h.over, h.cause
	h.mu.Unlock()
	if over { // it came too late: nobody else takes the answer off c any more
		c.Detach(h, cause)
	}
	h.Retime() // a reload has told those that were attached then
	h.Wake()
	return line, true
}

// Attach attaches t, a transport of the channel of def, to c and words the answer. With epoch 0 it had no effect; otherwise the lines of c may be taken with that epoch once
// the answer is on its way. Subscriptions that the user may not have on this channel end, and the client is told by a counted line.
func (k *Core) Attach(c *flexsession.FlexClient, t flexsession.Transport, def *channel.ChannelDefinition, attach, have uint64, cookie *bool) (line []byte, epoch uint64) {
	a := c.Attach(t, attach, have)
	switch {
	case a.Gone && a.Reason == message.GoneExpired:
		return GoneLine(&a.Cause), 0
	case a.Gone:
		return message.AppendGone(nil, message.Gone{Reason: a.Reason}), 0
	case a.Displaced != 0:
		return message.AppendDisplaced(nil, message.Displaced{Attach: a.Displaced}), 0
	}
	k.Review(c, def)
	answer := message.Attached{Attach: attach, Have: a.Have, WindowMessages: a.Window.Messages, WindowBytes: a.Window.Bytes, Cookie: cookie}
	if a.Moved {
		answer.Times = &message.Times{Reconnect: def.ReliableReconnectDuration, ReloadGrace: def.ReloadGrace, ServerHeartbeat: def.ServerHeartbeat, DeadPeer: def.DeadPeerTimeout}
	}
	return message.AppendAttached(nil, answer), a.Epoch
}

// Review ends the subscriptions of c that its user may not have on the channel of def; c is told by counted lines.
func (k *Core) Review(c *flexsession.FlexClient, def *channel.ChannelDefinition) {
	c.Review(func(s *flexsession.MessageClient) *message.Error {
		if err := k.Broker.Allow(def.Constraint, c.Principal()); err != nil {
			return err
		}
		return k.Broker.Destination(s.Destination()).AllowSubscribe(def, c.Principal())
	})
}

// DisconnectLine is the last line of a connection that the server ends.
func DisconnectLine(c flexsession.Cause) []byte {
	return message.AppendDisconnect(nil, message.Disconnect{End: c.End()})
}

// next gathers what is to be written now into buf. over: these are the last bytes.
func (h *Held) next(buf []byte) (_ []byte, more, over bool) {
	h.mu.Lock()
	buf = append(buf, h.first...)
	h.first = nil
	client, epoch, last := h.client, h.epoch, h.last
	h.mu.Unlock()
	if client != nil {
		buf, more = client.Take(epoch, buf, maxWrite)
	}
	if last != nil {
		return append(buf, last...), false, true
	}
	return buf, more, false
}

// write writes b in pieces the pulse can watch, and flushes.
func (h *Held) write(b []byte) error {
	for len(b) > 0 {
		n := min(len(b), maxWrite)
		h.pulse.Begin()
		_, err := h.w.Write(b[:n])
		if err == nil {
			err = h.control.Flush()
		}
		h.pulse.End()
		if err != nil {
			return err
		}
		h.core().Stats.Wrote(n)
		h.wrote += uint64(n)
		b = b[n:]
	}
	return nil
}

// lift takes the answer out of the time that bounds all others; where it cannot be set there is none. net/http has lifted that of the request, to read on until the peer goes.
func (h *Held) lift() { h.control.SetWriteDeadline(time.Time{}) }

// watch starts the pulse, if it does not run: heartbeats, and an end for a connection that takes nothing or is idle.
func (h *Held) watch(rhythm func(*channel.ChannelDefinition) Rhythm) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rhythm == nil {
		h.rhythm = rhythm
		h.pulse.Start(h.core().Wheel, rhythm(h.Channel()), h)
	}
}

// Retime implements Transport.
func (h *Held) Retime() {
	h.mu.Lock()
	defer h.mu.Unlock()
	Tune(h.conn, h.Channel()) // Guard did so by what was current when the request came; a connection that has ended says so to its reader
	if h.rhythm != nil {      // else it starts by what is current then
		h.pulse.Retime(h.rhythm(h.Channel()))
	}
}

// Beat implements Pulsed.
func (h *Held) Beat() {
	h.mu.Lock()
	h.beat = true
	h.mu.Unlock()
	h.Wake()
}

// Stuck implements Pulsed.
func (h *Held) Stuck() {
	h.End(flexsession.Cause{Code: message.CodeWriteTimeout, Value: h.Channel().WriteTimeout.Milliseconds()})
	h.control.SetWriteDeadline(time.Unix(1, 0)) // wakes the blocked write; where it cannot be set nothing blocks
}

// Over implements Pulsed. An HTTP answer has no pongs, so it is idle.
func (h *Held) Over(code message.Code) {
	h.End(flexsession.Cause{Code: code, Value: h.Channel().IdleTimeout.Minutes()})
}

// Quiet implements Pulsed.
func (h *Held) Quiet() time.Duration { return h.owner.Quiet() }

func (h *Held) beatDue() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	due := h.beat
	h.beat = false
	return due
}

// why is the cause the answer ended with; lost: its writing failed, or the peer went away.
func (h *Held) why(lost flexsession.Cause) flexsession.Cause {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cause.Code == 0 && lost.Code != 0 {
		h.cause = lost.WithIncident() // the client ends with the same one, if it does
	}
	return h.cause
}

// detach takes the answer off its client, if it has one.
func (h *Held) detach(cause flexsession.Cause) {
	h.mu.Lock()
	h.over = true
	c := h.client
	h.mu.Unlock()
	if c != nil {
		c.Detach(h, cause)
	}
}

// Stream writes lines for as long as the peer, the client and the server want. head is written first; format, if not nil, turns lines into what is written (SSE); beat is the
// heartbeat. It returns why the stream ended.
func (h *Held) Stream(r *http.Request, head []byte, format func(dst, lines []byte) []byte, beat []byte) flexsession.Cause {
	h.lift()
	h.watch(RhythmOf)
	defer h.pulse.Stop()
	if err := h.write(head); err != nil {
		return h.lost(message.CodeConnectionLost)
	}
	var buf, out []byte
	for {
		chunk, more, over := h.next(buf[:0])
		buf = chunk[:0]
		failed := message.CodeConnectionLost
		if format != nil && len(chunk) > 0 {
			out = format(out[:0], chunk)
			chunk = out
		}
		if due := h.beatDue(); due && len(chunk) == 0 {
			chunk, failed = beat, message.CodeHeartbeatFailed
		}
		if err := h.write(chunk); err != nil {
			return h.lost(failed)
		}
		if len(chunk) > 0 && failed != message.CodeHeartbeatFailed {
			h.pulse.Said()
		}
		switch {
		case over:
			cause := h.why(flexsession.Cause{})
			h.detach(cause)
			return cause
		case more:
			continue
		}
		if cap(buf) > 4096 {
			buf, out = nil, nil // a stream that was busy once does not hold the memory while it waits
		}
		select {
		case <-h.wake:
		case <-h.owner.Done(): // also of a stream that is not attached
			h.End(*h.owner.Ended())
		case <-r.Context().Done():
			return h.lost(message.CodeConnectionLost)
		}
	}
}

// Lost is why a connection of the channel of def is no more: the code, unless its kernel has given the peer up.
func Lost(c net.Conn, def *channel.ChannelDefinition, code message.Code) flexsession.Cause {
	if LostCode(c) == message.CodeUnacknowledgedBytes {
		return flexsession.Cause{Code: message.CodeUnacknowledgedBytes, Value: def.DeadPeerTimeout.Milliseconds()}
	}
	return flexsession.Because(code)
}

func (h *Held) lost(code message.Code) flexsession.Cause {
	cause := h.why(Lost(h.conn, h.Channel(), code))
	h.detach(cause)
	return cause
}

// silent is the rhythm of a poll, which has no heartbeats.
func silent(def *channel.ChannelDefinition) Rhythm {
	r := RhythmOf(def)
	r.Beat = 0
	return r
}

// Answer waits until there is something for the client, at most wait (negative: without end), and gathers all of it: the body of a poll. parked says whether it waited at all. over: the poll was displaced,
// or the client has ended, and nothing may be added.
func (h *Held) Answer(r *http.Request, wait time.Duration) (body []byte, parked, over bool) {
	h.lift()
	var timeout <-chan time.Time
	ready := func() bool {
		h.mu.Lock()
		c, epoch, over := h.client, h.epoch, h.last != nil
		h.mu.Unlock()
		return over || c != nil && c.Ready(epoch)
	}
	if wait != 0 && !ready() {
		parked = true
		h.watch(silent)
		var timer parkTimer
		if wait > 0 {
			timeout = timer.start(h.core().Wheel, wait)
			defer timer.stop(h.core().Wheel)
		}
	waiting:
		for !ready() {
			select {
			case <-h.wake:
			case <-timeout:
				break waiting
			case <-r.Context().Done():
				break waiting
			}
		}
	}
	for {
		var more bool
		body, more, over = h.next(body)
		if !more || over {
			return body, parked, over
		}
	}
}

// Respond writes the whole answer of a poll, and takes it off its client. Lines whose answer is lost on the way are still unconfirmed, and come again with the next poll.
// Where the peer of r went away while it waited, the answer is lost.
func (h *Held) Respond(r *http.Request, body []byte) flexsession.Cause {
	h.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if h.why(flexsession.Cause{}).Code == message.CodeIdleTimeout {
		h.w.Header().Set("Connection", "close")
	}
	h.watch(silent)
	err := h.write(body)
	h.pulse.Stop()
	if err != nil || r.Context().Err() != nil {
		return h.lost(message.CodeConnectionLost)
	}
	return h.lost(message.CodeConnectionClosed)
}
