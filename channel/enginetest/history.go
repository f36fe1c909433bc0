package enginetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

// past is an engine with one destination d, and a naive memory of all that was published there.
type past struct {
	t      *testing.T
	engine channel.Engine
	all    []*message.Message
	began  time.Time
}

// step lies between two messages.
const step = 10 * time.Millisecond

func definition(max int) channel.DestinationDefinition {
	return channel.DestinationDefinition{ID: "d", AllowSubtopics: true, History: channel.History{MaxMessages: max}}
}

func newPast(t *testing.T, engine channel.Engine, def channel.DestinationDefinition) *past {
	engine.Configure([]channel.DestinationDefinition{def})
	run(t, engine)
	return &past{t: t, engine: engine, began: time.Now().Add(time.Minute).Truncate(time.Millisecond)}
}

// publish publishes a message to some subtopics.
func (p *past) publish(subtopics ...string) *message.Message {
	p.t.Helper()
	i := len(p.all)
	m, refused := message.New("d", subtopics, nil, nil, fmt.Sprint(i), p.time(i))
	if refused != nil {
		p.t.Fatal(refused)
	}
	p.all = append(p.all, m)
	p.engine.Publish([]*message.Message{m}, func(_ int, position channel.Position, err error) {
		if err != nil || string(position) != m.Position() {
			p.t.Errorf("message %d: position %q, done with %q, %v", i, m.Position(), position, err)
		}
	})
	return m
}

// time is when message i was published.
func (p *past) time(i int) time.Time { return p.began.Add(time.Duration(i) * step) }

// fill publishes n messages to none, one or several of a few subtopics.
func (p *past) fill(r *rand.Rand, n int) {
	names := []string{"a", "b", "a.x", "a.y", "b.x", "a.x.1"}
	for range n {
		var subtopics []string
		for range r.IntN(4) {
			subtopics = append(subtopics, names[r.IntN(len(names))])
		}
		p.publish(subtopics...)
	}
}

// topicSets are subscriptions of all sorts.
var topicSets = [][]string{{""}, {"a"}, {"a.x", "b"}, {"*"}, {"", "*"}, {"a.*"}, {"*.x"}, {"a", "b.*"}, {"nobody"}, {"nobody.*"}, {"a", "a"}, {"a", "*"}}

// matches is the naive meaning of a set of topics.
func matches(topics []string, m *message.Message) bool {
	subtopics := m.Subtopics
	if len(subtopics) == 0 {
		subtopics = []string{""}
	}
	return slices.ContainsFunc(subtopics, func(s string) bool {
		return slices.ContainsFunc(topics, func(topic string) bool { return matchOne(strings.Split(topic, "."), strings.Split(s, ".")) })
	})
}

func matchOne(pattern, subtopic []string) bool {
	if len(pattern) == 1 && pattern[0] == "*" {
		return len(subtopic) > 1 || len(subtopic) == 1 && subtopic[0] != ""
	}
	if len(pattern) == 0 || len(subtopic) == 0 {
		return len(pattern) == len(subtopic)
	}
	return (pattern[0] == "*" || pattern[0] == subtopic[0]) && matchOne(pattern[1:], subtopic[1:])
}

// reading is what came of reading page after page.
type reading struct {
	messages []*message.Message
	missing  *channel.Missing // of the first page that said so
	last     channel.Page
}

// read reads to the end.
func (p *past) read(source func(string, channel.Query) (channel.Page, error), topics []string, from channel.Cursor, limit int) (r reading) {
	p.t.Helper()
	for pages := 0; ; pages++ {
		page, err := source("d", channel.Query{Topics: topics, Cursor: from, Limit: limit})
		if err != nil {
			p.t.Fatalf("%v from %+v: %v", topics, from, err)
		}
		if len(page.Messages) > limit {
			p.t.Fatalf("%d messages on a page of %d", len(page.Messages), limit)
		}
		if page.Missing != nil && r.missing == nil {
			r.missing = page.Missing
		}
		r.messages = append(r.messages, page.Messages...)
		r.last, from = page, page.Next
		if page.Done {
			return r
		}
		if pages > len(p.all)+100 {
			p.t.Fatalf("%v: no end", topics)
		}
	}
}

// kept is what is there of the past, as the engine tells. It must be the end of what was published.
func (p *past) kept() []*message.Message {
	p.t.Helper()
	kept := p.read(p.engine.Since, []string{"", "*"}, channel.Cursor{From: channel.FromEarliest}, 100).messages
	if len(kept) > len(p.all) || !slices.Equal(kept, p.all[len(p.all)-len(kept):]) {
		p.t.Fatalf("%d messages are kept which are not the newest of the %d published", len(kept), len(p.all))
	}
	return kept
}

