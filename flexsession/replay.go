package flexsession

import (
	"errors"
	"slices"
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

// source is where the pages of a replay come from: the history of a destination, or its last values.
type source func(channel.Query) (channel.Page, error)

// replay is the way of a subscription through the past, up to where it goes live. It is guarded by the client's mu, but for the reading of a page, which is for one goroutine at a time.
//
// The subscription is in the broker's index all the while. What is delivered to it is in the past by then: it is dropped, and its number is noted. When a page has been read that is the last one, as of a
// moment when that number was reached, the subscription goes live, and ignores what the replay has brought already. Thus nothing is held in memory meanwhile, and nothing is missing or there twice.
type replay struct {
	sub     *MessageClient
	read    source
	next    channel.Cursor     // where the next page begins
	held    []*message.Message // of the last page, not in the outbox yet
	end     channel.Page       // the last page, without its messages
	at      string             // the position from which on nothing is in the outbox yet; empty: not known
	last    *message.Message   // what was read last; nil: at holds
	ignored uint64             // number of the newest message that was delivered and dropped
	asked   bool               // somebody asked for the past
	silent  bool               // it goes live without a word
}

// pageSize is how many messages of the past are read at a time.
const pageSize = 100

// past is the replay that a subscription on d begins with; nil: none, it is live from its first moment. lost: it cannot have what it asks for, because the destination keeps nothing any more.
func (s *MessageClient) past(d *channel.Destination, begin channel.Cursor) (r *replay, lost bool, err *message.Error) {
	def, asked := d.Definition(), begin.From != channel.FromNow
	switch {
	case def.History.Kept() && (asked || !def.LastValue):
		return &replay{sub: s, read: d.Since, next: begin, at: string(begin.Position), asked: asked, silent: !asked}, false, nil
	case asked && begin.From != channel.FromPosition:
		return nil, false, &message.Error{Code: message.CodeHistoryNotKept}
	case asked: // there was history when that was given out
		return nil, true, nil
	case def.LastValue:
		return &replay{sub: s, read: d.LastValues, next: channel.Cursor{From: channel.FromEarliest}}, false, nil
	}
	return nil, false, nil
}

// page reads the next page. No lock is held.
func (r *replay) page(limit int) (channel.Page, error) {
	return r.read(channel.Query{Topics: r.sub.Topics(), Cursor: r.next, Limit: limit})
}

// first reads the first page, and refuses what is no position.
func (r *replay) first() (channel.Page, *message.Error) {
	p, err := r.page(r.sub.client.registry.readers.page)
	switch {
	case errors.Is(err, channel.ErrBadPosition):
		return p, message.Errorf(message.CodeBadField, "position: expected one that a message or a subscription had")
	case errors.Is(err, channel.ErrNoHistory): // a reload has just taken it away
		return p, &message.Error{Code: message.CodeHistoryNotKept}
	case err != nil:
		return p, &message.Error{Code: message.CodeInternal}
	}
	return p, nil
}

// standing is where the subscription stands before its first page: by that position it can go on elsewhere and misses nothing.
func (r *replay) standing(first channel.Page) message.Standing {
	s := message.Standing{Position: r.at, Asked: r.asked, Recovered: r.asked && first.Missing == nil}
	if first.Done && first.Missing == nil && len(first.Messages) == 0 {
		s.Position = string(first.Position) // else there is something to come before that one
	}
	return s
}

// take takes a page that was read. The caller holds mu.
func (r *replay) take(p channel.Page) {
	if m := p.Missing; m != nil {
		from := string(m.From)
		switch {
		case from != "":
		case r.last != nil:
			from = r.last.Position()
		default:
			from = r.at
		}
		r.sub.lose(from, string(m.To))
		r.at, r.last = string(m.To), nil
	}
	r.next, r.held, r.end = p.Next, p.Messages, p
	r.end.Messages = nil
	r.give()
}

// give puts the messages that were read into the outbox, as far as there is room, and goes live behind the last one. The caller holds mu.
func (r *replay) give() {
	s, now := r.sub, time.Now()
	for ; len(r.held) > 0; r.held = r.held[1:] {
		if !r.room(partOfPast) {
			return
		}
		r.last = r.held[0]
		if !r.last.Expired(now) && s.sub.Matches(r.last) {
			s.put(r.last, s.alone())
		}
	}
	r.held = nil
	if r.end.Done && r.end.Head >= r.ignored {
		r.live()
	}
}

// live makes the subscription a live one: from here on it gets what is delivered to it. The caller holds mu.
func (r *replay) live() {
	s := r.sub
	s.first = r.end.Head + 1
	s.endReplay()
	if !r.silent {
		s.client.push(own(stateLine("live", s, "", message.Standing{Position: string(r.end.Position)})))
	}
}

// endReplay takes the subscription's replay away, if it has one. The caller holds client.mu.
func (s *MessageClient) endReplay() {
	if s.replay == nil {
		return
	}
	s.client.replays = slices.DeleteFunc(s.client.replays, func(r *replay) bool { return r == s.replay })
	s.replay = nil
}

// lose puts a line into the outbox where messages of the past are missing. The caller holds client.mu.
func (s *MessageClient) lose(from, to string) {
	s.client.push(own(message.AppendLoss(nil, message.Loss{
		Destination: s.Destination(), ClientID: s.ID(), Reason: message.LossHistory, From: from, To: to,
	})))
}

// The past takes up to a half of what may wait, for the client and for it on a destination: the other half is for what is live. More is read when no more than a quarter waits.
const (
	partOfPast = 2
	partToRead = 4
)

// room says whether no more waits than that part of what may, with the message that comes next. The caller holds mu.
func (r *replay) room(part int) bool {
	c, in, more := r.sub.client, r.sub.dest, 0
	if len(r.held) > 0 {
		more = len(r.held[0].Line)
	}
	w := &c.out.wait
	return !c.slow && c.ended == nil && c.limits().leave(w.n-w.losses, w.size, more, part) && in.limits().leave(in.waiting, in.size, more, part)
}

// leave says whether n messages of size bytes, and one of more bytes, are within that part of the limits. One alone may be of any size.
func (l limits) leave(n int32, size, more, part int) bool {
	return n == 0 || (l.messages <= 0 || part*int(n) < l.messages) && (l.bytes <= 0 || part*(size+more) <= l.bytes)
}

// readOn has the client's replays go on, if there are any and they have room. The caller holds c.mu.
func (c *FlexClient) readOn() {
	if !c.reading && slices.ContainsFunc(c.replays, func(r *replay) bool { return r.room(partToRead) }) {
		c.reading = true
		c.registry.readers.add(c)
	}
}

// readPage reads one page of one of the client's replays, each in its turn. It reports false when it is not to be called again before the next readOn.
func (c *FlexClient) readPage() (again bool) {
	c.mu.Lock()
	turn := slices.IndexFunc(c.replays, func(r *replay) bool { return r.room(partOfPast) })
	if turn < 0 {
		c.reading = false
		c.mu.Unlock()
		return false
	}
	r := c.replays[turn]
	c.replays = append(slices.Delete(c.replays, turn, turn+1), r) // its next turn comes when the others had theirs
	if len(r.held) > 0 {
		r.give()
	} else {
		changes := r.sub.changes
		c.mu.Unlock()
		p, err := r.page(c.registry.readers.page)
		c.mu.Lock()
		if err != nil { // it cannot know what it misses
			p = channel.Page{Missing: new(channel.Missing), Done: true, Head: r.ignored}
		}
		if r.sub.replay == r && r.sub.changes == changes { // it may have ended meanwhile; and a page of other subtopics is read again
			r.take(p)
		}
	}
	c.mu.Unlock()
	c.Flush()
	return true
}
