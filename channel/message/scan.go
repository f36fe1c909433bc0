package message

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// MaxDepth is how deep a message may be nested, the object of the line counted as one. docs/protocol.md section 1.
const MaxDepth = 64

// scanner checks JSON (RFC 8259) in one pass, without recursion: a message full of brackets must not grow the stack of a connection's goroutine for
// good. The text is known to be UTF-8 without NUL. Line ends between tokens become spaces as they are passed.
type scanner struct {
	text     []byte
	pos      int
	depth    int // containers that are open
	maxDepth int
	within   [MaxDepth]byte // the brackets of the open containers
	err      *Error         // why the scan failed; the scanner is of no use after that
}

// span is a part of the text, in bytes. It is small because a request keeps many.
type span struct{ start, end int32 }

// fail says what should have stood at pos.
func (s *scanner) fail(want string) bool {
	s.err = Errorf(CodeBadMessage, "byte %d: expected %s", s.pos, want)
	return false
}

// peek returns the byte at pos, NUL at the end.
func (s *scanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

// space passes white space. Mostly there is none.
func (s *scanner) space() {
	if s.pos < len(s.text) && s.text[s.pos] <= ' ' {
		s.passSpace()
	}
}

func (s *scanner) passSpace() {
	for ; s.pos < len(s.text); s.pos++ {
		switch s.text[s.pos] {
		case ' ', '\t':
		case '\r', '\n':
			s.text[s.pos] = ' '
		default:
			return
		}
	}
}

// end passes white space and wants nothing after it.
func (s *scanner) end() bool {
	if s.space(); s.pos < len(s.text) {
		return s.fail("nothing after the value")
	}
	return true
}

// enter passes the opening bracket at pos.
func (s *scanner) enter() bool {
	if s.depth >= s.maxDepth {
		s.err = Errorf(CodeMessageTooDeep, "at most %d levels", s.maxDepth)
		return false
	}
	s.within[s.depth] = s.text[s.pos]
	s.depth++
	s.pos++
	return true
}

// next passes what stands before the next element of the innermost container: nothing before the first, a comma before others.
// It is false where the container ends, which it passes, and when the scan failed.
func (s *scanner) next(first bool) bool {
	s.space()
	bracket := s.within[s.depth-1]
	switch c := s.peek(); {
	case c == bracket+2: // '{' and '}', '[' and ']' are two apart in ASCII
		s.pos++
		s.depth--
		return false
	case first:
		return true
	case c == ',':
		s.pos++
		s.space()
		return true
	case bracket == '{':
		return s.fail("',' or '}'")
	default:
		return s.fail("',' or ']'")
	}
}

// key passes the name of a member and its colon, and returns the name.
func (s *scanner) key() (name text, ok bool) {
	if name, ok = s.str(); !ok {
		return name, false
	}
	if s.space(); s.peek() != ':' {
		return name, s.fail("':'")
	}
	s.pos++
	s.space()
	return name, true
}

// value passes one value with all that is in it.
func (s *scanner) value() bool {
	for outside := s.depth; ; {
		first := false
		switch s.peek() {
		case '{', '[':
			if !s.enter() {
				return false
			}
			first = true
		default:
			if !s.scalar() {
				return false
			}
		}
		for ; s.depth > outside; first = false {
			if s.next(first) {
				break
			}
			if s.err != nil {
				return false
			}
		}
		if s.depth == outside {
			return true
		}
		if s.within[s.depth-1] == '{' {
			if _, ok := s.key(); !ok {
				return false
			}
		}
	}
}

// scalar passes a value that is neither object nor array.
func (s *scanner) scalar() bool {
	switch s.peek() {
	case '"':
		_, ok := s.str()
		return ok
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	}
	return s.number()
}

func (s *scanner) word(word string) bool {
	if rest := s.text[s.pos:]; len(rest) < len(word) || string(rest[:len(word)]) != word {
		return s.fail(word)
	}
	s.pos += len(word)
	return true
}

// number follows RFC 8259 section 6: no leading zeros, digits around the point and in the exponent.
func (s *scanner) number() bool {
	start := s.pos
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if !s.digits() {
		if s.pos == start {
			return s.fail("a value")
		}
		return s.fail("a digit")
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return s.fail("a digit")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c = s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return s.fail("a digit")
		}
	}
	return true
}

