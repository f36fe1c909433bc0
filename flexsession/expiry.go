package flexsession

import (
	"cmp"
	"slices"
	"time"
)

// due is a message that waits and will expire.
type due struct {
	at  time.Time
	h   int32
	age uint64
}

// agenda is a heap of what expires, the first in front. Messages that have left meanwhile are still in it. It is kept only for a client that has once been full, until nothing waits for it.
type agenda []due

// purge drops what has expired.
func (o *outbox) purge(now time.Time) {
	s := o.strained()
	if s.agenda == nil {
		a := agenda{}
		for h := o.wait.first; h != 0; h = o.wait.at(h).next {
			if n := o.wait.at(h); n.m != nil && !n.m.Expires.IsZero() {
				a = append(a, due{n.m.Expires, h, n.age})
			}
		}
		slices.SortFunc(a, func(x, y due) int { return cmp.Or(x.at.Compare(y.at), cmp.Compare(x.age, y.age)) })
		s.agenda = &a
	}
	for s.agenda != nil && len(*s.agenda) > 0 && !now.Before((*s.agenda)[0].at) {
		d := s.agenda.pop()
		if n := o.wait.at(d.h); n.age == d.age && n.m != nil {
			o.expire(d.h)
		}
	}
}

// expects notes a message that has entered.
func (o *outbox) expects(e *entry, h int32) {
	if e.m == nil || e.m.Expires.IsZero() {
		return
	}
	s := o.strain
	if len(*s.agenda) > 2*int(o.wait.n)+64 { // most of them have left
		s.agenda = nil
		return
	}
	s.agenda.push(due{e.m.Expires, h, o.entered})
}

func (a *agenda) push(d due) {
	*a = append(*a, d)
	for i := len(*a) - 1; i > 0; {
		up := (i - 1) / 2
		if !(*a)[i].at.Before((*a)[up].at) {
			return
		}
		(*a)[i], (*a)[up] = (*a)[up], (*a)[i]
		i = up
	}
}

func (a *agenda) pop() due {
	first, last := (*a)[0], len(*a)-1
	(*a)[0] = (*a)[last]
	*a = (*a)[:last]
	for i := 0; ; {
		least := i
		for down := 2*i + 1; down <= 2*i+2 && down < last; down++ {
			if (*a)[down].at.Before((*a)[least].at) {
				least = down
			}
		}
		if least == i {
			return first
		}
		(*a)[i], (*a)[least] = (*a)[least], (*a)[i]
		i = least
	}
}
