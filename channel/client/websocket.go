package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"sluice/channel/message"
)

// webSocket is the link over a WebSocket. post is called by one goroutine at a time; gorilla's pong replies may go between.
type webSocket struct {
	cs    *ChannelSet
	conn  *websocket.Conn
	frame *lines // what is left of the frame being read
	reception
}

// openWebSocket dials, attaches the client there is or connects a new one, and returns when it is attached.
func (cs *ChannelSet) openWebSocket(ctx context.Context, url string) (link, error) {
	w, err := cs.dialWebSocket(ctx, url)
	if err != nil {
		return nil, err
	}
	return w.open(ctx, true)
}

func (cs *ChannelSet) dialWebSocket(ctx context.Context, url string) (*webSocket, error) {
	dialer := websocket.Dialer{
		Proxy: http.ProxyFromEnvironment, NetDialContext: cs.opts.Dial, TLSClientConfig: cs.opts.TLS,
		ReadBufferSize: 4096, WriteBufferSize: 4096,
	}
	conn, resp, err := dialer.DialContext(ctx, url, cs.opts.Header)
	if err != nil {
		if resp != nil {
			return nil, refusedAnswer(resp) // gorilla has read the start of the body and closed the rest
		}
		return nil, withCause(ctx, err)
	}
	conn.SetReadLimit(int64(cs.opts.MaxLine) + 2*maxFrame)
	w := &webSocket{cs: cs, conn: conn, reception: newReception()}
	pong := conn.PingHandler()
	conn.SetPingHandler(func(data string) error {
		w.hear()
		return pong(data)
	})
	return w, nil
}

// open attaches and begins to receive. renew says that a client which the server no longer has may be followed by a new one. The socket is closed if that fails.
func (w *webSocket) open(ctx context.Context, renew bool) (link, error) {
	stop := context.AfterFunc(ctx, func() { w.conn.Close() })
	a, err := w.attach(ctx, renew)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		w.conn.Close()
		return nil, withCause(ctx, err)
	}
	stop = context.AfterFunc(w.cs.ctx, func() { w.hangUp() })
	w.start(func() error {
		defer stop()
		for {
			if err := w.read(a); err != nil {
				return err
			}
		}
	})
	return w, nil
}

// echo asks for a sign of life and waits for it.
func (w *webSocket) echo(ctx context.Context, id string) error {
	if err := w.post(ctx, fmt.Appendf(nil, `{"type":"command","operation":"client_ping","messageId":%q}`+"\n", id)); err != nil {
		return err
	}
	for {
		raw, err := w.next()
		if err != nil {
			return err
		}
		switch l, err := parseLine(raw); {
		case err != nil:
			return err
		case l.Type == "acknowledge" && l.CorrelationID == id:
			return nil
		case l.Code != 0:
			return l.error()
		}
	}
}

// attach makes this socket the one the client receives by. A client the server no longer has is followed by a new one on the same socket, if it may be.
func (w *webSocket) attach(ctx context.Context, renew bool) (*attachment, error) {
	for {
		known := w.cs.identity() != ""
		a := w.cs.newAttachment()
		first := w.cs.connectLine(a)
		if known {
			first = w.cs.attachLine(a, true)
		}
		if err := w.post(ctx, first); err != nil {
			return nil, err
		}
		err := w.readUntilAttached(a)
		if gone := new(goneError); renew && known && errors.As(err, &gone) && !gone.cause.final() {
			w.cs.renew(gone.cause)
			continue
		}
		return a, err
	}
}

func (w *webSocket) readUntilAttached(a *attachment) error {
	for {
		if err := w.read(a); err != nil {
			return err
		}
		select {
		case <-a.attached:
			return nil
		default:
		}
	}
}

// hear puts off the moment at which the server has been silent for too long.
func (w *webSocket) hear() {
	if limit := w.cs.longestSilence(); limit > 0 {
		_ = w.conn.SetReadDeadline(time.Now().Add(limit)) // of a connection that is closed: the next read says so
	}
}

// read takes one line.
func (w *webSocket) read(a *attachment) error {
	line, err := w.next()
	if err == nil {
		err = w.cs.receive(a, line)
		w.hear()
	}
	return err
}

// next returns one line.
func (w *webSocket) next() ([]byte, error) {
	for {
		if w.frame != nil {
			line, err := w.frame.next()
			if err == nil {
				return line, nil
			}
			if err != io.EOF {
				return nil, w.reason(err)
			}
		}
		kind, r, err := w.conn.NextReader()
		if err != nil {
			return nil, w.reason(err)
		}
		if kind != websocket.TextMessage {
			return nil, errors.New("the server sent a binary frame")
		}
		w.frame = newLines(r, w.cs.opts.MaxLine, true)
	}
}

// reason makes an error of ours from a close frame that has one of our codes.
func (w *webSocket) reason(err error) error {
	var closed *websocket.CloseError
	if errors.As(err, &closed) && closed.Code >= 4000 && closed.Code < 5000 {
		return (&Error{Code: message.Code(closed.Code), Name: closed.Text}).complete()
	}
	if late := net.Error(nil); errors.As(err, &late) && late.Timeout() {
		return vanished("the WebSocket was silent for %v", w.cs.longestSilence())
	}
	return fmt.Errorf("%w: %w", errLinkLost, err)
}

func (w *webSocket) post(_ context.Context, frame []byte) error {
	if err := w.conn.SetWriteDeadline(time.Now().Add(w.cs.requestTimeout())); err != nil {
		return err
	}
	if err := w.conn.WriteMessage(websocket.TextMessage, frame); err != nil {
		_ = w.conn.SetReadDeadline(time.Now().Add(time.Second)) // the server may have said why, just before
		return fmt.Errorf("%w: %w", errLinkLost, err)
	}
	return nil
}

// hangUp tells the server that this side closes, if it can be told at once, and closes.
func (w *webSocket) hangUp() {
	goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	_ = w.conn.WriteControl(websocket.CloseMessage, goodbye, time.Now().Add(100*time.Millisecond))
	w.conn.Close()
}

func (w *webSocket) recede() {}

func (w *webSocket) close() error {
	if w.cs.ctx.Err() == nil {
		select {
		case <-w.down():
		case <-time.After(50 * time.Millisecond): // for a reason that is on its way
		}
	}
	w.hangUp()
	return w.wait()
}
