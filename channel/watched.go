package channel

import "strings"

// watched finds who watches a subtopic. It is a tree of the parts of what is watched, subtopics and patterns alike, of which a change visits each node at most once. It is guarded by the lock of its
// presence, and forgets a subtopic with its last watcher.
type watched struct{ root watchNode }

type watchNode struct {
	children map[string]*watchNode // by part; the wildcard stands for any one part
	here     watchers              // of what ends with this part
	rest     watchers              // of what ends with a wildcard after this part
}

// watchers are who watches, and how often each.
type watchers map[Watcher]int

// add lets w watch topic n times more, or less.
func (t *watched) add(topic, separator string, w Watcher, n int) { t.root.add(topic, separator, w, n) }

func (t *watchNode) add(topic, separator string, w Watcher, n int) (empty bool) {
	part, rest, more := strings.Cut(topic, separator)
	if part == wildcard && !more {
		t.rest.add(w, n)
		return t.empty()
	}
	child := t.children[part]
	if child == nil {
		if t.children == nil {
			t.children = make(map[string]*watchNode, 1)
		}
		child = new(watchNode)
		t.children[part] = child
	}
	if more {
		child.add(rest, separator, w, n)
	} else {
		child.here.add(w, n)
	}
	if child.empty() {
		delete(t.children, part)
	}
	return t.empty()
}

func (t *watchNode) empty() bool { return len(t.children)+len(t.here)+len(t.rest) == 0 }

func (s *watchers) add(w Watcher, n int) {
	if *s == nil {
		*s = make(watchers, 1)
	}
	if (*s)[w] += n; (*s)[w] == 0 {
		delete(*s, w)
	}
}

// match is who watches a subtopic, or a pattern that others are subscribed to; each of them once.
func (t *watched) match(subtopic, separator string) []Watcher {
	if t.root.empty() {
		return nil
	}
	found := matched{subtopic: subtopic}
	found.look(&t.root, subtopic, separator)
	return found.all
}

// all is who watches anything.
func (t *watched) all() []Watcher {
	var found matched
	found.everything(&t.root)
	return found.all
}

// matched gathers watchers from several sets.
type matched struct {
	subtopic string
	sets     []watchers
	all      []Watcher
}

func (m *matched) take(set watchers) {
	if len(set) == 0 {
		return
	}
	for w := range set {
		if !m.has(w) {
			m.all = append(m.all, w)
		}
	}
	m.sets = append(m.sets, set)
}

func (m *matched) has(w Watcher) bool {
	for _, set := range m.sets {
		if set[w] > 0 {
			return true
		}
	}
	return false
}

func (m *matched) look(t *watchNode, subtopic, separator string) {
	if m.subtopic != "" { // which no pattern matches
		m.take(t.rest)
	}
	part, rest, more := strings.Cut(subtopic, separator)
	m.step(t.children[part], rest, more, separator)
	if part != wildcard && m.subtopic != "" {
		m.step(t.children[wildcard], rest, more, separator)
	}
}

func (m *matched) step(child *watchNode, rest string, more bool, separator string) {
	switch {
	case child == nil:
	case more:
		m.look(child, rest, separator)
	default:
		m.take(child.here)
	}
}

func (m *matched) everything(t *watchNode) {
	m.take(t.here)
	m.take(t.rest)
	for _, child := range t.children {
		m.everything(child)
	}
}
