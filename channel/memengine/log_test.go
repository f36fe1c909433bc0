package memengine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

var start = time.UnixMilli(1_700_000_000_000)

func newTestLog(h channel.History) *log {
	l := newLog(0, start)
	l.configure(channel.DestinationDefinition{ID: "d", History: h}, start)
	return l
}

func at(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }

func makeMessage(ms int, size int, subtopics ...string) *message.Message {
	return &message.Message{Destination: "d", Subtopics: subtopics, Line: make([]byte, size), Published: at(ms)}
}

// all reads everything that is kept.
func all(t *testing.T, l *log, now time.Time) (orders []uint64) {
	t.Helper()
	page, err := l.since(channel.Query{Topics: []string{"", "*"}, Cursor: channel.Cursor{From: channel.FromEarliest}}, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range page.Messages {
		orders = append(orders, m.Order)
	}
	return orders
}

func TestBytesAreBounded(t *testing.T) {
	l := newTestLog(channel.History{MaxMessages: 1000, MaxBytes: 100})
	for i := range 10 {
		l.take(makeMessage(i, 30, "a"))
	}
	if k := l.kept(); k.Messages != 3 || k.Bytes != 90 {
		t.Errorf("%+v", k)
	}
	l.take(makeMessage(10, 100, "b"))
	if k := l.kept(); k.Messages != 1 || k.Bytes != 100 {
		t.Errorf("%+v", k)
	}
	l.take(makeMessage(11, 101, "b")) // larger than all that may be kept
	if k := l.kept(); k.Messages != 0 || k.Bytes != 0 {
		t.Errorf("%+v", k)
	}
	page, err := l.since(channel.Query{Topics: []string{"b"}, Cursor: channel.Cursor{From: channel.FromOrder, Order: 11}}, at(12))
	if err != nil || page.Missing == nil || page.Missing.To != l.epoch.position(12) || !page.Done {
		t.Errorf("%+v, %v", page, err)
	}
	if len(l.topics) != 0 {
		t.Errorf("%d subtopics are indexed of no message", len(l.topics))
	}
}

// One large message pushes out more small ones than one publisher should wait for: the rest go with the next, or with a reader.
func TestManyAreDiscardedInSteps(t *testing.T) {
	l := newTestLog(channel.History{MaxMessages: 1 << 20, MaxBytes: 10_000})
	for i := range 10_000 {
		l.take(makeMessage(i, 1))
	}
	l.take(makeMessage(10_000, 10_000))
	if k := l.kept(); k.Messages != 10_001-maxStep {
		t.Errorf("%+v", k)
	}
	if got := all(t, l, at(10_001)); !slices.Equal(got, []uint64{10_001}) {
		t.Errorf("%d are kept", len(got))
	}
}

func TestMessagesGrowOld(t *testing.T) {
	l := newTestLog(channel.History{MaxMessages: 1000, MaxAge: time.Second})
	for i := range 10 {
		l.take(makeMessage(i*100, 10, "a", "b"))
	}
	for ms, want := range map[int]int{900: 10, 1000: 10, 1001: 9} { // in any order: the clock may go back
		if n := len(all(t, l, at(ms))); n < want-1 || n > want {
			t.Errorf("after %d ms: %d are kept, want %d", ms, n, want)
		}
	}
	l.take(makeMessage(1500, 10, "a")) // a publisher looks, too
	if k := l.kept(); k.Messages != 6 {
		t.Errorf("%+v", k)
	}
	l.sweep(at(10_000))
	if k := l.kept(); k.Messages != 0 || k.Bytes != 0 {
		t.Errorf("%+v", k)
	}
	for ms, missing := range map[int]bool{0: true, 900: true, 1500: true, 1501: false} {
		page, err := l.since(channel.Query{Topics: []string{"a"}, Cursor: channel.Cursor{From: channel.FromTime, Time: at(ms)}}, at(10_000))
		if err != nil || (page.Missing != nil) != missing {
			t.Errorf("since %d: %+v, %v", ms, page.Missing, err)
		}
		page, err = l.since(channel.Query{Topics: []string{"b", "c.*"}, Cursor: channel.Cursor{From: channel.FromTime, Time: at(ms)}}, at(10_000))
		if err != nil || (page.Missing != nil) != (ms <= 900) {
			t.Errorf("b since %d: %+v, %v", ms, page.Missing, err)
		}
	}
}

// Nobody knows what there was before the log began.
func TestTimeBeforeTheLogBegan(t *testing.T) {
	l := newTestLog(channel.History{MaxMessages: 1000})
	l.take(makeMessage(5, 10))
	for ms, missing := range map[int]bool{-1: true, 0: true, 1: false} {
		page, err := l.since(channel.Query{Topics: []string{""}, Cursor: channel.Cursor{From: channel.FromTime, Time: at(ms)}}, at(10))
		if err != nil || (page.Missing != nil) != missing || len(page.Messages) != 1 {
			t.Errorf("since %d: %+v, %v", ms, page, err)
		}
	}
}

// A message whose clock was behind comes with those of its time; none that is as new as was asked for is left out.
func TestTimeIsNeverBackwards(t *testing.T) {
	l := newTestLog(channel.History{MaxMessages: 1000})
	for _, ms := range []int{10, 30, 20, 40} {
		l.take(makeMessage(ms, 10))
	}
	for ms, want := range map[int]int{10: 4, 11: 3, 20: 3, 30: 3, 31: 1, 40: 1, 41: 0} {
		page, err := l.since(channel.Query{Topics: []string{""}, Cursor: channel.Cursor{From: channel.FromTime, Time: at(ms)}}, at(50))
		if err != nil || len(page.Messages) != want {
			t.Errorf("since %d: %d messages, want %d, %v", ms, len(page.Messages), want, err)
		}
	}
}

// Completeness against a memory of everything: exact while the subtopics are remembered, and on the safe side when some had to be forgotten.
func TestCompleteness(t *testing.T) {
	for _, remembered := range []int{1, 4, maxRemembered} {
		r := rand.New(rand.NewPCG(1, uint64(remembered)))
		l := newTestLog(channel.History{MaxMessages: 20})
		l.discarded.limit = remembered
		var published []*message.Message
		tooMuch := 0
		for range 1000 {
			var subtopics []string
			for range r.IntN(3) {
				subtopics = append(subtopics, fmt.Sprintf("%c.%d", 'a'+r.IntN(3), r.IntN(1+r.IntN(10))))
			}
			m := makeMessage(len(published), 10, subtopics...)
			l.take(m)
			published = append(published, m)
			topics := [][]string{{""}, {"a.0"}, {"a.1", "b.7"}, {"a.*"}, {"*.9"}, {"*"}, {"c.8", "b.*"}}[r.IntN(7)]
			set := channel.NewTopicSet(topics, ".")
			after := r.IntN(len(published) + 1)
			lost := channel.Position("")
			for _, m := range published[min(after, int(l.floor)):l.floor] {
				if set.Message(m) {
					lost = l.epoch.position(m.Order)
				}
			}
			page, err := l.since(channel.Query{Topics: topics, Cursor: channel.Cursor{From: channel.FromOrder, Order: uint64(after)}}, start)
			switch {
			case err != nil:
				t.Fatal(err)
			case lost == "" && page.Missing == nil:
			case page.Missing == nil:
				t.Fatalf("%q behind %d: complete, though %s is gone", topics, after, lost)
			case remembered == maxRemembered && page.Missing.To != lost:
				t.Fatalf("%q behind %d: missing up to %s, want %s", topics, after, page.Missing.To, lost)
			case lost == "":
				tooMuch++
			case orderOf(page.Missing.To) < orderOf(lost):
				t.Fatalf("%q behind %d: missing up to %d, want %d", topics, after, orderOf(page.Missing.To), orderOf(lost))
			}
		}
		if tooMuch > 950 {
			t.Errorf("%d subtopics remembered: %d times said to be incomplete without need", remembered, tooMuch)
		}
		if n := len(l.discarded.byName); n > remembered {
			t.Errorf("%d subtopics are remembered", n)
		}
	}
}

func orderOf(p channel.Position) uint64 {
	_, order, _ := parse(p)
	return order
}

// A page looks at a bounded number of messages, also when none matches.
func TestPagesAreBounded(t *testing.T) {
	const n = 3*maxLooked + 100
	l := newTestLog(channel.History{MaxMessages: n})
	rare := makeMessage(0, 10, "rare.1")
	l.take(rare)
	for i := range n - 1 {
		l.take(makeMessage(i, 10, "frequent"))
	}
	for what, q := range map[string]channel.Query{
		"earliest":        {Topics: []string{"rare.*"}, Cursor: channel.Cursor{From: channel.FromEarliest}},
		"last 1":          {Topics: []string{"rare.*"}, Cursor: channel.Cursor{From: channel.FromLast, Last: 1}},
		"last 2":          {Topics: []string{"rare.*"}, Cursor: channel.Cursor{From: channel.FromLast, Last: 2}},
		"last of several": {Topics: []string{"rare.1", "rare.2"}, Cursor: channel.Cursor{From: channel.FromLast, Last: 1}},
	} {
		pages, found := 0, 0
		for done := false; !done; pages++ {
			page, err := l.since(q, start)
			if err != nil || page.Missing != nil {
				t.Fatal(page.Missing, err)
			}
			found += len(page.Messages)
			q.Cursor, done = page.Next, page.Done
		}
		if pages < 4 || pages > 10 || found != 1 {
			t.Errorf("%s: %d in %d pages", what, found, pages)
		}
	}
	page, err := l.since(channel.Query{Topics: []string{"rare.1"}, Cursor: channel.Cursor{From: channel.FromEarliest}}, start)
	if err != nil || !page.Done || len(page.Messages) != 1 || page.Messages[0] != rare {
		t.Errorf("by the index: %+v, %v", page, err)
	}
}

func TestValuePagesAreBounded(t *testing.T) {
	l := newLog(0, start)
	l.configure(channel.DestinationDefinition{ID: "d", LastValue: true, MaxLastValues: 1 << 20}, start)
	const n = 2*maxLooked + 100
	for i := range n {
		l.take(makeMessage(i, 10, fmt.Sprintf("s.%d", i), "all"))
	}
	pages, found := 0, 0
	q := channel.Query{Topics: []string{"*.7"}}
	q.Cursor.From = channel.FromEarliest
	for done := false; !done; pages++ {
		page, err := l.lastValues(q)
		if err != nil {
			t.Fatal(err)
		}
		found += len(page.Messages)
		q.Cursor, done = page.Next, page.Done
	}
	if pages < 3 || found != 1 {
		t.Errorf("%d in %d pages", found, pages)
	}
}

// The subtopics of one message stand together in what is copied to be compared, wherever a piece ends.
func TestSubtopicsOfOneMessageAreComparedTogether(t *testing.T) {
	l := newTestLog(channel.History{MaxMessages: 1})
	values := newLog(0, start)
	values.configure(channel.DestinationDefinition{ID: "d", LastValue: true}, start)
	const n = 2 * maxStep / 3
	for i := range n + 1 {
		names := []string{fmt.Sprintf("a.%d", i), fmt.Sprintf("b.%d", i), fmt.Sprintf("c.%d", i)}
		l.take(makeMessage(i, 10, names...))
		values.take(makeMessage(i, 10, names...))
	}
	for i := maxStep/3 - 5; i < maxStep/3+5; i++ { // about where a piece ends
		for _, name := range "abc" {
			q := channel.Query{Topics: []string{fmt.Sprintf("%c.%d", name, i), "nobody.*"}, Cursor: channel.Cursor{From: channel.FromOrder}}
			if page, err := l.since(q, start); err != nil || page.Missing == nil || orderOf(page.Missing.To) != uint64(i+1) {
				t.Fatalf("%q: %+v, %v", q.Topics, page.Missing, err)
			}
			if page, err := values.lastValues(q); err != nil || len(page.Messages) != 1 || page.Messages[0].Order != uint64(i+1) {
				t.Fatalf("%q: %d messages, %v", q.Topics, len(page.Messages), err)
			}
		}
	}
}

// A position of this log that it cannot have given out.
func TestPositionFromTheFuture(t *testing.T) {
	l := newTestLog(channel.History{MaxMessages: 10})
	l.take(makeMessage(0, 10))
	for order, want := range map[uint64]error{1: nil, 2: channel.ErrBadPosition} {
		_, err := l.since(channel.Query{Topics: []string{""}, Cursor: channel.Cursor{From: channel.FromPosition, Position: l.epoch.position(order)}}, start)
		if err != want {
			t.Errorf("order %d of 1: %v, want %v", order, err, want)
		}
	}
}

// What a page with a wildcard was about to look at is discarded under its hands.
func TestDiscardedWhileLookedAt(t *testing.T) {
	l := newTestLog(channel.History{MaxMessages: 4 * maxStep})
	for i := range 4 * maxStep {
		l.take(makeMessage(i, 10, "a"))
	}
	end := make(chan struct{})
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-end:
				return
			default:
				l.take(makeMessage(i, 10, "a"))
			}
		}
	})
	overtaken := 0
	for range 1000 {
		cursor := channel.Cursor{From: channel.FromEarliest}
		for done, last := false, uint64(0); !done; {
			page, err := l.since(channel.Query{Topics: []string{"nobody", "nobody.*"}, Cursor: cursor}, start)
			if err != nil || page.Missing != nil || len(page.Messages) > 0 || page.Next.Order < last {
				t.Fatalf("%+v behind %d, %v", page, last, err)
			}
			if !page.Done && page.Next.Order-last < maxLooked {
				overtaken++
			}
			last, cursor, done = page.Next.Order, page.Next, page.Done
		}
		if overtaken > 2 {
			break
		}
	}
	close(end)
	publishing.Wait()
}
