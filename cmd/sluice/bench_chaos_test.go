package main

import (
	"strings"
	"testing"
)

// A chaos starts a server of its own, and how often clients switch is for nothing else.
func TestChaosFlags(t *testing.T) {
	for _, args := range [][]string{
		{"bench", "--chaos", "--idle"}, {"bench", "--chaos", "--churn"}, {"bench", "--chaos", "--soak"}, {"bench", "--chaos", "--url", "http://127.0.0.1:1"},
		{"bench", "--switches", "10"}, {"bench", "--seed", "1"},
	} {
		if code, _, errors := call(t, "", args...); code != 2 || !strings.Contains(errors, "--chaos") {
			t.Errorf("%v: exit code %d, %s", args, code, errors)
		}
	}
	if code, _, errors := call(t, "", "bench", "--chaos", "--switches", "0"); code != 2 || !strings.Contains(errors, "--switches") {
		t.Errorf("exit code %d, %s", code, errors)
	}
}
