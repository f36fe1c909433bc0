package memengine_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"sluice/channel"
	"sluice/channel/enginetest"
	"sluice/channel/memengine"
	"sluice/channel/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEngine(t *testing.T) {
	enginetest.Run(t, func(*testing.T) channel.Engine { return memengine.New(memengine.Options{}) })
}

// With room for one message, producers wait for each other all the time.
func TestEngineWithoutRoom(t *testing.T) {
	enginetest.Run(t, func(*testing.T) channel.Engine { return memengine.New(memengine.Options{MaxPending: 1}) })
}

// start runs e until the bubble's test calls stop, which returns what Run returned.
func start(e *memengine.Engine, deliver func([]*message.Message)) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx, deliver) }()
	synctest.Wait()
	return func() error {
		cancel()
		return <-ended
	}
}

func messages(n int) []*message.Message {
	batch := make([]*message.Message, n)
	for i := range batch {
		batch[i] = &message.Message{Destination: "d"}
	}
	return batch
}

// code is the code of an engine's error, zero for none.
func code(err error) message.Code {
	var refusal *message.Error
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return 0
}

// A publisher finds somebody at work: it leaves its message and goes on.
func TestPublisherDoesNotWaitForDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memengine.New(memengine.Options{})
		hold := make(chan struct{})
		delivered := 0
		stop := start(e, func(batch []*message.Message) { <-hold; delivered += len(batch) })
		go e.Publish(messages(1), func(int, channel.Position, error) {})
		synctest.Wait() // it delivers, and is held up
		done := 0
		e.Publish(messages(3), func(int, channel.Position, error) { done++ })
		if done != 3 {
			t.Errorf("%d of 3 done", done)
		}
		close(hold)
		synctest.Wait()
		if delivered != 4 {
			t.Errorf("%d of 4 delivered", delivered)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// Too much is under way: the publisher waits until there is room, or until the end.
func TestPublisherWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memengine.New(memengine.Options{MaxPending: 2})
		hold := make(chan struct{})
		stop := start(e, func([]*message.Message) { <-hold })
		go e.Publish(messages(2), func(int, channel.Position, error) {})
		synctest.Wait()
		var mu sync.Mutex
		var codes []message.Code
		for range 3 {
			go e.Publish(messages(2), func(_ int, _ channel.Position, err error) {
				mu.Lock()
				defer mu.Unlock()
				codes = append(codes, code(err))
			})
		}
		synctest.Wait()
		if len(codes) != 0 {
			t.Fatalf("%d taken beyond the bound", len(codes))
		}
		hold <- struct{}{}
		synctest.Wait()
		if len(codes) != 2 { // one of the three batches found room, and filled it
			t.Fatalf("%d taken after room was made for one batch", len(codes))
		}
		ended := make(chan error, 1)
		go func() { ended <- stop() }()
		synctest.Wait()
		refused := 0
		for _, c := range codes {
			if c == message.CodeServerShutdown {
				refused++
			}
		}
		if len(codes) != 6 || refused != 4 {
			t.Errorf("codes %v", codes)
		}
		select {
		case <-ended:
			t.Error("Run returned before what was taken had been delivered")
		default:
		}
		close(hold)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A publisher does not deliver for everyone else for ever, and no batch is endless.
func TestPublisherHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memengine.New(memengine.Options{})
		step := make(chan struct{})
		delivered, largest := 0, 0
		stop := start(e, func(batch []*message.Message) {
			<-step
			delivered += len(batch)
			largest = max(largest, len(batch))
		})
		returned := false
		go func() {
			e.Publish(messages(1), func(int, channel.Position, error) {})
			returned = true
		}()
		synctest.Wait()
		e.Publish(messages(5000), func(int, channel.Position, error) {})
		for range 4 {
			if returned {
				t.Fatal("returned while it was delivering")
			}
			step <- struct{}{}
			synctest.Wait()
		}
		if !returned {
			t.Error("still delivering after four batches")
		}
		close(step)
		synctest.Wait()
		if delivered != 5001 || largest > 256 {
			t.Errorf("%d delivered, %d at once", delivered, largest)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// A panic in one connection's done must not stop the others' messages.
func TestDonePanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memengine.New(memengine.Options{})
		delivered := 0
		stop := start(e, func(batch []*message.Message) { delivered += len(batch) })
		func() {
			defer func() { recover() }()
			e.Publish(messages(1), func(int, channel.Position, error) { panic("done") })
		}()
		e.Publish(messages(1), func(int, channel.Position, error) {})
		if delivered != 2 {
			t.Errorf("%d of 2 delivered", delivered)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memengine.New(memengine.Options{MaxPending: 2})
		refusal := func() (c message.Code) {
			e.Publish(messages(1), func(_ int, _ channel.Position, err error) { c = code(err) })
			return c
		}
		for range 2 {
			if c := refusal(); c != 0 {
				t.Errorf("before Run: %v", c)
			}
		}
		if c := refusal(); c != message.CodeOverloaded {
			t.Errorf("the third message before Run: %v", c)
		}
		delivered := 0
		stop := start(e, func(batch []*message.Message) { delivered += len(batch) })
		synctest.Wait()
		if delivered != 2 {
			t.Errorf("%d messages delivered when Run began, want 2", delivered)
		}
		if e.Run(context.Background(), func([]*message.Message) {}) == nil {
			t.Error("a second Run")
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if c := refusal(); c != message.CodeServerShutdown {
			t.Errorf("after the end: %v", c)
		}
	})
}

func BenchmarkPublish(b *testing.B) {
	e := memengine.New(memengine.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	started := make(chan struct{})
	run.Go(func() { e.Run(ctx, func([]*message.Message) {}) })
	go func() {
		defer close(started)
		for refused := true; refused; {
			e.Publish(messages(1), func(_ int, _ channel.Position, err error) { refused = err != nil })
		}
	}()
	<-started
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		batch := messages(1)
		for pb.Next() {
			e.Publish(batch, func(int, channel.Position, error) {})
		}
	})
	cancel()
	run.Wait()
}
