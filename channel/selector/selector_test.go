package selector_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"sluice/channel/selector"
)

// message has a header of each type.
var message = headers{
	"country": "UK", "phone": "12993", "word": "lose", "prop1": "bob", "prop2": int64(6), "prop3": true, "notnullprop": "", // of the QA tests of BlazeDS
	"i": int64(5), "f": 2.5, "whole": 5.0, "t": "text", "no": false, "empty": "", "quoted": "it's", "japanese": "日本語", "$x_1.y": int64(1), "Ünï": int64(2),
	"big": int64(1<<53 + 1), "nearBig": float64(1 << 53), "min": int64(math.MinInt64), "max": int64(math.MaxInt64), "edge": float64(1 << 63),
}

const (
	yes     = "TRUE"
	no      = "FALSE"
	unknown = "unknown"
)

var cases = []struct{ text, want string }{
	// The QA tests of BlazeDS.
	{"country IN ('UK','US','FR')", yes},
	{"phone LIKE '12%3' AND word LIKE 'l_se'", yes},
	{"prop1 = 'bob' AND prop2 >= 4", yes},
	{"nullprop IS NULL AND notnullprop IS NOT NULL", yes},
	{"prop2 BETWEEN 5 AND 10", yes},
	{"prop3 = true", yes},
	{"prop2 > 5 AND prop2 < 10", yes},

	// Literals and names.
	{"quoted = 'it''s'", yes},
	{"empty = ''", yes},
	{"'''' = ''''", yes},
	{"TRUE", yes},
	{"false", no},
	{"prop3", yes},
	{"no", no},
	{"i", unknown}, // no condition
	{"NOT t", unknown},
	{"$x_1.y = 1 AND Ünï = 2", yes},
	{"I = 5", unknown}, // names are case-sensitive
	{"i = 5L AND i = 0x5 AND i = 5. AND i = 5.0 AND i = .5e1 AND i = 50E-1 AND i = 5d AND i = 5.0F AND i = +5", yes},
	{"min = -9223372036854775808 AND max = 9223372036854775807 AND min = - 0x8000000000000000", yes},
	{"f = 25e-1 AND f = +2.5 AND f = - -2.5", yes},
	{"japanese = '日本語'", yes},
	{"\t\r\n\fi\n=\t5 ", yes},

	// Words in any case; what only begins like one is a name.
	{"i bEtWeEn 5 aNd 5 Or NoT tRuE", yes},
	{"order = 1 OR android = 1 OR is_x = 1 OR in.stock = 1 OR notify = 1 OR ORé = 1 OR NOT$ = 1 OR null.x = 1", unknown},
	{"ın = 1 OR lıke = 1 OR ıſ = 1 OR IſNULL = 1", unknown},
	{"i=5AND f=2.5OR no", yes},

	// Comparisons of numbers, exact across their types.
	{"i = 5", yes}, {"i = 6", no}, {"i <> 5", no}, {"i <> 6", yes},
	{"i < 6", yes}, {"i < 5", no}, {"i <= 5", yes}, {"i <= 4", no},
	{"i > 4", yes}, {"i > 5", no}, {"i >= 5", yes}, {"i >= 6", no},
	{"i = whole", yes}, {"i <> whole", no}, {"f < i", yes}, {"i < f", no}, {"f > 2", yes}, {"-f < -2", yes}, {"-f > -3", yes},
	{"big = nearBig", no}, {"big > nearBig", yes}, {"nearBig < big", yes}, {"big <> 9007199254740992.", yes}, {"big - 1 = nearBig", yes},
	{"max < edge", yes}, {"edge > max", yes}, {"max = edge", no}, {"min = -edge", yes}, {"min >= -edge", yes}, {"min > -9.3e18", yes}, {"-0. = 0", yes},

	// Of text and of booleans.
	{"t = 'text'", yes}, {"t = 'Text'", no}, {"t <> 'text'", no}, {"t <> 'Text'", yes},
	{"prop3 = TRUE", yes}, {"prop3 = FALSE", no}, {"prop3 <> no", yes}, {"no <> FALSE", no}, {"(i = 5) = prop3", yes},

	// Of what cannot be compared: FALSE, whatever the operator; of what is absent: unknown.
	{"t = 5", no}, {"t <> 5", no}, {"t < 5", no}, {"t >= 5", no}, {"i = 'x'", no}, {"i <> 'x'", no}, {"i = TRUE", no}, {"prop3 <> 'x'", no},
	{"t < country", no}, {"t >= t", no}, {"prop3 <= no", no}, {"NOT t = 5", yes},
	{"t BETWEEN 1 AND 5", no}, {"t NOT BETWEEN 1 AND 5", no}, {"i IN ('5')", no}, {"i NOT IN ('5')", no}, {"i LIKE '5'", no}, {"i NOT LIKE '5'", no},
	{"nil = 5", unknown}, {"nil <> 5", unknown}, {"5 < nil", unknown}, {"nil = nil", unknown}, {"nil = t", unknown}, {"nil BETWEEN 1 AND 2", unknown},
	{"nil IN ('a')", unknown}, {"nil NOT IN ('a')", unknown}, {"nil LIKE '%'", unknown}, {"nil NOT LIKE '%'", unknown}, {"nil", unknown},

	// BETWEEN, IN, LIKE, IS NULL.
	{"i BETWEEN 5 AND 5", yes}, {"i BETWEEN 6 AND 9", no}, {"i BETWEEN 1 AND 4", no}, {"i BETWEEN 9 AND 1", no}, {"i NOT BETWEEN 6 AND 9", yes},
	{"i NOT BETWEEN 5 AND 5", no}, {"f BETWEEN 2 AND i", yes}, {"i BETWEEN f + 1 AND f * 3 AND TRUE", yes},
	{"i BETWEEN nil AND 4", no}, {"i BETWEEN nil AND 5", unknown}, {"i NOT BETWEEN nil AND 4", yes}, {"i NOT BETWEEN 6 AND nil", yes},
	{"t IN ('text')", yes}, {"t IN ('a', 'text', 'it''s')", yes}, {"t IN ('Text')", no}, {"t NOT IN ('a')", yes}, {"t NOT IN ('a', 'text')", no},
	{"t LIKE 'text'", yes}, {"t LIKE 'tex'", no}, {"t LIKE 't%'", yes}, {"t NOT LIKE 't%'", no}, {"t NOT LIKE 'x'", yes}, {"t LIKE 'T%'", no},
	{"nil IS NULL", yes}, {"nil IS NOT NULL", no}, {"t IS NULL", no}, {"t IS NOT NULL", yes}, {"(nil = 1) IS NULL", yes}, {"nil + 1 IS NULL", yes},
	{"NOT nil IS NULL", no}, {"NOT t LIKE 'x' AND TRUE", yes},

	// Arithmetic.
	{"i + 1 = 6 AND i - 1 = 4 AND i * 2 = 10 AND i / 2 = 2 AND i / 2. = f AND -i = -5 AND - -i = i AND - - -i = -5 AND +i = i", yes},
	{"2 + 3 * 4 = 14 AND (2 + 3) * 4 = 20 AND 10 - 3 - 2 = 5 AND 100 / 10 / 2 = 5 AND 2 * 3 / 4 = 1 AND 7 - -2 = 9 AND 7-2 = 5 AND 1 - (2 - 3) = 2", yes},
	{"-7 / 2 = -3 AND 7 / -2 = -3", yes}, // as in Java, not as with a floor
	{"i / 0 = 1", unknown}, {"f / 0 = 1", unknown}, {"0. / 0. IS NULL", yes}, {"1.7e308 * 10 IS NULL", yes},
	{"max + 1 = edge", yes}, {"max + 1 > max", yes}, {"min - 1 < 0 AND -1 + min < 0", yes}, {"max * 2 > max", yes}, {"-min = edge", yes}, {"min / -1 = edge", yes}, {"min * -1 = edge", yes},
	{"-1 * min = edge", yes}, {"0 - min = edge", yes}, {"-1 - min = max AND min - min = 0 AND min * 0 = 0 AND max - max = 0 AND -max - 1 = min", yes},
	{"3037000500 * 3037000500 > max", yes},
	{"t + 1 = 2", unknown}, {"-t = 1", unknown}, {"+t = 'text'", ""}, {"+t = t", unknown}, {"prop3 * 1 = 1", unknown}, {"nil + 1 = 1", unknown},

	// Precedence.
	{"TRUE OR FALSE AND FALSE", yes}, {"(TRUE OR FALSE) AND FALSE", no}, {"NOT FALSE AND FALSE", no}, {"NOT (FALSE AND FALSE)", yes},
	{"NOT FALSE OR TRUE", yes}, {"NOT NOT TRUE", yes}, {"NOT NOT NOT TRUE", no}, {"NOT NOT i IS NULL", no}, {"(NOT NOT i) IS NULL", yes}, {"NOT i = 6", yes},
	{"i + 1 > 5 AND NOT f > i - 1", yes}, {"TRUE AND TRUE AND TRUE AND FALSE", no}, {"FALSE OR FALSE OR TRUE", yes},
}

