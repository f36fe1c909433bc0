package endpoint

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/heartbeat"
)

// Rhythm is what a Pulse goes by. Zero or less is off, but for Stuck, which must be more.
type Rhythm struct {
	Beat  time.Duration // server-to-client-heartbeat-millis: a heartbeat is due after so long without a write
	Pong  time.Duration // dead-peer-timeout-millis: how long a heartbeat may go unanswered; only where heartbeats are answered
	Stuck time.Duration // write-timeout-millis: how long a write may take
	Idle  time.Duration // connection-idle-timeout-minutes: how long there may be no message and nothing of the client
}

// RhythmOf is that of the connections of a channel. Only a WebSocket answers heartbeats.
func RhythmOf(def *channel.ChannelDefinition) Rhythm {
	r := Rhythm{Beat: def.ServerHeartbeat, Stuck: def.WriteTimeout, Idle: def.IdleTimeout}
	if def.Kind == channel.WebSocket {
		r.Pong = def.DeadPeerTimeout
	}
	return r
}

// Pulsed is a connection with a Pulse. Its methods run on the wheel's goroutine and must not block.
type Pulsed interface {
	Beat()                // a heartbeat is due
	Stuck()               // a write takes too long
	Over(message.Code)    // missed-pong or idle-timeout; told once
	Quiet() time.Duration // how long nothing has come from the client
}

// Pulse watches one connection with a single timer: it asks for a heartbeat after a time without a write, and says when a heartbeat was left unanswered, a write has been stuck, or the connection idle, for too
// long. That costs two atomic stores a write and one a read, and no deadline of its own.
type Pulse struct {
	wheel  *heartbeat.Wheel
	timer  heartbeat.Timer
	of     Pulsed
	fire   func() // look, made once
	rhythm atomic.Pointer[Rhythm]
	spread float64 // of its heartbeats, so that those who were written to at the same moment are not all written to at the same moment again
	over   bool    // Over was told; only look uses it

	start   time.Time
	wrote   atomic.Int64 // when the last write ended, since start
	writing atomic.Int64 // when the running write began, since start, plus one; 0: none runs
	asked   atomic.Int64 // when the first heartbeat was sent that is not answered, since start
	heard   atomic.Int64 // when something came in, since start
	said    atomic.Int64 // when the last message was written, since start
	stopped atomic.Bool
}

// spreadPart is how much later than due a heartbeat may be, for the spread: a twentieth.
const spreadPart = 1.0 / 20

// Start begins to watch.
func (p *Pulse) Start(w *heartbeat.Wheel, r Rhythm, of Pulsed) {
	p.wheel, p.of, p.start, p.spread = w, of, time.Now(), 1+rand.Float64()*spreadPart
	p.fire = p.look
	p.Retime(r)
}

// Retime changes what the Pulse goes by, from its next look on. Any goroutine may call it.
func (p *Pulse) Retime(r Rhythm) {
	if r.Beat > 0 {
		r.Beat = time.Duration(float64(r.Beat) * p.spread)
	}
	p.rhythm.Store(&r)
	p.schedule(r.next())
}

// next is the latest moment to look again, whatever happens until then.
func (r *Rhythm) next() time.Duration {
	next := r.Stuck
	for _, d := range []time.Duration{r.Beat, r.Pong, r.Idle} {
		if d > 0 {
			next = min(next, d)
		}
	}
	return next
}

// Stop ends the watch. A call of the connection may be under way once more.
func (p *Pulse) Stop() {
	p.stopped.Store(true)
	if p.wheel != nil {
		p.wheel.Stop(&p.timer)
	}
}

// Begin notes that a write begins.
func (p *Pulse) Begin() { p.writing.Store(int64(p.now()) + 1) }

// End notes that a write has ended.
func (p *Pulse) End() {
	p.wrote.Store(int64(p.now()))
	p.writing.Store(0)
}

// Said notes that what was written was a message, and no heartbeat.
func (p *Pulse) Said() { p.said.Store(int64(p.now())) }

// Heard notes that something has come in.
func (p *Pulse) Heard() { p.heard.Store(int64(p.now())) }

func (p *Pulse) now() time.Duration { return time.Since(p.start) }

func (p *Pulse) schedule(d time.Duration) {
	p.wheel.Schedule(&p.timer, d, p.fire)
	if p.stopped.Load() { // while look ran
		p.wheel.Stop(&p.timer)
	}
}

// look runs on the wheel: what is due is done, and it comes back when the next thing may be.
func (p *Pulse) look() {
	r, now := *p.rhythm.Load(), p.now()
	next := r.Stuck
	if began := time.Duration(p.writing.Load()); began != 0 {
		if left := r.Stuck - (now - began); left > 0 {
			next = min(next, left)
		} else {
			p.of.Stuck()
			return
		}
	} else if r.Beat > 0 {
		next = min(next, p.beat(r, now))
	}
	if !p.over {
		next = min(next, p.ends(r, now))
	}
	p.schedule(next)
}

// beat asks for a heartbeat if one is due, and says when the next may be.
func (p *Pulse) beat(r Rhythm, now time.Duration) time.Duration {
	if silent := now - time.Duration(p.wrote.Load()); silent < r.Beat {
		return r.Beat - silent
	}
	p.of.Beat()
	if p.asked.Load() <= p.heard.Load() {
		p.asked.Store(int64(now))
	}
	return r.Beat
}

// ends tells the connection if it has been left unanswered or idle for too long, and says when it may be.
func (p *Pulse) ends(r Rhythm, now time.Duration) (next time.Duration) {
	next = r.Stuck
	due := func(since, limit time.Duration, code message.Code) {
		if limit <= 0 || p.over {
			return
		}
		if since < limit {
			next = min(next, limit-since)
			return
		}
		p.over = true
		p.of.Over(code)
	}
	if asked := p.asked.Load(); asked > p.heard.Load() {
		due(now-time.Duration(asked), r.Pong, message.CodeMissedPong)
	}
	if r.Idle > 0 {
		due(min(now-time.Duration(p.said.Load()), p.of.Quiet()), r.Idle, message.CodeIdleTimeout)
	}
	return next
}
