package flexsession

import "sluice/channel/message"

// mergeKey is what messages have in common of which the newest stands for all: the key, and which of the client's subscriptions they are for.
type mergeKey struct{ key, head string }

// merging is an interest that conflates: since it reached a limit, until only half as much waits as did then.
type merging struct {
	header string
	until  int32
	keys   map[mergeKey]int32 // where the newest of each is
}

// conflating is nil while it does not conflate.
func (in *interest) conflating() *merging {
	if in == nil || in.few == nil {
		return nil
	}
	return in.few.merging
}

// know gives e its key.
func (m *merging) know(e *entry) mergeKey {
	x := e.extra()
	if !x.keyed {
		x.key, x.keyed = mergeKey{e.m.Key(m.header), string(x.head)}, true
	}
	return x.key
}

// conflate merges what waits of e's interest, and lets e, which is about to enter, stand for the one with its key.
func (o *outbox) conflate(e *entry) {
	in := e.in
	m := &merging{header: in.dest.Definition().ConflateKey, until: in.waiting / 2, keys: make(map[mergeKey]int32)}
	for h := in.oldest; h != 0; {
		n := o.wait.at(h)
		next := n.younger
		before := n.size()
		o.merge(m, &n.entry)
		grown := n.size() - before
		o.wait.size += grown
		in.size += grown
		m.keys[n.more.key] = h
		h = next
	}
	if in.waiting > m.until {
		in.fewer().merging = m
	}
	o.merge(m, e)
}

// merge lets e stand for the older message with its key.
func (o *outbox) merge(m *merging, e *entry) {
	key := m.know(e)
	older := m.keys[key]
	if older == 0 {
		return
	}
	e.more.count += 1 + o.wait.at(older).merged()
	e.more.head = append(message.AppendMerged(nil, message.Merged{Count: e.more.count}), key.head...)
	delete(m.keys, key)
	e.in.merged()
	o.forget(older)
}

// entered notes where the newest of its key is.
func (m *merging) entered(e *entry, h int32) { m.keys[m.know(e)] = h }

// left forgets a message that leaves, and ends the merging when enough have.
func (in *interest) left(e *entry, h int32) {
	m := in.few.merging
	if key := m.know(e); m.keys[key] == h {
		delete(m.keys, key)
	}
	if in.waiting-1 <= m.until {
		in.few.merging = nil
	}
}
