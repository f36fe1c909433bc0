package heartbeat

import "time"

// Timer is one timer of a [Wheel], meant to be a field of what it belongs to. The zero value is ready for [Wheel.Schedule].
// It belongs to the first wheel that schedules it, must not be copied after that, and is used only through the wheel's methods, by any number of
// goroutines at once.
type Timer struct {
	// All fields are guarded by the wheel's lock.
	next, prev *Timer
	in         *list         // the list it is in: a slot, or what is due; nil: not scheduled
	due        time.Duration // when, on the wheel's clock
	f          func()        // nil while not scheduled, so that it keeps nothing alive
	idle       *Idle         // the Idle that this is the timer of, or nil
}

// list is a doubly linked list of timers, in the order in which they came.
type list struct{ head, tail *Timer }

func (l *list) push(t *Timer) {
	t.in, t.prev, t.next = l, l.tail, nil
	if l.tail == nil {
		l.head = t
	} else {
		l.tail.next = t
	}
	l.tail = t
}

// remove takes t, which must be in l, out of it.
func (l *list) remove(t *Timer) {
	if t.prev == nil {
		l.head = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		l.tail = t.prev
	} else {
		t.next.prev = t.prev
	}
	t.in, t.prev, t.next = nil, nil, nil
}
