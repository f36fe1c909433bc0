package flexsession

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

// keep makes the house's chat keep history.
func (h *house) keep(t testing.TB, history channel.History) {
	t.Helper()
	h.define(t, func(d *channel.DestinationDefinition) { d.History = history })
}

func (h *house) define(t testing.TB, change func(*channel.DestinationDefinition)) {
	t.Helper()
	var defs []channel.DestinationDefinition
	for _, d := range h.broker.Destinations() {
		def := *d.Definition()
		if def.ID == "chat" {
			change(&def)
		}
		defs = append(defs, def)
	}
	if err := h.broker.Reconfigure(defs, nil); err != nil {
		t.Fatal(err)
	}
	synctest.Wait() // the broker runs
}

// tap notes all that is published, in its order.
type tap struct {
	mu  sync.Mutex
	all []*message.Message
}

func (p *tap) Deliver(m *message.Message, _ *channel.Subscription) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, m)
	return false
}

func (*tap) Flush() {}

func (p *tap) some(r *rand.Rand) (*message.Message, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.all) == 0 {
		return nil, false
	}
	return p.all[r.IntN(len(p.all))], true
}

// order is the number of a position.
func (p *tap) order(position string) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.all {
		if m.Position() == position {
			return m.Order
		}
	}
	return 0 // before the first
}

