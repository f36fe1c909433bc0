package channel

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"sluice/channel/message"
)

// room is who is subscribed to one subtopic. It is guarded by the lock of its presence.
type room struct {
	subtopic string
	members  map[string]*occupant // by id
	order    []*occupant          // as they came, with some who have left

	busy         bool       // what happens is gathered
	events       []gathered // not told yet
	many         bool       // too much for events: these are counted
	joined, left uint64
	last         uint64 // number of the last of them
}

// occupant is one client in a room, however many of its subscriptions are on the subtopic.
type occupant struct {
	message.Member
	number uint64 // of the change by which it came
	subs   int    // zero: it has left
}

// gathered is one change that is not told yet.
type gathered struct {
	operation string
	member    message.Member // as it was then
	count     int
	number    uint64
}

// maxGathered is how many changes of a subtopic within an interval are told one by one.
const maxGathered = 16

// join notes one more subscription of a client on a subtopic. The caller holds p.mu.
func (p *presence) join(subtopic string, who *message.Member) {
	r := p.rooms[subtopic]
	if r == nil {
		r = &room{subtopic: subtopic, members: make(map[string]*occupant, 1)}
		p.rooms[subtopic] = r
	}
	if there := r.members[who.ID]; there != nil {
		there.subs++
		return
	}
	o := &occupant{Member: *who, number: p.number + 1, subs: 1}
	o.Since = time.Now()
	r.members[who.ID] = o
	r.order = append(r.order, o)
	p.members++
	p.joins++
	p.changed(r, message.PresenceJoin, o)
}

// leave notes one subscription less. The caller holds p.mu.
func (p *presence) leave(subtopic, id string) {
	r := p.rooms[subtopic]
	o := r.members[id]
	if o.subs--; o.subs > 0 {
		return
	}
	delete(r.members, id)
	if len(r.order) > 2*len(r.members) {
		r.order = slices.DeleteFunc(r.order, func(o *occupant) bool { return o.subs == 0 })
		r.order = slices.Clip(slices.Clone(r.order))
	}
	p.members--
	p.leaves++
	p.changed(r, message.PresenceLeave, o)
	p.drop(r)
}

// rename gives a client that has logged in its name. The caller holds p.mu.
func (p *presence) rename(subtopic, id, user string) {
	r := p.rooms[subtopic]
	if o := r.members[id]; o.User != user {
		o.User = user
		p.changed(r, message.PresenceJoin, o)
	}
}

// page fills in those who came after the given number.
func (r *room) page(into *message.Members, after uint64, limit int) {
	into.Count = len(r.members)
	i, there := slices.BinarySearchFunc(r.order, after, func(o *occupant, after uint64) int { return cmp.Compare(o.number, after) })
	if there {
		i++
	}
	size, last := 0, uint64(0)
	for _, o := range r.order[i:] {
		if o.subs == 0 {
			continue
		}
		size += len(o.User) + len(o.Info)
		if len(into.Members) == limit || size > maxMembersBytes && len(into.Members) > 0 {
			into.Next = strconv.FormatUint(last, 36)
			return
		}
		into.Members = append(into.Members, o.Member)
		last = o.number
	}
}

// gather notes a change for the end of the interval.
func (r *room) gather(operation string, o *occupant, number uint64) {
	r.last = number
	if !r.many && len(r.events) == maxGathered {
		r.many = true
		for _, e := range r.events {
			r.count(e.operation)
		}
		r.events = nil
	}
	if r.many {
		r.count(operation)
		return
	}
	r.events = append(r.events, gathered{operation, o.Member, len(r.members), number})
}

func (r *room) count(operation string) {
	if operation == message.PresenceJoin {
		r.joined++
	} else {
		r.left++
	}
}

func (r *room) quiet() bool { return !r.many && len(r.events) == 0 }

// forget drops what was gathered.
func (r *room) forget() { r.events, r.many, r.joined, r.left = nil, false, 0, 0 }

// gathered is what the watchers are told of what was gathered.
func (r *room) gathered(destination string) []message.Presence {
	if r.many {
		return []message.Presence{{Operation: message.PresenceChange, Destination: destination, Subtopic: r.subtopic, Joined: r.joined, Left: r.left, Count: len(r.members), Number: r.last}}
	}
	lines := make([]message.Presence, len(r.events))
	for i := range r.events {
		e := &r.events[i]
		lines[i] = message.Presence{Operation: e.operation, Destination: destination, Subtopic: r.subtopic, Member: &e.member, Count: e.count, Number: e.number}
	}
	return lines
}
