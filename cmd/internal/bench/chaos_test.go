package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/channel/client"
	"sluice/cmd/internal/config"
)

// The whole chaos is run by .ci/test against a server of its own; these are tests of what it does and of what it judges by.

// The chaos in miniature: all pairs of channels and all ways, and nothing is lost.
func TestChaos(t *testing.T) {
	url := startServerWith(t, chaosConfig)
	c, err := newChaos(ChaosOptions{URL: url, Internal: "none", Seed: 1, Rovers: 10, Programs: 2, Rate: 400})
	if err != nil {
		t.Fatal(err)
	}
	defer c.http.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
	defer cancel()
	var running sync.WaitGroup
	leave, err := c.settleIn(ctx, &running)
	if err != nil {
		t.Fatal(err)
	}
	c.phase.Store(phaseBusy)
	for switches := 200; switches <= 4000; switches += 200 { // until there was one of each, if that is ever so
		if c.reign(ctx, switches); c.everyWay() || c.faulty() {
			break
		}
	}
	c.phase.Store(phaseQuiet)
	for !c.faulty() && ctx.Err() == nil && (!c.still() || c.heard() != nil) {
		sleepUntil(ctx, time.Now().Add(10*time.Millisecond))
	}
	c.phase.Store(phaseOver)
	running.Wait()
	leave()
	if err := c.heard(); err != nil {
		t.Error(err)
	}
	if len(c.faults) > 0 {
		t.Error(c.faults)
	}
	if !c.everyWay() || c.tally.inFlight.Load() == 0 || c.tally.thrown.Load() == 0 || c.tally.repeated.Load() == 0 || c.tally.up.Load() == 0 || c.tally.down.Load() == 0 {
		t.Errorf("not everything was done: %+v", &c.tally)
	}
}

// everyWay tells whether each way and each pair of channels was gone.
func (c *chaos) everyWay() bool {
	for i := range c.tally.ways {
		if c.tally.ways[i].Load() == 0 {
			return false
		}
	}
	for from := range c.tally.switches {
		for to := range c.tally.switches[from] {
			if from != to && c.tally.switches[from][to].Load() == 0 {
				return false
			}
		}
	}
	return true
}

// quiet is a report of a server that has stood it.
func quiet(t *testing.T) *ChaosReport {
	t.Helper()
	c, err := newChaos(ChaosOptions{URL: "http://localhost:1", Internal: "none", Switches: 600, Rovers: 4, Programs: 1})
	if err != nil {
		t.Fatal(err)
	}
	v := func() *vitals {
		return &vitals{Heap: 1 << 20, Goroutines: 12, Descriptors: 20, ends: make(map[endKey]int), books: make(map[string]map[string]int)}
	}
	r := &ChaosReport{chaos: c, base: v(), end: v(), Heaps: []float64{1 << 20, 1.04 * (1 << 20)}, Seconds: 2, Up: 2 * 1250, Down: 2 * 1250}
	for from := range soakChannels {
		for to := range soakChannels {
			if from != to {
				c.tally.switches[from][to].Store(100)
			}
		}
	}
	c.tally.inFlight.Store(300)
	for g := range chaosGroups {
		c.driven[g].Store(1)
	}
	for i, e := range c.ears[:len(c.ears)-1] {
		e.hear(stamp{i % chaosGroups, 1, 1})
	}
	return r
}

