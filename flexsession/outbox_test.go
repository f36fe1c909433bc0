package flexsession

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"sluice/channel/message"
)

func line(i int) entry { return own(fmt.Appendf(nil, "line %d\n", i)) }

var wide = Window{Messages: 1000, Bytes: 1 << 20}

func TestOutboxNumbersOnceAndKeepsOrder(t *testing.T) {
	var o outbox
	for i := range 5 {
		o.push(line(i))
	}
	first, _ := o.take(nil, 1<<20, wide)
	if o.sent() != 5 || o.waiting() != 0 {
		t.Fatalf("sent %d, waiting %d", o.sent(), o.waiting())
	}
	if err := o.confirm(2); err != nil {
		t.Fatal(err)
	}
	o.push(line(5))
	o.rewind()
	again, _ := o.take(nil, 1<<20, wide)
	if want := strings.TrimPrefix(string(first), "line 0\nline 1\n") + "line 5\n"; string(again) != want {
		t.Errorf("after the attach it gives %q, want %q", again, want)
	}
	if err := o.confirm(7); err == nil {
		t.Error("more was confirmed than was sent")
	}
}

func TestOutboxWindow(t *testing.T) {
	for name, w := range map[string]Window{"messages": {Messages: 3, Bytes: 1 << 20}, "bytes": {Messages: 100, Bytes: 3 * len("line 0\n")}} {
		t.Run(name, func(t *testing.T) {
			var o outbox
			for i := range 10 {
				o.push(line(i))
			}
			got, more := o.take(nil, 1<<20, w)
			if strings.Count(string(got), "\n") != 3 || more || o.ready(w) {
				t.Errorf("took %q, more %v", got, more)
			}
			o.confirm(1)
			if got, _ = o.take(nil, 1<<20, w); string(got) != "line 3\n" {
				t.Errorf("after a confirmation: %q", got)
			}
		})
	}
}

// A line longer than the byte window, or than one write, still goes, alone.
func TestOutboxLongLine(t *testing.T) {
	var o outbox
	o.push(own([]byte(strings.Repeat("x", 100) + "\n")))
	o.push(line(1))
	w := Window{Messages: 10, Bytes: 50}
	if got, _ := o.take(nil, 20, w); len(got) != 101 {
		t.Errorf("took %d bytes, want the long line alone", len(got))
	}
	o.confirm(1)
	if got, _ := o.take(nil, 20, w); string(got) != "line 1\n" {
		t.Errorf("then %q", got)
	}
}

func TestOutboxGathersUpToALimit(t *testing.T) {
	var o outbox
	for i := range 10 {
		o.push(line(i))
	}
	got, more := o.take([]byte("before "), 30, wide)
	if string(got) != "before line 0\nline 1\nline 2\n" || !more {
		t.Errorf("took %q, more %v", got, more)
	}
}

func TestOutboxNamesSubscriptions(t *testing.T) {
	var o outbox
	e := line(0)
	e.extra().head = message.AppendFor(nil, message.For{ClientIDs: []string{"a", "b"}})
	o.push(e)
	if o.wait.size != len(e.head())+len(e.line()) {
		t.Errorf("%d bytes wait, want those of both lines", o.wait.size)
	}
	want := string(e.head()) + "line 0\n"
	for range 2 { // also when it is sent again
		if got, _ := o.take(nil, 1<<20, wide); string(got) != want {
			t.Errorf("took %q, want %q", got, want)
		}
		o.rewind()
	}
}

// Random pushes, takes that are lost or arrive in part, confirmations and attaches: the receiver, counting as the protocol says, gets everything once and in order.
func TestOutboxLosesAndDoublesNothing(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var o outbox
		w := Window{Messages: 1 + rnd.IntN(20), Bytes: 1 << 20}
		var received []string
		pushed, wire := 0, ""
		receive := func(upTo int) {
			for ; upTo > 0; upTo-- {
				i := strings.IndexByte(wire, '\n')
				if i < 0 {
					return
				}
				received = append(received, wire[:i])
				wire = wire[i+1:]
			}
		}
		for range 400 {
			switch rnd.IntN(5) {
			case 0, 1:
				o.push(line(pushed))
				pushed++
			case 2:
				var got []byte
				got, _ = o.take(nil, 1+rnd.IntN(100), w)
				wire += string(got)
			case 3:
				receive(rnd.IntN(5))
				if rnd.IntN(2) == 0 {
					if err := o.confirm(uint64(len(received))); err != nil {
						t.Fatalf("seed %d: %v", seed, err)
					}
				}
			case 4: // the connection is lost with what was on the wire; the next attach tells what arrived
				wire = ""
				if err := o.confirm(uint64(len(received))); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				o.rewind()
			}
		}
		for range pushed + 1 {
			got, _ := o.take(nil, 1<<20, w)
			wire += string(got)
			receive(pushed)
			o.confirm(uint64(len(received)))
		}
		if len(received) != pushed {
			t.Fatalf("seed %d: %d of %d arrived", seed, len(received), pushed)
		}
		for i, got := range received {
			if want := fmt.Sprintf("line %d", i); got != want {
				t.Fatalf("seed %d: number %d is %q", seed, i, got)
			}
		}
		if o.waiting()+o.unconfirmed.len() != 0 || o.wait.size != 0 || o.size != 0 {
			t.Fatalf("seed %d: the empty outbox counts %d lines, %d and %d bytes", seed, o.waiting()+o.unconfirmed.len(), o.wait.size, o.size)
		}
	}
}

func TestDequeLetsALargeRingGo(t *testing.T) {
	var d deque[int]
	for i := range 1000 {
		d.push(i)
	}
	for i := range 1000 {
		if got := *d.front(); got != i {
			t.Fatalf("got %d, want %d", got, i)
		}
		d.pop()
	}
	if d.ring != nil {
		t.Errorf("an empty queue holds a ring of %d", len(d.ring))
	}
}

// One message to one subscriber and its confirmation cost no allocation once the ring has grown.
func TestOutboxAllocatesNothing(t *testing.T) {
	var o outbox
	e, buf := line(1), make([]byte, 0, 4096)
	step := func() {
		for range 16 {
			o.push(e)
		}
		buf, _ = o.take(buf[:0], 1<<20, wide)
		o.confirm(o.sent())
	}
	step()
	if n := testing.AllocsPerRun(100, step); n > 0 {
		t.Errorf("%v allocations for 16 messages", n)
	}
}

func BenchmarkOutbox(b *testing.B) {
	var o outbox
	e, buf := own([]byte(strings.Repeat("x", 200))), make([]byte, 0, 64<<10)
	b.ReportAllocs()
	for b.Loop() {
		o.push(e)
		if o.waiting() == 32 {
			buf, _ = o.take(buf[:0], 64<<10, wide)
			o.confirm(o.sent())
		}
	}
}