func only(topics []string, messages []*message.Message) (some []*message.Message) {
	for _, m := range messages {
		if matches(topics, m) {
			some = append(some, m)
		}
	}
	return some
}

func (p *past) check(what string, got, want []*message.Message) {
	p.t.Helper()
	if !slices.Equal(got, want) {
		p.t.Errorf("%s: %d messages, want %d: %v, want %v", what, len(got), len(want), ids(got), ids(want))
	}
}

func ids(messages []*message.Message) (all []string) {
	for _, m := range messages {
		all = append(all, m.ID)
	}
	return all
}

func testNumbers(t *testing.T, newEngine func(*testing.T) channel.Engine) {
	p := newPast(t, newEngine(t), channel.DestinationDefinition{ID: "d"})
	for i := range 3 {
		if m := p.publish(); m.Order == 0 || i > 0 && m.Order <= p.all[i-1].Order || m.Position() != "" {
			t.Errorf("order %d, position %q", m.Order, m.Position())
		}
	}
	for _, from := range []channel.From{channel.FromPosition, channel.FromLast, channel.FromTime, channel.FromEarliest} {
		if _, err := p.engine.Since("d", channel.Query{Topics: []string{""}, Cursor: channel.Cursor{From: from, Last: 1}}); !errors.Is(err, channel.ErrNoHistory) {
			t.Errorf("from %d: %v", from, err)
		}
	}
	if _, err := p.engine.LastValues("d", channel.Query{Topics: []string{""}}); !errors.Is(err, channel.ErrNoHistory) {
		t.Error(err)
	}
	page, err := p.engine.Since("d", channel.Query{Topics: []string{""}})
	if err != nil || !page.Done || page.Head != p.all[2].Order || page.Position != "" {
		t.Errorf("%+v, %v", page, err)
	}
	if _, err := p.engine.Since("nowhere", channel.Query{Cursor: channel.Cursor{From: channel.FromEarliest}}); !errors.Is(err, channel.ErrNoHistory) {
		t.Error(err)
	}
	if kept := p.engine.Kept("d"); kept != (channel.Kept{}) {
		t.Errorf("%+v", kept)
	}
}

func testPast(t *testing.T, newEngine func(*testing.T) channel.Engine) {
	p := newPast(t, newEngine(t), definition(1000))
	page, err := p.engine.Since("d", channel.Query{Topics: []string{"a"}})
	if err != nil || !page.Done || page.Head != 0 || len(page.Position) != message.PositionSize {
		t.Errorf("before the first message: %+v, %v", page, err)
	}
	begin := page.Position
	p.fill(rand.New(rand.NewPCG(1, 1)), 80)
	positions := map[string]bool{}
	for _, m := range p.all {
		positions[m.Position()] = true
	}
	if len(positions) != len(p.all) || positions[""] {
		t.Errorf("%d positions of %d messages", len(positions), len(p.all))
	}
	newest := p.all[len(p.all)-1]
	for _, topics := range topicSets {
		all := only(topics, p.all)
		for _, limit := range []int{1, 2, 7, 79, 80, 1000} {
			for what, from := range map[string]channel.Cursor{
				"earliest":    {From: channel.FromEarliest},
				"begin":       {From: channel.FromPosition, Position: begin},
				"last 100000": {From: channel.FromLast, Last: 100_000},
				"time 0":      {From: channel.FromTime, Time: p.began},
			} {
				what = fmt.Sprintf("%q from %s in pages of %d", topics, what, limit)
				got := p.read(p.engine.Since, topics, from, limit)
				p.check(what, got.messages, all)
				if got.missing != nil || got.last.Head != newest.Order || string(got.last.Position) != newest.Position() {
					t.Errorf("%s: %+v", what, got)
				}
			}
		}
		for i, m := range p.all {
			limit := 1 + i%20
			rest := only(topics, p.all[i+1:])
			got := p.read(p.engine.Since, topics, channel.Cursor{From: channel.FromPosition, Position: channel.Position(m.Position())}, limit)
			p.check(fmt.Sprintf("%q behind %d", topics, i), got.messages, rest)
			last := min(i, len(all))
			got = p.read(p.engine.Since, topics, channel.Cursor{From: channel.FromLast, Last: uint64(i)}, limit)
			p.check(fmt.Sprintf("%q, the last %d", topics, i), got.messages, all[len(all)-last:])
			got = p.read(p.engine.Since, topics, channel.Cursor{From: channel.FromTime, Time: p.time(i).Add(-step / 2)}, limit)
			p.check(fmt.Sprintf("%q, since %d", topics, i), got.messages, only(topics, p.all[i:]))
		}
		if got := p.read(p.engine.Since, topics, channel.Cursor{}, 10); len(got.messages) != 0 || got.last.Head != newest.Order || string(got.last.Position) != newest.Position() {
			t.Errorf("from now: %+v", got)
		}
	}
	kept := p.engine.Kept("d")
	bytes := 0
	for _, m := range p.all {
		bytes += len(m.Line)
	}
	if kept.Messages != len(p.all) || kept.Bytes != bytes {
		t.Errorf("%+v of %d messages in %d bytes", kept, len(p.all), bytes)
	}
}

