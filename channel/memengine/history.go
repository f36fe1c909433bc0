package memengine

import (
	"maps"
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

// Configure makes the engine keep what the destinations say. Those that are left out keep what they had to.
func (e *Engine) Configure(destinations []channel.DestinationDefinition) {
	now := e.now()
	e.mu.Lock()
	defer e.mu.Unlock()
	logs := maps.Clone(*e.logs.Load())
	for _, def := range destinations {
		if logs[def.ID] == nil {
			logs[def.ID] = newLog(e.strays, now)
		}
	}
	e.logs.Store(&logs)
	e.mu.Unlock() // what is discarded now takes time
	for _, def := range destinations {
		logs[def.ID].configure(def, now)
	}
	e.mu.Lock()
	e.arm()
}

// Since reads a page of the history of a destination.
func (e *Engine) Since(destination string, want channel.Query) (channel.Page, error) {
	l := e.log(destination)
	if l == nil {
		return channel.Page{}, channel.ErrNoHistory
	}
	return l.since(want, e.now())
}

// LastValues reads a page of the newest messages of the subtopics of a destination.
func (e *Engine) LastValues(destination string, want channel.Query) (channel.Page, error) {
	l := e.log(destination)
	if l == nil {
		return channel.Page{}, channel.ErrNoHistory
	}
	return l.lastValues(want)
}

// Kept is what a destination keeps now.
func (e *Engine) Kept(destination string) channel.Kept {
	l := e.log(destination)
	if l == nil {
		return channel.Kept{}
	}
	return l.kept()
}

func (e *Engine) log(destination string) *log { return (*e.logs.Load())[destination] }

// number gives messages their order, and keeps those that are to be kept. The caller holds mu.
func (e *Engine) number(batch []*message.Message) {
	for _, m := range batch {
		if l := e.log(m.Destination); l != nil {
			l.take(m)
			continue
		}
		e.strays++
		m.Order = e.strays
	}
}

// arm starts the sweeper if there is something to sweep and Run runs. The caller holds mu.
func (e *Engine) arm() {
	if e.deliver == nil || e.ended || e.sweeper != nil {
		return
	}
	for _, l := range *e.logs.Load() {
		if l.ages() {
			e.sweeper = time.AfterFunc(sweepEvery, e.sweep)
			return
		}
	}
}

// sweep lets go of what has grown too old.
func (e *Engine) sweep() {
	for _, l := range *e.logs.Load() {
		l.sweep(e.now())
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sweeper = nil
	e.arm()
	e.changed.Broadcast() // Run may wait for this
}
