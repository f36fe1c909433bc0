package memengine

import (
	"math"
	"sort"
	"time"

	"sluice/channel"
)

// maxLooked is how many messages a page looks at where there is a wildcard.
const maxLooked = 16384

// reader reads one page of a log.
type reader struct {
	log   *log
	set   channel.TopicSet
	limit int
	page  channel.Page

	after uint64           // the page is of what comes behind this order
	from  channel.Position // of which after is, if it was asked for
}

// since reads a page.
func (l *log) since(want channel.Query, now time.Time) (channel.Page, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(now)
	r := l.reader(want)
	if !l.limits.Kept() {
		return r.forgotten(want.Cursor)
	}
	asked, judge, err := r.begin(want.Cursor)
	if err != nil || !judge {
		return r.page, err
	}
	r.judge(asked)
	r.read()
	return r.page, nil
}

// reader makes a reader of a page that is empty and the last, as long as nothing else is found.
func (l *log) reader(want channel.Query) *reader {
	r := &reader{log: l, set: channel.NewTopicSet(want.Topics, l.separator), limit: want.Limit}
	if r.limit <= 0 || r.limit > channel.MaxPage {
		r.limit = channel.MaxPage
	}
	r.end()
	return r
}

// end makes the page the last.
func (r *reader) end() {
	r.page.Head = r.log.order
	if r.log.limits.Kept() {
		r.page.Position = r.log.epoch.position(r.log.order)
	}
	r.page.Done, r.page.Next = true, channel.Cursor{From: channel.FromOrder, Order: r.page.Head}
}

// forgotten reads a page where no history is kept: from an order on, everything is missing.
func (r *reader) forgotten(c channel.Cursor) (channel.Page, error) {
	switch {
	case c.From == channel.FromNow:
	case c.From != channel.FromOrder:
		return channel.Page{}, channel.ErrNoHistory
	case c.Order < r.log.order:
		r.page.Missing = &channel.Missing{From: r.log.epoch.position(c.Order), To: r.log.epoch.position(r.log.order)}
	}
	return r.page, nil
}

// criterion says which of the messages that are gone were asked for: those above an order, or those from a time on.
type criterion struct {
	order  uint64
	at     int64
	byTime bool
}

func above(order uint64) criterion { return criterion{order: order} }

// nothing is what was asked for where only what is there was.
var nothing = above(math.MaxUint64)

func (c criterion) has(order uint64, at int64) bool {
	if c.byTime {
		return at >= c.at
	}
	return order > c.order
}

// begin finds where the page begins, and what of the past was asked for. proceed is false where the page is already what is to be answered.
func (r *reader) begin(c channel.Cursor) (asked criterion, proceed bool, err error) {
	l := r.log
	switch c.From {
	case channel.FromPosition:
		of, order, ok := parse(c.Position)
		switch {
		case !ok || of == l.epoch && order > l.order:
			return asked, false, channel.ErrBadPosition
		case of != l.epoch:
			r.page.Missing = &channel.Missing{From: c.Position, To: l.epoch.position(l.floor)}
			r.after = l.floor
			return nothing, true, nil
		}
		r.after, r.from = order, c.Position
		return above(order), true, nil
	case channel.FromOrder:
		r.after = min(c.Order, l.order)
		r.from = l.epoch.position(r.after)
		return above(r.after), true, nil
	case channel.FromEarliest:
		r.after = l.floor
		return nothing, true, nil
	case channel.FromTime:
		at := c.Time.UnixMilli()
		r.after = l.floor + uint64(sort.Search(l.records.n, func(i int) bool { return l.records.at(i).at >= at }))
		return criterion{at: at, byTime: true}, true, nil
	case channel.FromLast:
		if c.Last > 0 {
			asked, proceed = r.last(c)
			return asked, proceed, nil
		}
	}
	return nothing, false, nil
}

// judge looks whether any of what was asked for is gone, and moves on to what is there.
func (r *reader) judge(asked criterion) {
	if asked != nothing {
		if to, lost := r.gone(asked); lost {
			r.page.Missing = &channel.Missing{From: r.from, To: r.log.epoch.position(to)}
		}
	}
	r.after = max(r.after, r.log.floor)
}

// gone reports whether something matches that was asked for and is gone, or may, and the order of the newest.
func (r *reader) gone(asked criterion) (to uint64, lost bool) {
	l := r.log
	note := func(order uint64, at int64) {
		if asked.has(order, at) {
			to, lost = max(to, order), true
		}
	}
	if topics, exact := r.set.Exact(); exact {
		for _, topic := range topics {
			if s := l.discarded.of(topic); s.entry != nil {
				note(s.order, s.value)
			} else {
				note(l.forgotten.order, l.forgotten.at)
			}
		}
		return to, lost
	}
	type thing struct {
		subtopic string
		order    uint64
		at       int64
	}
	found := make([]thing, 0, maxStep) // copied, so that nobody waits while they are compared
	for from, slots := asked.order, l.discarded.after(asked.order); len(slots) > 0; slots = l.discarded.after(from) {
		found = found[:0]
		for i, s := range slots {
			if i >= maxStep && s.order != from { // one message may have several
				break
			}
			if from = s.order; s.entry != nil && asked.has(s.order, s.value) {
				found = append(found, thing{s.subtopic, s.order, s.value})
			}
		}
		l.mu.Unlock()
		for _, f := range found {
			if r.set.Subtopic(f.subtopic) {
				note(f.order, f.at)
			}
		}
		l.mu.Lock()
	}
	note(l.forgotten.order, l.forgotten.at) // last: it may have risen meanwhile
	return to, lost
}
