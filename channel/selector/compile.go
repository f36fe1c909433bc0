package selector

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// compile makes nodes of what the grammar has read, and refuses what could never be evaluated.
func compile(text string, d *disjunction) (node, *Error) {
	c := &compiler{text: text}
	root := c.disjunction(d)
	if !root.is.fits(logical) {
		c.fail(root.at, "a selector is a condition, and this is %s", root.is)
	}
	return root.node, c.err
}

type compiler struct {
	text string
	err  *Error // the first
}

// part is a compiled part of the text.
type part struct {
	node
	is sort
	at int // the offset at which it begins
}

// sort is what is known of the values of a part.
type sort string

const (
	anything sort = "anything" // a header's: whatever the message has
	logical  sort = "a condition"
	numeric  sort = "a number"
	textual  sort = "text"
)

func (s sort) fits(t sort) bool { return s == t || s == anything || t == anything }

func (c *compiler) fail(offset int, format string, args ...any) {
	if c.err == nil {
		c.err = failure(c.text, offset, format, args...)
	}
}

// want refuses p as an operand of an operator that takes parts of another sort.
func (c *compiler) want(operator string, is sort, p part) {
	if !p.is.fits(is) {
		c.fail(p.at, "%s works on %s, and this is %s", operator, map[sort]string{logical: "conditions", numeric: "numbers", textual: "text"}[is], p.is)
	}
}

func (c *compiler) disjunction(d *disjunction) part {
	if len(d.Terms) == 1 {
		return c.conjunction(d.Terms[0])
	}
	nodes, at := operands(c, "OR", d.Terms, c.conjunction)
	return part{or(nodes), logical, at}
}

func (c *compiler) conjunction(j *conjunction) part {
	if len(j.Factors) == 1 {
		return c.negation(j.Factors[0])
	}
	nodes, at := operands(c, "AND", j.Factors, c.negation)
	return part{and(nodes), logical, at}
}

// operands compiles the operands of AND or of OR; at is where they begin.
func operands[T any](c *compiler, operator string, of []T, compile func(T) part) (nodes []node, at int) {
	nodes = make([]node, len(of))
	for i, o := range of {
		p := compile(o)
		c.want(operator, logical, p)
		nodes[i] = p.node
		if i == 0 {
			at = p.at
		}
	}
	return nodes, at
}

func (c *compiler) negation(n *negation) part {
	p := c.sum(n.Left)
	if n.Test != nil {
		p = c.test(p, n.Test)
	}
	if len(n.Nots) == 0 {
		return p
	}
	c.want("NOT", logical, p)
	p = part{not{p.node}, logical, n.Pos.Offset}
	if len(n.Nots)%2 == 0 {
		p.node = not{p.node}
	}
	return p
}

func (c *compiler) test(left part, t *test) part {
	var n node
	switch {
	case t.Op != "":
		n = c.comparison(left, t.Op, c.sum(t.Right))
	case t.Is:
		n = isNull{left.node, t.IsNot}
	case t.Between != nil:
		low, high := c.sum(t.Between.Low), c.sum(t.Between.High)
		for _, p := range []part{left, low, high} {
			c.want("BETWEEN", numeric, p)
		}
		n = between{left.node, low.node, high.node, t.Not}
	case t.In != nil:
		c.want("IN", textual, left)
		list := make([]string, len(t.In))
		for i, quoted := range t.In {
			list[i] = unquote(quoted)
		}
		n = in{left.node, list, t.Not}
	default:
		c.want("LIKE", textual, left)
		n = likeness{left.node, c.pattern(t.Like), t.Not}
	}
	return part{n, logical, left.at}
}

func (c *compiler) comparison(left part, operator string, right part) node {
	r := relations[operator]
	if r != equal && r != unequal {
		c.want(operator, numeric, left)
		c.want(operator, numeric, right)
	} else if !left.is.fits(right.is) {
		c.fail(right.at, "this is %s, and cannot be compared with what is left of %s, %s", right.is, operator, left.is)
	}
	return comparison{r, left.node, right.node}
}

