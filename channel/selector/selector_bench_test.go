package selector_test

import (
	"strings"
	"testing"

	"sluice/channel/selector"
)

var benchmarks = []struct{ name, text string }{
	{"one", "prop2 > 5"},
	{"typical", "country IN ('UK','US','FR') AND prop2 BETWEEN 5 AND 10 AND phone LIKE '12%3'"},
	{"longest", strings.Repeat("prop2*2+1 > 5 AND ", 200) + "prop3"},
	{"deepest", strings.Repeat("(", selector.MaxDepth) + "prop3" + strings.Repeat(")", selector.MaxDepth)},
}

func BenchmarkMatch(b *testing.B) {
	h := asValues(message)
	for _, bm := range benchmarks {
		b.Run(bm.name, func(b *testing.B) {
			s, err := selector.Compile(bm.text)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if !s.Match(h) {
					b.Fatal("no match")
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, bm := range benchmarks {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := selector.Compile(bm.text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkLike is long text that nearly matches everywhere.
func BenchmarkLike(b *testing.B) {
	h := values{"t": selector.OfText(strings.Repeat("a", 10_000))}
	for _, pattern := range []string{"%aaaaab%", "%aa_aab%", "%a%a%a%a%b"} {
		b.Run(pattern, func(b *testing.B) {
			s, err := selector.Compile("t NOT LIKE '" + pattern + "'")
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if !s.Match(h) {
					b.Fatal("no match")
				}
			}
		})
	}
}
