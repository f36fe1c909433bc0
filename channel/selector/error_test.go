package selector_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"sluice/channel/selector"
)

const value = "a value (the name of a header, a number, 'text', TRUE, FALSE or a parenthesis)"

var wrong = []struct {
	text     string
	position int
	problem  string
}{
	// Out of place, for each thing that the grammar may want.
	{"", 1, "the selector ends where " + value + " must be"},
	{"  ", 3, "the selector ends where " + value + " must be"},
	{"a =", 4, "the selector ends where " + value + " must be"},
	{"a = 1 AND ", 11, "the selector ends where " + value + " must be"},
	{"a = = 2", 5, `there is "=" where ` + value + " must be"},
	{"a = 1 OR or b", 10, `there is "OR" where ` + value + " must be"},
	{"a = NOT b", 5, `there is "NOT" where ` + value + " must be"},
	{"()", 2, `there is ")" where ` + value + " must be"},
	{"1 + * 2 = 3", 5, `there is "*" where ` + value + " must be"},
	{"a = 1 b", 7, `there is "b" where an operator or the end must be`},
	{"a = 1)", 6, `there is ")" where an operator or the end must be`},
	{"a = 1 = 2", 7, `there is "=" where an operator or the end must be`},
	{"a-b c", 5, `there is "c" where an operator or the end must be`},
	{"a = 5x", 6, `there is "x" where an operator or the end must be`},
	{"a # b", 3, `there is "#" where an operator or the end must be`},
	{"(a = 1", 7, "the selector ends where a closing parenthesis must be"},
	{"a IN ('x' 5", 11, `there is "5" where a closing parenthesis must be`},
	{"a IS 5", 6, `there is "5" where NULL must be`},
	{"a IS NOT", 9, "the selector ends where NULL must be"},
	{"a NOT 5", 7, `there is "5" where BETWEEN, IN or LIKE must be`},
	{"a NOT = 5", 7, `there is "=" where BETWEEN, IN or LIKE must be`},
	{"a BETWEEN 1 OR 2", 13, `there is "OR" where AND, with the upper bound of BETWEEN, must be`},
	{"a IN 'x'", 6, `there is "'x'" where a list like ('one', 'two') must be`},
	{"a IN (5)", 7, `there is "5" where 'text' in single quotes must be`},
	{"a IN ()", 7, `there is ")" where 'text' in single quotes must be`},
	{"a IN ('x',)", 10, `there is "," where a closing parenthesis must be`},
	{"a LIKE b", 8, `there is "b" where 'text' in single quotes must be`},
	{"a LIKE 'x' ESCAPE b", 19, `there is "b" where 'text' in single quotes must be`},
	{"a = 1 " + strings.Repeat("z", 40), 7, `there is "` + strings.Repeat("z", 32) + `…" where an operator or the end must be`},
	{"a = 1 \x00", 7, `there is "\x00" where an operator or the end must be`},

	// From another language.
	{`a = "x"`, 5, "text is written in single quotes, 'like this'"},
	{"a = `x`", 5, "text is written in single quotes, 'like this'"},
	{"a != 1", 3, `"not equal" is written <>, "not" is NOT`},
	{"a = 1 && b = 2", 7, `"and" is written AND`},
	{"a = 1 || b = 2", 7, `"or" is written OR`},
	{"a = NULL", 5, "NULL is not a value; a header is tested with IS NULL or IS NOT NULL"},
	{"a = 'x", 5, "the text that begins here lacks its closing quote"},
	{"a = 'it's", 9, `there is "s" where an operator or the end must be`},

	// Characters are counted, not bytes.
	{"name = '日本語é' AND ?", 19, `there is "?" where ` + value + " must be"},
	{"é = 'é' AND 5", 13, "AND works on conditions, and this is a number"},
	{"é = 'é' AND", 12, "the selector ends where " + value + " must be"},
	{"é = 'é' AND\xff", 12, "the text is not UTF-8"},

	// What can never be TRUE or FALSE.
	{"5", 1, "a selector is a condition, and this is a number"},
	{"'x'", 1, "a selector is a condition, and this is text"},
	{" (a + 1)", 2, "a selector is a condition, and this is a number"},
	{"-a", 1, "a selector is a condition, and this is a number"},
	{"-5 OR a", 1, "OR works on conditions, and this is a number"},
	{"a AND 'x'", 7, "AND works on conditions, and this is text"},
	{"5 OR a", 1, "OR works on conditions, and this is a number"},
	{"NOT 5", 5, "NOT works on conditions, and this is a number"},
	{"a + 'x' = 5", 5, "+ works on numbers, and this is text"},
	{"TRUE * 2 = 5", 1, "* works on numbers, and this is a condition"},
	{"5 = - 'x'", 7, "a sign works on numbers, and this is text"},
	{"-(a = 1) = 1", 2, "a sign works on numbers, and this is a condition"},
	{"a < 'x'", 5, "< works on numbers, and this is text"},
	{"TRUE >= a", 1, ">= works on numbers, and this is a condition"},
	{"'x' = 5", 7, "this is a number, and cannot be compared with what is left of =, text"},
	{"TRUE <> 'x'", 9, "this is text, and cannot be compared with what is left of <>, a condition"},
	{"a BETWEEN 1 AND 'x'", 17, "BETWEEN works on numbers, and this is text"},
	{"5 IN ('x')", 1, "IN works on text, and this is a number"},
	{"a + 1 LIKE 'x'", 1, "LIKE works on text, and this is a number"},
	{"a LIKE 'x' ESCAPE '!!'", 19, "ESCAPE takes one character"},
	{"a LIKE 'x' ESCAPE ''", 19, "ESCAPE takes one character"},
	{"a LIKE 'x!' ESCAPE '!'", 8, "the pattern ends with the character of ESCAPE, which must stand before another"},
	{"a = 9223372036854775808", 5, "the number does not fit an integer of 64 bits; with a decimal point it is a float"},
	{"a = -9223372036854775809", 6, "the number does not fit an integer of 64 bits; with a decimal point it is a float"},
	{"a = 1e309", 5, "the number does not fit a float of 64 bits"},
	{"a = 010", 5, "a number must not begin with 0, which in JMS would make it octal"},
	{"1 + 'x' = TRUE + 1", 5, "+ works on numbers, and this is text"}, // the first of several

	// Too much.
	{"a LIKE 'x%" + strings.Repeat("y", selector.MaxPiece) + "_%' OR 5", 8, "the pattern has more than 64 characters, and _ among them, between two %"},
	{strings.Repeat(" ", selector.MaxLength) + "x", selector.MaxLength + 1, "the text is longer than 4096 bytes"},
	{"x" + strings.Repeat("é", selector.MaxLength/2), selector.MaxLength/2 + 1, "the text is longer than 4096 bytes"}, // the bound is in the last é
	{nest(selector.MaxDepth + 1), selector.MaxDepth + 1, "parentheses stand within each other more than 32 deep"},
	{"'((' = '" + nest(9) + "' OR " + nest(selector.MaxDepth+1), 36 + selector.MaxDepth, "parentheses stand within each other more than 32 deep"},
}

