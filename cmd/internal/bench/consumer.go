package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sluice/channel/client"
)

// consumer is one light client. Its goroutine connects it, subscribes and counts what comes.
type consumer struct {
	load     *load
	subtopic int
	ledger   *ledger

	id, secret   string
	window       window
	counted      uint64 // lines
	size         uint64 // their bytes
	confirmed    uint64
	confirmedAt  uint64 // size when it was confirmed
	lastConfirm  time.Time
	heartbeat    bool
	pollWait     time.Duration
	subscribed   chan struct{} // closed when the subscription has begun
	isSubscribed bool
	fresh        int // deliveries that the load has not been told of
}

// window is how much the server lets be unconfirmed.
type window struct{ Messages, Bytes uint64 }

func newConsumer(l *load, subtopic int) *consumer {
	return &consumer{
		load: l, subtopic: subtopic, ledger: newLedger(l.opts.Publishers), subscribed: make(chan struct{}),
		window: window{1024, 1 << 20}, lastConfirm: time.Now(),
	}
}

// run connects and reads until ctx or the connection ends. The error says why it ended before ctx did.
func (c *consumer) run(ctx context.Context) error {
	receive := c.webSocket
	switch c.load.opts.Channel {
	case client.Streaming:
		receive = c.stream
	case client.LongPoll:
		receive = c.polls
	}
	err := receive(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// hello connects and subscribes in one go. attach says that the connection it goes over is to be attached as well.
func (c *consumer) hello(attach bool) []byte {
	at := ""
	if attach {
		at = `,"attach":1`
	}
	return fmt.Appendf(nil, `{"type":"command","operation":"client_ping","messageId":"c","headers":{"DSId":"nil"}%s}
{"type":"command","operation":"subscribe","messageId":"s","seq":1,"destination":%q,"headers":{"DSSubtopic":%q}}
`, at, c.load.opts.Destination, subtopic(c.subtopic))
}

const (
	goodbye   = `{"type":"command","operation":"disconnect","messageId":"d","seq":2}` + "\n"
	heartbeat = `{"type":"command","operation":"client_ping","messageId":"h"}` + "\n"
)

var (
	asyncStart       = []byte(`{"type":"async"`)
	acknowledgeStart = []byte(`{"type":"acknowledge"`)
	controlStart     = []byte(`{"type":"control"`)
	errorStart       = []byte(`{"type":"error"`)
	stateStart       = []byte(`{"type":"subscription-state"`)
)

// line takes one line without its LF.
func (c *consumer) line(line []byte, now time.Time) error {
	line = bytes.Trim(line, "\x00\r")
	switch {
	case len(line) == 0:
		return nil
	case bytes.HasPrefix(line, asyncStart):
		s, ok := readStamp(line)
		if !ok {
			c.ledger.strange++
			break
		}
		c.ledger.record(s)
		c.load.latency.add(time.Duration(now.UnixNano() - s.nanos))
		c.fresh++
	case bytes.HasPrefix(line, acknowledgeStart), bytes.HasPrefix(line, controlStart), bytes.HasPrefix(line, errorStart):
		return c.uncounted(line)
	case bytes.HasPrefix(line, stateStart) && !c.isSubscribed:
		c.isSubscribed = true
		close(c.subscribed)
	}
	c.counted++
	c.size += uint64(len(line)) + 1
	return nil
}

// uncounted takes the lines that are about the connection.
func (c *consumer) uncounted(line []byte) error {
	var l struct {
		Type, Operation, Name, Message, FaultString, CorrelationID string

		Code        int
		Have, Count uint64
		Window      window
		Headers     struct {
			DSId, DSSecret string
			DSPollWait     int64
		}
		Body struct{ HeartbeatIntervalMillis int }
	}
	if err := json.Unmarshal(line, &l); err != nil {
		return fmt.Errorf("a line of the server: %w", err)
	}
	switch {
	case l.Type == "error":
		what := "to connect"
		if l.CorrelationID == "s" {
			what = fmt.Sprintf("to subscribe to %q", c.load.opts.Destination)
		}
		return fmt.Errorf("the server refused %s: %s (%d %s)", what, l.FaultString, l.Code, l.Name)
	case l.Type == "acknowledge":
		if l.Headers.DSId != "" {
			c.id, c.secret = l.Headers.DSId, l.Headers.DSSecret
			c.heartbeat = l.Body.HeartbeatIntervalMillis > 0
		}
		c.pollWait = time.Duration(l.Headers.DSPollWait) * time.Millisecond
	case l.Operation == "attached" && l.Window.Messages > 0:
		c.window = l.Window
	case l.Operation == "skip":
		c.counted += l.Count
	case l.Operation == "gone", l.Operation == "disconnect", l.Operation == "displaced":
		return fmt.Errorf("the server ended it: %s (%d %s)", l.Message, l.Code, l.Name)
	}
	return nil
}

// flush tells the load of what has come. It returns a confirmation if one is due, else nil.
func (c *consumer) flush(now time.Time) []byte {
	if c.fresh > 0 {
		c.load.gate.deliver(int64(c.fresh))
		c.fresh = 0
	}
	n := c.counted - c.confirmed
	if n == 0 || n*4 < c.window.Messages && (c.size-c.confirmedAt)*4 < c.window.Bytes && now.Sub(c.lastConfirm) < 4*time.Second {
		return nil
	}
	c.confirmed, c.confirmedAt, c.lastConfirm = c.counted, c.size, now
	return fmt.Appendf(nil, `{"type":"control","operation":"confirm","have":%d,"got":1}`+"\n", c.counted)
}

var errEnded = errors.New("the connection ended without a word")
