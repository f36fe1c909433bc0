package client

import (
	"context"
	"fmt"
	"net/http"
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
		return s.receive(life, resp, a)
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
			cancel(fmt.Errorf("the stream brought nothing for %v: something on the way holds it back", cs.opts.OpenTimeout))
		case <-ctx.Done():
			cancel(context.Cause(ctx))
		case <-s.down():
			return nil, s.close()
		}
	}
}

func (s *stream) receive(ctx context.Context, resp *http.Response, a *attachment) error {
	defer resp.Body.Close()
	if err := s.cs.receiveAll(ctx, resp, a); err != nil {
		return err
	}
	return errLinkLost
}

func (s *stream) close() error {
	s.cancel(ErrClosed)
	return s.wait()
}
