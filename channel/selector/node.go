package selector

import "slices"

// node is a part of a compiled expression. Evaluating one allocates nothing and changes nothing.
type node interface{ eval(h Headers) Value }

// constant is a literal.
type constant Value

func (n constant) eval(Headers) Value { return Value(n) }

// header is the header of that name.
type header string

func (n header) eval(h Headers) Value { return h.Header(string(n)) }

// and is the conjunction of its nodes: FALSE if one is, else unknown if one is.
type and []node

func (n and) eval(h Headers) Value {
	result := OfBool(true)
	for _, of := range n {
		if result = both(result, of.eval(h)); result.is(false) {
			break
		}
	}
	return result
}

// or is the disjunction of its nodes: TRUE if one is, else unknown if one is.
type or []node

func (n or) eval(h Headers) Value {
	result := OfBool(false)
	for _, of := range n {
		if result = either(result, of.eval(h)); result.is(true) {
			break
		}
	}
	return result
}

// not is the negation of its node.
type not struct{ of node }

func (n not) eval(h Headers) Value { return opposite(n.of.eval(h)) }

// comparison is whether left stands in a relation to right.
type comparison struct {
	relation    relation
	left, right node
}

func (n comparison) eval(h Headers) Value {
	return compare(n.left.eval(h), n.relation, n.right.eval(h))
}

// between is [NOT] BETWEEN, which JMS defines as a pair of comparisons for either form.
type between struct {
	of, low, high node
	not           bool
}

func (n between) eval(h Headers) Value {
	of, low, high := n.of.eval(h), n.low.eval(h), n.high.eval(h)
	if n.not {
		return either(compare(of, less, low), compare(of, greater, high))
	}
	return both(compare(of, greater|equal, low), compare(of, less|equal, high))
}

// in is [NOT] IN.
type in struct {
	of   node
	list []string
	not  bool
}

func (n in) eval(h Headers) Value {
	v := n.of.eval(h)
	if v.kind != isText {
		return notText(v)
	}
	return OfBool(slices.Contains(n.list, v.text) != n.not)
}

// notText is the result of IN and LIKE, with NOT before them too, for a value that is not text.
func notText(v Value) Value {
	if v.kind == isUnknown {
		return Value{}
	}
	return OfBool(false)
}

// likeness is [NOT] LIKE.
type likeness struct {
	of      node
	pattern pattern
	not     bool
}

func (n likeness) eval(h Headers) Value {
	v := n.of.eval(h)
	if v.kind != isText {
		return notText(v)
	}
	return OfBool(n.pattern.match(v.text) != n.not)
}

// isNull is IS [NOT] NULL, which is never unknown.
type isNull struct {
	of  node
	not bool
}

func (n isNull) eval(h Headers) Value { return OfBool((n.of.eval(h).kind == isUnknown) != n.not) }

// calculation is a sum or a product, from the left to the right.
type calculation struct {
	first node
	rest  []step
}

type step struct {
	operator byte
	of       node
}

func (n calculation) eval(h Headers) Value {
	result := n.first.eval(h)
	for _, s := range n.rest {
		result = calculate(result, s.operator, s.of.eval(h))
	}
	return result
}
