package config

import (
	"sort"
	"strings"
)

// suggest returns the known name nearest to name, or "" when none is near enough to be meant. Ties go to the first in the alphabet,
// so that the answer does not change from run to run.
func suggest(name string, known []string) string {
	if len(name) < 2 || len(name) > 64 || len(known) > 1000 {
		return ""
	}
	names := append([]string(nil), known...)
	sort.Strings(names)
	best, limit := "", 1+len(name)/8
	for _, k := range names {
		if k == name {
			continue
		}
		if d := distance(strings.ToLower(name), strings.ToLower(k), limit); d <= limit {
			best, limit = k, d-1
		}
	}
	return best
}

// distance is the number of single edits (insert, delete, replace, swap of neighbours) between a and b; more than limit is not counted exactly.
func distance(a, b string, limit int) int {
	if d := len(a) - len(b); d > limit || -d > limit {
		return limit + 1
	}
	before, last, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(last[j]+1, cur[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, last, cur = last, cur, before
	}
	return last[len(b)]
}
