package flexsession

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel/message"
)

// Of a client that goes on reporting the newest tries are kept, and no more than so many.
func TestFailoversAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		c := h.client(t)
		report := func(n, tries int) bool {
			return c.ReportFailover(Failover{Endpoint: fmt.Sprint(n), Tried: make([]Try, tries)}, false)
		}
		kept := func(want string) {
			t.Helper()
			var all []string
			for _, f := range c.Failovers() {
				all = append(all, fmt.Sprint(f.Endpoint, "×", len(f.Tried)))
			}
			if got := strings.Join(all, " "); got != want {
				t.Errorf("kept are %s, want %s", got, want)
			}
		}
		for n := range 6 {
			if took, want := report(n, 3), n < 4; took != want {
				t.Errorf("report %d: %v, want %v", n, took, want)
			}
		}
		kept("0×3 1×3 2×3 3×3")
		c.epoch++ // an attach
		report(6, 7)
		kept("1×3 2×3 3×3 6×7")
		report(7, 16)
		kept("7×16")
		if got := c.Facts().Failovers; len(got) != 1 {
			t.Errorf("the facts have %v", got)
		}
		c.End(Because(message.CodeAdministrator))
		if report(8, 1) {
			t.Error("a client that has ended reports")
		}
		if e, ok := h.registry.Ended(c.ID()); !ok || len(e.Failovers) != 1 || e.Cause.Code != message.CodeAdministrator || e.Cause.Incident == "" || !e.At.Equal(time.Now()) || e.Channel != "test" {
			t.Errorf("remembered is %+v", e)
		}
	})
}

// What waits for a login is shown by nobody before, and then at once or never.
func TestFailoversThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, wanted := range []bool{true, false} {
			c := newHouse(t, nil).client(t)
			if got := c.ShowFailovers(true); got != nil {
				t.Errorf("without a report: %v", got)
			}
			c.ReportFailover(Failover{Endpoint: "shown", Tried: make([]Try, 1)}, false)
			c.ReportFailover(Failover{Endpoint: "waits", Tried: make([]Try, 1)}, true)
			if got := c.Failovers(); len(got) != 1 || got[0].Endpoint != "shown" {
				t.Errorf("before the login: %v", got)
			}
			n := map[bool]int{true: 1}[wanted]
			if got := c.ShowFailovers(wanted); len(got) != n || len(c.Failovers()) != 1+n {
				t.Errorf("at the login: %v, %v", got, c.Failovers())
			}
			if got := c.ShowFailovers(true); len(got) != 0 {
				t.Errorf("a second time: %v", got)
			}
		}
	})
}