func (c *compiler) pattern(l *like) pattern {
	escape := rune(-1)
	if l.Escape != nil {
		text := unquote(l.Escape.Text)
		if utf8.RuneCountInString(text) != 1 {
			c.fail(l.Escape.Pos.Offset, "ESCAPE takes one character")
			return nil
		}
		escape, _ = utf8.DecodeRuneInString(text)
	}
	p, problem := parsePattern(unquote(l.Pattern), escape)
	if problem != "" {
		c.fail(l.Pos.Offset, "%s", problem)
	}
	return p
}

func (c *compiler) sum(s *sum) part {
	p := c.product(s.First)
	for _, r := range s.Rest {
		p = c.calculation(p, r.Op, c.product(r.Term))
	}
	return p
}

func (c *compiler) product(m *product) part {
	p := c.unary(m.First)
	for _, r := range m.Rest {
		p = c.calculation(p, r.Op, c.unary(r.Term))
	}
	return p
}

func (c *compiler) calculation(left part, operator string, right part) part {
	c.want(operator, numeric, left)
	c.want(operator, numeric, right)
	n, goesOn := left.node.(calculation) // which is worked off from its left, whatever its operators
	if !goesOn {
		n = calculation{first: left.node}
	}
	n.rest = append(n.rest, step{operator[0], right.node})
	return part{n, numeric, left.at}
}

func (c *compiler) unary(u *unary) part {
	signs := u.Signs
	// A minus belongs to the number that follows, whose smallest has no positive counterpart.
	negative := len(signs) > 0 && signs[len(signs)-1] == "-" && (u.Of.Int != "" || u.Of.Float != "")
	p := c.operand(u.Of, negative)
	if len(signs) == 0 {
		return p
	}
	c.want("a sign", numeric, p)
	p.at = u.Pos.Offset
	if negative {
		signs = signs[:len(signs)-1]
	}
	minuses := 0
	for _, sign := range signs {
		if sign == "-" {
			minuses++
		}
	}
	zero := part{constant(OfInt(0)), numeric, u.Pos.Offset}
	switch {
	case minuses > 0: // all but the last, or the last two, undo each other
		p = c.calculation(zero, "-", p)
		if minuses%2 == 0 {
			p = c.calculation(zero, "-", p)
		}
	case len(signs) > 0:
		p = c.calculation(zero, "+", p)
	}
	return p
}

func (c *compiler) operand(o *operand, negative bool) part {
	at := o.Pos.Offset
	switch {
	case o.Float != "":
		return part{c.float(o.Float, negative, at), numeric, at}
	case o.Int != "":
		return part{c.int(o.Int, negative, at), numeric, at}
	case o.Text != nil:
		return part{constant(OfText(unquote(*o.Text))), textual, at}
	case o.Bool != "":
		return part{constant(OfBool(o.Bool == "TRUE")), logical, at}
	case o.Name != "":
		return part{header(o.Name), anything, at}
	}
	p := c.disjunction(o.Sub)
	p.at = at
	return p
}

func (c *compiler) float(digits string, negative bool, at int) node {
	f, err := strconv.ParseFloat(strings.TrimRight(digits, "dDfF"), 64)
	if err != nil {
		c.fail(at, "the number does not fit a float of 64 bits")
	}
	if negative {
		f = -f
	}
	return constant(OfFloat(f))
}

func (c *compiler) int(digits string, negative bool, at int) node {
	digits = strings.TrimRight(digits, "lL")
	hexadecimal := len(digits) > 1 && (digits[1] == 'x' || digits[1] == 'X')
	if len(digits) > 1 && digits[0] == '0' && !hexadecimal {
		c.fail(at, "a number must not begin with 0, which in JMS would make it octal")
	}
	if negative {
		digits = "-" + digits
	}
	i, err := strconv.ParseInt(digits, 0, 64)
	if err != nil {
		c.fail(at, "the number does not fit an integer of 64 bits; with a decimal point it is a float")
	}
	return constant(OfInt(i))
}
