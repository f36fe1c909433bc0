package main

import (
	"strings"
	"testing"
)

// A soak starts a server of its own, and what it does is not for other benches.
func TestSoakFlags(t *testing.T) {
	for _, args := range [][]string{
		{"bench", "--soak", "--idle"}, {"bench", "--soak", "--churn"}, {"bench", "--soak", "--url", "http://127.0.0.1:1"}, {"bench", "--seed", "1"},
	} {
		if code, _, errors := call(t, "", args...); code != 2 || !strings.Contains(errors, "--soak") {
			t.Errorf("%v: exit code %d, %s", args, code, errors)
		}
	}
}