func (h *house) tap(t testing.TB) *tap {
	t.Helper()
	p := &tap{}
	s := h.broker.Destination("chat").Subscribe("tap", p)
	for _, topic := range []string{"", "*"} {
		if err := s.Add(message.Topic{Subtopic: topic}); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// heard is one line, as far as the tests look at it.
type heard struct {
	Type, Operation, ClientID, MessageID, Position, From, To, Reason string
	ClientIDs                                                        []string
	Recovered                                                        *bool
}

// reader is a client that takes what is there for it.
type reader struct {
	c      *FlexClient
	tr     *transport
	attach uint64
	epoch  uint64
	have   uint64
	to     []string            // of the line before
	known  []string            // the subscriptions that have begun
	lines  []heard             // all that came
	of     map[string][]heard  // by subscription
	topics map[string][]string // of them
	begin  map[string]channel.Cursor
}

func newReader(c *FlexClient) *reader {
	away := &channel.ChannelDefinition{ID: "test", Kind: channel.WebSocket, ReliableReconnectDuration: time.Minute}
	r := &reader{c: c, tr: &transport{def: away}, of: map[string][]heard{}, topics: map[string][]string{}, begin: map[string]channel.Cursor{}}
	r.come()
	return r
}

// come attaches the reader, or attaches it anew.
func (r *reader) come() {
	r.attach++
	r.epoch = r.c.Attach(r.tr, r.attach, r.have).Epoch
}

func (r *reader) take(t testing.TB, limit int) (any bool) {
	t.Helper()
	buf, _ := r.c.Take(r.epoch, nil, limit)
	for line := range message.Lines(buf) {
		var l heard
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		if l.Operation == "for" {
			r.to = l.ClientIDs
			continue
		}
		if l.Type == "control" {
			continue
		}
		r.have++
		r.lines = append(r.lines, l)
		switch {
		case l.Type != "async":
			r.of[l.ClientID] = append(r.of[l.ClientID], l)
		case r.to != nil:
			for _, id := range r.to {
				r.of[id] = append(r.of[id], l)
			}
		case len(r.known) != 1:
			t.Errorf("for one of %v: %+v", r.known, l)
		default:
			r.of[r.known[0]] = append(r.of[r.known[0]], l)
		}
		switch l.Operation {
		case "subscribe":
			r.known = append(r.known, l.ClientID)
		case "unsubscribe":
			r.known = slices.DeleteFunc(r.known, func(id string) bool { return id == l.ClientID })
		}
		r.to = nil
	}
	return len(buf) > 0
}

// all takes and confirms until nothing comes any more.
func (r *reader) all(t testing.TB) {
	t.Helper()
	for quiet := 0; quiet < 3; {
		if synctest.Wait(); r.take(t, 1000) {
			quiet = 0
		} else {
			quiet++
		}
		r.c.Confirm(r.have)
	}
}

func (r *reader) subscribe(t testing.TB, h *house, begin channel.Cursor, subtopics ...string) (*MessageClient, message.Standing) {
	t.Helper()
	s, standing, err := r.c.SubscribeFrom(h.broker.Destination("chat"), topics(subtopics...), begin, Attend{}, "")
	if err != nil {
		t.Fatal(err)
	}
	r.topics[s.ID()], r.begin[s.ID()] = subtopics, begin
	return s, standing
}

// bodies are the messages of a subscription, with the other lines between them.
func (r *reader) story(s *MessageClient) (story []string) {
	for _, l := range r.of[s.ID()] {
		switch l.Type {
		case "async":
			story = append(story, l.MessageID)
		case "loss":
			story = append(story, "loss")
		default:
			story = append(story, l.Operation)
		}
	}
	return story
}

// check holds what a subscription got against all that was published: everything that matches from its beginning on is there once, in order, or a loss line stands in its place.
func (r *reader) check(t testing.TB, p *tap, id string) (losses int) {
	t.Helper()
	set, begin := channel.NewTopicSet(r.topics[id], "."), r.begin[id]
	byID := map[string]*message.Message{}
	var due []uint64
	for _, m := range p.all {
		byID[m.ID] = m
		if set.Message(m) {
			due = append(due, m.Order)
		}
	}
	at, open, live := uint64(0), begin.From == channel.FromEarliest || begin.From == channel.FromLast, begin.From == channel.FromNow
	if begin.From == channel.FromPosition {
		at = p.order(string(begin.Position))
	}
	reach := func(order uint64, what string) {
		for _, d := range due {
			if d > at && d < order && !open {
				t.Errorf("%s of %d: %d is missing after %d", what, order, d, at)
			}
		}
		at, open = order, false
	}
	for i, l := range r.of[id] {
		switch {
		case l.Type == "async":
			m := byID[l.MessageID]
			if m.Order <= at {
				t.Errorf("%d came after %d", m.Order, at)
			}
			if !set.Message(m) {
				t.Errorf("%d of %v is not for %v", m.Order, m.Subtopics, r.topics[id])
			}
			reach(m.Order, "message")
		case l.Type == "loss":
			losses++
			if live {
				t.Errorf("a loss after the subscription went live: %+v", l)
			}
			at, open = max(at, p.order(l.To)), false
		case l.Operation == "subscribe":
			if i != 0 {
				t.Errorf("the subscription begins as line %d", i)
			}
			if begin.From == channel.FromNow {
				at = p.order(l.Position)
			}
			if (l.Recovered != nil) != (begin.From != channel.FromNow) {
				t.Errorf("recovered is %v for %v", l.Recovered, begin)
			}
		case l.Operation == "live":
			if live {
				t.Errorf("it went live twice")
			}
			live = true
			if end := p.order(l.Position); end < at {
				t.Errorf("live at %d, after %d", end, at)
			} else {
				reach(end+1, "live")
				at = end
			}
		}
	}
	if !live {
		t.Error("it never went live")
	}
	reach(1<<60, "the end")
	return losses
}

// Whatever is published meanwhile, from wherever subscriptions begin, however slowly a client takes and however often it comes anew, however small the pages: nothing of what matches is missing without a
// loss line, nothing comes twice, nothing out of order, and what is live follows.
func TestReplayProperty(t *testing.T) {
	losses := 0
	for range 30 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			waiting := 300 + random.IntN(200)
			bubble(t, func(o *Options) { o.MaxWaitingMessages = waiting; o.Window.Messages = 1 + random.IntN(40) }, func(t *testing.T, h *house) {
				h.registry.readers.page = 1 + random.IntN(9)
				kept := 1000
				if random.IntN(2) == 0 {
					kept = 1 + random.IntN(150)
				}
				h.keep(t, channel.History{MaxMessages: kept})
				p := h.tap(t)
				subtopics := [][]string{nil, {"a"}, {"b.c"}, {"a", "b.c"}, {"b.d"}}
				publish := func(r *rand.Rand, who string, n int, pause bool) {
					for i := 0; i < n; {
						var batch []*message.Message
						for range min(n-i, 1+r.IntN(12)) {
							m, err := message.New("chat", subtopics[r.IntN(len(subtopics))], json.RawMessage(`1`), nil, fmt.Sprint(who, i), time.Now())
							if err != nil {
								t.Error(err)
							}
							batch = append(batch, m)
							i++
						}
						h.broker.Publish(batch, func(int, *message.Error) {})
						if pause {
							time.Sleep(time.Duration(r.IntN(4)) * time.Millisecond)
						}
					}
				}
				publish(random, "before", 10+random.IntN(300), false)
				var all sync.WaitGroup
				for i := range 2 {
					r := rand.New(rand.NewPCG(seed, uint64(100+i)))
					all.Go(func() { publish(r, fmt.Sprint("p", i, "-"), 70, true) })
				}
				readers := make([]*reader, 4)
				for i := range readers {
					r := rand.New(rand.NewPCG(seed, uint64(i)))
					readers[i] = newReader(h.client(t))
					all.Go(func() { wander(t, h, p, readers[i], r) })
				}
				all.Wait()
				for _, rd := range readers {
					rd.come()
					rd.all(t)
					if cause := rd.c.Ended(); cause != nil {
						t.Fatalf("ended: %v", cause)
					}
					for id := range rd.topics {
						n := rd.check(t, p, id)
						if losses += n; n > 0 && kept == 1000 {
							t.Errorf("%d losses where nothing was discarded", n)
						}
					}
				}
				if n := h.registry.readers.queue.len(); n != 0 || h.registry.readers.busy != 0 {
					t.Errorf("%d clients and %d readers are left", n, h.registry.readers.busy)
				}
			})
		})
	}
	if losses == 0 {
		t.Error("no history was ever too short: the test does not test losses")
	}
}

