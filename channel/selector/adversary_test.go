package selector_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sluice/channel/selector"
)

// repeated are texts made to have a parser try the same again and again: before is there once, middle as often as it fits, after once for each middle
// if it closes what was opened.
var repeated = []struct{ before, middle, after, end string }{
	{"", "a = 1 AND ", "", "b"},
	{"", "a OR NOT ", "", "b"},
	{"", "NOT ", "", "a"},
	{"a = ", "- + ", "", "1"},
	{"a = ", "-", "", ""},
	{"a = ", "1 + ", "", ""},
	{"", "a NOT ", "", ""},
	{"", "a IS ", "", ""},
	{"", "a BETWEEN ", "", ""},
	{"", "a BETWEEN b AND ", "", "c"},
	{"", "a BETWEEN b AND c AND ", "", "c"},
	{"a IN (", "'x', ", "", "'y')"},
	{"a IN (", "'x', ", "", ""},
	{"a IN (", "'x' ", "", ""},
	{"", "a IN (", "", ""},
	{"a LIKE '", "%_", "", "'"},
	{"a LIKE '", "''", "", "'"},
	{"a LIKE '", "''", "", ""},
	{"a LIKE 'x'", " ESCAPE '!'", "", ""},
	{"a = ", "1e", "", ""},
	{"a = ", "1", "", "x"},
	{"a = ", ".", "", ""},
	{"a = ", "0x", "", ""},
	{"", "a.", "", " = 1"},
	{"", "!", "", ""},
	{"", "'' ", "", ""},
	{"", "\"", "", ""},
	{"", " ", "", ""},
	{"", "(", ")", "a"},
	{"", "(", "", ""},
	{"", "(a = ", ")", "b"},
	{"", "(a = ", "", "b"},
	{"", "(NOT ", ")", "a b"},
	{"", "(a OR ", ")", "b IS"},
	{"", "(a + ", ")", "b NOT"},
	{"", "- (1 * ", ") = 1", "b"},
	{"", "(a BETWEEN ", " AND 1)", "b"},
	{"", "(a IN ", ")", "b"},
	{"", "(a NOT ", ")", "LIKE 'x'"},
}

// TestTimeIsBounded compiles each of them, with parentheses down to the last, and counts what is allocated, which grows with the work of the parser but
// not with that of other programs: four times the length must not be much more than four times the work.
func TestTimeIsBounded(t *testing.T) {
	for _, r := range repeated {
		build := func(quarters int) string {
			times := quarters * selector.MaxLength / 8 / (len(r.middle) + len(r.after)) // half of it is enough to tell
			if strings.Contains(r.middle, "(") {
				times = min(times, quarters*selector.MaxDepth/4)
			}
			return r.before + strings.Repeat(r.middle, times) + r.end + strings.Repeat(r.after, times)
		}
		quarter, whole := work(t, build(1)), work(t, build(4))
		if whole > 6*quarter+200 {
			t.Errorf("%.60q: four times the length allocates %v times, not %v", build(1), whole, quarter)
		}
	}
}

// TestTimeOfRubbish compiles words in any order, as long as may be.
func TestTimeOfRubbish(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	g := generator{rand.New(rand.NewPCG(seed, 0))}
	for range 20 {
		var text strings.Builder
		for text.Len() < selector.MaxLength-20 {
			text.WriteString(g.pick("a", "a", "1", "'x'", "(", "(", ")", "NOT", "AND", "OR", "=", "<", "-", "IN", "LIKE", "BETWEEN", "IS", "NULL", "ESCAPE", ",", "TRUE"))
			text.WriteByte(' ')
		}
		work(t, text.String())
	}
}

// work is how often compiling text allocates; it must end before patience does.
func work(t *testing.T, text string) float64 {
	t.Helper()
	start := time.Now()
	allocations := testing.AllocsPerRun(1, func() {
		_, err := selector.Compile(text)
		checkError(t, text, err)
	})
	if took := time.Since(start); took > 2*patience {
		t.Errorf("%.60q… took %v", text, took)
	}
	return allocations
}

// TestLikeDoesNotGoBack matches text that nearly fits everywhere with patterns that make a matcher which goes back take longer than there is time.
func TestLikeDoesNotGoBack(t *testing.T) {
	text := strings.Repeat("a", 1<<20)
	for _, pattern := range []string{
		strings.Repeat("%a", 1_000) + "%b",
		strings.Repeat("%a_", 1_000) + "%b",
		"%" + strings.Repeat("a", 3_000) + "b%",
		"%_" + strings.Repeat("a", selector.MaxPiece-2) + "b%",
		strings.Repeat("_", 3_000) + "%" + strings.Repeat("_", 900) + "b",
	} {
		start := time.Now()
		if match(t, "t LIKE '"+pattern+"'", headers{"t": text}) {
			t.Errorf("%.60q… matches", pattern)
		}
		if took := time.Since(start); took > patience {
			t.Errorf("%.60q… took %v", pattern, took)
		}
	}
}
