package selector

import (
	"fmt"
	"unicode/utf8"
)

// The bounds of a selector. What it may cost to compile and to match follows from them.
const (
	MaxLength = 4096 // bytes of its text
	MaxDepth  = 32   // parentheses within each other
	MaxPiece  = 64   // characters between two % of a pattern of LIKE, if _ is among them
)

// Headers are the headers of a message.
type Headers interface {
	// Header is the value of a header, the zero Value if it is absent.
	Header(name string) Value
}

// Selector is a compiled selector. It never changes; its methods may be called by any number of goroutines.
type Selector struct {
	text string
	root node
}

// Compile compiles text, in a time that is bounded by its length. The error is an *[Error].
func Compile(text string) (*Selector, error) {
	if len(text) > MaxLength {
		end := MaxLength
		for end > 0 && !utf8.RuneStart(text[end]) {
			end--
		}
		return nil, failure(text, end, "the text is longer than %d bytes", MaxLength)
	}
	if at := notUTF8(text); at >= 0 {
		return nil, failure(text, at, "the text is not UTF-8")
	}
	if at := tooDeep(text); at >= 0 {
		return nil, failure(text, at, "parentheses stand within each other more than %d deep", MaxDepth)
	}
	tree, err := grammar.ParseString("", text)
	if err != nil {
		return nil, explain(text, err)
	}
	root, failed := compile(text, tree)
	if failed != nil {
		return nil, failed
	}
	return &Selector{text, root}, nil
}

// Match says whether a message with these headers is chosen: whether the selector is TRUE of them, not FALSE and not unknown. It does not keep h.
func (s *Selector) Match(h Headers) bool { return s.root.eval(h).is(true) }

// String is the text from which the Selector was compiled.
func (s *Selector) String() string { return s.text }

// notUTF8 is the offset of the first byte which is not UTF-8, or -1.
func notUTF8(text string) int {
	for at, r := range text {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(text[at:]); size == 1 {
				return at
			}
		}
	}
	return -1
}

// tooDeep is the offset of the first parenthesis that is one too deep, or -1. Only parentheses make the parser, the compiler and a match call
// themselves, so that this bounds their stacks.
func tooDeep(text string) int {
	depth, quoted := 0, false
	for at, r := range text {
		switch {
		case r == '\'':
			quoted = !quoted // twice for the two that stand for one
		case quoted:
		case r == ')':
			depth--
		case r == '(':
			if depth++; depth > MaxDepth {
				return at
			}
		}
	}
	return -1
}

// failure is the Error of what begins at an offset of text.
func failure(text string, offset int, format string, args ...any) *Error {
	return &Error{Position: utf8.RuneCountInString(text[:offset]) + 1, Problem: fmt.Sprintf(format, args...)}
}
