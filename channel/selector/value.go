package selector

import (
	"cmp"
	"math"
)

// Value is what a header has, or an expression yields: a boolean, an integer, a float, text, or, the zero Value, nothing that is known. Making
// one allocates nothing.
type Value struct {
	kind kind
	num  uint64 // of a boolean 0 or 1, of a number its bits
	text string
}

type kind uint8

const (
	isUnknown kind = iota
	isBool
	isInt
	isFloat
	isText
)

// OfBool is a boolean.
func OfBool(b bool) Value {
	if b {
		return Value{kind: isBool, num: 1}
	}
	return Value{kind: isBool}
}

// OfInt is an integer.
func OfInt(i int64) Value { return Value{kind: isInt, num: uint64(i)} }

// OfFloat is a float; what is not a finite number is unknown.
func OfFloat(f float64) Value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Value{}
	}
	return Value{kind: isFloat, num: math.Float64bits(f)}
}

// OfText is text, in UTF-8.
func OfText(s string) Value { return Value{kind: isText, text: s} }

// is says whether v is a boolean, and which.
func (v Value) is(b bool) bool { return v.kind == isBool && (v.num == 1) == b }

func (v Value) number() bool { return v.kind == isInt || v.kind == isFloat }

// float is a number as a float, the nearest where none is the same.
func (v Value) float() float64 {
	if v.kind == isInt {
		return float64(int64(v.num))
	}
	return math.Float64frombits(v.num)
}

// both is a AND b. What is not a boolean counts as unknown, here and in the two that follow.
func both(a, b Value) Value {
	switch {
	case a.is(false) || b.is(false):
		return OfBool(false)
	case a.is(true) && b.is(true):
		return OfBool(true)
	}
	return Value{}
}

// either is a OR b.
func either(a, b Value) Value { return opposite(both(opposite(a), opposite(b))) }

// opposite is NOT v.
func opposite(v Value) Value {
	if v.kind != isBool {
		return Value{}
	}
	return OfBool(v.is(false))
}

// relation is a set of orders: the bit 1<<(c+1) is for those where cmp.Compare is c.
type relation uint8

const (
	less relation = 1 << iota
	equal
	greater
	unequal = less | greater
)

var relations = map[string]relation{"=": equal, "<>": unequal, "<": less, "<=": less | equal, ">": greater, ">=": greater | equal}

// compare says whether a stands in the relation to b. Numbers have an order; text and booleans are equal or not; all else is FALSE.
func compare(a Value, r relation, b Value) Value {
	switch {
	case a.kind == isUnknown || b.kind == isUnknown:
		return Value{}
	case a.number() && b.number():
		return OfBool(r&(1<<(order(a, b)+1)) != 0)
	case a.kind == b.kind && r == equal:
		return OfBool(a == b)
	case a.kind == b.kind && r == unequal:
		return OfBool(a != b)
	}
	return OfBool(false)
}

// order compares two numbers exactly: no integer is rounded to a float, of which beyond 2^53 many are the nearest to the same.
func order(a, b Value) int {
	switch {
	case a.kind == isInt && b.kind == isInt:
		return cmp.Compare(int64(a.num), int64(b.num))
	case a.kind == isFloat && b.kind == isFloat:
		return cmp.Compare(a.float(), b.float())
	case a.kind == isFloat:
		return -order(b, a)
	}
	i, f := int64(a.num), b.float()
	const edge = 1 << 63
	switch {
	case f >= edge:
		return -1
	case f < -edge:
		return 1
	}
	trunk := math.Trunc(f)
	if c := cmp.Compare(i, int64(trunk)); c != 0 {
		return c
	}
	return cmp.Compare(0, f-trunk)
}

// calculate is the result of an operator: of two integers an integer as long as it fits, else a float.
func calculate(a Value, operator byte, b Value) Value {
	if !a.number() || !b.number() {
		return Value{}
	}
	if a.kind == isInt && b.kind == isInt {
		if v, fits := calculateInt(int64(a.num), operator, int64(b.num)); fits {
			return v
		}
	}
	x, y := a.float(), b.float()
	switch operator {
	case '+':
		return OfFloat(x + y)
	case '-':
		return OfFloat(x - y)
	case '*':
		return OfFloat(x * y)
	}
	return OfFloat(x / y) // by zero: not finite, so unknown
}

func calculateInt(x int64, operator byte, y int64) (v Value, fits bool) {
	switch operator {
	case '+':
		z := x + y
		return OfInt(z), (z > x) == (y > 0)
	case '-':
		z := x - y
		return OfInt(z), (z < x) == (y > 0)
	case '*':
		z := x * y
		return OfInt(z), y == 0 || z/y == x && (x != math.MinInt64 || y != -1)
	}
	if y == 0 {
		return Value{}, true
	}
	return OfInt(x / y), x != math.MinInt64 || y != -1
}
