//go:build linux && !netns

package faults

import "testing"

// around is m: these tests need no more than this machine.
func around(m *testing.M) runner { return m }
