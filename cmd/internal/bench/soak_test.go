package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel/message"
	"sluice/cmd/internal/config"
)

// The whole soak is run by .ci/test against a server of its own; these are tests of what it judges by.

// passing is a report of a server that has done all as it should.
func passing() *SoakReport {
	v := func() *vitals {
		return &vitals{Heap: 1 << 20, Goroutines: 12, Descriptors: 20, ends: make(map[endKey]int)}
	}
	r := &SoakReport{base: v(), end: v(), Heaps: []float64{1 << 20, 1.04 * (1 << 20), 0.5 * (1 << 20)}}
	r.soak = &soak{world: &world{ends: make(map[int]int)}, paid: make(map[string]int), published: make([]atomic.Uint32, 1)}
	for _, code := range mustEnd {
		r.end.ends[endKey{"client", fmt.Sprint(int(code)), code.Info().Name}] = 3
	}
	r.soak.connected.Store(int64(r.end.ended("client")))
	return r
}

func TestSoakVerdict(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(r *SoakReport)
		want  string
	}{
		"nothing":      {func(*SoakReport) {}, ""},
		"a client":     {func(r *SoakReport) { r.end.Clients = 1 }, "after everyone has gone there are left"},
		"a record":     {func(r *SoakReport) { r.end.Records = 1 }, "after everyone has gone there are left"},
		"a goroutine":  {func(r *SoakReport) { r.end.Goroutines++ }, "leaked"},
		"a descriptor": {func(r *SoakReport) { r.end.Descriptors++ }, "leaked"},
		"a timer":      {func(r *SoakReport) { r.end.Timers++ }, "leaked"},
		"a message": {func(r *SoakReport) {
			r.end.books = map[string]map[string]int{"chat": {"accepted": 3, "sent": 1, "abandoned": 1, "waiting": 0}}
		}, "the books of chat do not balance"},
		"a waiting message": {func(r *SoakReport) {
			r.end.books = map[string]map[string]int{"chat": {"accepted": 3, "sent": 1, "abandoned": 1, "waiting": 1}}
		}, "the books of chat do not balance"},
		"memory":           {func(r *SoakReport) { r.Heaps[2] = 1.06 * (1 << 20) }, "the heap has grown"},
		"no code":          {func(r *SoakReport) { r.end.ends[endKey{"client", "0", "internal"}] = 2 }, `2 times a client ended with "0" "internal"`},
		"a wrong name":     {func(r *SoakReport) { r.end.ends[endKey{"session", "4000", "unknown"}] = 1 }, `1 times a session ended with "4000" "unknown"`},
		"a client's code":  {func(r *SoakReport) { r.end.ends[endKey{"client", "4029", "offline"}] = 1 }, "unexplained"},
		"an internal code": {func(r *SoakReport) { r.end.ends[endKey{"client", "4550", "internal"}] = 1 }, "unexplained"},
		"a failed request": {func(r *SoakReport) { r.end.internal = 1 }, "failed 1 requests"},
		"a missing code": {func(r *SoakReport) {
			maps.DeleteFunc(r.end.ends, func(e endKey, _ int) bool { return e.Code == "4004" })
			r.soak.connected.Store(0)
		}, "nothing has ended by 4004 displaced"},
		"a client without end": {func(r *SoakReport) { r.soak.connected.Add(1) }, "have ended"},
		"a visit":              {func(r *SoakReport) { r.soak.fail("polite", errors.New("it broke")) }, "polite, 1 times; first: it broke"},
		"a machine that stood still": {func(r *SoakReport) {
			r.soak.fail("polite", errors.New("it broke"))
			r.soak.stalls.longest.Store(int64(2 * time.Second))
		}, "none: this machine has let nothing run for 2s"},
		"the log": {func(r *SoakReport) {
			r.soak.opts.Log = &ServerLog{To: io.Discard}
			io.WriteString(r.soak.opts.Log, `{"level":"warn"}`+"\n"+`{"level":"err`)
			io.WriteString(r.soak.opts.Log, `or","message":"it broke"}`+"\n")
		}, `{"level":"error","message":"it broke"}`},
	} {
		t.Run(name, func(t *testing.T) {
			r := passing()
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

const someMetrics = `# HELP go_goroutines Number of goroutines that currently exist.
go_goroutines 14
go_memstats_heap_alloc_bytes 1.5e+06
process_open_fds 9
sluice_clients 3
sluice_connections{endpoint="websocket"} 2
sluice_connections{endpoint="longpoll"} 1
sluice_sessions{endpoint="websocket"} 2
sluice_subscriptions 4
sluice_records 5
sluice_timers 6
sluice_ends_total{code="4000",name="client-disconnect",what="client"} 7
sluice_refusals_total{code="4550",name="internal"} 8
`

func TestReadVitals(t *testing.T) {
	v, err := readVitals(strings.NewReader(someMetrics))
	if err != nil {
		t.Fatal(err)
	}
	if got := v.String(); got != "3 connections, 2 sessions, 3 clients, 4 subscriptions, 5 records, 6 timers, 14 goroutines, 9 descriptors" {
		t.Error(got)
	}
	if v.Heap != 1.5e6 || v.internal != 8 || v.ended("client") != 7 || v.living() != 17 {
		t.Errorf("%+v", v)
	}
	without := strings.Replace(someMetrics, "sluice_records", "something_else", 1)
	if _, err := readVitals(strings.NewReader(without)); err == nil {
		t.Error("records are missing, and that was not noticed")
	}
}

func TestUnexplainedLine(t *testing.T) {
	good := serverLine{Operation: "disconnect", Code: 4000, Name: "client-disconnect", Message: "The client disconnected.", Reconnect: "no", Incident: "x"}
	if why := unexplainedLine(good); why != "" {
		t.Errorf("a good one: %s", why)
	}
	for name, spoil := range map[string]func(l *serverLine){
		"code":      func(l *serverLine) { l.Code = 4999 },
		"name":      func(l *serverLine) { l.Name = "unknown" },
		"client":    func(l *serverLine) { l.Code, l.Name = int(message.CodeOffline), "offline" },
		"message":   func(l *serverLine) { l.Message = "" },
		"incident":  func(l *serverLine) { l.Incident = "" },
		"reconnect": func(l *serverLine) { l.Reconnect = "" },
	} {
		l := good
		if spoil(&l); unexplainedLine(l) == "" {
			t.Errorf("%s: %+v passed", name, l)
		}
	}
}

// A stall is measured, and those in a row are added up.
func TestStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s stalls
		ctx, cancel := context.WithCancel(t.Context())
		go s.watch(ctx)
		time.Sleep(time.Minute)
		if s.max() != 0 {
			t.Errorf("%v, and nothing stood still", s.max())
		}
		cancel()
		synctest.Wait()
	})
	var s stalls
	var lost time.Duration
	for _, late := range []time.Duration{time.Second, 0, 0, time.Second} {
		lost = s.note(lost, late)
	}
	if s.max() < 1800*time.Millisecond || s.max() > 2*time.Second {
		t.Errorf("two seconds in a row are %v", s.max())
	}
}

