package endpoint

import (
	"sync"
	"time"

	"sluice/channel"
	"sluice/flexsession"
)

// ticketLife is how long a ticket is good for.
const ticketLife = 30 * time.Second

// Tickets lets a GET that cannot carry a header (EventSource) read as the user of a client: a ticket is good for one use within 30 seconds. At most max are out at
// a time; the oldest give way. It is safe for concurrent use.
type Tickets struct {
	max int

	mu    sync.Mutex
	out   map[string]ticket
	order []string // oldest first
}

type ticket struct {
	principal *channel.Principal
	until     time.Time
}

// NewTickets makes one that lets max tickets be out.
func NewTickets(max int) *Tickets { return &Tickets{max: max, out: make(map[string]ticket)} }

// Issue makes a ticket for p, who may be nil: nobody.
func (t *Tickets) Issue(p *channel.Principal) string {
	id := flexsession.NewID()
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	for len(t.order) > 0 && (len(t.order) >= t.max || t.spent(t.order[0], now)) {
		delete(t.out, t.order[0])
		t.order = t.order[1:]
	}
	t.out[id] = ticket{p, now.Add(ticketLife)}
	t.order = append(t.order, id)
	return id
}

func (t *Tickets) spent(id string, now time.Time) bool {
	k, ok := t.out[id]
	return !ok || now.After(k.until)
}

// Use takes a ticket. It reports false for one that is unknown, used or too old.
func (t *Tickets) Use(id string) (*channel.Principal, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, ok := t.out[id]
	delete(t.out, id)
	if !ok || time.Now().After(k.until) {
		return nil, false
	}
	return k.principal, true
}
