package endpoint

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestNewSessionsPerAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(3, 0)
		take := func(addr string, want ...bool) {
			t.Helper()
			for i, want := range want {
				if got := g.NewSession(addr); got != want {
					t.Errorf("session %d of %s: %v, want %v", i+1, addr, got, want)
				}
			}
		}
		take("192.0.2.1:1000", true, true, true, false)
		take("192.0.2.1:2000", false) // another port is the same address
		take("192.0.2.1", false)
		take("192.0.2.2:1000", true)
		take("[2001:db8:1:2::1]:1000", true, true)
		take("[2001:db8:1:2:ffff::9]:1000", true, false) // the same /64
		take("[2001:db8:1:3::1]:1000", true)
		time.Sleep(2 * time.Minute)
		take("192.0.2.1:1000", true, true, true, false)
	})
}

func TestGateWithoutALimit(t *testing.T) {
	g := NewGate(-1, 0)
	for i := range 1000 {
		if !g.NewSession("192.0.2.1:1") {
			t.Fatal(fmt.Sprint("refused at ", i))
		}
	}
}
