package bench

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"sluice/channel/client"
)

// load is one run.
type load struct {
	opts    Options
	channel client.Channel
	url     *url.URL // of the channel
	http    *http.Client
	latency histogram
	gate    *gate
	report  *Report

	consumers []*consumer
	running   sync.WaitGroup // everything else
	receivers sync.WaitGroup
	ended     atomic.Int64 // consumers whose connection ended before its time
	firstEnd  atomic.Pointer[string]
	leaving   atomic.Int64 // counts those that leave, so that every other one does it politely

	beating sync.Mutex
	hearts  map[int]func()
	nextID  int
}

// Run makes the load and returns what it measured. An error says that there was nothing to measure; whether messages were lost is in the report.
func Run(ctx context.Context, opts Options) (*Report, error) {
	if err := opts.defaults(); err != nil {
		return nil, err
	}
	if _, err := RaiseFileLimit(); err != nil {
		return nil, fmt.Errorf("raise the limit of open files: %w", err)
	}
	l := &load{opts: opts, gate: newGate(), hearts: make(map[int]func()), report: newReport(opts)}
	if err := l.locate(ctx); err != nil {
		return nil, err
	}
	l.http = &http.Client{Transport: &http.Transport{TLSClientConfig: opts.TLS.Clone(), MaxIdleConnsPerHost: 2 * opts.Consumers, IdleConnTimeout: time.Minute}}
	defer l.http.CloseIdleConnections()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	l.running.Go(func() { l.beat(ctx) })
	err := l.run(ctx)
	stop()
	l.receivers.Wait()
	l.running.Wait()
	return l.report, err
}

// locate finds the endpoint: the first channel of that kind.
func (l *load) locate(ctx context.Context) error {
	list, err := client.Locate(ctx, client.Options{URL: l.opts.URL, Channels: []client.Channel{{Kind: l.opts.Channel}}, TLS: l.opts.TLS})
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	l.channel = list[0]
	l.url, err = url.Parse(l.channel.URL)
	return err
}

func (l *load) run(ctx context.Context) error {
	if l.opts.Churn {
		return l.churn(ctx)
	}
	life, hangUp := context.WithCancel(ctx)
	defer hangUp()
	before, measured := l.memory(ctx)
	if err := l.connect(life); err != nil {
		return err
	}
	if measured {
		after, _ := l.memory(ctx)
		l.report.memory(before, after, l.opts.Consumers)
	}
	if l.opts.Idle || ctx.Err() != nil {
		return ctx.Err()
	}
	err := l.publishAll(ctx)
	ended := l.ended.Load() // before they are hung up
	hangUp()
	l.receivers.Wait()
	l.report.check(l, int(ended))
	return err
}

// memory is the server's, once it has settled.
func (l *load) memory(ctx context.Context) (kb int, ok bool) {
	if l.opts.PID == 0 {
		return 0, false
	}
	return settledKB(ctx.Done(), l.opts.PID)
}

// connect starts all consumers, some at a time, and waits until each is subscribed.
func (l *load) connect(ctx context.Context) error {
	bar := l.progress("connecting", func() (float64, string) {
		n := int(l.report.connected.Load())
		return float64(n) / float64(l.opts.Consumers), fmt.Sprintf("%d connected", n)
	})
	defer bar()
	began := time.Now()
	slots := make(chan struct{}, l.opts.Connecting)
	problems := make(chan error, 1)
	var waiting sync.WaitGroup
	for i := range l.opts.Consumers {
		c := newConsumer(l, i%l.opts.Subtopics)
		l.consumers = append(l.consumers, c)
		select {
		case slots <- struct{}{}:
		case err := <-problems:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
		waiting.Go(func() {
			defer func() { <-slots }()
			if err := l.start(ctx, c); err != nil {
				select {
				case problems <- fmt.Errorf("consumer %d: %w", i, err):
				default:
				}
			}
		})
	}
	waiting.Wait()
	select {
	case err := <-problems:
		return err
	default:
	}
	l.report.ConnectsPerSecond = float64(l.opts.Consumers) / time.Since(began).Seconds()
	return nil
}

// connectTimeout is how long one consumer may take until it is subscribed.
const connectTimeout = 30 * time.Second

// start runs c and returns when it is subscribed.
func (l *load) start(ctx context.Context, c *consumer) error {
	failed := make(chan error, 1)
	l.receivers.Go(func() {
		err := c.run(ctx)
		if err != nil {
			l.noteEnd(err)
		}
		failed <- err
	})
	timer := time.NewTimer(connectTimeout)
	defer timer.Stop()
	select {
	case <-c.subscribed:
		l.report.connected.Add(1)
		return nil
	case err := <-failed:
		if err == nil {
			err = ctx.Err()
		}
		return err
	case <-timer.C:
		return fmt.Errorf("not subscribed after %v", connectTimeout)
	}
}

func (l *load) noteEnd(err error) {
	text := err.Error()
	l.firstEnd.CompareAndSwap(nil, &text)
	l.ended.Add(1)
}

// polite tells whether a consumer that leaves says so. In a churn every other WebSocket does not. Over HTTP all do: a client that vanishes
// is kept for as long as its session, so memory could not be the same.
func (l *load) polite() bool {
	return l.opts.Churn && (l.opts.Channel != client.WebSocket || l.leaving.Add(1)%2 == 0)
}

// beats has fn called every few seconds, until the returned function is called.
func (l *load) beats(fn func()) (stop func()) {
	l.beating.Lock()
	defer l.beating.Unlock()
	id := l.nextID
	l.nextID++
	l.hearts[id] = fn
	return func() {
		l.beating.Lock()
		defer l.beating.Unlock()
		delete(l.hearts, id)
	}
}

// beat sends the heartbeats of all consumers.
func (l *load) beat(ctx context.Context) {
	every := time.NewTicker(5 * time.Second)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		l.beating.Lock()
		var due []func()
		for _, fn := range l.hearts {
			due = append(due, fn)
		}
		l.beating.Unlock()
		for _, fn := range due {
			fn()
		}
	}
}

// serverCPU is the CPU time the server has used so far.
func (l *load) serverCPU() time.Duration {
	if l.opts.PID == 0 {
		return 0
	}
	used, _ := cpuTime(l.opts.PID)
	return used
}

func ownCPU() time.Duration {
	used, _ := cpuTime(os.Getpid())
	return used
}
