package config

import (
	"fmt"
	"slices"
	"strings"
)

// collect reads what stands in n as el allows it, tells of everything that may not, and returns the rest in the order of the file. It
// stops at elements that are a scope of their own.
func (l *loader) collect(n *node, el *element, r regime) []assignment {
	if el.name == "properties" {
		r.properties = true
	}
	var out []assignment
	seen := map[any]bool{}
	for _, a := range n.attrs {
		name := a.Name.Local
		s := el.attrs[name]
		if k := el.kids[name]; s == nil && k != nil && k.setting != nil && len(k.kids) == 0 {
			s = k.setting
		}
		if s == nil {
			l.unknown(n.sub(name), "setting", name, a.Value, el, r)
			continue
		}
		seen[s] = true
		out = l.assign(out, s, name, n.sub(name), a.Value, r)
	}
	for _, kid := range n.kids {
		k := el.kids[kid.name]
		switch {
		case k == nil:
			what := "setting"
			if el == l.schema.root || len(kid.kids) > 0 {
				what = "element"
			}
			l.unknown(kid.at, what, kid.name, kid.text, el, r)
			continue
		case hasAttr(n, kid.name) && !k.scope:
			l.rep.noticef(kid.at, "the attribute of the same name wins over this element")
			continue
		case k.scope && !single[kid.name], k.setting != nil && k.setting.List: // as many as one likes
		case seen[k.key()]:
			l.rep.errorf(kid.at, "given more than once; only the first can count")
			continue
		}
		seen[k.key()] = true
		out = l.collectKid(out, kid, k, r)
	}
	if n.text != "" {
		l.rep.add(n.at, Problem{Severity: Error, Message: "text where only elements may stand", Found: n.text})
	}
	l.missing(n, el, seen)
	return out
}

func hasAttr(n *node, name string) bool {
	_, ok := n.attr(name)
	return ok
}

// single are the sections of a file, of which each may stand there once.
var single = map[string]bool{"services": true, "flex-client": true, "security": true, "api": true, "logging": true, "system": true}

// key identifies what an element gives, however it is spelt.
func (e *element) key() any {
	if e.setting != nil {
		return e.setting
	}
	return e
}

func (l *loader) collectKid(out []assignment, kid *node, k *element, r regime) []assignment {
	s := k.setting
	switch {
	case k.scope:
		return out
	case s == nil:
		return append(out, l.collect(kid, k, r)...)
	case s.Kind == Include:
		return append(out, l.collect(kid, k, r)...)
	case s.Kind == Opaque:
		return l.assign(out, s, kid.name, kid.at, "", r)
	case s.Kind == Group:
		return append(out, assignment{s, Value{Items: l.collect(kid, k, r), at: kid.at}})
	}
	if len(kid.kids) > 0 || len(kid.attrs) > 0 {
		l.rep.errorf(kid.at, "a value is wanted here, not elements or attributes")
		return out
	}
	return l.assign(out, s, kid.name, kid.at, kid.text, r)
}

// assign checks one value and adds it to out if it is to have an effect. The table decides what is said otherwise.
func (l *loader) assign(out []assignment, s *Setting, name string, at pos, raw string, r regime) []assignment {
	text, ok := l.expand(at, strings.TrimSpace(raw), s.Kind == URL)
	if !ok {
		return out
	}
	if name != s.Name && slices.Contains(s.OldNames, name) {
		l.rep.noticef(at, "old name of %s", s.Name)
	}
	v, ok := s.parse(text)
	v.at = at
	if !ok && (s.Status != JavaOnly || s.Strict) {
		l.badValue(s, at, text, r)
		return out
	}
	switch {
	case s.Status == JavaOnly && s.harmless(v):
		l.rep.honour(at, s, text, "")
		return out
	case s.Status == JavaOnly:
		sev := Warning
		if s.Quiet {
			sev = Notice
		}
		l.rep.ignore(at, s, text, sev, "has no meaning outside Java; "+s.Instead)
		return out
	case s.Status == NotServed:
		return l.notServed(out, s, v, r)
	case r.kind != "" && len(s.Kinds) > 0 && !slices.Contains(s.Kinds, r.kind):
		l.rep.ignore(at, s, text, Warning, fmt.Sprintf("has no effect on a %s channel", r.kind))
		return out
	}
	if s.Kind != Group {
		l.rep.honour(at, s, text, "")
	}
	return append(out, assignment{s, v})
}

// notServed refuses a setting by name, unless it asks for nothing. Under foreign classes a warning is enough as long as the same
// messages arrive, because the file has been written for another server and its author may have gone.
func (l *loader) notServed(out []assignment, s *Setting, v Value, r regime) []assignment {
	if s.harmless(v) {
		l.rep.honour(v.at, s, v.Text, "the only value that is served")
		return append(out, assignment{s, v})
	}
	if s.Quiet {
		l.rep.ignore(v.at, s, v.Text, Notice, s.Instead)
		return append(out, assignment{s, v})
	}
	why := "not served by this version"
	if s.Instead != "" {
		why += "; " + s.Instead
	}
	if r.foreign && !s.Refused {
		l.rep.ignore(v.at, s, v.Text, Warning, why)
		return out
	}
	found := v.Text
	if s.Secret {
		found = "***"
	}
	l.rep.add(v.at, Problem{Setting: s.Name, Severity: Error, Message: why, Found: found})
	return append(out, assignment{s, v})
}

func (l *loader) badValue(s *Setting, at pos, text string, r regime) {
	p := Problem{Setting: s.Name, Severity: Error, Message: "bad value", Found: text, Expected: s.Expected()}
	if text == "" {
		p.Message = "empty value"
		if s.Kind == Ref {
			p.Message = "empty reference"
		}
	} else if s.Kind == Enum {
		p.Suggestion = suggest(text, s.Enum)
	}
	if s.Secret {
		p.Found = "***"
	}
	if r.foreign && !s.Strict && !s.Required && s.Kind != Ref {
		p.Severity = Warning
		if d := s.fallback(true); d != "" {
			p.Message += " is ignored, " + d + " holds"
		}
	}
	l.rep.add(at, p)
}

// unknown tells of a name that may not stand in el: what was meant, or where it belongs.
func (l *loader) unknown(at pos, what, name, value string, el *element, r regime) {
	p := Problem{Setting: name, Severity: Error, Message: "unknown " + what, Suggestion: suggest(name, el.names())}
	if r.properties && r.foreign || r.javaOnly {
		p.Severity = Warning
	}
	if home := l.schema.home(name); home != "" {
		p.Message, p.Suggestion = "unknown "+what+" here; it belongs in "+home, ""
	}
	if p.Severity == Warning {
		l.rep.Ignored = append(l.rep.Ignored, Entry{at.file, at.line, at.path(), name, shorten(strings.TrimSpace(value)), p.Message})
		p.ignored = p.Suggestion == ""
	}
	l.rep.add(at, p)
}

// missing tells of what must stand in n and does not, also when the element around it is missing.
func (l *loader) missing(n *node, el *element, seen map[any]bool) {
	for _, name := range sortedKeys(el.kids) {
		k := el.kids[name]
		switch {
		case k.scope || seen[k.key()]:
		case k.setting == nil:
			l.missing(&node{label: name, parent: n, at: n.at}, k, nil)
		case k.setting.Required && k.setting.Name == name:
			l.rep.add(n.sub(name), Problem{Setting: name, Severity: Error, Message: "missing", Expected: k.setting.Expected()})
		}
	}
}
