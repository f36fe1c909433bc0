package flexsession

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

// model is an outbox as one would write it who has all the time of the world: one slice of what waits, searched from end to end.
type model struct {
	whole     limits
	dests     []*modelDest
	waiting   []*modelLine
	kept      []*modelLine // unconfirmed
	given     int
	confirmed int
	arrivals  int
	ended     bool
}

type modelDest struct {
	id      string
	limits  limits
	policy  channel.SlowPolicy
	until   int
	merging bool
	books   Books
}

type modelLine struct {
	text     string
	dest     *modelDest // nil: a line of the server's own
	loss     uint64     // a loss line
	key      string
	priority int
	expires  time.Time
	merged   uint64
	fixed    bool // nothing may pass it
	arrival  int
}

func (l *modelLine) message() bool { return l.dest != nil && l.loss == 0 }

func (l *modelLine) whole() string {
	switch {
	case l.loss > 0:
		return fmt.Sprintf(`{"type":"loss","destination":"%s","reason":"slow-consumer","count":%d}`+"\n", l.dest.id, l.loss)
	case l.merged > 0:
		return fmt.Sprintf(`{"type":"control","operation":"merged","count":%d}`+"\n", l.merged) + l.text
	}
	return l.text
}

func (l *modelLine) expired() bool { return !l.expires.IsZero() && !time.Now().Before(l.expires) }

// sum counts what waits: of a destination; of all, without loss lines, with nil.
func (m *model) sum(d *modelDest) (n int32, size int) {
	for _, l := range m.waiting {
		if l.loss == 0 && (d == nil || l.dest == d) {
			n, size = n+1, size+len(l.whole())
		}
	}
	return n, size
}

func (m *model) crowded(l *modelLine) (yes, own bool) {
	if l.dest != nil {
		n, size := m.sum(l.dest)
		if setting, _ := l.dest.limits.reached(n, size, len(l.whole())); setting != "" {
			return true, true
		}
	}
	n, size := m.sum(nil)
	setting, _ := m.whole.reached(n, size, len(l.whole()))
	return setting != "", false
}

func (m *model) remove(l *modelLine) {
	m.waiting = slices.DeleteFunc(m.waiting, func(o *modelLine) bool { return o == l })
	if l.message() && l.dest.merging {
		if n, _ := m.sum(l.dest); int(n) <= l.dest.until {
			l.dest.merging = false
		}
	}
}

// stand lets l stand for the older message with its key.
func (m *model) stand(l *modelLine) {
	for _, o := range m.waiting {
		if o.message() && o.dest == l.dest && o.key == l.key && o.arrival < l.arrival {
			l.merged += 1 + o.merged
			l.dest.books.Merged++
			m.remove(o)
			return
		}
	}
}

// oldest is the oldest message of a destination, or of all that may lose messages.
func (m *model) oldest(d *modelDest) (victim *modelLine) {
	for _, l := range m.waiting {
		if l.message() && (l.dest == d || d == nil && l.dest.policy.Drops()) && (victim == nil || l.arrival < victim.arrival) {
			victim = l
		}
	}
	return victim
}

func (m *model) fix() {
	for _, l := range m.waiting {
		l.fixed = true
	}
}

// lossFor is the destination's loss line between which and place i there is no line of the server's own.
func (m *model) lossFor(d *modelDest, i int) *modelLine {
	for _, way := range [...]int{-1, 1} {
		for j := i + way; j >= 0 && j < len(m.waiting) && m.waiting[j].dest != nil; j += way {
			if l := m.waiting[j]; l.dest == d && l.loss > 0 {
				return l
			}
		}
	}
	return nil
}

func (m *model) drop(l *modelLine) {
	l.dest.books.Dropped++
	i := slices.Index(m.waiting, l)
	if loss := m.lossFor(l.dest, i); loss != nil {
		loss.loss += 1 + l.merged
		m.remove(l)
		return
	}
	m.waiting[i] = &modelLine{dest: l.dest, loss: 1 + l.merged}
	m.remove(l) // for what it means to merging
	m.fix()
}

func (m *model) push(l *modelLine) {
	m.arrivals++
	l.arrival = m.arrivals
	d := l.dest
	if d != nil {
		d.books.Accepted++
	}
	if !m.room(l) {
		return
	}
	if d == nil {
		m.waiting = append(m.waiting, l)
		m.fix()
		return
	}
	i := len(m.waiting)
	for i > 0 && !m.waiting[i-1].fixed && m.waiting[i-1].priority < l.priority {
		i--
	}
	m.waiting = slices.Insert(m.waiting, i, l)
}

