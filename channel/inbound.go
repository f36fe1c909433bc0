package channel

import (
	"sync"
	"time"

	"sluice/channel/message"
	"sluice/heartbeat"
)

// Admission is what throttle-inbound makes of a message.
type Admission int

// The admissions.
const (
	Admitted Admission = iota // it is below the frequency: publish it
	Ignored                   // it was dropped
	Merged                    // a newer one with its key stands for it
	Delayed                   // it waits, and is published later; the publisher is told then
)

// inbound is the throttle-inbound of a destination: what publishers may send, and what waits to be published.
type inbound struct {
	dest   *Destination
	counts throttleCounts

	mu        sync.Mutex // guards the following
	all       Rate
	senders   map[string]*sender // by the publisher's name: those who have sent something lately
	sweep     int                // how many senders there may be until those who have not are forgotten
	line      Held[offered]
	bytes     int // of the line
	timer     heartbeat.Timer
	at        time.Time // when the timer fires; zero: it is not armed
	releasing bool      // somebody publishes what waited
	open      bool      // nothing is held any more: the broker ends
}

// sender is one client that publishes.
type sender struct {
	rate Rate
	held int
}

// offered is a message that waits.
type offered struct {
	m    *message.Message
	from *sender // nil: no client
	done func(Admission, *message.Error)
}

// Admit asks throttle-inbound whether m may be published now. From names the client that has sent it, which max-client-frequency is about; "": none. It is called when m is known to be good and its sender to be allowed.
//
// The error is throttled, with the setting that says so and when to try again. What is Delayed is published by the broker as soon as the frequency lets it: the messages of one client in their order, before any that
// it sends later. done is called for it then, once, from any goroutine, and must not block: with Admitted when it has its place in the order, with Merged when a newer message with its key stands for it, or with an
// error. For the rest it is not called. A caller that has messages of the same client at hand which were Admitted before publishes them first ([Destination.Holds]).
func (d *Destination) Admit(from string, m *message.Message, done func(Admission, *message.Error)) (Admission, *message.Error) {
	def := d.Definition()
	if !def.Inbound.Policy.InForce() {
		return Admitted, nil
	}
	return d.inbound.admit(def, from, m, done)
}

// Holds says whether Admit may answer Delayed.
func (d *Destination) Holds() bool { return d.Definition().Inbound.Policy.Holds() }

func (g *inbound) admit(def *DestinationDefinition, from string, m *message.Message, done func(Admission, *message.Error)) (Admission, *message.Error) {
	var merged []*HeldItem[offered] // told when the lock is free
	defer func() {
		for _, item := range merged {
			item.Value.done(Merged, nil)
		}
	}()
	g.mu.Lock()
	defer g.mu.Unlock()
	now, in := time.Now(), &def.Inbound
	s := g.sender(def, from, now)
	setting, value, wait := g.wait(in, s, now)
	turn := max(g.all.after(g.line.Len(), now), s.after(now))
	holds := in.Policy.Holds() && !g.open
	waits := wait > 0 || holds && (g.releasing || s != nil && s.held > 0 || g.all.Limited() && g.line.Len() > 0)
	key := ""
	if in.Policy == ThrottleConflate {
		key = m.Key(def.ConflateKey)
	}
	switch {
	case g.open || !waits:
		g.take(s, now)
		for item := g.line.Key(key); in.Policy == ThrottleConflate && item != nil; item = g.line.Key(key) { // it is newer than those
			merged = append(merged, g.supersede(item))
		}
		return Admitted, nil
	case in.Policy == ThrottleIgnore:
		g.counts.ignored.Add(1)
		return Ignored, nil
	case !holds:
		g.counts.refused.Add(1)
		return Admitted, &message.Error{Code: message.CodeThrottled, Setting: setting, Value: value, RetryAfter: wait}
	}
	o := offered{m, s, done}
	if in.Policy == ThrottleConflate {
		if err := g.room(in, m, g.line.Key(key), turn); err != nil {
			return Admitted, err
		}
		item, old := g.line.Merge(key, o, now, max(g.all.Round(g.line.Len()), s.round(g.line.Len())))
		if g.entered(item); old != nil {
			merged = append(merged, g.left(old))
			g.counts.merged.Add(1)
		}
	} else {
		if err := g.room(in, m, nil, turn); err != nil {
			return Admitted, err
		}
		g.entered(g.line.Add(o))
	}
	if !g.releasing {
		g.arm(now, wait)
	}
	return Delayed, nil
}

// wait is how long s has to wait, and by which setting.
func (g *inbound) wait(in *Throttle, s *sender, now time.Time) (setting string, value int, wait time.Duration) {
	setting, value, wait = "max-frequency", in.MaxFrequency, g.all.Wait(now)
	if s == nil {
		return setting, value, wait
	}
	if own := s.rate.Wait(now); own > wait {
		return "max-client-frequency", in.MaxClientFrequency, own
	}
	return setting, value, wait
}

func (g *inbound) take(s *sender, now time.Time) {
	g.all.Take(now)
	if s != nil {
		s.rate.Take(now)
	}
}

// after is when the next message of s has its turn, behind those that wait.
func (s *sender) after(now time.Time) time.Duration {
	if s == nil {
		return 0
	}
	return s.rate.after(s.held, now)
}

