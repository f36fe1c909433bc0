package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"sluice/channel/client"
)

// publisher is one of those that publish. Only its own goroutine uses it, but for failed.
type publisher struct {
	id      int
	set     *client.ChannelSet
	numbers []uint32 // the last number of each subtopic
	failed  atomic.Int64
	waiting sync.WaitGroup // for answers
}

// publishAll publishes what the options ask for, and waits until it has arrived or nothing does any more.
func (l *load) publishAll(ctx context.Context) error {
	publishers, err := l.connectPublishers(ctx)
	defer func() {
		for _, p := range publishers {
			p.set.Close()
		}
	}()
	if err != nil {
		return err
	}
	fan := make([]int64, l.opts.Subtopics)
	for _, c := range l.consumers {
		fan[c.subtopic]++
	}
	began, cpu, own := time.Now(), l.serverCPU(), ownCPU()
	bar := l.progress("publishing", func() (float64, string) { return l.published(began) })
	timed, cancel := context.WithCancel(ctx)
	if l.opts.Messages == 0 {
		timed, cancel = context.WithTimeout(ctx, l.opts.Duration)
	}
	defer cancel()
	defer context.AfterFunc(timed, l.gate.wake)()
	var running sync.WaitGroup
	for _, p := range publishers {
		running.Go(func() { l.publish(timed, p, fan, began) })
	}
	running.Wait()
	for _, p := range publishers {
		p.waiting.Wait() // bounded by the client: each call is answered, or its set ends
	}
	l.drain(ctx)
	bar()
	_, delivered := l.gate.state()
	l.report.measured(l, time.Since(began), delivered, l.serverCPU()-cpu, ownCPU()-own)
	for _, p := range publishers {
		l.report.publisher(p)
	}
	return ctx.Err()
}

func (l *load) connectPublishers(ctx context.Context) (list []*publisher, err error) {
	for i := range l.opts.Publishers {
		set, err := client.New(client.Options{Channels: []client.Channel{l.channel}, TLS: l.opts.TLS, MaxAttempts: 3})
		if err != nil {
			return list, err
		}
		list = append(list, &publisher{id: i, set: set, numbers: make([]uint32, l.opts.Subtopics)})
		limited, cancel := context.WithTimeout(ctx, connectTimeout)
		err = set.Connect(limited)
		cancel()
		if err != nil {
			return list, fmt.Errorf("publisher %d: %w", i, err)
		}
	}
	return list, nil
}

// publish publishes the share of p until there were enough messages or ctx ends.
func (l *load) publish(ctx context.Context, p *publisher, fan []int64, began time.Time) {
	gap := time.Duration(0) // between two messages of one publisher
	if l.opts.Rate > 0 {
		gap = time.Duration(float64(time.Second) * float64(l.opts.Publishers) / l.opts.Rate)
	}
	producer := client.Producer{Set: p.set, Destination: l.opts.Destination}
	share := (l.opts.Messages + l.opts.Publishers - 1 - p.id) / l.opts.Publishers
	for i := 0; l.opts.Messages == 0 || i < share; i++ {
		at := (p.id + i) % l.opts.Subtopics
		due, open := time.Now(), fan[at]*int64(l.opts.InFlight-1)
		if gap > 0 {
			due, open = began.Add(gap*time.Duration(i)+gap*time.Duration(p.id)/time.Duration(l.opts.Publishers)), -1
			if !sleepUntil(ctx, due) {
				return
			}
		}
		if !l.gate.issue(ctx, fan[at], open) {
			return
		}
		if gap == 0 {
			due = time.Now()
		}
		p.numbers[at]++
		producer.Subtopic = subtopic(at)
		p.waiting.Add(1)
		err := producer.Send(context.WithoutCancel(ctx), stamp{p.id, p.numbers[at], due.UnixNano()}.body(l.opts.Size), func(err error) {
			if err != nil {
				p.failed.Add(1)
				l.noteEnd(err)
			}
			p.waiting.Done()
		})
		if err != nil { // its set has ended: nothing more can be published
			p.waiting.Done()
			p.failed.Add(1)
			l.noteEnd(err)
			return
		}
	}
}

func sleepUntil(ctx context.Context, due time.Time) bool {
	d := time.Until(due)
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// drain waits until everything has arrived, or nothing has for as long as Patience.
func (l *load) drain(ctx context.Context) {
	last, since := int64(-1), time.Now()
	for ctx.Err() == nil {
		issued, delivered := l.gate.state()
		switch {
		case delivered >= issued:
			return
		case delivered != last:
			last, since = delivered, time.Now()
		case time.Since(since) > l.opts.Patience:
			return
		}
		sleepUntil(ctx, time.Now().Add(5*time.Millisecond))
	}
}

// published tells for the progress bar how far it is.
func (l *load) published(began time.Time) (part float64, text string) {
	issued, delivered := l.gate.state()
	part = time.Since(began).Seconds() / l.opts.Duration.Seconds()
	if l.opts.Messages > 0 {
		part = float64(issued) * float64(l.opts.Subtopics) / (float64(l.opts.Messages) * float64(l.opts.Consumers))
	}
	values, _ := l.latency.quantiles(0.99)
	return part, fmt.Sprintf("%.0f deliveries/s, p99 %v", float64(delivered)/time.Since(began).Seconds(), values[0].Round(10*time.Microsecond))
}
