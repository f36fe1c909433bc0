package memengine

import (
	"cmp"
	"slices"

	"sluice/channel"
	"sluice/channel/message"
)

// lastValues reads a page of the newest messages of the subtopics that match.
func (l *log) lastValues(want channel.Query) (channel.Page, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.lastValue {
		return channel.Page{}, channel.ErrNoHistory
	}
	r := l.reader(want)
	switch want.Cursor.From {
	case channel.FromNow:
		return r.page, nil
	case channel.FromOrder:
		r.after = want.Cursor.Order
	}
	if topics, exact := r.set.Exact(); exact {
		r.lookUp(topics)
	} else {
		r.scanValues()
	}
	return r.page, nil
}

// lookUp reads the newest messages of these subtopics.
func (r *reader) lookUp(topics []string) {
	var found []slot[*message.Message]
	for _, topic := range topics {
		if s := r.log.values.of(topic); s.entry != nil && s.order > r.after {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b slot[*message.Message]) int { return cmp.Compare(a.order, b.order) })
	for _, s := range found {
		if !r.add(s.value) {
			return
		}
	}
	r.end()
}

// value is the newest message of a subtopic.
type value struct {
	subtopic string
	m        *message.Message
}

// scanValues looks at every subtopic, without the lock.
func (r *reader) scanValues() {
	copied := make([]value, 0, maxStep)
	for looked := 0; ; looked += maxStep {
		slots := r.log.values.after(r.after)
		switch {
		case len(slots) == 0:
			r.end()
			return
		case looked >= maxLooked:
			r.stop(r.after)
			return
		}
		copied = copied[:0]
		for i, s := range slots {
			if i >= maxStep && s.order != r.after { // one message may have several
				break
			}
			if r.after = s.order; s.entry != nil {
				copied = append(copied, value{s.subtopic, s.value})
			}
		}
		if !r.chooseValues(copied) {
			return
		}
	}
}

// chooseValues takes the messages of the subtopics that match. It reports false when the page is full. The lock is let go meanwhile.
func (r *reader) chooseValues(all []value) bool {
	r.log.mu.Unlock()
	defer r.log.mu.Lock()
	for _, v := range all {
		if r.set.Subtopic(v.subtopic) && !r.add(v.m) {
			return false
		}
	}
	return true
}
