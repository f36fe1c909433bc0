package endpoint

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever comes from any number of addresses takes no more memory than is allowed for, and shuts nobody out.
func TestCountedAddressesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounter(100)
		window := time.Now().Truncate(time.Minute)
		for i := range 1000 {
			if i%300 == 299 {
				window = window.Add(time.Minute)
			}
			c.Increment(fmt.Sprint(i), window)
			if n := len(c.current) + len(c.last); n > 100 {
				t.Fatalf("%d counts after %d keys", n, i+1)
			}
			if now, _, _ := c.Get(fmt.Sprint(i), window, window.Add(-time.Minute)); now != 1 {
				t.Fatalf("key %d counts %d, want 1", i, now)
			}
		}

		g := NewGate(2, 100)
		for i := range 500 {
			if addr := fmt.Sprintf("10.0.%d.%d:1", i/250, i%250); !g.NewSession(addr) {
				t.Fatalf("%s was shut out", addr)
			}
		}
	})
}

// Counts of the minute before give way first, and those of the minute before that are gone.
func TestOlderCountsGiveWay(t *testing.T) {
	c := newCounter(4)
	first := time.Unix(600, 0)
	second, third := first.Add(time.Minute), first.Add(2*time.Minute)
	for _, key := range []string{"a", "b", "c"} {
		c.Increment(key, first)
	}
	for range 2 {
		c.Increment("x", second)
	}
	if n := len(c.last); n != 3 {
		t.Errorf("%d counts of the minute before, want 3", n)
	}
	c.Increment("y", second)
	c.Increment("z", second)
	if now, _, _ := c.Get("x", second, first); now != 2 || len(c.last) != 1 {
		t.Errorf("x counts %d, want 2; %d counts of the minute before, want 1", now, len(c.last))
	}
	if now, then, _ := c.Get("x", third, second); now != 0 || then != 2 {
		t.Errorf("a minute later: %d and %d, want 0 and 2", now, then)
	}
	if now, then, _ := c.Get("x", third.Add(time.Minute), third); now != 0 || then != 0 {
		t.Errorf("two minutes later: %d and %d, want 0 and 0", now, then)
	}
	c.Increment("x", third.Add(time.Minute))
	if len(c.current) != 1 || len(c.last) != 0 {
		t.Errorf("after a silent minute: %v and %v", c.current, c.last)
	}
}