// What is said to be complete is: also where pages are read while the past is discarded.
func testMissing(t *testing.T, newEngine func(*testing.T) channel.Engine) {
	p := newPast(t, newEngine(t), definition(40))
	r := rand.New(rand.NewPCG(2, 2))
	p.fill(r, 30)
	for round := range 150 {
		p.fill(r, r.IntN(5))
		kept := p.kept()
		if len(kept) > 40 {
			t.Fatalf("%d messages kept", len(kept))
		}
		gone := p.all[:len(p.all)-len(kept)]
		topics := topicSets[r.IntN(len(topicSets))]
		i := r.IntN(len(p.all))
		lost := only(topics, gone[min(i+1, len(gone)):])
		got := p.read(p.engine.Since, topics, channel.Cursor{From: channel.FromPosition, Position: channel.Position(p.all[i].Position())}, 1+r.IntN(9))
		what := fmt.Sprintf("round %d: %q behind %d, %d gone", round, topics, i, len(gone))
		p.check(what, got.messages, only(topics, kept[max(0, i+1-len(gone)):]))
		switch {
		case len(lost) > 0 && got.missing == nil:
			t.Errorf("%s: complete, though %v are missing", what, ids(lost))
		case got.missing == nil:
		case i >= len(gone):
			t.Errorf("%s: %+v, though nothing is", what, got.missing)
		case string(got.missing.From) != p.all[i].Position():
			t.Errorf("%s: missing from %q, want %q", what, got.missing.From, p.all[i].Position())
		}
		if len(lost) > 0 && got.missing != nil {
			to := slices.IndexFunc(p.all, func(m *message.Message) bool { return m.Position() == string(got.missing.To) })
			if to < slices.Index(p.all, lost[len(lost)-1]) || to >= len(gone) {
				t.Errorf("%s: missing up to %d, the last of %v", what, to, ids(lost))
			}
		}
		for from, lost := range map[channel.Cursor]bool{
			{From: channel.FromEarliest}:                                        false,
			{From: channel.FromTime, Time: p.time(i)}:                           len(only(topics, gone[min(i, len(gone)):])) > 0,
			{From: channel.FromLast, Last: uint64(len(only(topics, kept)))}:     false,
			{From: channel.FromLast, Last: uint64(len(only(topics, kept))) + 1}: len(only(topics, gone)) > 0,
		} {
			if got := p.read(p.engine.Since, topics, from, 10); lost && got.missing == nil || got.missing != nil && (from.From == channel.FromEarliest || from.Last > 0 && from.Last <= uint64(len(got.messages))) {
				t.Errorf("%s: from %+v: %d messages, missing %+v, want %v", what, from, len(got.messages), got.missing, lost)
			}
		}
	}

	// While pages are read.
	for range 60 {
		topics := topicSets[r.IntN(len(topicSets))]
		begin := len(p.all) - 1 - r.IntN(40)
		cursor := channel.Cursor{From: channel.FromPosition, Position: channel.Position(p.all[begin].Position())}
		next := begin + 1 // what must come, or be missing
		for done := false; !done; {
			if len(p.all)-begin < 150 {
				p.fill(r, r.IntN(30))
			}
			page, err := p.engine.Since("d", channel.Query{Topics: topics, Cursor: cursor, Limit: 1 + r.IntN(10)})
			if err != nil {
				t.Fatal(err)
			}
			upTo := len(p.all)
			for k, m := range page.Messages {
				i, _ := strconv.Atoi(m.ID)
				if skipped := only(topics, p.all[next:max(next, i)]); i < next || len(skipped) > 0 && (page.Missing == nil || k > 0) {
					t.Fatalf("%q: %d came for %d without a word on %v (%d)", topics, i, next, ids(skipped), k)
				}
				next = i + 1
			}
			if page.Done {
				if skipped := only(topics, p.all[next:upTo]); len(skipped) > 0 && (page.Missing == nil || len(page.Messages) > 0) {
					t.Fatalf("%q: %v never came", topics, ids(skipped))
				}
				next = upTo
			}
			cursor, done = page.Next, page.Done && len(p.all)-begin >= 150
		}
	}
}

