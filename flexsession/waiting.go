package flexsession

import "sluice/channel/message"

// waiting is the lines of a client that have no number yet, in the order in which they will get one. Any of them can be taken out at once, wherever it stands, and each interest finds its oldest: so a policy costs
// a client that is far behind no more than one that is not. Lines are named by handles: their slot, counted from 1; 0 is none. The zero waiting is empty and holds no memory.
type waiting struct {
	slots   []node
	free    int32 // the first of the free slots, linked by next
	first   int32
	last    int32
	n       int32
	losses  int32  // of these, loss lines
	size    int    // bytes, without those of loss lines
	stretch uint32 // grows with each line of the server's own

	// Behind floor stand messages only, the more urgent first. As long as all of them are as urgent, ranks is nil; else it has the last one of each priority.
	floor int32
	ranks *[10]int32
}

// node is a line that waits.
type node struct {
	entry
	age        uint64 // how many have entered the outbox before it, and it; 0: the slot is free
	stretch    uint32 // no line of the server's own stands between messages of one stretch
	prev, next int32
	older      int32 // of its interest; none while it is in no list
	younger    int32
}

// keepSlots is how many slots an empty list keeps at most.
const keepSlots = 32

func (w *waiting) at(h int32) *node { return &w.slots[h-1] }

// urgency is the priority by which a message waits. Where a history is kept it has no say: who has received a position has received all before it.
func urgency(m *message.Message) int {
	if m.Priority == message.DefaultPriority || m.Position() != "" {
		return message.DefaultPriority
	}
	return min(max(m.Priority, 0), 9)
}

// push puts e behind those that are as urgent, and a line of the server's own behind all: nothing passes that.
func (w *waiting) push(e entry, age uint64) (h int32) {
	if e.m == nil {
		h = w.link(e, age, w.last)
		if e.loss() == nil {
			w.stretch++
		}
		w.fix()
		return h
	}
	p := urgency(e.m)
	h = w.link(e, age, w.place(p))
	if w.ranks != nil {
		w.ranks[p] = h
	}
	w.join(h)
	return h
}

// place is behind what a message of that priority belongs.
func (w *waiting) place(p int) (after int32) {
	if w.last == w.floor {
		return w.last
	}
	if w.ranks == nil {
		all := urgency(w.at(w.last).m)
		if p == all {
			return w.last
		}
		w.ranks = new([10]int32)
		w.ranks[all] = w.last
	}
	for ; p < len(w.ranks); p++ {
		if w.ranks[p] != 0 {
			return w.ranks[p]
		}
	}
	return w.floor
}

// fix lets nothing pass what waits now.
func (w *waiting) fix() { w.floor, w.ranks = w.last, nil }

// link takes a slot for e and puts it behind after, 0 being the front.
func (w *waiting) link(e entry, age uint64, after int32) int32 {
	h := w.free
	if h != 0 {
		w.free = w.at(h).next
	} else {
		w.slots = append(w.slots, node{})
		h = int32(len(w.slots))
	}
	next := w.first
	if after != 0 {
		next = w.at(after).next
	}
	n := w.at(h)
	n.entry, n.age, n.stretch, n.prev, n.next = e, age, w.stretch, after, next
	w.tie(after, h)
	w.tie(h, next)
	w.n++
	if e.loss() != nil {
		w.losses++
	} else {
		w.size += e.size()
	}
	return h
}

// tie makes b follow a; one of them may be none.
func (w *waiting) tie(a, b int32) {
	if a != 0 {
		w.at(a).next = b
	} else {
		w.first = b
	}
	if b != 0 {
		w.at(b).prev = a
	} else {
		w.last = a
	}
}

// remove takes a line out.
func (w *waiting) remove(h int32) {
	n := w.at(h)
	if n.loss() != nil {
		w.losses--
	} else {
		w.size -= n.size()
	}
	if n.in != nil {
		w.part(h)
	}
	if w.ranks != nil && n.m != nil {
		if p := urgency(n.m); w.ranks[p] == h {
			w.ranks[p] = 0
			if n.prev != 0 && n.prev != w.floor && urgency(w.at(n.prev).m) == p {
				w.ranks[p] = n.prev
			}
		}
	}
	if w.floor == h {
		w.floor = n.prev
	}
	w.tie(n.prev, n.next)
	*n = node{next: w.free}
	w.free = h
	if w.n--; w.n == 0 {
		w.floor, w.ranks = 0, nil
		if len(w.slots) > keepSlots {
			w.slots, w.free = nil, 0
		}
	}
}

// join makes a message the youngest of its interest.
func (w *waiting) join(h int32) {
	n := w.at(h)
	in := n.in
	if in == nil {
		return
	}
	n.older = in.youngest
	if in.youngest != 0 {
		w.at(in.youngest).younger = h
	} else {
		in.oldest = h
	}
	in.youngest = h
	in.waiting++
	in.size += n.size()
}

// part takes a message from its interest.
func (w *waiting) part(h int32) {
	n := w.at(h)
	in := n.in
	if n.older != 0 {
		w.at(n.older).younger = n.younger
	} else {
		in.oldest = n.younger
	}
	if n.younger != 0 {
		w.at(n.younger).older = n.older
	} else {
		in.youngest = n.older
	}
	n.older, n.younger = 0, 0
	in.waiting--
	in.size -= n.size()
}

// drop puts a loss in the place of a message: into the one that its interest has in that stretch, or a new one. It says which.
func (w *waiting) drop(h int32) {
	n := w.at(h)
	in, m, stretch := n.in, n.m, n.stretch
	count, f := 1+n.merged(), in.fewer()
	if f.loss == nil || f.loss.stretch != stretch {
		w.part(h)
		w.size -= n.size()
		w.losses++
		f.loss = &loss{in: in, stretch: stretch}
		n.entry = entry{more: &more{loss: f.loss}}
		w.fix()
	} else {
		w.remove(h)
	}
	f.loss.add(count, m)
}

// refuse puts a loss where a message would enter.
func (w *waiting) refuse(e *entry, age uint64) {
	in, f := e.in, e.in.fewer()
	if f.loss == nil || f.loss.stretch != w.stretch {
		f.loss = &loss{in: in, stretch: w.stretch}
		w.push(entry{more: &more{loss: f.loss}}, age)
	}
	f.loss.add(1+e.merged(), e.m)
}

// loss is a loss line that still grows.
type loss struct {
	in      *interest
	stretch uint32
	count   uint64
	to      string // position of the newest that is missing
}

func (l *loss) add(count uint64, m *message.Message) {
	l.count += count
	l.to = m.Position()
}

// line is the loss as it is told.
func (l *loss) line() []byte {
	return message.AppendLoss(nil, message.Loss{Destination: l.in.dest.Definition().ID, Reason: message.LossSlowConsumer, Count: l.count, To: l.to})
}
