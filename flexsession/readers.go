package flexsession

import (
	"runtime"
	"sync"
)

// readers read the past for all clients: a page for one of them, then a page for the next. There are no more of them than processors, and none while nothing is to be read.
type readers struct {
	page int // messages of a page

	mu    sync.Mutex // guards the following
	queue deque[*FlexClient]
	busy  int // goroutines
}

// add queues a client whose readPage has something to do. It does not block; c.mu may be held.
func (r *readers) add(c *FlexClient) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue.push(c)
	if r.busy < runtime.GOMAXPROCS(0) {
		r.busy++
		go r.run()
	}
}

// run reads until the queue is empty.
func (r *readers) run() {
	for {
		r.mu.Lock()
		if r.queue.len() == 0 {
			r.busy--
			r.mu.Unlock()
			return
		}
		c := *r.queue.front()
		r.queue.pop()
		r.mu.Unlock()
		if c.readPage() {
			r.add(c)
		}
	}
}