// The same seed deals the same visits; each of them comes once before any comes twice, and has a name of its own.
func TestDeck(t *testing.T) {
	names := func(seed uint64) (all []string) {
		s := &soak{world: new(world), dealt: rand.New(rand.NewPCG(seed, 0)), paid: make(map[string]int)}
		for range soakVisits() {
			all = append(all, s.deal().name)
		}
		return all
	}
	one, again, other := names(1), names(1), names(2)
	if !slices.Equal(one, again) || slices.Equal(one, other) {
		t.Error("the order is not that of the seed")
	}
	slices.Sort(one)
	if n := len(one); len(slices.Compact(one)) != n {
		t.Error("two visits have one name, or one came twice")
	}
}

// The visits know the times by heart: the configuration must have them.
func TestSoakConfig(t *testing.T) {
	files, err := soakFiles()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range files {
		write(t, dir+"/"+name, text)
	}
	cfg, _, err := config.Load(dir+"/"+configFile, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cfg.Channels {
		if c.ID == "frail" {
			continue
		}
		if c.ReliableReconnectDuration != soakReconnect || c.ReloadGrace != soakReload || c.DeadPeerTimeout != soakDeadPeer {
			t.Errorf("%s: %+v", c.ID, c)
		}
		if c.Kind != "websocket" && c.SessionTimeout != soakSession || c.Kind == "websocket" && c.IdleTimeout != soakIdle {
			t.Errorf("%s: %v, %v", c.ID, c.SessionTimeout, c.IdleTimeout)
		}
	}
	if s := cfg.Servers[0]; s.HandshakeTimeout != soakHandshake || s.ReadHeaderTimeout != soakHandshake || s.RequestBodyTimeout != soakHandshake {
		t.Errorf("%+v", s)
	}
	for _, d := range cfg.Destinations {
		if d.ID == "quiet" && (d.SubscriptionTimeout == 0 || d.SubscriptionTimeout > soakSubscription) {
			t.Errorf("%+v", d)
		}
	}
	if cfg.FlexClient.MaxUnconfirmedMessages+cfg.FlexClient.MaxWaitingMessages >= flood {
		t.Error("the flood is not too much")
	}
}

func write(t *testing.T, file string, text []byte) {
	t.Helper()
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