func TestMatch(t *testing.T) {
	for _, c := range cases {
		if c.want == "" { // refused; for the fuzzer
			continue
		}
		if got := result(t, c.text, message); got != c.want {
			t.Errorf("%s: %s, want %s", c.text, got, c.want)
		}
		if got := check(t, c.text, message); !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s: naively %s, want %s", c.text, got, c.want)
		}
	}
}

// result is which of the three a selector is of a message.
func result(t *testing.T, text string, h headers) string {
	t.Helper()
	true_, false_ := match(t, text, h), match(t, "NOT ("+text+")", h)
	switch {
	case true_ && false_:
		t.Errorf("%s: TRUE and FALSE", text)
	case true_:
		return yes
	case false_:
		return no
	}
	return unknown
}

// TestTruthTables is tables 3-4 to 3-6 of JMS 1.1 (section 3.8.1.2), whole; a header that is no boolean is one more way to be unknown.
func TestTruthTables(t *testing.T) {
	operands := map[string][]string{yes: {"TRUE", "b"}, no: {"FALSE", "c"}, unknown: {"absent", "number"}}
	h := headers{"b": true, "c": false, "number": int64(1)}
	for _, row := range []struct{ a, b, and, or string }{
		{yes, yes, yes, yes},
		{yes, no, no, yes},
		{yes, unknown, unknown, yes},
		{no, yes, no, yes},
		{no, no, no, no},
		{no, unknown, no, unknown},
		{unknown, yes, unknown, yes},
		{unknown, no, no, unknown},
		{unknown, unknown, unknown, unknown},
	} {
		for _, a := range operands[row.a] {
			for _, b := range operands[row.b] {
				for operator, want := range map[string]string{"AND": row.and, "OR": row.or} {
					if text := fmt.Sprintf("%s %s %s", a, operator, b); result(t, text, h) != want {
						t.Errorf("%s is not %s", text, want)
					}
				}
			}
		}
	}
	for a, want := range map[string]string{yes: no, no: yes, unknown: unknown} {
		for _, operand := range operands[a] {
			if text := "NOT " + operand; result(t, text, h) != want {
				t.Errorf("%s is not %s", text, want)
			}
		}
	}
}