// room makes room for l and reports whether it may enter.
func (m *model) room(l *modelLine) bool {
	d, policy := l.dest, channel.SlowDisconnect
	if d != nil {
		policy = d.policy
		if d.merging {
			m.stand(l)
		}
	}
	if yes, _ := m.crowded(l); !yes {
		return true
	}
	m.purge()
	if policy == channel.SlowConflate && !d.merging {
		n, _ := m.sum(d)
		var own []*modelLine
		for _, o := range m.waiting {
			if o.dest == d && o.message() {
				own = append(own, o)
			}
		}
		slices.SortFunc(own, func(a, b *modelLine) int { return a.arrival - b.arrival })
		for _, o := range own {
			m.stand(o)
		}
		d.until = int(n) / 2
		left, _ := m.sum(d)
		merging := int(left) > d.until
		d.merging = merging
		m.stand(l)
	}
	for {
		yes, own := m.crowded(l)
		if !yes {
			return true
		}
		var victim *modelLine
		if policy.Drops() {
			victim = m.oldest(d)
		}
		if victim == nil && !own {
			victim = m.oldest(nil)
		}
		switch {
		case victim != nil:
			m.drop(victim)
		case policy.Drops():
			d.books.Dropped++
			if loss := m.lossFor(d, len(m.waiting)); loss != nil {
				loss.loss += 1 + l.merged
			} else {
				m.waiting = append(m.waiting, &modelLine{dest: d, loss: 1 + l.merged})
				m.fix()
			}
			return false
		default:
			m.ended = true
			if d != nil {
				d.books.Abandoned++
			}
			return false
		}
	}
}

func (m *model) purge() {
	for _, l := range slices.Clone(m.waiting) {
		if l.expired() {
			l.dest.books.Expired++
			m.remove(l)
		}
	}
}

// take is what a transport is to write.
func (m *model) take(limit int, w Window) string {
	var text strings.Builder
	skipped := 0
	skip := func() {
		if skipped > 0 {
			fmt.Fprintf(&text, `{"type":"control","operation":"skip","count":%d}`+"\n", skipped)
			skipped = 0
		}
	}
	for ; m.given < len(m.kept); m.given++ {
		l := m.kept[m.given]
		if l.expired() {
			skipped++
			continue
		}
		skip()
		if text.Len() > 0 && text.Len()+len(l.whole()) > limit {
			return text.String()
		}
		text.WriteString(l.whole())
	}
	skip()
	for len(m.waiting) > 0 {
		l := m.waiting[0]
		if l.expired() {
			l.dest.books.Expired++
			m.remove(l)
			continue
		}
		size := 0
		for _, k := range m.kept {
			size += len(k.whole())
		}
		if len(m.kept) > 0 && (len(m.kept) >= w.Messages || size+len(l.whole()) > w.Bytes) || text.Len() > 0 && text.Len()+len(l.whole()) > limit {
			break
		}
		text.WriteString(l.whole())
		if l.message() {
			l.dest.books.Sent++
		}
		m.remove(l)
		m.kept = append(m.kept, l)
		m.given++
	}
	return text.String()
}

func (m *model) confirm(n int) {
	m.kept = m.kept[n:]
	m.confirmed += n
	m.given = max(0, m.given-n)
}

// Random pushes of random priority, time to live and key on destinations of every policy, takes, confirmations and attaches: after every step the outbox gives what the model gives, its books are the model's and
// are balanced, and what it notes of itself is true.
func TestOutboxIsItsModel(t *testing.T) {
	for seed := range uint64(400) {
		ok := true
		synctest.Test(t, func(t *testing.T) { ok = modelRound(t, seed) })
		if !ok {
			return
		}
	}
}

