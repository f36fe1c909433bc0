package memengine

import (
	"strings"
	"sync"
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

const (
	// maxRemembered is how many subtopics of a destination are remembered for the order of their newest discarded message. What is forgotten beyond that raises the floor for all the others: whoever
	// asks from below it is told that something may be missing.
	maxRemembered = 8192

	// maxStep is how many messages are discarded, or looked at, before the lock is let go.
	maxStep = 512
)

// log is one destination: it numbers the messages, and keeps of them what it is told to. What is kept is always the end of what was published: order floor+1 up to order.
type log struct {
	epoch epoch

	mu        sync.Mutex // guards the following; held for microseconds
	separator string
	order     uint64 // of the newest message
	limits    channel.History

	floor     uint64 // order of the newest message that is not kept
	records   segments
	bytes     int
	lastAt    int64              // of the newest record, in milliseconds
	topics    map[string]*orders // of the records, by subtopic; "" for those without one
	discarded newest[int64]      // by subtopic: order of the newest message that was discarded, and its record's time
	forgotten struct {           // of the subtopics that are no longer in discarded: the same
		order uint64
		at    int64
	}

	lastValue bool
	values    newest[*message.Message]
	outValues uint64 // subtopics that had to give way
}

// newLog makes the log of a destination whose messages have been numbered up to order.
func newLog(order uint64, now time.Time) *log {
	l := &log{epoch: newEpoch(), order: order}
	l.forget(now)
	return l
}

// forget lets go of all history: what was published up to now is not kept.
func (l *log) forget(now time.Time) {
	l.floor, l.records, l.bytes = l.order, segments{}, 0
	l.topics, l.discarded = make(map[string]*orders), newNewest[int64](maxRemembered)
	l.lastAt = max(l.lastAt, now.UnixMilli())
	l.forgotten.order, l.forgotten.at = l.order, l.lastAt
}

// configure makes l keep what def says.
func (l *log) configure(def channel.DestinationDefinition, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.separator = def.SubtopicSeparator
	if l.separator == "" {
		l.separator = "."
	}
	if def.History.Kept() != l.limits.Kept() {
		l.forget(now)
	}
	l.limits = def.History
	limit := def.MaxLastValues
	if limit <= 0 {
		limit = channel.DefaultMaxLastValues
	}
	if def.LastValue != l.lastValue {
		l.lastValue, l.values = def.LastValue, newNewest[*message.Message](limit)
	}
	l.values.limit = limit
	for step := 1; ; step++ {
		if _, out := l.values.shrink(); !out {
			break
		}
		l.outValues++
		l.pause(step)
	}
	l.expire(now)
}

// pause lets go of the lock for a moment after every maxStep steps.
func (l *log) pause(step int) {
	if step%maxStep == 0 {
		l.mu.Unlock()
		l.mu.Lock()
	}
}

// take gives m its number and keeps it. The caller sees to it that the numbers are in the order in which messages are delivered.
func (l *log) take(m *message.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.order++
	m.Order = l.order
	if l.limits.Kept() {
		p := l.epoch.at(l.order)
		m.SetPosition(string(p[:]))
		l.keep(m)
	}
	if !l.lastValue {
		return
	}
	for _, subtopic := range subtopics(m) {
		if _, out := l.values.put(subtopic, m.Order, m); out {
			l.outValues++
		}
	}
}

// noSubtopic is where messages without a subtopic are.
var noSubtopic = []string{""}

func subtopics(m *message.Message) []string {
	if len(m.Subtopics) == 0 {
		return noSubtopic
	}
	return m.Subtopics
}

// keep appends m, and discards what is too much. That is bounded: one large message may push out many small ones, the rest of which go with the next.
func (l *log) keep(m *message.Message) {
	l.lastAt = max(l.lastAt, m.Published.UnixMilli())
	l.records.push(record{m, l.lastAt})
	l.bytes += len(m.Line)
	for _, subtopic := range subtopics(m) {
		t := l.topics[subtopic]
		if t == nil {
			t = new(orders)
			l.topics[strings.Clone(subtopic)] = t
		}
		t.push(m.Order)
	}
	for step := 0; step < maxStep && l.over(l.lastAt); step++ {
		l.discard()
	}
}

// over reports whether the oldest record is one too many at that time.
func (l *log) over(at int64) bool {
	switch {
	case l.records.n == 0:
		return false
	case l.records.n > l.limits.MaxMessages, l.limits.MaxBytes > 0 && l.bytes > l.limits.MaxBytes:
		return true
	}
	return l.limits.MaxAge > 0 && l.records.at(0).at < at-l.limits.MaxAge.Milliseconds()
}

// expire discards everything that is too much. The caller holds mu, which is let go now and then.
func (l *log) expire(now time.Time) {
	for step := 1; l.over(now.UnixMilli()); step++ {
		l.discard()
		l.pause(step)
	}
}

// discard lets the oldest record go.
func (l *log) discard() {
	r := l.records.pop()
	l.floor++
	l.bytes -= len(r.m.Line)
	for _, subtopic := range subtopics(r.m) {
		if t := l.topics[subtopic]; t != nil {
			if t.pop(l.floor); t.n == 0 {
				delete(l.topics, subtopic)
			}
		}
		if gone, out := l.discarded.put(subtopic, l.floor, r.at); out {
			l.forgotten.order, l.forgotten.at = gone.order, gone.value
		}
	}
}

// kept counts.
func (l *log) kept() channel.Kept {
	l.mu.Lock()
	defer l.mu.Unlock()
	return channel.Kept{Messages: l.records.n, Bytes: l.bytes, LastValues: len(l.values.byName), ForgottenLastValues: l.outValues}
}

// ages reports whether messages grow too old.
func (l *log) ages() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.limits.Kept() && l.limits.MaxAge > 0
}

// sweep discards what is too old now.
func (l *log) sweep(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(now)
}
