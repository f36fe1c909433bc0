package client

import (
	"context"
	"errors"
	"time"
)

// polls is the link over long-poll: one poll after the other, and requests beside them.
type polls struct {
	uplink
	cancel context.CancelCauseFunc
	reception
}

// openPolls makes sure that the server knows this client and starts to poll.
func (cs *ChannelSet) openPolls(ctx context.Context, url string) (link, error) {
	if err := cs.introduce(ctx, url); err != nil {
		return nil, err
	}
	life, cancel := context.WithCancelCause(cs.ctx)
	p := &polls{uplink: uplink{cs: cs, url: url}, cancel: cancel, reception: newReception()}
	p.start(func() error {
		for {
			if err := p.poll(life); err != nil {
				return err
			}
		}
	})
	return p, nil
}

// poll asks once, and waits until the application has taken the answer: asking earlier would bring the same lines again.
func (p *polls) poll(ctx context.Context) error {
	a := p.cs.newAttachment()
	if err := p.exchange(ctx, a); err != nil {
		return err
	}
	if !a.answered {
		return errors.New("the answer to a poll lacks its acknowledgement")
	}
	pause := time.NewTimer(a.pause)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for !p.cs.allHanded() {
		select {
		case <-p.cs.drained:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// exchange asks and takes the answer, which is due after longestPoll at the latest.
func (p *polls) exchange(ctx context.Context, a *attachment) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	limit := longestPoll + p.cs.patience()
	timer := time.AfterFunc(limit, func() { cancel(vanished("a poll was not answered for %v", limit)) })
	defer timer.Stop()
	resp, err := p.cs.request(ctx, p.url, p.cs.pollLine(a))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return p.cs.receiveAll(ctx, watched{resp.Body, timer, p.cs.patience}, a)
}

// allHanded tells whether the application has taken all that was received.
func (cs *ChannelSet) allHanded() bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.session.handed.lines >= cs.session.received
}

func (p *polls) close() error {
	p.cancel(ErrClosed)
	return p.wait()
}