// wander subscribes here and there, and takes now and then.
func wander(t *testing.T, h *house, p *tap, rd *reader, r *rand.Rand) {
	topics := [][]string{{""}, {"a"}, {"b.*"}, {"*", ""}, {"a", "b.c"}}
	subs := 1 + r.IntN(3)
	for range 100 {
		switch n := r.IntN(12); {
		case n == 0 && len(rd.topics) < subs:
			begin := channel.Cursor{From: []channel.From{channel.FromNow, channel.FromPosition, channel.FromPosition, channel.FromLast, channel.FromEarliest}[r.IntN(5)]}
			if begin.From == channel.FromLast {
				begin.Last = 1 + r.Uint64N(100)
			}
			if begin.From == channel.FromPosition {
				m, ok := p.some(r)
				if !ok {
					continue
				}
				begin.Position = channel.Position(m.Position())
			}
			rd.subscribe(t, h, begin, topics[r.IntN(len(topics))]...)
		case n == 1:
			rd.c.Detach(rd.tr, Because(message.CodeConnectionLost))
			time.Sleep(time.Duration(r.IntN(5)) * time.Millisecond)
			rd.come()
		case n < 4:
			rd.c.Confirm(rd.have)
		default:
			rd.take(t, 1+r.IntN(2000))
		}
		time.Sleep(time.Duration(r.IntN(1000)) * time.Microsecond)
	}
}

