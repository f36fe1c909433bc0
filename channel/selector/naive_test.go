package selector_test

import (
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// naive is a second reading of JMS 1.1 section 3.8.1, written to be obvious and without a line of the first: a parser by hand over characters, which
// makes closures; fractions of any size to compare numbers; a table to match patterns. A value is nil (unknown), bool, int64, float64 or string.
// It panics with a naiveError where the text is wrong.
type naive struct {
	in []rune
	at int
}

type naiveError string

// expression is a part of a selector; sort is 'b', 'n' or 't' for what it is known to yield, '?' for a header.
type expression struct {
	sort byte
	eval func(map[string]any) any
}

// naiveCompile is the selector, or the problem with it.
func naiveCompile(text string) (eval func(map[string]any) any, problem string) {
	defer func() {
		if e, ok := recover().(naiveError); ok {
			eval, problem = nil, string(e)
		} else if eval == nil {
			panic("neither result nor problem")
		}
	}()
	if !utf8.ValidString(text) {
		panic(naiveError("not UTF-8"))
	}
	n := &naive{in: []rune(text)}
	e := n.or()
	n.space()
	if n.at < len(n.in) {
		panic(naiveError("something is left over"))
	}
	must(e, 'b')
	return e.eval, ""
}

func must(e expression, sort byte) {
	if e.sort != sort && e.sort != '?' {
		panic(naiveError("it is " + string(e.sort) + ", want " + string(sort)))
	}
}

func (n *naive) space() {
	for n.at < len(n.in) && strings.ContainsRune(" \t\r\n\f", n.in[n.at]) {
		n.at++
	}
}

// sign takes one of the signs, which come longest first.
func (n *naive) sign(signs ...string) string {
	n.space()
	for _, s := range signs {
		if strings.HasPrefix(string(n.in[n.at:min(len(n.in), n.at+2)]), s) {
			n.at += len(s)
			return s
		}
	}
	return ""
}

// word is the name or keyword that comes next, without taking it.
func (n *naive) word() string {
	n.space()
	end := n.at
	for end < len(n.in) {
		r := n.in[end]
		start := unicode.IsLetter(r) || unicode.In(r, unicode.Nl, unicode.Pc, unicode.Sc)
		if !start && (end == n.at || r != '.' && !unicode.In(r, unicode.Nd, unicode.Mn, unicode.Mc)) {
			break
		}
		end++
	}
	return string(n.in[n.at:end])
}

func (n *naive) keyword(k string) bool {
	w := n.word()
	if len(w) != len(k) || !strings.EqualFold(w, k) { // of another length: with letters that fold to those of ASCII
		return false
	}
	n.at += len(k)
	return true
}

func (n *naive) need(ok bool, what string) {
	if !ok {
		panic(naiveError("want " + what))
	}
}

func (n *naive) or() expression {
	left := n.and()
	for n.keyword("OR") {
		a, b := left, n.and()
		must(a, 'b')
		must(b, 'b')
		left = expression{'b', func(h map[string]any) any {
			x, y := truth(a.eval(h)), truth(b.eval(h))
			if x == true || y == true {
				return true
			}
			if x == nil || y == nil {
				return nil
			}
			return false
		}}
	}
	return left
}

func (n *naive) and() expression {
	left := n.not()
	for n.keyword("AND") {
		a, b := left, n.not()
		must(a, 'b')
		must(b, 'b')
		left = expression{'b', func(h map[string]any) any {
			x, y := truth(a.eval(h)), truth(b.eval(h))
			if x == false || y == false {
				return false
			}
			if x == nil || y == nil {
				return nil
			}
			return true
		}}
	}
	return left
}

func (n *naive) not() expression {
	if !n.keyword("NOT") {
		return n.test()
	}
	e := n.not()
	must(e, 'b')
	return expression{'b', func(h map[string]any) any {
		switch truth(e.eval(h)) {
		case true:
			return false
		case false:
			return true
		}
		return nil
	}}
}

// truth is v if it is a boolean, else nil.
func truth(v any) any {
	if b, ok := v.(bool); ok {
		return b
	}
	return nil
}

func (n *naive) test() expression {
	left := n.sum()
	if op := n.sign("<>", "<=", ">=", "=", "<", ">"); op != "" {
		right := n.sum()
		if op != "=" && op != "<>" {
			must(left, 'n')
			must(right, 'n')
		} else if left.sort != '?' {
			must(right, left.sort)
		}
		return expression{'b', func(h map[string]any) any { return relate(left.eval(h), op, right.eval(h)) }}
	}
	if n.keyword("IS") {
		not := n.keyword("NOT")
		n.need(n.keyword("NULL"), "NULL")
		return expression{'b', func(h map[string]any) any { return (left.eval(h) == nil) != not }}
	}
	not := n.keyword("NOT")
	switch {
	case n.keyword("BETWEEN"):
		low := n.sum()
		n.need(n.keyword("AND"), "AND")
		high := n.sum()
		must(left, 'n')
		must(low, 'n')
		must(high, 'n')
		return n.between(left, low, high, not)
	case n.keyword("IN"):
		must(left, 't')
		n.need(n.sign("(") != "", "(")
		list := []string{n.quoted()}
		for n.sign(",") != "" {
			list = append(list, n.quoted())
		}
		n.need(n.sign(")") != "", ")")
		return ofText(left, not, func(s string) bool {
			for _, l := range list {
				if l == s {
					return true
				}
			}
			return false
		})
	case n.keyword("LIKE"):
		must(left, 't')
		pattern, escape := []rune(n.quoted()), []rune(nil)
		if n.keyword("ESCAPE") {
			escape = []rune(n.quoted())
			n.need(len(escape) == 1, "one character")
		}
		tokens := patternTokens(pattern, escape)
		return ofText(left, not, func(s string) bool { return matchTable(tokens, []rune(s)) })
	}
	n.need(!not, "BETWEEN, IN, LIKE")
	return left
}

// between follows the letter of JMS: a >= b AND a <= c, and a < b OR a > c.
func (n *naive) between(a, low, high expression, not bool) expression {
	return expression{'b', func(h map[string]any) any {
		v, l, u := a.eval(h), low.eval(h), high.eval(h)
		first, second, decisive := relate(v, ">=", l), relate(v, "<=", u), false
		if not {
			first, second, decisive = relate(v, "<", l), relate(v, ">", u), true
		}
		if first == decisive || second == decisive {
			return decisive
		}
		if first == nil || second == nil {
			return nil
		}
		return !decisive
	}}
}

func ofText(e expression, not bool, f func(string) bool) expression {
	return expression{'b', func(h map[string]any) any {
		switch v := e.eval(h).(type) {
		case nil:
			return nil
		case string:
			return f(v) != not
		}
		return false
	}}
}

func relate(a any, op string, b any) any {
	if a == nil || b == nil {
		return nil
	}
	x, y := fraction(a), fraction(b)
	if x != nil && y != nil {
		switch c := x.Cmp(y); op {
		case "=":
			return c == 0
		case "<>":
			return c != 0
		case "<":
			return c < 0
		case "<=":
			return c <= 0
		case ">":
			return c > 0
		default:
			return c >= 0
		}
	}
	_, textA := a.(string)
	_, textB := b.(string)
	_, boolA := a.(bool)
	_, boolB := b.(bool)
	if textA && textB || boolA && boolB {
		return op == "=" && a == b || op == "<>" && a != b
	}
	return false
}

func fraction(v any) *big.Rat {
	switch v := v.(type) {
	case int64:
		return new(big.Rat).SetInt64(v)
	case float64:
		return new(big.Rat).SetFloat64(v)
	}
	return nil
}

func (n *naive) sum() expression     { return n.chain(n.product, "+", "-") }
func (n *naive) product() expression { return n.chain(n.signed, "*", "/") }

func (n *naive) chain(next func() expression, signs ...string) expression {
	left := next()
	for {
		op := n.sign(signs...)
		if op == "" {
			return left
		}
		a, b := left, next()
		must(a, 'n')
		must(b, 'n')
		left = expression{'n', func(h map[string]any) any { return reckon(a.eval(h), op, b.eval(h)) }}
	}
}

func (n *naive) signed() expression {
	op := n.sign("+", "-")
	if op == "" {
		return n.operand(false)
	}
	if n.space(); op == "-" && n.at < len(n.in) && (n.digits(n.at) > n.at || n.in[n.at] == '.') {
		return n.operand(true)
	}
	e := n.signed()
	must(e, 'n')
	return expression{'n', func(h map[string]any) any {
		if v := e.eval(h); op == "+" {
			return reckon(v, "*", int64(1))
		} else {
			return reckon(v, "*", int64(-1))
		}
	}}
}

func reckon(a any, op string, b any) any {
	if fraction(a) == nil || fraction(b) == nil {
		return nil
	}
	i, intA := a.(int64)
	j, intB := b.(int64)
	if intA && intB {
		x, y, z := big.NewInt(i), big.NewInt(j), new(big.Int)
		switch op {
		case "+":
			z.Add(x, y)
		case "-":
			z.Sub(x, y)
		case "*":
			z.Mul(x, y)
		case "/":
			if j == 0 {
				return nil
			}
			z.Quo(x, y)
		}
		if z.IsInt64() {
			return z.Int64()
		}
	}
	f, g := approximate(a), approximate(b)
	switch op {
	case "+":
		f += g
	case "-":
		f -= g
	case "*":
		f *= g
	case "/":
		f /= g
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	return f
}

func approximate(v any) float64 {
	if i, ok := v.(int64); ok {
		return float64(i)
	}
	return v.(float64)
}

func (n *naive) operand(negative bool) expression {
	n.space()
	switch {
	case n.at == len(n.in):
		panic(naiveError("want a value, not the end"))
	case n.in[n.at] == '(':
		n.at++
		e := n.or()
		n.need(n.sign(")") != "", ")")
		return e
	case n.in[n.at] == '\'':
		s := n.quoted()
		return expression{'t', func(map[string]any) any { return s }}
	case n.in[n.at] == '.' || n.digits(n.at) > n.at:
		v := n.number(negative)
		return expression{'n', func(map[string]any) any { return v }}
	case n.keyword("TRUE"):
		return expression{'b', func(map[string]any) any { return true }}
	case n.keyword("FALSE"):
		return expression{'b', func(map[string]any) any { return false }}
	}
	for _, k := range strings.Fields("AND OR NOT BETWEEN IN LIKE ESCAPE IS NULL") {
		n.need(!n.keyword(k), "a value")
	}
	name := n.word()
	n.need(name != "", "a value")
	n.at += utf8.RuneCountInString(name)
	return expression{'?', func(h map[string]any) any { return h[name] }}
}

// digits is where the digits end that begin there.
func (n *naive) digits(at int) int {
	for at < len(n.in) && '0' <= n.in[at] && n.in[at] <= '9' {
		at++
	}
	return at
}

func (n *naive) has(at int, chars string) bool {
	return at < len(n.in) && strings.ContainsRune(chars, n.in[at])
}

func (n *naive) number(negative bool) any {
	start, end, isFloat := n.at, n.digits(n.at), false
	if n.in[start] == '0' && n.has(start+1, "xX") && n.has(start+2, "0123456789abcdefABCDEF") {
		for end = start + 2; n.has(end, "0123456789abcdefABCDEF"); {
			end++
		}
		return n.integer(string(n.in[start+2:end]), 16, negative, end)
	}
	if n.has(end, ".") {
		isFloat = true
		whole := end > start
		point := end
		end = n.digits(end + 1)
		n.need(whole || end > point+1, "digits")
	}
	if n.has(end, "eE") {
		exponent := end + 1
		if n.has(exponent, "+-") {
			exponent++
		}
		if last := n.digits(exponent); last > exponent {
			isFloat, end = true, last
		}
	}
	digits := string(n.in[start:end])
	if n.has(end, "dDfF") {
		isFloat = true
		end++
	}
	if !isFloat {
		n.need(digits == "0" || digits[0] != '0', "no octal")
		return n.integer(digits, 10, negative, end)
	}
	n.at = end
	f, err := strconv.ParseFloat(digits, 64)
	n.need(err == nil, "a smaller number")
	if negative {
		f = -f
	}
	return f
}

func (n *naive) integer(digits string, base int, negative bool, end int) any {
	if n.has(end, "lL") {
		end++
	}
	n.at = end
	i, ok := new(big.Int).SetString(digits, base)
	n.need(ok, "digits")
	if negative {
		i.Neg(i)
	}
	n.need(i.IsInt64(), "a smaller number")
	return i.Int64()
}

func (n *naive) quoted() string {
	n.need(n.sign("'") != "", "a quote")
	var s []rune
	for ; n.at < len(n.in); n.at++ {
		if n.in[n.at] == '\'' {
			if !n.has(n.at+1, "'") {
				n.at++
				return string(s)
			}
			n.at++
		}
		s = append(s, n.in[n.at])
	}
	panic(naiveError("want the closing quote"))
}

// patternTokens are the characters of a pattern: themselves, or 'any one' and 'any run' as negative numbers.
func patternTokens(pattern, escape []rune) []int {
	var tokens []int
	for i := 0; i < len(pattern); i++ {
		switch {
		case len(escape) == 1 && pattern[i] == escape[0]:
			i++
			if i == len(pattern) {
				panic(naiveError("want something to escape"))
			}
			tokens = append(tokens, int(pattern[i]))
		case pattern[i] == '_':
			tokens = append(tokens, -1)
		case pattern[i] == '%':
			tokens = append(tokens, -2)
		default:
			tokens = append(tokens, int(pattern[i]))
		}
	}
	length, one := 0, false // of what stands between two %
	for i := slices.Index(tokens, -2) + 1; i > 0 && i < len(tokens); i++ {
		if tokens[i] == -2 {
			if one && length > 64 {
				panic(naiveError("too long between two %"))
			}
			length, one = 0, false
			continue
		}
		length, one = length+1, one || tokens[i] == -1
	}
	return tokens
}

// matchTable fills a table: row i says which beginnings of s the first i tokens match.
func matchTable(tokens []int, s []rune) bool {
	row := make([]bool, len(s)+1)
	row[0] = true
	for _, t := range tokens {
		next := make([]bool, len(s)+1)
		for j := range next {
			switch {
			case t == -2:
				next[j] = row[j] || j > 0 && next[j-1]
			case j > 0:
				next[j] = row[j-1] && (t == -1 || t == int(s[j-1]))
			}
		}
		row = next
	}
	return row[len(s)]
}