func nest(depth int) string { return strings.Repeat("(", depth) + "TRUE" + strings.Repeat(")", depth) }

func TestErrors(t *testing.T) {
	for _, c := range wrong {
		_, err := selector.Compile(c.text)
		var e *selector.Error
		if !errors.As(err, &e) {
			t.Errorf("%.60q: %v, want an *Error", c.text, err)
			continue
		}
		if e.Position != c.position || e.Problem != c.problem {
			t.Errorf("%.60q: character %d: %s\nwant character %d: %s", c.text, e.Position, e.Problem, c.position, c.problem)
		}
		checkError(t, c.text, err)
		if _, problem := naiveCompile(c.text); problem == "" && len(c.text) <= selector.MaxLength && nested(c.text) <= selector.MaxDepth {
			t.Errorf("%q: naively it is right", c.text)
		}
	}
}

func TestErrorText(t *testing.T) {
	_, err := selector.Compile("a = ")
	if want := "the selector is wrong at character 5: the selector ends where " + value + " must be"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// checkError wants of an error that it is an *Error, whose position is in the text or just behind, and whose problem is one short line.
func checkError(t *testing.T, text string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var e *selector.Error
	if !errors.As(err, &e) {
		t.Fatalf("%q: a %T", text, err)
	}
	if e.Position < 1 || e.Position > utf8.RuneCountInString(text)+1 {
		t.Errorf("%q: position %d", text, e.Position)
	}
	if e.Problem == "" || len(e.Problem) > 400 || !utf8.ValidString(e.Problem) || strings.ContainsFunc(e.Problem, unicode.IsControl) ||
		strings.HasPrefix(e.Problem, "it cannot be read") { // an error of the parser for which there are no words
		t.Errorf("%q: %q", text, e.Problem)
	}
}

// TestBounds takes what is just within them.
func TestBounds(t *testing.T) {
	for _, text := range []string{
		nest(selector.MaxDepth),
		"a LIKE '" + strings.Repeat("_", 99) + "%" + strings.Repeat("_", selector.MaxPiece) + "%" + strings.Repeat("y", 99) + "%" + strings.Repeat("_", 99) + "'",
		"'" + nest(100) + "' <> '('",
		strings.Repeat(nest(selector.MaxDepth)+" AND ", 50) + "TRUE",
		"a" + strings.Repeat(" ", selector.MaxLength-1),
	} {
		if _, err := selector.Compile(text); err != nil {
			t.Errorf("%.60q: %v", text, err)
		}
	}
}