// wants compares what a subscription got with what it should have.
func (r *reader) wants(t *testing.T, s *MessageClient, want ...string) {
	t.Helper()
	r.all(t)
	if got := r.story(s); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// Each way to begin.
func TestWhereAReplayBegins(t *testing.T) {
	bubble(t, nil, func(t *testing.T, h *house) {
		h.keep(t, channel.History{MaxMessages: 4})
		p := h.tap(t)
		from := time.Now()
		for range 3 {
			time.Sleep(time.Second)
			h.publish(t, "a", 1)
		}
		time.Sleep(time.Second)
		h.publish(t, "a", 3) // 0 of the second, third, then 0 1 2
		position := func(i int) channel.Cursor {
			return channel.Cursor{From: channel.FromPosition, Position: channel.Position(p.all[i].Position())}
		}
		for name, test := range map[string]struct {
			begin     channel.Cursor
			recovered bool
			want      []string
		}{
			"position":        {position(3), true, []string{"1", "2"}},
			"newest":          {position(5), true, nil},
			"discarded":       {position(0), false, []string{"loss", "0", "0", "1", "2"}},
			"none discarded":  {position(1), true, []string{"0", "0", "1", "2"}},
			"last two":        {channel.Cursor{From: channel.FromLast, Last: 2}, true, []string{"1", "2"}},
			"earliest":        {channel.Cursor{From: channel.FromEarliest}, true, []string{"0", "0", "1", "2"}},
			"time":            {channel.Cursor{From: channel.FromTime, Time: from.Add(3500 * time.Millisecond)}, true, []string{"0", "1", "2"}},
			"before the time": {channel.Cursor{From: channel.FromTime, Time: from}, false, []string{"loss", "0", "0", "1", "2"}},
		} {
			t.Log(name)
			r := newReader(h.client(t))
			s, standing := r.subscribe(t, h, test.begin, "a")
			if !standing.Asked || standing.Recovered != test.recovered {
				t.Errorf("standing %+v, want recovered %v", standing, test.recovered)
			}
			r.wants(t, s, append(append([]string{"subscribe"}, test.want...), "live")...)
			if l := r.of[s.ID()]; l[len(l)-1].Position != p.all[5].Position() {
				t.Errorf("live at %q", l[len(l)-1].Position)
			}
		}
	})
}

// A position that a client has been given lets it go on and miss nothing, whenever it hands it back: it is not that of the newest message while older ones are still to come.
func TestStandingIsWhereTheClientStands(t *testing.T) {
	bubble(t, nil, func(t *testing.T, h *house) {
		h.keep(t, channel.History{MaxMessages: 100})
		p := h.tap(t)
		h.publish(t, "a", 3)
		r := newReader(h.client(t))
		if _, s := r.subscribe(t, h, channel.Cursor{}, "a"); s.Position != p.all[2].Position() || s.Asked {
			t.Errorf("with nothing asked: %+v, want the newest", s)
		}
		old := channel.Position(p.all[0].Position())
		if _, s := r.subscribe(t, h, channel.Cursor{From: channel.FromPosition, Position: old}, "a"); s.Position != string(old) {
			t.Errorf("with something to come: %+v, want what was handed in", s)
		}
		if _, s := r.subscribe(t, h, channel.Cursor{From: channel.FromPosition, Position: old}, "elsewhere"); s.Position != p.all[2].Position() {
			t.Errorf("with nothing to come: %+v, want the newest", s)
		}
		if _, s := r.subscribe(t, h, channel.Cursor{From: channel.FromEarliest}, "a"); s.Position != "" {
			t.Errorf("from the earliest: %+v, want none", s)
		}
	})
}

// A subscription that is still in the past is not named before a live message for another one, and gets it in its place.
func TestReplayBesideLive(t *testing.T) {
	bubble(t, func(o *Options) { o.MaxWaitingMessages = 40 }, func(t *testing.T, h *house) {
		h.keep(t, channel.History{MaxMessages: 100})
		h.publish(t, "a", 30)
		r := newReader(h.client(t))
		live, _ := r.subscribe(t, h, channel.Cursor{}, "a")
		past, _ := r.subscribe(t, h, channel.Cursor{From: channel.FromEarliest}, "a") // a half of what may wait is not enough for it
		h.publish(t, "a", 2)
		r.wants(t, live, "subscribe", "0", "1")
		var want []string
		for i := range 30 {
			want = append(want, fmt.Sprint(i))
		}
		r.wants(t, past, append(append([]string{"subscribe"}, want...), "0", "1", "live")...)
		h.publish(t, "a", 1)
		r.wants(t, live, "subscribe", "0", "1", "0")
	})
}

// The past takes up no more than half of what may wait, in messages and in bytes, and nobody works for a client that does not take.
func TestReplayIsBounded(t *testing.T) {
	for name, set := range map[string]func(*Options){
		"messages": func(o *Options) { o.MaxWaitingMessages = 100 },
		"bytes":    func(o *Options) { o.MaxWaitingBytes = 10000 },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, set, func(t *testing.T, h *house) {
				h.keep(t, channel.History{MaxMessages: 1000})
				p := h.tap(t)
				h.publish(t, "a", 1000)
				r := newReader(h.client(t))
				one, _ := r.subscribe(t, h, channel.Cursor{From: channel.FromEarliest}, "a")
				two, _ := r.subscribe(t, h, channel.Cursor{From: channel.FromEarliest}, "*")
				synctest.Wait()
				if n, size := r.c.out.waiting(), r.c.out.waitingBytes(); n < 30 || n > 51 && name == "messages" || size > 5300 && name == "bytes" { // a half, and what was the server's own
					t.Errorf("%d lines of %d bytes wait", n, size)
				}
				if n := h.registry.readers.busy; n != 0 || r.c.reading {
					t.Errorf("%d readers at work, for one who does not take", n)
				}
				r.all(t)
				r.check(t, p, one.ID())
				r.check(t, p, two.ID())
				if len(r.of[one.ID()]) != 1002 || len(r.of[two.ID()]) != 1002 {
					t.Errorf("%d and %d lines", len(r.of[one.ID()]), len(r.of[two.ID()]))
				}
			})
		})
	}
}

