package channel

import "strings"

// index finds the members that a message is for, without looking at subscriptions that do not match. It is guarded by the lock of its destination, and it
// forgets a subtopic with its last subscription.
type index struct {
	separator string
	exact     map[string]*list // by subtopic; "" for messages without one
	wild      node             // the subtopics with a wildcard
}

// node is one part of the subtopics with a wildcard. Every node is on one path only, so a message visits each at most once.
type node struct {
	children map[string]*node // by part; the wildcard stands for any one part
	here     *list            // of the subtopics that end with this part
	rest     *list            // of those that end with a wildcard after this part
}

// match appends the members of the lists that a message with this subtopic is for.
func (x *index) match(subtopic string, into [][]*member) [][]*member {
	if l := x.exact[subtopic]; l != nil {
		into = append(into, l.members())
	}
	if subtopic == "" {
		return into
	}
	return x.wild.match(subtopic, x.separator, into)
}

func (n *node) match(subtopic, separator string, into [][]*member) [][]*member {
	if n.rest != nil {
		into = append(into, n.rest.members())
	}
	if n.children == nil {
		return into
	}
	part, rest, more := strings.Cut(subtopic, separator)
	for _, key := range [...]string{part, wildcard} {
		switch child := n.children[key]; {
		case child == nil:
		case more:
			into = child.match(rest, separator, into)
		case child.here != nil:
			into = append(into, child.here.members())
		}
	}
	return into
}

func (x *index) add(m *member, wild bool) {
	if !wild {
		l := x.exact[m.topic]
		if l == nil {
			l = new(list)
			x.exact[m.topic] = l
		}
		l.add(m)
		return
	}
	x.wild.add(m, m.topic, x.separator)
}

func (n *node) add(m *member, pattern, separator string) {
	part, rest, more := strings.Cut(pattern, separator)
	if !more && part == wildcard {
		if n.rest == nil {
			n.rest = new(list)
		}
		n.rest.add(m)
		return
	}
	child := n.children[part]
	if child == nil {
		if n.children == nil {
			n.children = make(map[string]*node, 1)
		}
		child = new(node)
		n.children[part] = child
	}
	if more {
		child.add(m, rest, separator)
		return
	}
	if child.here == nil {
		child.here = new(list)
	}
	child.here.add(m)
}

// remove takes m out, for the messages from the given number on.
func (x *index) remove(m *member, from uint64) {
	if l := x.exact[m.topic]; l == nil {
		x.wild.remove(m, m.topic, x.separator, from)
	} else if l.remove(m, from) {
		delete(x.exact, m.topic)
	}
}

// remove takes m out of the subtree of n, and with it what has become empty.
func (n *node) remove(m *member, pattern, separator string, from uint64) {
	part, rest, more := strings.Cut(pattern, separator)
	if !more && part == wildcard {
		if n.rest.remove(m, from) {
			n.rest = nil
		}
		return
	}
	child := n.children[part]
	if more {
		child.remove(m, rest, separator, from)
	} else if child.here.remove(m, from) {
		child.here = nil
	}
	if child.here == nil && child.rest == nil && len(child.children) == 0 {
		delete(n.children, part)
	}
}
