package bench

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
)

// ear is the ledger of one who hears. It is safe for concurrent use.
type ear struct {
	name   string
	expect func() []uint32 // what it must have heard at rest, by publisher
	failed atomic.Bool     // its client has: what it did not hear is lost for that reason

	mu     sync.Mutex // guards the following
	ledger *ledger
	heard  int
}

func newEar(name string, publishers int, expect func() []uint32) *ear {
	return &ear{name: name, expect: expect, ledger: newLedger(publishers)}
}

// hear takes a message.
func (e *ear) hear(s stamp) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ledger.record(s)
	e.heard++
}

// Mistakes are what may be wrong with what was heard.
type Mistakes struct {
	Lost       int `json:"lost"`
	Duplicated int `json:"duplicated"`
	OutOfOrder int `json:"outOfOrder"`
	Strange    int `json:"strange"` // messages nobody here published, or not for those who heard them
}

func (m *Mistakes) add(n Mistakes) {
	m.Lost += n.Lost
	m.Duplicated += n.Duplicated
	m.OutOfOrder += n.OutOfOrder
	m.Strange += n.Strange
}

// unknown is what is to be expected of a publisher that has failed: nobody knows which of its last messages were taken.
const unknown = math.MaxUint32

// mistakes are those at rest, and some of the holes.
func (e *ear) mistakes() (m Mistakes, holes []string) {
	expected := e.expect()
	e.mu.Lock()
	defer e.mu.Unlock()
	for p, n := range expected {
		if n == unknown {
			expected[p] = e.ledger.last[p]
		}
	}
	m = Mistakes{e.ledger.lost(expected), e.ledger.twice, e.ledger.late, e.ledger.strange}
	if e.failed.Load() {
		m.Lost = 0
	}
	for p, last := range e.ledger.last {
		if last > expected[p] {
			m.Strange += int(last - expected[p])
		}
	}
	return m, e.ledger.holes(expected)
}

// count is how many messages it has heard.
func (e *ear) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.heard
}

// heard says what is wrong with what they have heard; nil: nothing.
func (c *chaos) heard() error {
	var wrong []string
	for _, e := range c.ears {
		if m, holes := e.mistakes(); m != (Mistakes{}) {
			wrong = append(wrong, fmt.Sprintf("%s: %d lost %v, %d doubled, %d out of order, %d strange", e.name, m.Lost, holes, m.Duplicated, m.OutOfOrder, m.Strange))
		}
	}
	if wrong == nil {
		return nil
	}
	return errors.New(strings.Join(wrong[:min(len(wrong), 5)], "; "))
}