// blocker holds up whoever delivers to it.
type blocker chan struct{}

func (b blocker) Deliver(*message.Message, *channel.Subscription) bool { <-b; return false }
func (blocker) Flush()                                                 {}

// A replay may bring messages before they are delivered: that they are delivered later does not double them.
func TestReplayIsAheadOfDelivery(t *testing.T) {
	bubble(t, nil, func(t *testing.T, h *house) {
		h.keep(t, channel.History{MaxMessages: 100})
		hold := make(blocker)
		if err := h.broker.Destination("chat").Subscribe("blocker", hold).Add(message.Topic{Subtopic: "b"}); err != nil {
			t.Fatal(err)
		}
		m, err := message.New("chat", []string{"b"}, json.RawMessage("1"), nil, "held up", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		go h.broker.Publish([]*message.Message{m}, func(int, *message.Error) {})
		synctest.Wait()
		h.publish(t, "a", 3)
		r := newReader(h.client(t))
		s, _ := r.subscribe(t, h, channel.Cursor{From: channel.FromEarliest}, "a")
		r.wants(t, s, "subscribe", "0", "1", "2", "live")
		plain, _ := r.subscribe(t, h, channel.Cursor{}, "*")
		close(hold)
		h.publish(t, "a", 1)
		r.wants(t, s, "subscribe", "0", "1", "2", "live", "0")
		r.wants(t, plain, "subscribe", "0")
	})
}

// Several replays of a client take turns.
func TestReplaysTakeTurns(t *testing.T) {
	bubble(t, nil, func(t *testing.T, h *house) {
		h.registry.readers.page = 10
		h.keep(t, channel.History{MaxMessages: 1000})
		h.publish(t, "a", 100)
		r := newReader(h.client(t))
		r.c.mu.Lock()
		r.c.reading = true // not yet
		r.c.mu.Unlock()
		one, _ := r.subscribe(t, h, channel.Cursor{From: channel.FromEarliest}, "a")
		r.subscribe(t, h, channel.Cursor{From: channel.FromEarliest}, "*")
		r.c.mu.Lock()
		r.c.reading = false
		r.c.readOn()
		r.c.mu.Unlock()
		r.all(t)
		first := slices.IndexFunc(r.lines, func(l heard) bool { return l.Operation == "live" })
		if r.lines[first].ClientID != one.ID() {
			t.Errorf("the first to be live is %+v", r.lines[first])
		}
		if rest := len(r.lines) - first; rest > 25 {
			t.Errorf("%d lines follow when the first of two is live: they do not take turns", rest)
		}
	})
}

// A replay ends with its subscription, and with its client.
func TestReplayEnds(t *testing.T) {
	bubble(t, func(o *Options) { o.MaxWaitingMessages = 20 }, func(t *testing.T, h *house) {
		h.keep(t, channel.History{MaxMessages: 1000})
		h.publish(t, "a", 100)
		r := newReader(h.client(t))
		s, _ := r.subscribe(t, h, channel.Cursor{From: channel.FromEarliest}, "a")
		synctest.Wait()
		if err := r.c.Unsubscribe(s.ID(), ""); err != nil {
			t.Fatal(err)
		}
		r.all(t)
		if story := r.story(s); story[len(story)-1] != "unsubscribe" || len(story) > 15 {
			t.Errorf("after its end: %v", story)
		}
		r.subscribe(t, h, channel.Cursor{From: channel.FromEarliest}, "a")
		r.c.End(Because(message.CodeAdministrator))
		if r.c.replays != nil {
			t.Error("the client has ended, and reads on")
		}
	})
}

// What has expired is not replayed, and when all that waited has, reading goes on.
func TestExpiredIsNotReplayed(t *testing.T) {
	bubble(t, func(o *Options) { o.MaxWaitingMessages, o.Window.Messages = 20, 1 }, func(t *testing.T, h *house) {
		h.keep(t, channel.History{MaxMessages: 100})
		for i := range 100 {
			m, err := message.New("chat", []string{"a"}, json.RawMessage("1"), nil, fmt.Sprint(i), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if i < 95 {
				m.Settle(time.Minute, nil)
			}
			h.broker.Publish([]*message.Message{m}, func(int, *message.Error) {})
		}
		r := newReader(h.client(t))
		s, _ := r.subscribe(t, h, channel.Cursor{From: channel.FromEarliest}, "a")
		synctest.Wait()
		r.take(t, 1000) // subscribe, and the window is full
		time.Sleep(2 * time.Minute)
		r.tr.wakes = 0
		r.c.Confirm(r.have)
		synctest.Wait()
		if r.tr.wakes == 0 {
			t.Error("nobody says that there is more")
		}
		r.wants(t, s, "subscribe", "95", "96", "97", "98", "99", "live")
	})
}

// The limits of a destination hold for its past as well.
func TestReplayWithinTheLimitsOfItsDestination(t *testing.T) {
	bubble(t, nil, func(t *testing.T, h *house) {
		h.define(t, func(d *channel.DestinationDefinition) { d.History.MaxMessages, d.MaxWaitingMessages = 1000, 10 })
		p := h.tap(t)
		h.publish(t, "a", 500)
		r := newReader(h.client(t))
		s, _ := r.subscribe(t, h, channel.Cursor{From: channel.FromEarliest}, "a")
		synctest.Wait()
		if n, _ := r.c.Depth(); n != 6 {
			t.Errorf("%d lines wait, want the subscription's and half of 10", n)
		}
		r.all(t)
		r.check(t, p, s.ID())
		r.c.mu.Lock()
		defer r.c.mu.Unlock()
		for _, b := range r.c.allBooks() {
			if !b.Balanced() || b.Sent != 500 {
				t.Errorf("books %+v", b)
			}
		}
	})
}

// What cannot be asked for.
func TestNoPast(t *testing.T) {
	bubble(t, nil, func(t *testing.T, h *house) {
		c, d := h.client(t), h.broker.Destination("chat")
		for _, begin := range []channel.Cursor{{From: channel.FromLast, Last: 1}, {From: channel.FromEarliest}, {From: channel.FromTime}} {
			if _, _, err := c.SubscribeFrom(d, topics("a"), begin, Attend{}, ""); err == nil || err.Code != message.CodeHistoryNotKept {
				t.Errorf("%+v: %v", begin, err)
			}
		}
		h.keep(t, channel.History{MaxMessages: 10})
		if _, _, err := c.SubscribeFrom(d, topics("a"), channel.Cursor{From: channel.FromPosition, Position: "mine"}, Attend{}, ""); err == nil || err.Code != message.CodeBadField {
			t.Errorf("not a position: %v", err)
		}
		if n := d.Subscribers(); n != 0 {
			t.Errorf("%d subscriptions are left", n)
		}
	})
}

// A position outlives the history it is of: the client is told, and goes on.
func TestHistoryTakenAway(t *testing.T) {
	bubble(t, func(o *Options) { o.MaxWaitingMessages = 20 }, func(t *testing.T, h *house) {
		h.keep(t, channel.History{MaxMessages: 100})
		p := h.tap(t)
		h.publish(t, "a", 100)
		r := newReader(h.client(t))
		half, _ := r.subscribe(t, h, channel.Cursor{From: channel.FromEarliest}, "a")
		synctest.Wait()
		h.keep(t, channel.History{})
		h.publish(t, "a", 1)
		r.all(t)
		if story := r.story(half); !slices.Contains(story, "loss") || story[len(story)-1] != "live" {
			t.Errorf("half of it: %v", story)
		}
		r = newReader(h.client(t))
		s, standing := r.subscribe(t, h, channel.Cursor{From: channel.FromPosition, Position: channel.Position(p.all[3].Position())}, "a")
		if !standing.Asked || standing.Recovered {
			t.Errorf("standing %+v", standing)
		}
		h.publish(t, "a", 1)
		r.wants(t, s, "subscribe", "loss", "0")
	})
}

// A new subscription on a destination with last values gets the newest of each subtopic that matches, then what is live.
func TestLastValues(t *testing.T) {
	bubble(t, nil, func(t *testing.T, h *house) {
		h.define(t, func(d *channel.DestinationDefinition) { d.LastValue = true })
		h.publish(t, "a", 3)
		h.publish(t, "b.c", 2)
		h.publish(t, "d", 5)
		r := newReader(h.client(t))
		s, standing := r.subscribe(t, h, channel.Cursor{}, "a", "b.*")
		if standing != (message.Standing{}) {
			t.Errorf("standing %+v", standing)
		}
		h.publish(t, "a", 1)
		r.wants(t, s, "subscribe", "2", "1", "live", "0")
	})
}
