package selector_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sluice/channel/selector"
)

// headers are those of a test.
type headers map[string]any

func (h headers) Header(name string) selector.Value {
	switch v := h[name].(type) {
	case bool:
		return selector.OfBool(v)
	case int64:
		return selector.OfInt(v)
	case float64:
		return selector.OfFloat(v)
	case string:
		return selector.OfText(v)
	}
	return selector.Value{}
}

// TestAgainstNaive draws selectors, most of them right, and headers, and wants of both readings that they accept the same and find the same TRUE, FALSE
// and unknown.
func TestAgainstNaive(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	g := generator{rand.New(rand.NewPCG(seed, 0))}
	refused, results := 0, map[string]int{}
	const selectors, messages = 800, 10
	for range selectors {
		text := g.condition(4)
		if g.IntN(10) == 0 {
			text = g.damage(text)
		}
		if len(text) > selector.MaxLength/2 {
			continue
		}
		var hs []headers
		for range messages {
			hs = append(hs, g.headers())
		}
		found := check(t, text, hs...)
		for _, result := range found {
			results[result]++
		}
		if found == nil {
			refused++
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d refused, %v", refused, results)
	if refused < selectors/50 || refused > selectors/2 {
		t.Errorf("%d of %d were refused: the generator is not worth much", refused, selectors)
	}
	for _, result := range []string{yes, no, unknown} {
		if results[result] < selectors*messages/20 {
			t.Errorf("%d are %s: the generator is not worth much", results[result], result)
		}
	}
}

// check wants that both readings agree on a selector, and is what it yields of each message, or nil if they both refuse it. That of three results it is
// the same is told by asking for its negation and for IS NOT NULL too.
func check(t *testing.T, text string, hs ...headers) (results []string) {
	t.Helper()
	s, err := selector.Compile(text)
	eval, problem := naiveCompile(text)
	if (err == nil) != (eval != nil) {
		t.Errorf("%q\nis to Compile %v\nand naively %q", text, err, problem)
		return nil
	}
	if err != nil {
		return nil
	}
	negated, _ := selector.Compile("NOT (" + text + ")")
	known, _ := selector.Compile("(" + text + ") IS NOT NULL") // if it is nil: with another parenthesis it is too deep, or too long
	for _, h := range hs {
		value := eval(h)
		if got := s.Match(h); got != (value == true) {
			t.Errorf("%q\nmatches %v: %v, naively it is %v", text, h, got, value)
		}
		if known != nil {
			if got := negated.Match(h); got != (value == false) {
				t.Errorf("%q\nmatches %v: %v, naively what is negated is %v", negated, h, got, value)
			}
			if got := known.Match(h); got != (value != nil) {
				t.Errorf("%q\nmatches %v: %v, naively what is asked for is %v", known, h, got, value)
			}
		}
		switch value {
		case true:
			results = append(results, yes)
		case false:
			results = append(results, no)
		default:
			results = append(results, unknown)
		}
	}
	return results
}

func match(t *testing.T, text string, h headers) bool {
	t.Helper()
	s, err := selector.Compile(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return s.Match(h)
}

// generator draws what has edges: numbers near the bounds of their types and of exactness, text of few characters, names that have something and names
// that have nothing.
type generator struct{ *rand.Rand }

func (g generator) pick(of ...string) string { return of[g.IntN(len(of))] }

var (
	ints   = []int64{0, 1, -1, 2, 7, 1 << 53, 1<<53 + 1, -1<<53 - 1, math.MaxInt64, math.MinInt64, math.MaxInt64 - 1, math.MinInt64 + 1, 3037000500}
	floats = []float64{0, math.Copysign(0, -1), 0.5, -0.5, 1, 2.5, 1 << 53, 1<<53 + 2, 1 << 63, -1 << 63, 9.5e18, math.MaxFloat64, -math.MaxFloat64, 5e-324}
	texts  = []string{"", "a", "b", "ab", "aab", "abab", "é", "日本", "a%", "a_b", "it's", "12993"}
)

func (g generator) headers() headers {
	h := headers{}
	for _, name := range []string{"i", "j", "f", "t", "u", "b", "x", "y", "z.z"} {
		kind := name
		if strings.Contains("xyz.z", name) || g.IntN(12) == 0 {
			kind = g.pick("i", "f", "t", "b", "")
		}
		switch kind {
		case "i", "j":
			h[name] = ints[g.IntN(len(ints))]
		case "f":
			h[name] = floats[g.IntN(len(floats))]
		case "t", "u":
			h[name] = texts[g.IntN(len(texts))]
		case "b":
			h[name] = g.IntN(2) == 0
		}
	}
	return h
}

func (g generator) condition(depth int) string {
	if depth == 0 {
		return g.word(g.pick("b", "b", "x", "TRUE", "FALSE", "i = 1", "t = 'a'"))
	}
	d := depth - 1
	not := g.pick("", "", g.word("NOT")+" ")
	switch g.IntN(12) {
	case 0, 1:
		return g.join(g.condition(d), g.word("AND"), g.condition(d))
	case 2, 3:
		return g.join(g.condition(d), g.word("OR"), g.condition(d))
	case 4:
		return g.join(g.word("NOT"), g.condition(d))
	case 5:
		return g.join("(", g.condition(d), ")")
	case 6:
		return g.join(g.number(d), g.pick("=", "<>", "<", "<=", ">", ">="), g.number(d))
	case 7:
		return g.join(g.text(), g.pick("=", "<>"), g.text())
	case 8:
		return g.join(g.number(d), not+g.word("BETWEEN"), g.number(d), g.word("AND"), g.number(d))
	case 9:
		return g.join(g.text(), not+g.word("IN"), "(", g.literal(), ",", g.literal(), ")")
	case 10:
		like := g.join(g.text(), not+g.word("LIKE"), g.pattern())
		if g.IntN(3) == 0 {
			like = g.join(like, g.word("ESCAPE"), g.pick("'a'", "'%'", "'!'", "''''", "'é'"))
		}
		return like
	}
	of := g.pick(g.text(), g.number(d), "("+g.condition(d)+")")
	return g.join(of, g.word("IS"), g.pick("", g.word("NOT")), g.word("NULL"))
}

func (g generator) number(depth int) string {
	if depth == 0 || g.IntN(3) == 0 {
		switch g.IntN(5) {
		case 0:
			return fmt.Sprint(ints[g.IntN(len(ints))]) + g.pick("", "L")
		case 1:
			return fmt.Sprintf(g.pick("%g.", "%e", "%gd", "%.1f"), floats[g.IntN(8)])
		case 2:
			return g.pick("x", "y", "z.z", "missing", "t", "0x1F", ".5", "-9223372036854775808")
		}
		return g.pick("i", "j", "f")
	}
	switch g.IntN(4) {
	case 0:
		return g.join(g.pick("-", "+", "- -", "- - -", "-+"), g.number(depth-1))
	case 1:
		return g.join("(", g.number(depth-1), ")")
	}
	return g.join(g.number(depth-1), g.pick("+", "-", "*", "/"), g.number(depth-1))
}

func (g generator) text() string {
	return g.pick("t", "u", "t", "x", "y", "missing", g.literal(), "("+g.literal()+")")
}

func (g generator) literal() string {
	return "'" + strings.ReplaceAll(texts[g.IntN(len(texts))], "'", "''") + "'"
}

func (g generator) pattern() string {
	p := "'"
	for range g.IntN(5) {
		p += g.pick("a", "b", "%", "_", "%", "é", "''", "日")
	}
	return p + "'"
}

// word is a word in letters of any case, if it is a keyword.
func (g generator) word(w string) string {
	switch {
	case w != strings.ToUpper(w):
		return w
	case g.IntN(4) == 0:
		return strings.ToLower(w)
	case g.IntN(8) == 0:
		return w[:1] + strings.ToLower(w[1:])
	}
	return w
}

func (g generator) join(parts ...string) string {
	return strings.Join(parts, g.pick(" ", " ", "\n\t "))
}

// damage takes a character away, or doubles it, or puts another into its place.
func (g generator) damage(text string) string {
	r := []rune(text)
	at := g.IntN(len(r))
	other := g.pick("", string(r[at])+string(r[at]), g.pick("'", "(", ")", " ", "!", "\"", "5", "<", "=", " NOT ", "ſ", "\xff", "+"))
	return string(r[:at]) + other + string(r[at+1:])
}
