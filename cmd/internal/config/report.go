package config

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
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

// Refuse adds what keeps a file that loads from being served: one error for each line of err's text. They stand where the file gives the
// setting, which is then not honoured; without a setting they are about the file as a whole.
func (r *Report) Refuse(file, setting string, err error) {
	p := Problem{File: file, Setting: setting, Severity: Error}
	if i := slices.IndexFunc(r.Honoured, func(e Entry) bool { return e.Setting == setting }); i >= 0 {
		p.File, p.Line, p.Path = r.Honoured[i].File, r.Honoured[i].Line, r.Honoured[i].Path
		r.Honoured = slices.Delete(r.Honoured, i, i+1)
	}
	for text := range strings.Lines(err.Error()) {
		p.Message = strings.TrimSpace(text)
		r.file(p)
	}
}

// Warn adds what is worth knowing of the file as a whole, where it is to be served.
func (r *Report) Warn(file, text string) {
	r.file(Problem{File: file, Severity: Warning, Message: text})
}

// Write prints the report for people: what is wrong, what else is worth knowing, what is ignored and why, what is honoured, and how many of
// each there were. What is wrong comes first, and is told of again in the last line.
func (r *Report) Write(w io.Writer) error {
	b := bufio.NewWriter(w)
	var told, wrong []Problem
	for _, p := range r.Problems {
		switch {
		case p.Severity == Error:
			wrong = append(wrong, p)
		case !p.ignored:
			told = append(told, p)
		}
	}
	if len(wrong) > 0 {
		fmt.Fprintln(b, "wrong")
		for _, p := range wrong {
			fmt.Fprintf(b, "  %s\n", p.Error())
		}
	}
	notices := 0
	if len(told) > 0 {
		fmt.Fprintln(b, "worth knowing")
		for _, p := range told {
			fmt.Fprintf(b, "  %s (%s)\n", p.Error(), p.Severity)
			if p.Severity == Notice {
				notices++
			}
		}
	}
	section(b, "ignored", r.Ignored)
	section(b, "honoured", r.Honoured)
	fmt.Fprintf(b, "%d honoured, %d ignored, %s, %s, %s", len(r.Honoured), len(r.Ignored), count(notices, "notice"), count(len(told)-notices, "warning"), count(len(wrong), "error"))
	if len(wrong) > 0 {
		fmt.Fprintf(b, "; wrong: %s", places(wrong))
	}
	fmt.Fprintln(b)
	return b.Flush()
}

// count says how many there are of something.
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprint(n, " ", what)
}

// places names where the first few problems are: a.xml:3, 7, b.xml:2.
func places(list []Problem) string {
	var out, seen []string
	file := ""
	for _, p := range list {
		at := fmt.Sprintf("%s:%d", p.File, p.Line)
		if slices.Contains(seen, at) {
			continue
		}
		seen = append(seen, at)
		switch {
		case p.Line == 0:
			at = p.File
		case p.File == file:
			at = strconv.Itoa(p.Line)
		}
		file = p.File
		if len(out) == 5 {
			out = append(out, "…")
			break
		}
		out = append(out, at)
	}
	return strings.Join(out, ", ")
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
