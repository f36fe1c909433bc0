package selector_test

import (
	"strings"
	"testing"
	"time"

	"sluice/channel/selector"
)

// patience is far more than the slowest selector takes on a busy machine, and far less than one that takes a time which grows without measure.
const patience = 5 * time.Second

// FuzzCompile wants of any text that Compile takes it or refuses it in a bounded time, says where, and that what it takes matches as the naive
// reading says.
func FuzzCompile(f *testing.F) {
	for _, c := range cases {
		f.Add(c.text, int64(5), 2.5, "l_se")
	}
	for _, c := range wrong {
		f.Add(c.text, int64(-1), -0.5, "it's")
	}
	f.Fuzz(func(t *testing.T, text string, i int64, fl float64, s string) {
		start := time.Now()
		_, err := selector.Compile(text)
		if took := time.Since(start); took > patience {
			t.Errorf("%q took %v", text, took)
		}
		checkError(t, text, err)
		if len(text) > selector.MaxLength || nested(text) > selector.MaxDepth {
			return
		}
		s = strings.ToValidUTF8(s[:min(len(s), 1_000)], "?") // the naive matcher's table grows with it
		h := headers{"i": i, "prop2": i, "f": fl, "x": fl, "t": s, "word": s, "b": i%2 == 0, "prop3": true}
		if selector.OfFloat(fl) == (selector.Value{}) {
			delete(h, "f")
			delete(h, "x")
		}
		check(t, text, h)
	})
}

// nested is how deep parentheses stand within each other, outside text.
func nested(text string) int {
	depth, deepest := 0, 0
	for i, part := range strings.Split(text, "'") {
		if i%2 == 1 {
			continue
		}
		for _, r := range part {
			switch r {
			case '(':
				depth++
				deepest = max(deepest, depth)
			case ')':
				depth--
			}
		}
	}
	return deepest
}
