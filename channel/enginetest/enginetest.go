package enginetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

// patience is how long the suite waits for what must happen before it calls the engine stuck.
const patience = 20 * time.Second

// Run runs the suite. newEngine makes an engine that nobody else uses; what it needs to be closed it registers with t.
func Run(t *testing.T, newEngine func(t *testing.T) channel.Engine) {
	for name, test := range map[string]func(*testing.T, channel.Engine){
		"Delivers":            testDelivers,
		"KeepsTheOrder":       testOrder,
		"BeforeRun":           testBeforeRun,
		"RefusesAfterTheEnd":  testAfterEnd,
		"EndsUnderLoad":       testEndUnderLoad,
		"GivesTheBatchBack":   testBatchIsTheCallers,
		"TakesAnEmptyBatch":   testEmptyBatch,
		"RunsOnlyWithContext": testEndedContext,
	} {
		t.Run(name, func(t *testing.T) { test(t, newEngine(t)) })
	}
	for name, test := range map[string]func(*testing.T, func(*testing.T) channel.Engine){
		"NumbersWithoutHistory":   testNumbers,
		"ReadsThePast":            testPast,
		"TellsWhatIsMissing":      testMissing,
		"KnowsForeignPositions":   testForeignPositions,
		"RefusesBadPositions":     testBadPositions,
		"ReadsWhilePublished":     testHandOver,
		"ReadsWhileDiscarded":     testDiscards,
		"SwitchesHistory":         testSwitch,
		"KeepsLastValues":         testLastValues,
		"ReadsLastValuesMeantime": testLastValuesMeantime,
	} {
		t.Run(name, func(t *testing.T) { test(t, newEngine) })
	}
}

// runner runs an engine and notes what it delivers.
type runner struct {
	t      *testing.T
	engine channel.Engine
	also   func(batch []*message.Message) // is told of every delivery, too; nil: nobody
	end    context.CancelFunc
	ended  chan error // what Run returned

	inside atomic.Int32 // deliver calls under way
	mu     sync.Mutex   // guards got
	got    []*message.Message
	grown  *sync.Cond
}

func run(t *testing.T, engine channel.Engine) *runner {
	t.Helper()
	return runAfter(t, engine, 0, nil)
}

// runAfter runs an engine that has taken messages before.
func runAfter(t *testing.T, engine channel.Engine, before int, also func([]*message.Message)) *runner {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &runner{t: t, engine: engine, also: also, end: cancel, ended: make(chan error, 1)}
	r.grown = sync.NewCond(&r.mu)
	go func() { r.ended <- engine.Run(ctx, r.deliver) }()
	t.Cleanup(cancel)
	r.untilTaken(before)
	return r
}

// untilTaken publishes until the engine has begun to take messages, and forgets that one. before is how many it had taken before Run.
func (r *runner) untilTaken(before int) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		first := newMessage("first", 0)
		first.Destination = "first" // nothing of what is tested
		if r.publish(first) == nil {
			break
		}
		if time.Now().After(deadline) {
			r.t.Fatal("the engine takes no message after Run was called")
		}
		time.Sleep(time.Millisecond)
	}
	r.waitFor(before + 1)
	r.mu.Lock()
	r.got = r.got[:before]
	r.mu.Unlock()
}

func (r *runner) deliver(batch []*message.Message) {
	if r.inside.Add(1) != 1 {
		r.t.Error("two deliver calls at once")
	}
	if len(batch) == 0 {
		r.t.Error("an empty batch")
	}
	if r.also != nil {
		r.also(batch)
	}
	r.mu.Lock()
	r.got = append(r.got, batch...)
	r.mu.Unlock()
	r.grown.Broadcast()
	r.inside.Add(-1)
}

// publish publishes one message and waits for done.
func (r *runner) publish(m *message.Message) error {
	result := make(chan error, 1)
	r.engine.Publish([]*message.Message{m}, func(_ int, _ channel.Position, err error) { result <- err })
	select {
	case err := <-result:
		return err
	case <-time.After(patience):
		r.t.Fatal("done was not called")
		return nil
	}
}

// waitFor waits until n messages have come and returns them.
func (r *runner) waitFor(n int) []*message.Message {
	r.t.Helper()
	late := false
	timer := time.AfterFunc(patience, func() {
		r.mu.Lock()
		late = true
		r.mu.Unlock()
		r.grown.Broadcast()
	})
	defer timer.Stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.got) < n && !late {
		r.grown.Wait()
	}
	if len(r.got) < n {
		r.t.Fatalf("%d of %d messages came", len(r.got), n)
	}
	return r.got
}