func modelRound(t *testing.T, seed uint64) bool {
	rnd := rand.New(rand.NewPCG(seed, 7))
	m := &model{whole: limits{6 + rnd.IntN(16), 1200 + rnd.IntN(6000)}} // room for the subscriptions
	h := newHouse(t, func(o *Options) { o.MaxWaitingMessages, o.MaxWaitingBytes = m.whole.messages, m.whole.bytes })
	defs := []channel.DestinationDefinition{{ID: "chat", AllowSubtopics: true}, {ID: "quiet", SubscriptionTimeout: time.Minute}}
	policies := []channel.SlowPolicy{channel.SlowDropOldest, channel.SlowConflate, channel.SlowDropOldest, channel.SlowConflate, channel.SlowDisconnect}
	for i, policy := range policies[:2+rnd.IntN(4)] {
		d := &modelDest{id: fmt.Sprint("d", i), policy: policy}
		if rnd.IntN(2) == 0 {
			d.limits = limits{1 + rnd.IntN(12), 300 + rnd.IntN(3000)}
		}
		m.dests = append(m.dests, d)
		defs = append(defs, channel.DestinationDefinition{ID: d.id, SlowConsumer: policy, ConflateKey: "k", MaxWaitingMessages: d.limits.messages, MaxWaitingBytes: d.limits.bytes})
	}
	if err := h.broker.Reconfigure(defs, nil); err != nil {
		t.Fatal(err)
	}
	c, tr := h.client(t), &transport{}
	c.Attach(tr, 1, 0)
	ins := make([]*interest, len(m.dests))
	for i, d := range m.dests {
		s, err := c.Subscribe(h.broker.Destination(d.id), topics(""), "")
		if err != nil {
			t.Fatal(err)
		}
		ins[i] = s.dest
	}
	c.out.take(nil, 1<<20, wide)
	if err := c.out.confirm(c.out.sent()); err != nil {
		t.Fatal(err)
	}
	start := c.out.confirmed
	w := Window{Messages: 1 + rnd.IntN(8), Bytes: 200 + rnd.IntN(2000)}
	mixed, keys := rnd.IntN(2) == 0, 1+rnd.IntN(6)

	wrong := func(step int, format string, args ...any) bool {
		t.Errorf("seed %d, step %d: %s", seed, step, fmt.Sprintf(format, args...))
		return false
	}
	for step := range 300 {
		var got, want string
		what := rnd.IntN(10)
		switch {
		case what < 6:
			if rnd.IntN(12) == 0 {
				text := fmt.Sprintf(`{"type":"state","n":%d}`+"\n", step)
				c.mu.Lock()
				c.push(own([]byte(text)))
				c.mu.Unlock()
				m.push(&modelLine{text: text})
				break
			}
			i := rnd.IntN(len(m.dests))
			headers := map[string]any{"k": rnd.IntN(keys), "pad": strings.Repeat("x", rnd.IntN(200))}
			msg, err := message.New(m.dests[i].id, nil, fmt.Appendf(nil, "%d", step), headers, "", time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if mixed {
				msg.Priority = rnd.IntN(10)
			}
			if rnd.IntN(3) == 0 {
				msg.Expires = time.Now().Add(time.Duration(1+rnd.IntN(40)) * time.Millisecond)
			}
			c.mu.Lock()
			c.push(entry{m: msg, in: ins[i]})
			c.mu.Unlock()
			m.push(&modelLine{text: string(msg.Line), dest: m.dests[i], key: fmt.Sprint(headers["k"]), priority: msg.Priority, expires: msg.Expires})
		case what < 8:
			limit := 1 + rnd.IntN(1500)
			warning := string(c.out.warn(nil)) // it is not the model's
			if warning != "" && !strings.HasPrefix(warning, `{"type":"control","operation":"slow"`) {
				return wrong(step, "the warning is %q", warning)
			}
			buf, _ := c.out.take(nil, limit, w)
			got, want = string(buf), m.take(limit, w)
		case what == 8 && len(m.kept) > 0:
			n := rnd.IntN(len(m.kept) + 1)
			m.confirm(n)
			if err := c.out.confirm(start + uint64(m.confirmed)); err != nil {
				return wrong(step, "%v", err)
			}
		default:
			time.Sleep(time.Duration(rnd.IntN(30)) * time.Millisecond)
			if rnd.IntN(2) == 0 {
				c.out.rewind()
				m.given = 0
			}
		}
		if got != want {
			return wrong(step, "it gives\n%swant\n%s", got, want)
		}
		if c.slow != m.ended {
			return wrong(step, "a slow consumer: %v, want %v", c.slow, m.ended)
		}
		if m.ended {
			break
		}
		if problem := compare(c, m, ins); problem != "" {
			return wrong(step, "%s", problem)
		}
	}
	if !m.ended {
		c.End(Because(message.CodeAdministrator))
	}
	synctest.Wait()
	for i, in := range ins {
		b := in.books()
		if b.Waiting != 0 || !b.Balanced() {
			return wrong(-1, "at the end the books of %s are %+v", m.dests[i].id, b)
		}
		if total := h.broker.Destination(m.dests[i].id).Books(); total.Accepted.Load() != b.Accepted || total.Sent.Load() != b.Sent || total.Merged.Load() != b.Merged ||
			total.Expired.Load() != b.Expired || total.Dropped.Load() != b.Dropped || total.Abandoned.Load() != b.Abandoned {
			return wrong(-1, "the destination's books are not those of its only client")
		}
	}
	return true
}

// compare looks for differences between an outbox and its model.
func compare(c *FlexClient, m *model, ins []*interest) string {
	if int(c.out.wait.n) != len(m.waiting) || c.out.unconfirmed.len() != len(m.kept) {
		return fmt.Sprintf("%d wait and %d are unconfirmed, want %d and %d", c.out.wait.n, c.out.unconfirmed.len(), len(m.waiting), len(m.kept))
	}
	n, size := m.sum(nil)
	if c.out.wait.n-c.out.wait.losses != n || c.out.wait.size != size {
		return fmt.Sprintf("%d messages of %d bytes wait, want %d of %d", c.out.wait.n-c.out.wait.losses, c.out.wait.size, n, size)
	}
	there := c.registry.Waiting()
	for i, in := range ins {
		d := m.dests[i]
		n, size := m.sum(d)
		want := d.books
		want.Waiting = int(n)
		if b := in.books(); b != want || !b.Balanced() || in.waiting != n || in.size != size || there[in.dest] != int(n) {
			return fmt.Sprintf("%s: books %+v, want %+v; %d of %d bytes wait, want %d of %d; found %d", d.id, b, want, in.waiting, in.size, n, size, there[in.dest])
		}
		if (in.conflating() != nil) != d.merging {
			return fmt.Sprintf("%s: merging %v, want %v", d.id, in.conflating() != nil, d.merging)
		}
	}
	return ""
}