func TestChaosVerdict(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(r *ChaosReport)
		want  string
	}{
		"nothing":  {func(*ChaosReport) {}, ""},
		"a loss":   {func(r *ChaosReport) { r.chaos.driven[1].Add(1) }, "for the clients, 1 messages were lost"},
		"a double": {func(r *ChaosReport) { r.chaos.ears[2].hear(stamp{2, 1, 1}) }, "0 messages were lost, 1 doubled"},
		"disorder": {func(r *ChaosReport) {
			r.chaos.driven[3].Store(3)
			e := r.chaos.ears[3]
			e.hear(stamp{3, 3, 1})
			e.hear(stamp{3, 2, 1})
		}, "1 out of order"},
		"another's":  {func(r *ChaosReport) { r.chaos.ears[0].hear(stamp{1, 1, 1}) }, "1 strange"},
		"a loss up":  {func(r *ChaosReport) { r.chaos.published[0].Add(1) }, "published by the clients, 1 messages were lost"},
		"memory":     {func(r *ChaosReport) { r.Heaps[1] = 1.06 * (1 << 20) }, "the heap has grown"},
		"a client":   {func(r *ChaosReport) { r.end.Clients = 1 }, "after everyone has gone there are left"},
		"a fault":    {func(r *ChaosReport) { r.chaos.fail("a rover", errors.New("it broke")) }, "a rover, 1 times; first: it broke"},
		"too few":    {func(r *ChaosReport) { r.chaos.tally.switches[0][1].Add(-1) }, "only 599 switches of 600"},
		"a few":      {func(r *ChaosReport) { s := &r.chaos.tally.switches; s[2][1].Add(-41); s[1][2].Add(41) }, "only 59 switches from longpoll to streaming"},
		"no traffic": {func(r *ChaosReport) { r.chaos.tally.inFlight.Add(-1) }, "only 299 switches had something unconfirmed both ways"},
		"slow up":    {func(r *ChaosReport) { r.Up = 2*1000 - 2 }, "only 999 messages a second up"},
		"slow down":  {func(r *ChaosReport) { r.Down = 2*1000 - 2 }, "999 down"},
		"a machine that stood still": {func(r *ChaosReport) {
			r.Up = 1
			r.chaos.stalls.longest.Store(int64(2 * time.Second))
		}, "none: this machine has let nothing run for 2s"},
		"a client that failed on a machine that stood still": {func(r *ChaosReport) {
			r.chaos.ears[1].failed.Store(true)
			r.chaos.driven[1].Add(1)
			r.chaos.ears[5].hear(stamp{1, 1, 1}) // it was on its way
			r.chaos.fail("a rover", errors.New("it was ended"))
			r.chaos.stalls.longest.Store(int64(2 * time.Second))
		}, "none: this machine has let nothing run for 2s"},
		"a loss on a machine that stood still": {func(r *ChaosReport) {
			r.chaos.driven[1].Add(1)
			r.chaos.stalls.longest.Store(int64(2 * time.Second))
		}, "failed, 1 faults"},
	} {
		t.Run(name, func(t *testing.T) {
			r := quiet(t)
			c.spoil(r)
			r.judge()
			var text bytes.Buffer
			if err := r.Write(&text); err != nil {
				t.Fatal(err)
			}
			if r.Passed() != (c.want == "") || !strings.Contains(text.String(), c.want) || strings.Contains(text.String(), "passed") != r.Passed() {
				t.Errorf("want %q:\n%s", c.want, &text)
			}
			if r.NoVerdict() != strings.HasPrefix(c.want, "none") {
				t.Errorf("no verdict: %v", r.NoVerdict())
			}
			if c.want != "" && len(r.Faults) != 1 {
				t.Errorf("want one fault: %q", r.Faults)
			}
		})
	}
}

// The books must have all that was heard, and nothing else.
func TestChaosBooks(t *testing.T) {
	c := quiet(t).chaos // five have heard a message
	balanced := func() map[string]int {
		return map[string]int{"accepted": 5, "sent": 5, "merged": 0, "expired": 0, "dropped": 0, "abandoned": 0, "waiting": 0}
	}
	v := &vitals{books: map[string]map[string]int{chaosDestination: balanced()}}
	if err := c.unbalanced(v); err != nil {
		t.Error(err)
	}
	for what := range balanced() {
		for name, spoil := range map[string]func(book map[string]int){
			"one more":      func(book map[string]int) { book[what]++ },
			"nothing of it": func(book map[string]int) { delete(book, what) },
		} {
			book := balanced()
			spoil(book)
			v.books[chaosDestination] = book
			if c.unbalanced(v) == nil {
				t.Errorf("%s: %s passed", what, name)
			}
		}
	}
}

// The clients know the times by heart, and their window must be one that fills and that a switch can find full.
func TestChaosConfig(t *testing.T) {
	cfg, _, err := config.Parse(configFile, chaosConfig, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cfg.Channels {
		if c.Kind != "websocket" && c.SessionTimeout != chaosSession || c.ReliableReconnectDuration < 2*stallLimit {
			t.Errorf("%+v", c)
		}
		if fmt.Sprint(client.Kind(c.ID)) != string(c.Kind) {
			t.Errorf("%s is a %s", c.ID, c.Kind)
		}
	}
	if h := cfg.FlexClient.HeartbeatInterval; h != chaosHeartbeat {
		t.Errorf("heartbeats each %v", h)
	}
}
