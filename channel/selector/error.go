package selector

import (
	"errors"
	"fmt"
	"strings"

	"github.com/alecthomas/participle/v2"
)

// Error says what is wrong with a selector, and where.
type Error struct {
	Position int    // the character, not the byte, from 1; one more than there are where the end comes too early
	Problem  string // for a person
}

func (e *Error) Error() string {
	return fmt.Sprintf("the selector is wrong at character %d: %s", e.Position, e.Problem)
}

// wanted has words for what the grammar wanted instead of what it found, told by how its own notation begins.
var wanted = []struct{ notation, words string }{
	{"Operand", "a value (the name of a header, a number, 'text', TRUE, FALSE or a parenthesis)"},
	{`"NULL"`, "NULL"},
	{`"AND"`, "AND, with the upper bound of BETWEEN,"},
	{`(("BETWEEN"`, "BETWEEN, IN or LIKE"},
	{`"("`, "a list like ('one', 'two')"},
	{`")"`, "a closing parenthesis"},
	{"<text>", "'text' in single quotes"},
	{"Like", "'text' in single quotes"},
	{"Escape", "'text' in single quotes"},
	{"", "an operator or the end"},
}

// hints are for what is written again and again by those who think of another language.
var hints = map[string]string{
	`'`:    "the text that begins here lacks its closing quote",
	`"`:    "text is written in single quotes, 'like this'",
	"`":    "text is written in single quotes, 'like this'",
	"!":    "\"not equal\" is written <>, \"not\" is NOT",
	"&":    "\"and\" is written AND",
	"|":    "\"or\" is written OR",
	"NULL": "NULL is not a value; a header is tested with IS NULL or IS NOT NULL",
}

// explain makes the parser's error one for a person.
func explain(text string, err error) *Error {
	var unexpected *participle.UnexpectedTokenError
	if !errors.As(err, &unexpected) {
		return failure(text, 0, "it cannot be read: %v", err) // the grammar knows no other error
	}
	found, offset := unexpected.Unexpected, unexpected.Unexpected.Pos.Offset
	_, notation, _ := strings.Cut(unexpected.Message(), " (expected ")
	instead := ""
	for _, w := range wanted {
		if strings.HasPrefix(notation, w.notation) {
			instead = w.words
			break
		}
	}
	if found.EOF() {
		return failure(text, len(text), "the selector ends where %s must be", instead)
	}
	if hint, ok := hints[found.Value]; ok {
		return failure(text, offset, "%s", hint)
	}
	return failure(text, offset, "there is %q where %s must be", short(found.Value), instead)
}

// short is the beginning of s.
func short(s string) string {
	const most = 32
	n := 0
	for at := range s {
		if n++; n > most {
			return s[:at] + "…"
		}
	}
	return s
}
