package endpoint

import (
	"time"

	"sluice/heartbeat"
)

// parkTimer is the wheel's answer to time.After: one timer of the wheel and one channel.
type parkTimer struct {
	timer heartbeat.Timer
	fired chan time.Time
}

func (p *parkTimer) start(w *heartbeat.Wheel, d time.Duration) <-chan time.Time {
	p.fired = make(chan time.Time, 1)
	w.Schedule(&p.timer, d, func() { p.fired <- time.Time{} })
	return p.fired
}

func (p *parkTimer) stop(w *heartbeat.Wheel) { w.Stop(&p.timer) }