// A position of another start of the server, or of another destination.
func testForeignPositions(t *testing.T, newEngine func(*testing.T) channel.Engine) {
	before := newPast(t, newEngine(t), definition(100))
	old := before.publish("a")
	engine := newEngine(t)
	p := newPast(t, engine, definition(100))
	for round := range 2 {
		got := p.read(engine.Since, []string{"a"}, channel.Cursor{From: channel.FromPosition, Position: channel.Position(old.Position())}, 10)
		p.check("all", got.messages, only([]string{"a"}, p.all))
		if got.missing == nil || string(got.missing.From) != old.Position() || len(got.missing.To) != message.PositionSize {
			t.Errorf("round %d: missing %+v", round, got.missing)
		}
		p.fill(rand.New(rand.NewPCG(3, 3)), 20)
	}
	engine.Configure([]channel.DestinationDefinition{definition(100), {ID: "e", History: channel.History{MaxMessages: 10}}})
	page, err := engine.Since("e", channel.Query{Topics: []string{""}, Cursor: channel.Cursor{From: channel.FromPosition, Position: channel.Position(p.all[3].Position())}})
	if err != nil || page.Missing == nil {
		t.Errorf("of another destination: %+v, %v", page, err)
	}
}

func testBadPositions(t *testing.T, newEngine func(*testing.T) channel.Engine) {
	p := newPast(t, newEngine(t), definition(100))
	good := p.publish().Position()
	for _, bad := range []string{"", "x", good[1:], good + "A", good[:10] + "\n" + good[11:], good[:19] + "\n", good[:19] + "=", good[:10] + "ä" + good[12:], strings.Repeat(" ", len(good))} {
		if _, err := p.engine.Since("d", channel.Query{Topics: []string{""}, Cursor: channel.Cursor{From: channel.FromPosition, Position: channel.Position(bad)}}); !errors.Is(err, channel.ErrBadPosition) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func testSwitch(t *testing.T, newEngine func(*testing.T) channel.Engine) {
	p := newPast(t, newEngine(t), definition(10))
	r := rand.New(rand.NewPCG(4, 4))
	p.fill(r, 8)
	everything := []string{"", "*"}
	for _, max := range []int{5, 20} { // fewer at once; more from now on
		p.engine.Configure([]channel.DestinationDefinition{definition(max)})
		if n := len(p.kept()); n != 5 || p.engine.Kept("d").Messages != 5 {
			t.Errorf("%d messages kept, want 5", n)
		}
	}
	p.fill(r, 10)
	if n := len(p.kept()); n != 15 {
		t.Errorf("%d messages kept, want 15", n)
	}
	under := p.read(p.engine.Since, everything, channel.Cursor{}, 10).last // somebody who reads
	position := channel.Position(p.all[len(p.all)-1].Position())

	p.engine.Configure([]channel.DestinationDefinition{{ID: "d"}})
	if kept := p.engine.Kept("d"); kept != (channel.Kept{}) {
		t.Errorf("%+v", kept)
	}
	if got := p.read(p.engine.Since, everything, under.Next, 10); got.missing != nil || got.last.Head != under.Head {
		t.Errorf("nothing was published: %+v", got)
	}
	plain := p.publishBare("a")
	if plain.Order <= under.Head || plain.Position() != "" {
		t.Errorf("order %d behind %d, position %q", plain.Order, under.Head, plain.Position())
	}
	got := p.read(p.engine.Since, everything, under.Next, 10)
	if got.missing == nil || len(got.messages) > 0 || got.last.Head != plain.Order {
		t.Errorf("%+v", got)
	}

	p.engine.Configure([]channel.DestinationDefinition{definition(10)})
	m := p.publish("a")
	got = p.read(p.engine.Since, everything, channel.Cursor{From: channel.FromPosition, Position: position}, 10)
	if len(got.messages) != 1 || got.messages[0] != m || got.missing == nil {
		t.Errorf("%v, missing %+v", ids(got.messages), got.missing)
	}
	if got = p.read(p.engine.Since, everything, channel.Cursor{From: channel.FromOrder, Order: plain.Order}, 10); len(got.messages) != 1 || got.missing != nil {
		t.Errorf("%v, missing %+v", ids(got.messages), got.missing)
	}
}

// publishBare publishes where no history is kept.
func (p *past) publishBare(subtopic string) *message.Message {
	m, _ := message.New("d", []string{subtopic}, nil, nil, "bare", p.time(len(p.all)))
	p.engine.Publish([]*message.Message{m}, func(int, channel.Position, error) {})
	return m
}
