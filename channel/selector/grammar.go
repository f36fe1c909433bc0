package selector

import (
	"strings"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
)

// The grammar, from the loosest operator to the tightest. Its lists are loops of the parser; only parentheses nest. The first token of each
// alternative tells it from the others, so that the parser never goes back and its time is in proportion to the text.

type disjunction struct {
	Terms []*conjunction `parser:"@@ ( 'OR' @@ )*"`
}

type conjunction struct {
	Factors []*negation `parser:"@@ ( 'AND' @@ )*"`
}

type negation struct {
	Pos  lexer.Position
	Nots []string `parser:"@'NOT'*"`
	Left *sum     `parser:"@@"`
	Test *test    `parser:"@@?"`
}

type test struct {
	Op      string    `parser:"  ( @( '=' | '<>' | '<=' | '>=' | '<' | '>' )"`
	Right   *sum      `parser:"    @@ )"`
	Is      bool      `parser:"| ( @'IS'"`
	IsNot   bool      `parser:"    @'NOT'? 'NULL' )"`
	Not     bool      `parser:"| ( @'NOT'?"`
	Between *interval `parser:"    ( 'BETWEEN' @@"`
	In      []string  `parser:"    | 'IN' '(' @Text ( ',' @Text )* ')'"`
	Like    *like     `parser:"    | 'LIKE' @@ ) )"`
}

type interval struct {
	Low  *sum `parser:"@@ 'AND'"`
	High *sum `parser:"@@"`
}

type like struct {
	Pos     lexer.Position
	Pattern string  `parser:"@Text"`
	Escape  *escape `parser:"( 'ESCAPE' @@ )?"`
}

type escape struct {
	Pos  lexer.Position
	Text string `parser:"@Text"`
}

type sum struct {
	First *product   `parser:"@@"`
	Rest  []*summand `parser:"@@*"`
}

type summand struct {
	Op   string   `parser:"@( '+' | '-' )"`
	Term *product `parser:"@@"`
}

type product struct {
	First *unary    `parser:"@@"`
	Rest  []*factor `parser:"@@*"`
}

type factor struct {
	Op   string `parser:"@( '*' | '/' )"`
	Term *unary `parser:"@@"`
}

type unary struct {
	Pos   lexer.Position
	Signs []string `parser:"@( '+' | '-' )*"`
	Of    *operand `parser:"@@"`
}

type operand struct {
	Pos   lexer.Position
	Float string       `parser:"  @Float"`
	Int   string       `parser:"| @Int"`
	Text  *string      `parser:"| @Text"`
	Bool  string       `parser:"| @( 'TRUE' | 'FALSE' )"`
	Name  string       `parser:"| @Name"`
	Sub   *disjunction `parser:"| '(' @@ ')'"`
}

// Numbers and names are written as in Java (JMS 1.1 section 3.8.1.1), a name may have dots besides. What begins no token is a stray, so that the
// parser reports it like anything else that is out of place.
var tokens = lexer.MustSimple([]lexer.SimpleRule{
	{Name: "space", Pattern: `[ \t\r\n\f]+`},
	{Name: "Float", Pattern: `([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[dDfF]?|[0-9]+[eE][+-]?[0-9]+[dDfF]?|[0-9]+[dDfF]`},
	{Name: "Int", Pattern: `(0[xX][0-9a-fA-F]+|[0-9]+)[lL]?`},
	{Name: "Text", Pattern: `'([^']|'')*'`},
	{Name: "Name", Pattern: `[\pL\p{Nl}\p{Pc}\p{Sc}][\pL\p{Nl}\p{Pc}\p{Sc}\p{Nd}\p{Mn}\p{Mc}.]*`},
	{Name: "Operator", Pattern: `<>|<=|>=|[-+*/=<>(),]`},
	{Name: "Stray", Pattern: `(?s:.)`},
})

var grammar = participle.MustBuild[disjunction](
	participle.Lexer(tokens),
	participle.Elide("space"),
	participle.Map(keyword, "Name"),
	participle.UseLookahead(1),
)

var keywords = map[string]bool{
	"AND": true, "OR": true, "NOT": true, "BETWEEN": true, "IN": true, "LIKE": true, "ESCAPE": true, "IS": true, "NULL": true, "TRUE": true, "FALSE": true,
}

// keyword makes an operator of a name that is a keyword, whatever the case of its letters. Only those of ASCII have a case here: Unicode makes LIKE of
// lıke too.
func keyword(t lexer.Token) (lexer.Token, error) {
	upper := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			r -= 'a' - 'A'
		}
		return r
	}, t.Value)
	if keywords[upper] {
		t.Value, t.Type = upper, tokens.Symbols()["Operator"]
	}
	return t, nil
}

// unquote is the text that a Text stands for.
func unquote(quoted string) string { return strings.ReplaceAll(quoted[1:len(quoted)-1], "''", "'") }
