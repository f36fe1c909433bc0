package config

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// element is what may stand at one place of the file. The tree of them is made from the table.
type element struct {
	name    string
	setting *Setting            // of a leaf or a Group
	kids    map[string]*element // child elements; a leaf among them may be an attribute instead
	attrs   map[string]*Setting // shortcuts that are attributes only
	scope   bool                // has its own reader: collect stops here
}

func (e *element) kid(name string) *element {
	k := e.kids[name]
	if k == nil {
		k = &element{name: name, kids: map[string]*element{}, attrs: map[string]*Setting{}}
		e.kids[name] = k
	}
	return k
}

// at walks down a path, making what is missing.
func (e *element) at(path string) *element {
	for part := range strings.SplitSeq(path, "/") {
		if part != "" {
			e = e.kid(part)
		}
	}
	return e
}

// names are all that may stand inside.
func (e *element) names() []string {
	return slices.AppendSeq(slices.Collect(maps.Keys(e.kids)), maps.Keys(e.attrs))
}

// schema is the table as a tree. It is made once and not changed after that.
type schema struct {
	root   *element
	scopes map[Scope]*element
	many   map[string]*element // roots of included files that hold several elements
	table  map[Scope][]*Setting
	all    []*Setting

	unserved *element // a destination whose properties are nobody's business
}

var theSchema = newSchema(Settings())

func newSchema(table []Setting) *schema {
	s := &schema{
		root:   (&element{kids: map[string]*element{}}).kid("services-config"),
		scopes: map[Scope]*element{},
		many:   map[string]*element{},
		table:  map[Scope][]*Setting{},
	}
	for i := range table {
		row := &table[i]
		s.all = append(s.all, row)
		s.table[row.Scope] = append(s.table[row.Scope], row)
		scope := s.root.at(string(row.Scope))
		s.scopes[row.Scope] = scope
		scope.scope = row.Scope != ScopeRoot
		parent := scope.at(row.In)
		if row.AttrOnly {
			parent.attrs[row.Name] = row
			continue
		}
		for _, name := range append([]string{row.Name}, row.OldNames...) {
			parent.at(name).setting = row
		}
	}
	// The properties of a service and of an adapter are those of its destinations; services.go reads them as such.
	for _, scope := range []Scope{ScopeService, ScopeAdapter} {
		s.scopes[scope].kid("properties").scope = true
	}
	destination := s.scopes[ScopeDestination]
	s.unserved = &element{name: "destination", kids: maps.Clone(destination.kids), attrs: destination.attrs}
	s.unserved.kids["properties"] = &element{name: "properties", scope: true}
	for _, m := range [][2]string{{"services", "service"}, {"channels", "channel-definition"}, {"destinations", "destination"},
		{"adapters", "adapter-definition"}, {"security-constraints", "security-constraint"}} {
		el := &element{name: m[0], kids: map[string]*element{}}
		el.kid(m[1]).scope = true
		el.kids[strings.TrimSuffix(m[1], "-definition")+"-include"] = s.scopes[ScopeServices].kid("service-include") // all have the same inside
		s.many[m[0]] = el
	}
	return s
}

// home is where a setting of that name may stand; empty for names that stand in many places and would only confuse.
func (s *schema) home(name string) string {
	if !strings.Contains(name, "-") {
		return ""
	}
	for _, row := range s.all {
		if row.Name == name {
			return cmp.Or(strings.TrimSuffix(strings.TrimSuffix(row.Path(), name), "/"), "services-config")
		}
	}
	return ""
}

// inGroup reports whether the setting is part of a repeated or optional group, whose defaults belong to the group.
func (s *schema) inGroup(row *Setting) bool {
	e := s.scopes[row.Scope]
	for part := range strings.SplitSeq(row.In, "/") {
		if part == "" {
			continue
		}
		if e = e.kids[part]; e.setting != nil {
			return true
		}
	}
	return false
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
