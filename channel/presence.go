package channel

import (
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"sluice/channel/message"
	"sluice/heartbeat"
)

// The limits of presence where nothing is said.
const (
	DefaultMaxPresenceMembers = 100
	DefaultPresenceInterval   = time.Second
)

// maxMembersBytes bounds what the members of one answer say of themselves, and their names.
const maxMembersBytes = 64 << 10

// maxUntold is how many changes may wait for those who watch. With more, what happens on a subtopic is gathered as within presence-interval-millis.
const maxUntold = 4096

// Watcher is told who comes to a subtopic, and leaves it. The changes are of one subtopic and in their order; those of one destination come one call after another, from many goroutines. The call must
// not block; it may call everything. Watchers are compared with ==.
type Watcher interface {
	Presence(changes []PresenceChange)
}

// PresenceChange is one change, or what a [Watcher] is told in its place. It is shared and must not be changed.
type PresenceChange struct {
	message.Presence
	Line []byte // its encoded line
}

// presence is who is subscribed to the subtopics of a destination. Joining and leaving cost the same however many there are, and as much again for each watcher of the subtopic.
//
// A subscription is a member of each subtopic that it names: one to a pattern is a member of the pattern, not of what it matches, so that nobody is a member of what nobody has named.
type presence struct {
	dest *Destination

	mu      sync.Mutex // guards the following; never held while a watcher is told
	off     bool
	rooms   map[string]*room
	watched watched
	number  uint64 // of the last change
	members int    // of all rooms
	joins   uint64
	leaves  uint64
	busy    []*room // those of which something was told in this interval, or is to be told at its end
	timer   heartbeat.Timer
	untold  []told // in their order
	telling bool   // a goroutine is at it
}

// told is what some watchers are to be told of one subtopic.
type told struct {
	changes  []PresenceChange
	watchers []Watcher
}

// PresenceStats are counts since the start, and what is there now.
type PresenceStats struct {
	Members       int // clients, counted once in each subtopic
	Subtopics     int // that have any
	Joins, Leaves uint64
}

// settlePresence makes the destination keep presence, or no longer, as its definition says.
func (d *Destination) settlePresence() {
	old := d.presence.Load()
	switch {
	case d.Definition().Presence && old == nil:
		d.presence.Store(&presence{dest: d, rooms: make(map[string]*room)})
	case !d.Definition().Presence && old != nil:
		d.presence.Store(nil)
		old.end()
	}
}

// end forgets everybody, and tells the watchers so.
func (p *presence) end() {
	p.mu.Lock()
	p.off = true
	if all := p.watched.all(); len(all) > 0 {
		p.enqueue(all, message.Presence{Operation: message.PresenceOff, Destination: p.dest.id})
	}
	p.rooms, p.watched, p.busy, p.members = nil, watched{}, nil, 0
	p.mu.Unlock()
	p.dest.broker.wheel.Stop(&p.timer)
	p.tell()
}