func TestLike(t *testing.T) {
	for _, c := range []struct {
		s, pattern string // as behind LIKE
		want       bool
	}{
		{"", "''", true}, {"a", "''", false}, {"", "'%'", true}, {"", "'_'", false}, {"", "'%%'", true}, {"a", "'%%%'", true},
		{"12993", "'12%3'", true}, {"123", "'12%3'", true}, {"1234", "'12%3'", false}, {"12", "'12%2'", false},
		{"lose", "'l_se'", true}, {"loose", "'l_se'", false}, {"lse", "'l_se'", false},
		{"abcabd", "'%abd'", true}, {"aab", "'%ab'", true}, {"aaab", "'%aab%'", true}, {"abab", "'%ab'", true}, {"aba", "'ab%ba'", false}, {"aba", "'a%b%a'", true},
		{"mississippi", "'m%iss%ip%i'", true}, {"mississippi", "'m%iss%iss%iss%'", false}, {"mississippi", "'%p_s%'", false}, {"mississippi", "'%i__i%'", true},
		{"日本語", "'___'", true}, {"日本語", "'__'", false}, {"日本語", "'%_語'", true}, {"日本語", "'_本%'", true}, {"日本語", "'日%'", true}, {"日本語", "'%_日%'", false}, {"é", "'_'", true}, {"日本語", "'%本_'", true}, {"日本語", "'%日_'", false},
		{"日本語", "'%_本_%'", true}, {"a", "'%_%'", true}, {"", "'%_%'", false}, {"é本", "'%_b%'", false}, {"日b", "'%__b%'", false},
		{"a\nb", "'a_b'", true}, {"a\nb", "'a%b'", true}, {"A", "'a'", false}, {"it's", "'it''s'", true},
		{"_foo", "'\\_%' ESCAPE '\\'", true}, {"bar", "'\\_%' ESCAPE '\\'", false}, // the examples of JMS
		{"50%", "'50!%' ESCAPE '!'", true}, {"500", "'50!%' ESCAPE '!'", false}, {"!", "'!!' ESCAPE '!'", true}, {"a", "'!a' ESCAPE '!'", true}, {"\\_", "'\\_'", true}, {"\\x", "'\\_'", true},
		{"%", "'%%' ESCAPE '%'", true}, {"x", "'%%' ESCAPE '%'", false}, {"'x", "'''''_' ESCAPE ''''", true}, {"x", "'''''_' ESCAPE ''''", false}, {"_", "'é_' ESCAPE 'é'", true},
	} {
		text := "t LIKE " + c.pattern
		if got := match(t, text, headers{"t": c.s}); got != c.want {
			t.Errorf("%q %s: %v", c.s, text, got)
		}
		check(t, text, headers{"t": c.s})
	}
}

