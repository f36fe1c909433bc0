package client

import (
	"context"
	"io"
	"time"
)

// stream is the link over HTTP streaming: one answer that does not end, and requests beside it.
type stream struct {
	uplink
	cancel context.CancelCauseFunc
	reception
}

// openStream opens a stream and returns when it is attached, or when it is clear that something on the way holds it back.
func (cs *ChannelSet) openStream(ctx context.Context, url string) (link, error) {
	if err := cs.introduce(ctx, url); err != nil {
		return nil, err
	}
	life, cancel := context.WithCancelCause(cs.ctx)
	s := &stream{uplink: uplink{cs: cs, url: url}, cancel: cancel, reception: newReception()}
	a := cs.newAttachment()
	s.start(func() error {
		resp, err := cs.request(life, withQuery(url, "command", "open"), cs.attachLine(a, false))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		return s.receive(life, resp.Body, a)
	})
	timer := time.NewTimer(cs.opts.OpenTimeout)
	defer timer.Stop()
	for opened := a.opened; ; {
		select {
		case <-a.attached:
			return s, nil
		case <-opened:
			opened = nil
			timer.Stop()
		case <-timer.C:
			cancel(vanished("the stream brought nothing for %v: something on the way holds it back", cs.opts.OpenTimeout))
		case <-ctx.Done():
			cancel(context.Cause(ctx))
		case <-s.down():
			return nil, s.close()
		}
	}
}

func (s *stream) receive(ctx context.Context, body io.Reader, a *attachment) error {
	timer := time.AfterFunc(time.Hour, func() { s.cancel(vanished("the stream was silent for %v", s.cs.longestSilence())) })
	defer timer.Stop()
	timer.Stop() // until it brings something
	if err := s.cs.receiveAll(ctx, watched{body, timer, s.cs.longestSilence}, a); err != nil {
		return err
	}
	return errLinkLost
}

func (s *stream) close() error {
	s.cancel(ErrClosed)
	return s.wait()
}
