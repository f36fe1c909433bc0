package bench

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// churn has Consumers clients connect, subscribe and leave, again and again. The server's memory is
// read after a first round and at the end, each time with nobody connected: it should be the same.
func (l *load) churn(ctx context.Context) error {
	round, hangUp := context.WithCancel(ctx)
	err := l.connect(round)
	hangUp()
	l.receivers.Wait()
	if err != nil {
		return err
	}
	before, measured := l.memory(ctx)

	began := time.Now()
	l.report.connected.Store(0)
	bar := l.progress("churning", func() (float64, string) {
		return time.Since(began).Seconds() / l.opts.Duration.Seconds(), fmt.Sprintf("%d connects", l.report.connected.Load())
	})
	timed, cancel := context.WithTimeout(ctx, l.opts.Duration)
	defer cancel()
	var visitors sync.WaitGroup
	for i := range min(l.opts.Consumers, l.opts.Connecting) {
		visitors.Go(func() {
			for timed.Err() == nil {
				l.visit(timed, ctx, i)
			}
		})
	}
	visitors.Wait()
	l.receivers.Wait()
	bar()
	l.report.ConnectsPerSecond = float64(l.report.connected.Load()) / time.Since(began).Seconds()
	if measured {
		after, _ := l.memory(ctx)
		l.report.churned(before, after)
	}
	if first := l.firstEnd.Load(); first != nil {
		l.report.Disconnected, l.report.FirstError = int(l.ended.Load()), *first
	}
	return ctx.Err()
}

// visit is one client that comes and goes.
func (l *load) visit(timed, ctx context.Context, i int) {
	life, leave := context.WithCancel(ctx)
	defer leave()
	if err := l.start(life, newConsumer(l, i%l.opts.Subtopics)); err != nil {
		sleepUntil(timed, time.Now().Add(100*time.Millisecond)) // start has noted why
	}
}