func (s *sender) round(n int) time.Duration {
	if s == nil {
		return 0
	}
	return s.rate.Round(n)
}

// room refuses m when as much waits as may, or it would have to wait too long for its turn. An older one that makes way for it takes no room.
func (g *inbound) room(in *Throttle, m *message.Message, old *HeldItem[offered], turn time.Duration) *message.Error {
	most, n, size := in.MaxHeld, g.line.Len(), g.bytes
	if most <= 0 {
		most = DefaultMaxHeld
	}
	if old != nil {
		n, size = n-1, size-len(old.Value.m.Line)
	}
	full := n >= most || n > 0 && size+len(m.Line) > maxHeldBytes
	if !full && turn <= maxHold {
		return nil
	}
	g.counts.refused.Add(1)
	err := &message.Error{Code: message.CodeThrottled, Setting: "max-held-messages", Value: most, RetryAfter: max(turn-maxHold, time.Second)}
	if !full {
		err.Setting, err.Value = "max-frequency", in.MaxFrequency
		if in.MaxFrequency == 0 || in.MaxClientFrequency > 0 && in.MaxClientFrequency < in.MaxFrequency {
			err.Setting, err.Value = "max-client-frequency", in.MaxClientFrequency
		}
		err.Detail = "Its turn would come too late."
	}
	return err
}

func (g *inbound) entered(item *HeldItem[offered]) {
	g.counts.waiting.Add(1)
	g.bytes += len(item.Value.m.Line)
	if item.Value.from != nil {
		item.Value.from.held++
	}
}

func (g *inbound) left(item *HeldItem[offered]) *HeldItem[offered] {
	g.counts.waiting.Add(-1)
	g.bytes -= len(item.Value.m.Line)
	if item.Value.from != nil {
		item.Value.from.held--
	}
	return item
}

func (g *inbound) supersede(item *HeldItem[offered]) *HeldItem[offered] {
	g.line.Remove(item)
	g.counts.merged.Add(1)
	return g.left(item)
}

// sender finds who sends, and holds everything to the frequencies as they are now. The caller holds g.mu.
func (g *inbound) sender(def *DestinationDefinition, from string, now time.Time) *sender {
	g.all.Set(float64(def.Inbound.MaxFrequency))
	if from == "" || def.Inbound.MaxClientFrequency <= 0 {
		return nil
	}
	s := g.senders[from]
	if s == nil {
		if len(g.senders) >= g.sweep {
			for name, s := range g.senders {
				if s.held == 0 && s.rate.Idle(now) {
					delete(g.senders, name)
				}
			}
			g.sweep = max(64, 2*len(g.senders))
		}
		if g.senders == nil {
			g.senders = make(map[string]*sender)
		}
		s = &sender{}
		g.senders[from] = s
	}
	s.rate.Set(float64(def.Inbound.MaxClientFrequency))
	return s
}

// arm sees to it that what waits is looked at after wait. The caller holds g.mu.
func (g *inbound) arm(now time.Time, wait time.Duration) {
	if at := now.Add(wait); g.at.IsZero() || at.Before(g.at) {
		g.at = at
		g.dest.broker.wheel.Schedule(&g.timer, wait, g.hurry)
	}
}

// hurry has what may go published. The wheel must not wait for it.
func (g *inbound) hurry() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.at = time.Time{}
	if g.line.Len() > 0 && !g.releasing {
		g.releasing = true
		go g.release()
	}
}

// release publishes what may go now, until nothing does. Whatever comes meanwhile waits behind it.
func (g *inbound) release() {
	for {
		batch := g.due()
		if len(batch) == 0 {
			return
		}
		messages := make([]*message.Message, len(batch))
		for i, o := range batch {
			messages[i] = o.m
		}
		g.dest.broker.Publish(messages, func(i int, err *message.Error) { batch[i].done(Admitted, err) })
	}
}

// due takes what may go now out of the line. When that is nothing, the release is over.
func (g *inbound) due() (batch []offered) {
	g.mu.Lock()
	defer g.mu.Unlock()
	def, now := g.dest.Definition(), time.Now()
	in := &def.Inbound
	free := g.open || !in.Policy.Holds()
	g.all.Set(float64(in.MaxFrequency))
	next := time.Duration(-1)
	for item := range g.line.All() {
		s := item.Value.from
		if !free {
			if s != nil {
				s.rate.Set(float64(in.MaxClientFrequency))
			}
			if _, _, wait := g.wait(in, s, now); wait > 0 {
				if next < 0 || wait < next {
					next = wait
				}
				if g.all.Wait(now) > 0 {
					break
				}
				continue
			}
		}
		g.take(s, now)
		g.line.Remove(item)
		g.counts.held.Add(1)
		batch = append(batch, g.left(item).Value)
	}
	if len(batch) == 0 {
		if g.releasing = false; next >= 0 {
			g.arm(now, next)
		}
	}
	return batch
}

// Release lets go what throttle-inbound holds at any destination, and holds nothing from now on. It is for the end of a server: what waits is still published, if it comes in time.
func (b *MessageBroker) Release() {
	for _, d := range b.Destinations() {
		d.inbound.mu.Lock()
		d.inbound.open = true
		d.inbound.mu.Unlock()
		d.inbound.hurry()
	}
}
