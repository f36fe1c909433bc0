package flexsession

import "sluice/channel"

// Books are what became of the messages for a client on one destination. Accepted is always the sum of the others.
type Books struct {
	Accepted  uint64 // that came for the client
	Sent      uint64 // handed to a connection for the first time, with a number
	Merged    uint64 // a newer one with the same key stands for it
	Expired   uint64 // its time to live was over before it was sent
	Dropped   uint64 // by the slow-consumer-policy; the client is told
	Abandoned uint64 // the client ended
	Waiting   int    // wait
}

// Balanced says whether the books are.
func (b Books) Balanced() bool {
	return b.Accepted == b.Sent+b.Merged+b.Expired+b.Dropped+b.Abandoned+uint64(b.Waiting)
}

// account is what an interest has in the outbox. It is guarded by the client's lock. Its books are those of the destination as well.
type account struct {
	taken    uint64   // Accepted
	sent     uint64   // Sent
	few      *fewBook // the others; nil: none
	held     int32    // Waiting
	waiting  int32    // of these, in the outbox
	size     int      // their bytes
	oldest   int32
	youngest int32
	near     bool // the client was warned, and is not far from the destination's limits yet
}

// fewBook is what happens to few messages, if all is well.
type fewBook struct {
	merged, expired, dropped, abandoned uint64
	loss                                *loss    // the last loss line, as long as that has no number
	merging                             *merging // nil: it does not conflate
}

func (in *interest) fewer() *fewBook {
	if in.few == nil {
		in.few = new(fewBook)
	}
	return in.few
}

func (in *interest) books() Books {
	b := Books{Accepted: in.taken, Sent: in.sent, Waiting: int(in.held)}
	if f := in.few; f != nil {
		b.Merged, b.Expired, b.Dropped, b.Abandoned = f.merged, f.expired, f.dropped, f.abandoned
	}
	return b
}

// What follows may be called for no interest: lines of the server's own are in no books.

func (in *interest) accepted() {
	if in != nil {
		in.taken++
		in.held++
		in.dest.Books().Accepted.Add(1)
	}
}

func (in *interest) merged() {
	if in != nil {
		in.fewer().merged++
		in.held--
		in.dest.Books().Merged.Add(1)
	}
}

func (in *interest) expired() {
	if in != nil {
		in.fewer().expired++
		in.held--
		in.dest.Books().Expired.Add(1)
	}
}

func (in *interest) dropped() {
	if in != nil {
		in.fewer().dropped++
		in.held--
		in.dest.Books().Dropped.Add(1)
	}
}

func (in *interest) abandoned() {
	if in != nil {
		in.fewer().abandoned++
		in.held--
		in.dest.Books().Abandoned.Add(1)
	}
}

// numbered notes that a loss line has its number, and grows no more.
func (in *interest) numbered(l *loss) {
	if in.few.loss == l {
		in.few.loss = nil
	}
}

// sentBooks gathers what is sent at once, so that the destination's books, which all clients share, are touched once.
type sentBooks struct {
	in *interest
	n  int
}

func (b *sentBooks) sent(in *interest) {
	if in != b.in {
		b.close()
		b.in = in
	}
	b.n++
}

func (b *sentBooks) close() {
	if b.in != nil {
		b.in.sent += uint64(b.n)
		b.in.held -= int32(b.n)
		b.in.dest.Books().Sent.Add(uint64(b.n))
	}
	b.n = 0
}

// DestinationBooks are the books of a client on one destination.
type DestinationBooks struct {
	Destination string
	Books
}

// allBooks are those of the destinations that the client has subscriptions on. The caller holds c.mu.
func (c *FlexClient) allBooks() []DestinationBooks {
	all := make([]DestinationBooks, len(c.dests))
	for i, in := range c.dests {
		all[i] = DestinationBooks{in.dest.Definition().ID, in.books()}
	}
	return all
}

// Waiting is how many messages wait for clients, by destination. It looks into the outboxes, and not into the books.
func (g *Registry) Waiting() map[*channel.Destination]int {
	waiting := make(map[*channel.Destination]int)
	for _, c := range g.Clients() {
		c.mu.Lock()
		for h := c.out.wait.first; h != 0; h = c.out.wait.at(h).next {
			if in := c.out.wait.at(h).in; in != nil {
				waiting[in.dest]++
			}
		}
		for _, in := range c.dests {
			if in.gate != nil {
				waiting[in.dest] += in.gate.line.Len()
			}
		}
		c.mu.Unlock()
	}
	return waiting
}