// stop ends the engine and waits for it. Nothing may be delivered after that.
func (r *runner) stop() []*message.Message {
	r.t.Helper()
	r.end()
	select {
	case err := <-r.ended:
		if err != nil {
			r.t.Errorf("Run returned %v after its context had ended", err)
		}
	case <-time.After(patience):
		r.t.Fatal("Run does not return")
	}
	if r.inside.Load() != 0 {
		r.t.Error("Run returned with a deliver under way")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got
}

// newMessage makes message i of a producer.
func newMessage(producer string, i int) *message.Message {
	id := fmt.Sprintf("%s/%d", producer, i)
	return &message.Message{ID: id, Destination: "d", Line: []byte(fmt.Sprintf(`{"type":"async","timestamp":1,"messageId":%q,"destination":"d"}`+"\n", id))}
}

func testDelivers(t *testing.T, engine channel.Engine) {
	r := run(t, engine)
	sent := newMessage("p", 0)
	sent.Subtopics = []string{"a", "b.c"}
	if err := r.publish(sent); err != nil {
		t.Fatal(err)
	}
	got := r.waitFor(1)[0]
	if got.ID != sent.ID || got.Destination != "d" || len(got.Subtopics) != 2 || got.Subtopics[1] != "b.c" || string(got.Line) != string(sent.Line) {
		t.Errorf("got %+v", got)
	}
	r.stop()
}

// Many producers with batches of all sizes: every message is done and delivered once, each producer's in its order, done in order too.
func testOrder(t *testing.T, engine channel.Engine) {
	const producers, each = 8, 1000
	r := run(t, engine)
	var dones sync.WaitGroup
	var running sync.WaitGroup
	for p := range producers {
		name := fmt.Sprint(p)
		dones.Add(each)
		running.Go(func() {
			var next atomic.Int64 // the message whose done must come next
			for i := 0; i < each; {
				n := min(1+(i+p)%7, each-i)
				batch := make([]*message.Message, n)
				for k := range batch {
					batch[k] = newMessage(name, i+k)
				}
				first := i
				engine.Publish(batch, func(k int, _ channel.Position, err error) {
					if err != nil {
						t.Errorf("message %d of producer %s: %v", first+k, name, err)
					}
					if want := next.Add(1) - 1; int64(first+k) != want {
						t.Errorf("producer %s: done came for %d instead of %d", name, first+k, want)
					}
					dones.Done()
				})
				i += n
			}
		})
	}
	running.Wait()
	r.waitFor(producers * each)
	dones.Wait()
	got := r.stop()
	if len(got) != producers*each {
		t.Errorf("%d messages became %d", producers*each, len(got))
	}
	checkOrder(t, got)
}

// checkOrder wants each producer's messages without a hole and in order.
func checkOrder(t *testing.T, got []*message.Message) {
	t.Helper()
	next, last := map[string]int{}, uint64(0)
	for _, m := range got {
		var producer, i int
		if _, err := fmt.Sscanf(m.ID, "%d/%d", &producer, &i); err != nil {
			t.Fatalf("%q: %v", m.ID, err)
		}
		name := fmt.Sprint(producer)
		if i != next[name] {
			t.Fatalf("producer %s: %d came instead of %d", name, i, next[name])
		}
		next[name]++
		if m.Order <= last {
			t.Fatalf("message %q has order %d behind %d", m.ID, m.Order, last)
		}
		last = m.Order
	}
}

func testBeforeRun(t *testing.T, engine channel.Engine) {
	r := &runner{t: t, engine: engine}
	want := 0
	if r.publish(newMessage("p", 0)) == nil {
		want = 1
	}
	if got := runAfter(t, engine, want, nil).stop(); len(got) != want {
		t.Errorf("%d messages were taken before Run and %d delivered", want, len(got))
	}
}

func testAfterEnd(t *testing.T, engine channel.Engine) {
	r := run(t, engine)
	r.stop()
	if r.publish(newMessage("p", 0)) == nil {
		t.Error("a message was taken after the end")
	}
	if len(r.got) != 0 {
		t.Error("it was delivered, too")
	}
}

// The context ends while producers publish: every message is done once, and delivered exactly if it was taken.
func testEndUnderLoad(t *testing.T, engine channel.Engine) {
	r := run(t, engine)
	var taken atomic.Int64
	var producers, dones sync.WaitGroup
	for p := range 4 {
		producers.Go(func() {
			for i, refused := 0, false; !refused && i < 1_000_000; i++ {
				result := make(chan error, 1)
				dones.Add(1)
				engine.Publish([]*message.Message{newMessage(fmt.Sprint(p), i)}, func(_ int, _ channel.Position, err error) {
					defer dones.Done() // a second call would panic
					if err == nil {
						taken.Add(1)
					}
					result <- err
				})
				refused = <-result != nil
			}
		})
	}
	r.waitFor(100)
	got := r.stop()
	producers.Wait()
	dones.Wait()
	if int64(len(got)) != taken.Load() {
		t.Errorf("%d messages were taken, %d delivered", taken.Load(), len(got))
	}
	checkOrder(t, got)
}

func testBatchIsTheCallers(t *testing.T, engine channel.Engine) {
	const messages = 2000
	r := run(t, engine)
	batch := make([]*message.Message, 2)
	for i := 0; i < messages; i += len(batch) {
		batch[0], batch[1] = newMessage("0", i), newMessage("0", i+1)
		engine.Publish(batch, func(int, channel.Position, error) {})
		clear(batch)
	}
	r.waitFor(messages)
	checkOrder(t, r.stop())
}

func testEmptyBatch(t *testing.T, engine channel.Engine) {
	r := run(t, engine)
	engine.Publish(nil, func(int, channel.Position, error) { t.Error("done for nothing") })
	if err := r.publish(newMessage("0", 0)); err != nil {
		t.Error(err)
	}
	r.waitFor(1)
	r.stop()
}

func testEndedContext(t *testing.T, engine channel.Engine) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		engine.Run(ctx, func([]*message.Message) { t.Error("a delivery without a message") })
	}()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("Run does not return though its context has ended")
	}
}
