package endpoint

import (
	"sync/atomic"
	"time"

	"sluice/heartbeat"
)

// Pulse watches the writing of one connection with a single timer: it asks for a heartbeat after a time without a write, and says when a write has been stuck for too
// long. That costs two atomic stores a write, and no deadline of its own.
type Pulse struct {
	wheel     *heartbeat.Wheel
	timer     heartbeat.Timer
	heartbeat time.Duration // 0: none
	limit     time.Duration
	beat      func()
	fire      func() // look, made once
	stuck     func()

	start   time.Time
	wrote   atomic.Int64 // when the last write ended, since start
	writing atomic.Int64 // when the running write began, since start, plus one; 0: none runs
	stopped atomic.Bool
}

// Start begins to watch. beat and stuck run on the wheel's goroutine and must not block. heartbeat at or below zero: no beats.
func (p *Pulse) Start(w *heartbeat.Wheel, heartbeat, limit time.Duration, beat, stuck func()) {
	p.wheel, p.heartbeat, p.limit, p.beat, p.stuck, p.start = w, max(heartbeat, 0), limit, beat, stuck, time.Now()
	p.fire = p.look
	p.arm(p.limit)
}

// Stop ends the watch. beat and stuck may be under way once more.
func (p *Pulse) Stop() {
	p.stopped.Store(true)
	p.wheel.Stop(&p.timer)
}

// Begin notes that a write begins.
func (p *Pulse) Begin() { p.writing.Store(int64(time.Since(p.start)) + 1) }

// End notes that a write has ended.
func (p *Pulse) End() {
	p.wrote.Store(int64(time.Since(p.start)))
	p.writing.Store(0)
}

func (p *Pulse) arm(limit time.Duration) {
	if p.heartbeat > 0 {
		limit = min(limit, p.heartbeat)
	}
	p.schedule(limit)
}

func (p *Pulse) schedule(d time.Duration) {
	p.wheel.Schedule(&p.timer, d, p.fire)
	if p.stopped.Load() { // while look ran
		p.wheel.Stop(&p.timer)
	}
}

func (p *Pulse) look() {
	now := time.Since(p.start)
	if began := time.Duration(p.writing.Load()); began != 0 {
		if left := p.limit - (now - began); left > 0 {
			p.arm(left)
		} else {
			p.stuck()
		}
		return
	}
	silent := now - time.Duration(p.wrote.Load())
	switch {
	case p.heartbeat == 0:
		p.arm(p.limit)
	case silent >= p.heartbeat:
		p.beat()
		p.arm(p.heartbeat)
	default:
		p.schedule(min(p.heartbeat-silent, p.limit))
	}
}
