package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Severity says what a [Problem] does to the start of the server.
type Severity int

// A notice is for information, a warning means that something will not be as the file says, an error refuses the file.
const (
	Notice Severity = iota
	Warning
	Error
)

func (s Severity) String() string {
	return [...]string{"notice", "warning", "error"}[s]
}

// Problem is one thing to tell about a file. It is an error value, so that errors.As finds it in what Load returns.
type Problem struct {
	File       string   // as it was opened; an included file has its own name here
	Line       int      // 1 is the first; 0: the file as a whole
	Path       string   // elements from the root of File, with ids: services-config/channels/channel-definition[my-ws]
	Setting    string   // name of the setting, as in the table; empty: structure
	Found      string   // what stands there; secrets are masked
	Expected   string   // what may stand there
	Severity   Severity // error, warning or notice
	Message    string   // one sentence without a full stop
	Suggestion string   // the nearest known name

	ignored bool // an Entry in Report.Ignored tells the same
}

// Error is the problem in one line, the way compilers write it: services-config.xml:12: path: message; did you mean x?
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	b.WriteString(": ")
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	switch {
	case p.Found != "" && p.Expected != "":
		fmt.Fprintf(&b, ": found %q, expected %s", p.Found, p.Expected)
	case p.Found != "":
		fmt.Fprintf(&b, ": %q", p.Found)
	case p.Expected != "":
		fmt.Fprintf(&b, ": expected %s", p.Expected)
	}
	if p.Suggestion != "" {
		fmt.Fprintf(&b, "; did you mean %s?", p.Suggestion)
	}
	return b.String()
}

// pos is a place in a file: an element, or a setting of that name in it. The path is put together only when it is told, since
// thousands of places are not.
type pos struct {
	file string
	line int
	in   *node
	name string
}

func (p pos) path() string {
	var parts []string
	if p.name != "" {
		parts = append(parts, p.name)
	}
	for n := p.in; n != nil; n = n.parent {
		parts = append(parts, n.label)
	}
	slices.Reverse(parts)
	return strings.Join(parts, "/")
}

// maxProblems bounds what a hostile or wholly wrong file can make us say. Nobody mends more than that in one round.
const maxProblems = 1000

// add files p under the place at. Past the bound only the first of the rest is replaced by a sentence that says so.
func (r *Report) add(at pos, p Problem) {
	p.File, p.Line, p.Path = at.file, at.line, at.path()
	p.Found = shorten(p.Found)
	r.file(p)
}

func (r *Report) file(p Problem) {
	switch n := len(r.Problems); {
	case n < maxProblems:
		r.Problems = append(r.Problems, p)
	case n == maxProblems:
		r.Problems = append(r.Problems, Problem{File: p.File, Severity: Error, Message: fmt.Sprintf("more than %d problems; the rest is not shown", maxProblems)})
	}
}

func (r *Report) errorf(at pos, format string, args ...any) {
	r.add(at, Problem{Severity: Error, Message: fmt.Sprintf(format, args...)})
}

func (r *Report) warnf(at pos, format string, args ...any) {
	r.add(at, Problem{Severity: Warning, Message: fmt.Sprintf(format, args...)})
}

func (r *Report) noticef(at pos, format string, args ...any) {
	r.add(at, Problem{Severity: Notice, Message: fmt.Sprintf(format, args...)})
}

// Err joins all problems of severity Error; nil when there are none.
func (r *Report) Err() error {
	var errs []error
	for _, p := range r.Problems {
		if p.Severity == Error {
			errs = append(errs, p)
		}
	}
	return errors.Join(errs...)
}

// Count is the number of problems of that severity.
func (r *Report) Count(s Severity) int {
	n := 0
	for _, p := range r.Problems {
		if p.Severity == s {
			n++
		}
	}
	return n
}

// shorten keeps a value that somebody pasted by mistake from filling the screen.
func shorten(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 80 {
		return string(r[:77]) + "..."
	}
	return s
}
