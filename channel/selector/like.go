package selector

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// pattern is a pattern of LIKE, cut at each %: a text matches that begins with the first piece, ends with the last, and has the others between
// them, in order and without overlap. To take each where it first occurs leaves the most for those that follow, so that nothing is ever tried
// again. A pattern without % is one piece.
type pattern []piece

// piece is a run of characters without %.
type piece struct {
	text  string // without _
	runes []rune // instead, with _
}

// wildcard stands in a piece for the _ that is any one character.
const wildcard rune = -1

// parsePattern cuts a pattern; escape is -1 where there is none. The problem is "" if there is none.
func parsePattern(text string, escape rune) (p pattern, problem string) {
	var runes []rune
	escaped := false
	for _, r := range text {
		switch {
		case escaped:
			runes, escaped = append(runes, r), false
		case r == escape:
			escaped = true
		case r == '%':
			p, runes = append(p, newPiece(runes)), nil
		case r == '_':
			runes = append(runes, wildcard)
		default:
			runes = append(runes, r)
		}
	}
	p = append(p, newPiece(runes))
	if escaped {
		return nil, "the pattern ends with the character of ESCAPE, which must stand before another"
	}
	for i, piece := range p {
		if inner := i > 0 && i < len(p)-1; inner && len(piece.runes) > MaxPiece {
			return nil, fmt.Sprintf("the pattern has more than %d characters, and _ among them, between two %%", MaxPiece)
		}
	}
	return p, ""
}

func newPiece(runes []rune) piece {
	if slices.Contains(runes, wildcard) {
		return piece{runes: runes}
	}
	return piece{text: string(runes)}
}

// match says whether s matches. It looks at each character of s once or twice, but where a piece with _ is searched up to MaxPiece times.
func (p pattern) match(s string) bool {
	s, found := p[0].cutPrefix(s)
	if len(p) == 1 {
		return found && s == ""
	}
	last := len(p) - 1
	for i := 1; found && i < last; i++ {
		s, found = p[i].cut(s)
	}
	return found && p[last].ends(s)
}

// cutPrefix is what follows the piece at the beginning of s.
func (p piece) cutPrefix(s string) (rest string, found bool) {
	if p.runes == nil {
		return strings.CutPrefix(s, p.text)
	}
	for _, want := range p.runes {
		r, size := utf8.DecodeRuneInString(s)
		if size == 0 || want != wildcard && want != r {
			return "", false
		}
		s = s[size:]
	}
	return s, true
}

// cut is what follows the piece where it first occurs in s.
func (p piece) cut(s string) (rest string, found bool) {
	if p.runes == nil {
		_, rest, found = strings.Cut(s, p.text)
		return rest, found
	}
	for s != "" {
		if rest, found = p.cutPrefix(s); found {
			return rest, true
		}
		_, size := utf8.DecodeRuneInString(s)
		s = s[size:]
	}
	return "", false
}

// ends says whether s ends with the piece.
func (p piece) ends(s string) bool {
	if p.runes == nil {
		return strings.HasSuffix(s, p.text)
	}
	for i := len(p.runes) - 1; i >= 0; i-- {
		r, size := utf8.DecodeLastRuneInString(s)
		if size == 0 || p.runes[i] != wildcard && p.runes[i] != r {
			return false
		}
		s = s[:len(s)-size]
	}
	return true
}