// PresenceStats reads the counts; all are zero where presence is not kept.
func (d *Destination) PresenceStats() PresenceStats {
	p := d.presence.Load()
	if p == nil {
		return PresenceStats{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, r := range p.rooms {
		if len(r.members) > 0 {
			n++
		}
	}
	return PresenceStats{Members: p.members, Subtopics: n, Joins: p.joins, Leaves: p.leaves}
}

// Members returns a part of those who are subscribed to a subtopic, "" being the messages without one: after that part which gave the cursor, "" for the first, and at most limit of them or max-presence-members. It may
// be a pattern: then those who are subscribed to the pattern. self is the one who asks, or "". The caller has checked the rights. The errors are presence-not-kept, bad-field for a cursor that is none, and those of a
// subscription to the subtopic.
func (d *Destination) Members(subtopic, cursor string, limit int, self string) (message.Members, *message.Error) {
	p := d.presence.Load()
	if p == nil {
		return message.Members{}, &message.Error{Code: message.CodePresenceNotKept, Value: false}
	}
	if _, err := d.checkSubscribe(subtopic); err != nil {
		return message.Members{}, err
	}
	after := uint64(0)
	if cursor != "" {
		n, err := strconv.ParseUint(cursor, 36, 64)
		if err != nil {
			return message.Members{}, message.Errorf(message.CodeBadField, "after: expected what an answer had as next")
		}
		after = n
	}
	if most := d.Definition().MaxPresenceMembers; limit <= 0 || limit > most {
		limit = most
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	page := message.Members{Number: p.number}
	if r := p.rooms[subtopic]; r != nil {
		r.page(&page, after, limit)
		if r.members[self] != nil {
			page.Self = self
		}
	}
	return page, nil
}

// WatchPresence has w told of the changes of a subtopic, or of all that a pattern matches, until stop is called. It is what a program has that embeds the server: nobody's rights are asked. What is
// under way may come after stop has returned. Where presence is not kept, or no longer, the error is presence-not-kept, or w is told.
func (d *Destination) WatchPresence(subtopic string, w Watcher) (stop func(), err *message.Error) {
	p := d.presence.Load()
	if p == nil {
		return nil, &message.Error{Code: message.CodePresenceNotKept, Value: false}
	}
	if _, err := d.checkSubscribe(subtopic); err != nil {
		return nil, err
	}
	p.watch(subtopic, w, 1)
	return sync.OnceFunc(func() { p.watch(subtopic, w, -1) }), nil
}

func (p *presence) watch(subtopic string, w Watcher, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.off {
		p.watched.add(subtopic, p.dest.index.separator, w, n)
	}
}

// changed tells the watchers of a subtopic that somebody has come or left, at once or with what else happens there within the interval. The caller holds p.mu.
func (p *presence) changed(r *room, operation string, m *occupant) {
	p.number++
	watchers := p.watched.match(r.subtopic, p.dest.index.separator)
	switch {
	case len(watchers) == 0:
		r.forget()
	case r.busy:
		r.gather(operation, m, p.number)
	case len(p.untold) > maxUntold:
		p.occupy(r)
		r.gather(operation, m, p.number)
	default:
		p.occupy(r)
		who := m.Member // as it is now
		p.enqueue(watchers, message.Presence{Operation: operation, Destination: p.dest.id, Subtopic: r.subtopic, Member: &who, Count: len(r.members), Number: p.number})
	}
}

// occupy begins an interval of a subtopic, in which what happens is gathered. They all end together with the one that has begun first.
func (p *presence) occupy(r *room) {
	r.busy = true
	if p.busy = append(p.busy, r); len(p.busy) == 1 {
		p.again()
	}
}

func (p *presence) again() {
	p.dest.broker.wheel.Schedule(&p.timer, p.dest.Definition().PresenceInterval, func() { go p.due() }) // the wheel must not wait for locks
}

// due tells what was gathered.
func (p *presence) due() {
	p.mu.Lock()
	busy := p.busy
	p.busy = nil
	for _, r := range busy {
		switch {
		case r.quiet():
			r.busy = false
			p.drop(r)
			continue
		case len(p.untold) <= maxUntold: // else they have enough to be told
			if watchers := p.watched.match(r.subtopic, p.dest.index.separator); len(watchers) > 0 {
				p.enqueue(watchers, r.gathered(p.dest.id)...)
			}
			r.forget()
		}
		p.busy = append(p.busy, r)
	}
	if len(p.busy) > 0 {
		p.again()
	}
	p.mu.Unlock()
	p.tell()
}

// drop forgets a subtopic that nobody is in. The caller holds p.mu.
func (p *presence) drop(r *room) {
	if len(r.members) == 0 && !r.busy {
		delete(p.rooms, r.subtopic)
	}
}

func (p *presence) enqueue(watchers []Watcher, changes ...message.Presence) {
	t := told{watchers: watchers, changes: make([]PresenceChange, len(changes))}
	for i, c := range changes {
		t.changes[i] = PresenceChange{Presence: c, Line: message.AppendPresence(nil, c)}
	}
	p.untold = append(p.untold, t)
}

// tell tells what is to be told, unless a goroutine is at it.
func (p *presence) tell() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.telling {
		return
	}
	p.telling = true
	for len(p.untold) > 0 {
		batch := p.untold
		p.untold = nil
		p.mu.Unlock()
		for _, t := range batch {
			for _, w := range t.watchers {
				p.hand(w, t.changes)
			}
		}
		p.mu.Lock()
	}
	p.telling = false
}

// hand tells one watcher. If it panics the others must not suffer for it.
func (p *presence) hand(w Watcher, changes []PresenceChange) {
	defer func() {
		if cause := recover(); cause != nil {
			p.dest.broker.logger.Error().Interface("panic", cause).Bytes("stack", debug.Stack()).Str("destination", p.dest.id).Msg("a watcher panicked")
		}
	}()
	w.Presence(changes)
}
