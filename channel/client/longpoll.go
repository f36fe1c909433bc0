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
	p, life := cs.newPolls(url)
	p.start(func() error { return p.run(life) })
	return p, nil
}

// startPolls attaches by a poll that is answered at once, and goes on to poll.
func (cs *ChannelSet) startPolls(ctx context.Context, url string) (link, error) {
	p, life := cs.newPolls(url)
	a := cs.newAttachment()
	if err := p.exchange(ctx, a, 0); err != nil {
		p.cancel(ErrClosed)
		return nil, err
	}
	p.start(func() error {
		if err := p.rest(life, a); err != nil {
			return err
		}
		return p.run(life)
	})
	return p, nil
}

func (cs *ChannelSet) newPolls(url string) (*polls, context.Context) {
	life, cancel := context.WithCancelCause(cs.ctx)
	return &polls{uplink: uplink{cs: cs, url: url}, cancel: cancel, reception: newReception()}, life
}

func (p *polls) run(ctx context.Context) error {
	for {
		a := p.cs.newAttachment()
		if err := p.exchange(ctx, a, longestPoll); err != nil {
			return err
		}
		if err := p.rest(ctx, a); err != nil {
			return err
		}
	}
}

// exchange asks and takes the answer, which is due after that long at the latest.
func (p *polls) exchange(ctx context.Context, a *attachment, wait time.Duration) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	limit := wait + p.cs.patience()
	timer := time.AfterFunc(limit, func() { cancel(vanished("a poll was not answered for %v", limit)) })
	defer timer.Stop()
	resp, err := p.cs.request(ctx, p.url, p.cs.pollLine(a, wait))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := p.cs.receiveAll(ctx, watched{resp.Body, timer, p.cs.patience}, a); err != nil {
		return err
	}
	if !a.answered {
		return errors.New("the answer to a poll lacks its acknowledgement")
	}
	return nil
}

// rest pauses as the answer asked for, and waits until the application has taken it: to poll earlier would bring the same lines again.
func (p *polls) rest(ctx context.Context, a *attachment) error {
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

// allHanded tells whether the application has taken all that was received.
func (cs *ChannelSet) allHanded() bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.session.handed.lines >= cs.session.received
}

func (p *polls) recede() { _ = p.close() }

func (p *polls) close() error {
	p.cancel(ErrClosed)
	return p.wait()
}
