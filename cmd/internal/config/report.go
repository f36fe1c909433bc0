package config

import (
	"bufio"
	"fmt"
	"io"
)

// Report is what can be told about a file, whether it loads or not. It is complete once Load has returned and not changed after that.
type Report struct {
	Problems []Problem // in the order found; what is Ignored is among them, too
	Honoured []Entry   // every setting given that has its effect
	Ignored  []Entry   // every setting given that has none, and why
}

// Entry is one setting that a file gives.
type Entry struct {
	File    string
	Line    int
	Path    string
	Setting string
	Value   string // tokens replaced; secrets masked
	Note    string // for Ignored: the reason
}

func (r *Report) honour(at pos, s *Setting, value, note string) {
	r.Honoured = append(r.Honoured, entry(at, s, value, note))
}

// ignore lists the setting as ignored and files a problem that says the same.
func (r *Report) ignore(at pos, s *Setting, value string, sev Severity, why string) {
	e := entry(at, s, value, why)
	r.Ignored = append(r.Ignored, e)
	r.add(at, Problem{Setting: s.Name, Severity: sev, Message: why, Found: e.Value, ignored: true})
}

func entry(at pos, s *Setting, value, note string) Entry {
	if s.Secret && value != "" {
		value = "***"
	}
	return Entry{File: at.file, Line: at.line, Path: at.path(), Setting: s.Name, Value: shorten(value), Note: note}
}

// Wrong reports whether the file is refused.
func (r *Report) Wrong() bool { return r.Count(Error) > 0 }

// Write prints the report for people: what is honoured, what is ignored and why, what else is worth knowing, what is wrong, and the sum.
func (r *Report) Write(w io.Writer) error {
	b := bufio.NewWriter(w)
	section(b, "honoured", r.Honoured)
	section(b, "ignored", r.Ignored)
	var told, wrong []Problem
	for _, p := range r.Problems {
		switch {
		case p.Severity == Error:
			wrong = append(wrong, p)
		case !p.ignored:
			told = append(told, p)
		}
	}
	if len(told) > 0 {
		fmt.Fprintln(b, "worth knowing")
		for _, p := range told {
			fmt.Fprintf(b, "  %s (%s)\n", p.Error(), p.Severity)
		}
	}
	if len(wrong) > 0 {
		fmt.Fprintln(b, "wrong")
		for _, p := range wrong {
			fmt.Fprintf(b, "  %s\n", p.Error())
		}
	}
	fmt.Fprintf(b, "%d honoured, %d ignored, %d notices, %d warnings, %d errors\n",
		len(r.Honoured), len(r.Ignored), r.Count(Notice), r.Count(Warning), r.Count(Error))
	return b.Flush()
}

func section(w io.Writer, title string, entries []Entry) {
	if len(entries) == 0 {
		return
	}
	fmt.Fprintln(w, title)
	for _, e := range entries {
		fmt.Fprintf(w, "  %s:%d: %s", e.File, e.Line, e.Path)
		if e.Value != "" {
			fmt.Fprintf(w, " = %s", e.Value)
		}
		if e.Note != "" {
			fmt.Fprintf(w, ": %s", e.Note)
		}
		fmt.Fprintln(w)
	}
}