func (s *scanner) digits() bool {
	start := s.pos
	for c := s.peek(); '0' <= c && c <= '9'; c = s.peek() {
		s.pos++
	}
	return s.pos > start
}

// str passes a string.
func (s *scanner) str() (t text, ok bool) {
	if s.peek() != '"' {
		return text{}, s.fail("a string")
	}
	line, start := s.text, s.pos+1
	for i := start; ; {
		i += plain(line[i:])
		if i == len(line) {
			s.pos = i
			return text{}, s.fail("the end of the string")
		}
		switch line[i] {
		case '"':
			t.raw = line[start:i]
			s.pos = i + 1
			return t, true
		case '\\':
			size := escapeSize(line[i:])
			if size == 0 {
				s.pos = i
				return text{}, s.fail("an escape")
			}
			t.escaped = true
			i += size
		default:
			s.pos = i
			return text{}, s.fail("no control character in a string")
		}
	}
}

// plain is how many bytes b begins with that stand for themselves in a string: no quote, backslash or control character. It looks at eight at a time:
// of x-n, a byte below n borrows, which shows in its highest bit; the lowest byte that shows is always a true one.
func plain(b []byte) int {
	const each, high = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; len(b)-i >= 8; i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, backslash := x^each*'"', x^each*'\\'
		if special := ((x-each*' ')&^x | (quote-each)&^quote | (backslash-each)&^backslash) & high; special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c == '"' || c == '\\' || c < ' ' {
			break
		}
	}
	return i
}

// escapeSize is the length of the escape that b begins with, 0 if it is none. RFC 8259 section 7.
func escapeSize(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(b); ok {
			return 6
		}
	}
	return 0
}

// hex4 reads the number of an escape such as \u00e4, b beginning with the backslash.
func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// text is a checked JSON string as it stands in the line, without its quotes.
type text struct {
	raw     []byte
	escaped bool // raw has escapes
}

// read returns the string, unescaped. It is false where half of a surrogate pair stands alone: such a string is valid JSON and may be handed on, but
// it is no Unicode text (RFC 8259 section 8.2), so it cannot be read.
func (t text) read() (_ []byte, ok bool) {
	if !t.escaped {
		return t.raw, true
	}
	return t.unescape()
}

// known returns the string for a comparison with the names that the server knows: "s\u0065cret" is "secret" to everyone who reads it. It is nil
// where read would be false.
func (t text) known() []byte {
	if raw, ok := t.read(); ok {
		return raw
	}
	return nil
}

func (t text) unescape() (b []byte, ok bool) {
	b = make([]byte, 0, len(t.raw)) // an escape is never shorter than what it stands for
	for i := 0; i < len(t.raw); {
		c := t.raw[i]
		if c != '\\' {
			b = append(b, c)
			i++
			continue
		}
		if t.raw[i+1] != 'u' {
			b = append(b, unescaped(t.raw[i+1]))
			i += 2
			continue
		}
		r, _ := hex4(t.raw[i:])
		i += 6
		if low, paired := hex4(t.raw[i:]); r>>10 == 0xd800>>10 && paired && low>>10 == 0xdc00>>10 {
			r = 0x10000 + (r-0xd800)<<10 + (low - 0xdc00)
			i += 6
		}
		if !utf8.ValidRune(r) {
			return b, false
		}
		b = utf8.AppendRune(b, r)
	}
	return b, true
}

// unescaped is the character that stands behind a backslash.
func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}
