package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"sluice/channel/client"
	"sluice/cmd/internal/config"
	"sluice/endpoint/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startServer serves the bench's own channels on a free port.
func startServer(t *testing.T) (url string) {
	t.Helper()
	return startServerWith(t, Config)
}

// startServerWith serves the channels and destinations of a configuration on a free port.
func startServerWith(t *testing.T, text []byte) (url string) {
	t.Helper()
	cfg, _, err := config.Parse(configFile, text, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(server.Options{
		Channels: cfg.Channels, Destinations: cfg.Destinations, DefaultChannels: cfg.DefaultChannels,
		Listeners: []server.Listener{{ID: "public", Addr: "127.0.0.1:0"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return "http://" + s.Addrs()["public"]
}

// The whole bench in miniature, on every channel, in both kinds of loop.
func TestRun(t *testing.T) {
	url := startServer(t)
	for _, kind := range []client.Kind{client.WebSocket, client.Streaming, client.LongPoll} {
		for _, rate := range []float64{0, 500} {
			t.Run(fmt.Sprintf("%s/rate=%v", kind, rate), func(t *testing.T) {
				r, err := Run(t.Context(), Options{
					URL: url, Channel: kind, Consumers: 7, Publishers: 2, Subtopics: 3, Messages: 301, Rate: rate,
				})
				if err != nil {
					t.Fatal(err)
				}
				if !r.Faultless() {
					t.Errorf("faults: %+v", r)
				}
				// Of 301 messages two publishers send 151 and 150, around three subtopics with 3, 2 and 2 consumers.
				if want := int64(101*3 + 100*2 + 100*2); r.Published != 301 || r.Delivered != want {
					t.Errorf("published %d, delivered %d, want 301 and %d", r.Published, r.Delivered, want)
				}
				if r.Latency.P50 <= 0 || r.Latency.Max < r.Latency.P999 || r.Latency.P99 < r.Latency.P50 {
					t.Errorf("latency %+v", r.Latency)
				}
				var text bytes.Buffer
				if err := r.Write(&text); err != nil || !strings.Contains(text.String(), "0 lost") {
					t.Errorf("%v\n%s", err, &text)
				}
			})
		}
	}
}

func TestIdleAndChurn(t *testing.T) {
	url := startServer(t)
	for _, kind := range []client.Kind{client.WebSocket, client.Streaming, client.LongPoll} {
		t.Run(string(kind), func(t *testing.T) {
			r, err := Run(t.Context(), Options{URL: url, Channel: kind, Consumers: 20, Idle: true})
			if err != nil || r.ConnectsPerSecond <= 0 || r.Published != 0 {
				t.Errorf("idle: %+v, %v", r, err)
			}
			r, err = Run(t.Context(), Options{URL: url, Channel: kind, Consumers: 5, Churn: true, Duration: 200 * time.Millisecond})
			if err != nil || r.ConnectsPerSecond <= 0 || r.Disconnected != 0 {
				t.Errorf("churn: %+v, %v", r, err)
			}
		})
	}
}

// What is read of a process is of that process: here the memory and time that the test itself takes.
func TestProcess(t *testing.T) {
	before, ok := residentKB(os.Getpid())
	if _, err := os.Stat("/proc/self/status"); err != nil {
		if ok {
			t.Error("memory without /proc")
		}
		return
	}
	hold := bytes.Repeat([]byte{1}, 64<<20)
	after, _ := settledKB(t.Context().Done(), os.Getpid())
	if !ok || after-before < 32<<10 {
		t.Errorf("%d KiB before 64 MiB were taken, %d KiB after", before, after)
	}
	runtime.KeepAlive(hold)
	began, _ := cpuTime(os.Getpid())
	for sum := 0; ; sum++ {
		if used, ok := cpuTime(os.Getpid()); !ok || used > began+20*time.Millisecond {
			if !ok {
				t.Error("no CPU time")
			}
			break
		}
	}
	if _, ok := residentKB(1 << 30); ok {
		t.Error("a process that is not there has memory")
	}
}

func TestMistakes(t *testing.T) {
	for _, o := range []Options{
		{URL: "ftp://x"}, {URL: "http://x", Size: 10}, {URL: "http://x", Consumers: -1}, {URL: "http://x", Idle: true, Churn: true},
		{URL: "http://x", Channel: "pigeon"},
	} {
		if _, err := Run(t.Context(), o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
	url := startServer(t)
	for _, kind := range []client.Kind{client.WebSocket, client.Streaming, client.LongPoll} {
		_, err := Run(t.Context(), Options{URL: url, Channel: kind, Destination: "nowhere", Consumers: 3, Duration: time.Second})
		if err == nil || !strings.Contains(err.Error(), "unknown-destination") {
			t.Errorf("%s: a destination that is not there: %v", kind, err)
		}
	}
}

// What the ledger counts is what happened to the messages, whatever the order.
func TestLedger(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		const n = 50
		arrivals := make([]uint32, 0, n)
		for i := uint32(1); i <= n; i++ {
			arrivals = append(arrivals, i)
		}
		lost := r.IntN(4)
		for range lost {
			i := r.IntN(len(arrivals))
			arrivals = slices.Delete(arrivals, i, i+1)
		}
		late := r.IntN(2)
		if late == 1 {
			i := r.IntN(len(arrivals) - 1)
			arrivals[i], arrivals[i+1] = arrivals[i+1], arrivals[i]
		}
		twice := r.IntN(3)
		for range twice {
			arrivals = append(arrivals, arrivals[r.IntN(len(arrivals))])
		}
		l := newLedger(2)
		for _, a := range arrivals {
			l.record(stamp{publisher: 1, number: a})
		}
		l.record(stamp{publisher: 2, number: 1})
		if got := l.lost([]uint32{0, n}); got != lost || l.late != late || l.twice != twice || l.strange != 1 {
			t.Fatalf("seed %d: lost %d late %d twice %d, want %d %d %d", seed, got, l.late, l.twice, lost, late, twice)
		}
	}
}

func TestStamp(t *testing.T) {
	want := stamp{12, 3456, 1700000000123456789}
	for _, size := range []int{MinSize, 500} {
		body := want.body(size)
		if len(body) != size || !json.Valid(body) {
			t.Errorf("body of %d bytes: %s", size, body)
		}
		if got, ok := readStamp([]byte(`{"type":"async","destination":"d","body":` + string(body) + `}`)); !ok || got != want {
			t.Errorf("read %+v, %v", got, ok)
		}
	}
	for _, bad := range []string{`{}`, `"body":"B|1|2"`, `"body":"B||2|3|"`, `"body":"B|1|2|99999999999999999999|"`} {
		if s, ok := readStamp([]byte(bad)); ok {
			t.Errorf("%s was read as %+v", bad, s)
		}
	}
}

// A value read back from the histogram is at most 1/32 above what was put in.
func TestHistogram(t *testing.T) {
	var all histogram
	for _, d := range []time.Duration{0, 1, 63, 64, 65, 1000, time.Millisecond, time.Second, time.Hour, 1 << 62} {
		var h histogram
		h.add(d)
		h.longest.Store(1<<63 - 1) // so that it does not help
		got, _ := h.quantiles(0.5)
		if got[0] < d || got[0] > d+d/32+1 {
			t.Errorf("%d became %d", d, got[0])
		}
	}
	for i := range 1000 {
		all.add(time.Duration(i+1) * time.Microsecond)
	}
	values, longest := all.quantiles(0.5, 0.99, 1)
	if longest != time.Millisecond || values[0] < 500*time.Microsecond || values[0] > 520*time.Microsecond || values[2] != longest {
		t.Errorf("%v, longest %v", values, longest)
	}
}

// The gate lets no more through than may be outstanding, and wakes when something is delivered.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		ctx, cancel := context.WithCancel(t.Context())
		defer context.AfterFunc(ctx, g.wake)()
		passed := 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			for g.issue(ctx, 10, 20) {
				passed++
			}
		}()
		for _, want := range []int{3, 4, 4, 5, 10} {
			synctest.Wait()
			if passed != want {
				t.Fatalf("%d passed, want %d", passed, want)
			}
			switch want {
			case 3:
				g.deliver(10)
			case 4:
				g.deliver(5)
			case 5:
				g.deliver(50)
			}
		}
		cancel()
		<-done
	})
}

func TestFrames(t *testing.T) {
	for _, size := range []int{0, 125, 126, 65535, 65536} {
		f := frame(1, make([]byte, size))
		var head int
		switch {
		case size > 65535:
			head = 10
		case size > 125:
			head = 4
		default:
			head = 2
		}
		if len(f) != head+4+size || f[0] != 0x81 || f[1]&0x80 == 0 {
			t.Errorf("frame of %d bytes has %d, begins %x", size, len(f), f[:2])
		}
	}
}

func TestProgress(t *testing.T) {
	if got := bar("x", 0.5, "y"); got != "x [###############---------------]  50%  y" {
		t.Errorf("%q", got)
	}
	if got := bar("x", 7, "y"); !strings.Contains(got, "100%") {
		t.Errorf("%q", got)
	}
}
