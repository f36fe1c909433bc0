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
	a := cs.newAttachment()
	s := cs.startStream(url, a, cs.attachLine(a, false))
	if err := s.await(ctx, a, a.attached); err != nil {
		return nil, err
	}
	return s, nil
}

// startStream asks for a stream, with a body that attaches it or without.
func (cs *ChannelSet) startStream(url string, a *attachment, body []byte) *stream {
	life, cancel := context.WithCancelCause(cs.ctx)
	s := &stream{uplink: uplink{cs: cs, url: url}, cancel: cancel, reception: newReception()}
	s.start(func() error {
		resp, err := cs.request(life, withQuery(url, "command", "open"), body)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		return s.receive(life, resp.Body, a)
	})
	return s
}

// await waits for a moment of the attachment, and no longer for the stream's first line than that may take. The stream is closed if that fails.
func (s *stream) await(ctx context.Context, a *attachment, moment <-chan struct{}) error {
	timer := time.NewTimer(s.cs.opts.OpenTimeout)
	defer timer.Stop()
	for opened := a.opened; ; {
		select {
		case <-moment:
			return nil
		case <-opened:
			opened = nil
			timer.Stop()
		case <-timer.C:
			s.cancel(vanished("the stream brought nothing for %v: something on the way holds it back", s.cs.opts.OpenTimeout))
		case <-ctx.Done():
			s.cancel(context.Cause(ctx))
		case <-s.down():
			return s.close()
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

func (s *stream) recede() {}

func (s *stream) close() error {
	s.cancel(ErrClosed)
	return s.wait()
}
