package server_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// enough is how many must have ended by each code: sessions, clients, subscriptions or connections.
const enough = 20

// Sessions, clients and subscriptions are made and ended at random, by several causes at the same moment, until each code has ended enough of them: each of them is created once, and after that
// destroyed once, and when all are gone nothing of them is left: no goroutine (the bubble would not end), no timer, no entry in a table, and nothing that holds one of them.
func TestEndsRace(t *testing.T) {
	ended := make(map[message.Code]int)
	missing := func() (codes []message.Code) {
		for _, info := range message.Codes() {
			if info.Code < 4500 && !info.Client && ended[info.Code] < enough {
				codes = append(codes, info.Code)
			}
		}
		return codes
	}
	const rounds = 30
	for round := 0; len(missing()) > 0 || round < 3; round++ {
		if round == rounds {
			t.Fatalf("after %d rounds too few have ended by %v: %v", rounds, missing(), ended)
		}
		house := round % 3 / 2 // two usual ones, and one where clients outlive their sessions
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { raceRound(t, uint64(round), house, missing(), ended) })
		})
		if t.Failed() {
			return
		}
	}
}

// crowd is how many clients a round has.
const crowd = 150

func raceRound(t *testing.T, seed uint64, house int, missing []message.Code, ended map[message.Code]int) {
	b := newAnnals()
	internal := endpointtest.Listen("192.0.2.2:9080")
	r := endpointtest.New(t, func(o *server.Options) {
		raceOptions(house, o)
		o.Listeners = append(o.Listeners, server.Listener{ID: "internal", Role: server.Internal, Net: internal})
		b.listen(o)
	})
	rng := rand.New(rand.NewPCG(seed, 1))
	var possible []doom
	for _, d := range dooms() {
		if d.house == house && (house == outlives || slices.Contains(missing, d.code)) || rng.IntN(3) == 0 && d.house == usual {
			possible = append(possible, d)
		}
	}
	interrupt := seed%3 == 1
	var all sync.WaitGroup
	for i := range crowd {
		own := rand.New(rand.NewPCG(seed, uint64(i)))
		d := possible[i%len(possible)]
		all.Go(func() {
			time.Sleep(time.Duration(own.IntN(600)) * 100 * time.Millisecond)
			raceLife(r, own, d)
		})
	}
	if interrupt { // the server goes down in the middle of it
		time.Sleep(time.Duration(30+rng.IntN(40)) * time.Second)
	} else {
		all.Wait()
		r.HTTP.CloseIdleConnections()
		time.Sleep(10 * time.Minute) // all windows, and net/http's for connections without a request
		synctest.Wait()
		if left := r.Server.Leftovers(); len(left) > 0 {
			t.Errorf("when all clients are gone there are left: %v", left)
		}
		wantBalanced(t, r)
		last := &wild{r: r, ctx: t.Context()} // so that somebody is there to be told
		defer last.hangUp()
		last.connect("websocket")
	}
	connections := connectionsEnded(t, internal) // not those that the shutdown ends: then nobody can be asked
	if err := stopServer(r); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	all.Wait()
	r.HTTP.CloseIdleConnections()
	wantBalanced(t, r)
	if left := r.Server.Leftovers(); len(left) > 0 {
		t.Errorf("after the shutdown there are left: %v", left)
	}
	for code, n := range connections {
		ended[code] += n
	}
	b.check(t, ended)
	for range 3 {
		runtime.GC()
	}
	if n := b.held(); n > 0 {
		t.Errorf("%d of %v are still held", n, b)
	}
}

// raceLife is the life of one client: it comes, is doomed, and at the moment it ends so do others wish it.
func raceLife(r *endpointtest.Rig, rng *rand.Rand, d doom) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := &wild{r: r, ctx: ctx}
	defer w.hangUp()
	path := pick(rng, d.on)
	if d.never {
		d.do(w)
		time.Sleep(d.after + 5*time.Second)
		return
	}
	if !w.connect(path) {
		return
	}
	if rng.IntN(3) == 0 {
		w.logIn(rng.IntN(2) == 0, 0)
	}
	var all sync.WaitGroup
	if !d.alone {
		all.Go(func() { w.beat(d.after + time.Second) })
	}
	d.do(w)
	for range max(0, rng.IntN(6)-2) { // half of them have none
		rival := pick(rng, rivals(path))
		wait := max(0, d.after+time.Duration(rng.IntN(7)-3)*50*time.Millisecond)
		all.Go(func() {
			time.Sleep(wait)
			rival(w)
		})
	}
	all.Wait()
	time.Sleep(d.after + 2*time.Second)
}

// connectionsEnded are the ends of connections by code.
func connectionsEnded(t *testing.T, internal *endpointtest.Listener) map[message.Code]int {
	t.Helper()
	ends := make(map[message.Code]int)
	for name, n := range metricsOf(t, internal) {
		if rest, ok := strings.CutPrefix(name, `sluice_ends_total{code="`); ok && strings.Contains(name, `what="connection"`) {
			code, err := strconv.Atoi(rest[:4])
			if err != nil || message.Code(code).Info().Code != message.Code(code) {
				t.Errorf("%s", name)
			}
			ends[message.Code(code)] += int(n)
		}
	}
	return ends
}

// Whoever looks for what is left wants to see the heap without garbage; nobody else may have it collected.
func TestGarbageIsCollectedOnDemand(t *testing.T) {
	both := func(o *server.Options) {
		o.Listeners = []server.Listener{{ID: "public"}, {ID: "internal", Role: server.Internal}}
	}
	for listener, want := range map[string]uint32{"public": 0, "internal": 2} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		serveOnce(t, both, listener, "/metrics?gc", "")
		runtime.ReadMemStats(&after)
		if n := after.NumForcedGC - before.NumForcedGC; n != want {
			t.Errorf("%s: %d collections, want %d", listener, n, want)
		}
	}
}
