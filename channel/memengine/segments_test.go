package memengine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSegments(t *testing.T) {
	var s segments
	var want []int64
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 20_000 {
		if grow := i/3000%2 == 0; r.IntN(3) > 0 == grow || len(want) == 0 {
			s.push(record{at: int64(i)})
			want = append(want, int64(i))
		} else {
			if got := s.pop().at; got != want[0] {
				t.Fatalf("%d for %d", got, want[0])
			}
			want = want[1:]
		}
		if s.n != len(want) {
			t.Fatalf("%d records, want %d", s.n, len(want))
		}
		if n := len(want); n > 0 {
			if k := r.IntN(n); s.at(k).at != want[k] {
				t.Fatalf("record %d is %d, want %d", k, s.at(k).at, want[k])
			}
			if len(s.all) > n/segmentSize+2 {
				t.Fatalf("%d pieces for %d records", len(s.all), n)
			}
		}
	}
}

func TestOrders(t *testing.T) {
	var o orders
	var want []uint64
	r := rand.New(rand.NewPCG(2, 2))
	order := uint64(0)
	for i := range 50_000 {
		if grow := i/5000%2 == 0; r.IntN(3) > 0 == grow || len(want) == 0 {
			order += uint64(1 + r.IntN(3))
			o.push(order)
			o.push(order) // twice in one message
			want = append(want, order)
		} else {
			o.pop(want[0] - 1) // not there
			o.pop(want[0])
			want = want[1:]
		}
		x := uint64(r.IntN(int(order) + 2))
		if got := o.after(x); o.n != len(want) || got != countUpTo(want, x) {
			t.Fatalf("%d numbers, want %d; %d up to %d, want %d", o.n, len(want), got, x, countUpTo(want, x))
		}
	}
	for len(want) > 0 {
		o.pop(want[0])
		want = want[1:]
	}
	if len(o.ring) > 64 {
		t.Errorf("%d places are kept for nothing", len(o.ring))
	}
}

func countUpTo(sorted []uint64, x uint64) int {
	i, there := slices.BinarySearch(sorted, x)
	if there {
		i++
	}
	return i
}

func TestNewest(t *testing.T) {
	const limit = 50
	n := newNewest[int](limit)
	type thing struct {
		order uint64
		value int
	}
	want := map[string]thing{}
	r := rand.New(rand.NewPCG(3, 3))
	order := uint64(0)
	for i := range 30_000 {
		order += uint64(r.IntN(3)) // several of one order
		name := fmt.Sprint(r.IntN(1 + r.IntN(100)))
		gone, out := n.put(name, order, i)
		want[name] = thing{order, i}
		if len(want) > limit {
			if !out || want[gone.subtopic].order != gone.order || want[gone.subtopic].value != gone.value {
				t.Fatalf("%+v gave way, of %+v", gone, want[gone.subtopic])
			}
			delete(want, gone.subtopic)
			for name, w := range want {
				if w.order < gone.order {
					t.Fatalf("%s of order %d stayed, %d went", name, w.order, gone.order)
				}
			}
		} else if out {
			t.Fatalf("%+v gave way without need", gone)
		}
		if i%100 == 0 {
			checkNewest(t, &n, func(name string) (uint64, int, bool) { w, ok := want[name]; return w.order, w.value, ok }, len(want))
		}
		if len(n.slots) > 2*limit+70 {
			t.Fatalf("%d slots for %d things", len(n.slots), len(want))
		}
	}
}

// checkNewest looks at all of n, and at what is above an order.
func checkNewest(t *testing.T, n *newest[int], want func(string) (uint64, int, bool), count int) {
	t.Helper()
	found, last := 0, uint64(0)
	for _, s := range n.slots[n.head:] {
		if s.order < last {
			t.Fatalf("order %d behind %d", s.order, last)
		}
		last = s.order
		if s.entry == nil {
			continue
		}
		found++
		if order, value, there := want(s.subtopic); !there || order != s.order || value != s.value || n.of(s.subtopic).entry != s.entry {
			t.Fatalf("%s: %d of order %d, want %d of %d", s.subtopic, s.value, s.order, value, order)
		}
	}
	if found != count || len(n.byName) != count {
		t.Fatalf("%d things, want %d", found, count)
	}
	for _, s := range n.after(last / 2) {
		if s.order <= last/2 {
			t.Fatalf("order %d is not above %d", s.order, last/2)
		}
	}
}