// TestFloatsThatAreNone has a header that no number of JSON gives, but a program may.
func TestFloatsThatAreNone(t *testing.T) {
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if selector.OfFloat(f) != (selector.Value{}) {
			t.Errorf("%v is known", f)
		}
	}
}

func TestString(t *testing.T) {
	const text = " i  = 5\n"
	s, err := selector.Compile(text)
	if err != nil || s.String() != text {
		t.Fatalf("%q, %v", s, err)
	}
}

// TestShared compiles and matches with one Selector from many goroutines, for the race detector.
func TestShared(t *testing.T) {
	shared, err := selector.Compile("t LIKE 't%' AND i * 2 = 10 AND country IN ('UK', 'US')")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				own, err := selector.Compile(strings.ToLower(cases[0].text) + " OR country = 'UK'")
				if err != nil || !own.Match(message) || !shared.Match(message) {
					t.Errorf("no match, or %v", err)
				}
			}
		})
	}
	wg.Wait()
}

// TestMatchAllocatesNothing matches with each of the cases.
func TestMatchAllocatesNothing(t *testing.T) {
	h := asValues(message)
	for _, c := range cases {
		s, err := selector.Compile(c.text)
		if err != nil {
			continue
		}
		if allocated := testing.AllocsPerRun(100, func() { s.Match(h) }); allocated != 0 {
			t.Errorf("%s: %v allocations", c.text, allocated)
		}
	}
}

// values are headers whose look-up does nothing but look up.
type values map[string]selector.Value

func (v values) Header(name string) selector.Value { return v[name] }

func asValues(h headers) values {
	v := values{}
	for name := range h {
		v[name] = h.Header(name)
	}
	return v
}
