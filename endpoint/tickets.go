package endpoint

import (
	"slices"
	"sync"
	"time"

	"sluice/channel"
	"sluice/flexsession"
)

// ticketLife is how long a ticket is good for.
const ticketLife = 30 * time.Second

// ticketsPerClient is how many tickets of one client may be out.
const ticketsPerClient = 8

// Tickets lets a GET that cannot carry a header (EventSource) read as the user of a client: a ticket is good for one use within 30 seconds. At most 8 of a client are out at
// a time, its own oldest give way, and at most max of all, of which the oldest give way. It is safe for concurrent use.
type Tickets struct {
	mu      sync.Mutex // guards the following
	max     int
	out     map[string]ticket
	order   []string            // oldest first; also of some that are out no more
	clients map[string][]string // what is out of each, oldest first
}

type ticket struct {
	client    string
	principal *channel.Principal
	until     time.Time
}

// NewTickets makes one that lets max tickets be out.
func NewTickets(max int) *Tickets {
	return &Tickets{max: max, out: make(map[string]ticket), clients: make(map[string][]string)}
}

// SetMax lets so many be out. Where there are more, the oldest give way with the next one.
func (t *Tickets) SetMax(max int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.max = max
}

// Issue makes a ticket for the client of that id and its user p, who may be nil: nobody.
func (t *Tickets) Issue(client string, p *channel.Principal) string {
	id := flexsession.NewID()
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if own := t.clients[client]; len(own) >= ticketsPerClient {
		t.dropLocked(own[0])
	}
	for len(t.order) > 0 && (len(t.out) >= t.max || t.spentLocked(t.order[0], now)) {
		t.dropLocked(t.order[0])
		t.order = t.order[1:]
	}
	if len(t.order) >= 2*t.max { // those that were used or gave way stand behind one that has not
		t.order = slices.DeleteFunc(t.order, func(id string) bool { return t.spentLocked(id, now) })
	}
	t.out[id] = ticket{client, p, now.Add(ticketLife)}
	t.order = append(t.order, id)
	t.clients[client] = append(t.clients[client], id)
	return id
}

func (t *Tickets) spentLocked(id string, now time.Time) bool {
	k, ok := t.out[id]
	return !ok || now.After(k.until)
}

// dropLocked takes a ticket out, if it is.
func (t *Tickets) dropLocked(id string) {
	k, ok := t.out[id]
	if !ok {
		return
	}
	delete(t.out, id)
	own := t.clients[k.client]
	if own = slices.Delete(own, slices.Index(own, id), slices.Index(own, id)+1); len(own) == 0 {
		delete(t.clients, k.client)
		return
	}
	t.clients[k.client] = own
}

// Use takes a ticket. It reports false for one that is unknown, used or too old.
func (t *Tickets) Use(id string) (*channel.Principal, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, ok := t.out[id]
	t.dropLocked(id)
	if !ok || time.Now().After(k.until) {
		return nil, false
	}
	return k.principal, true
}
