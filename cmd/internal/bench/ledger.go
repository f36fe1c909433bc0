package bench

import (
	"fmt"
	"slices"
)

// ledger checks what one consumer receives. It belongs to that consumer's goroutine.
type ledger struct {
	last    []uint32        // the highest number of each publisher
	missing map[uint64]bool // numbers passed over: publisher in the upper half
	late    int             // came after a higher one
	twice   int             // came before
	strange int             // of a publisher that does not exist
}

func newLedger(publishers int) *ledger { return &ledger{last: make([]uint32, publishers)} }

// maxMissing bounds the memory for gaps; what is passed over beyond it still counts as lost, but not as late when it comes.
const maxMissing = 100_000

// record takes a message.
func (l *ledger) record(s stamp) {
	if s.publisher < 0 || s.publisher >= len(l.last) || s.number == 0 {
		l.strange++
		return
	}
	last := &l.last[s.publisher]
	if s.number == *last+1 {
		*last = s.number
		return
	}
	if s.number > *last {
		for n := *last + 1; n < s.number && len(l.missing) < maxMissing; n++ {
			if l.missing == nil {
				l.missing = make(map[uint64]bool)
			}
			l.missing[key(s.publisher, n)] = true
		}
		*last = s.number
		return
	}
	if l.missing[key(s.publisher, s.number)] {
		delete(l.missing, key(s.publisher, s.number))
		l.late++
		return
	}
	l.twice++
}

// lost tells how many of the messages that were published to this consumer's subtopic have not come. published is by publisher.
func (l *ledger) lost(published []uint32) int {
	n := len(l.missing)
	for p, sent := range published {
		if sent > l.last[p] {
			n += int(sent - l.last[p])
		}
	}
	return n
}

func key(publisher int, number uint32) uint64 { return uint64(publisher)<<32 | uint64(number) }

// holes names the numbers that are missing, a few of them.
func (l *ledger) holes(published []uint32) (all []string) {
	for id := range l.missing {
		all = append(all, fmt.Sprintf("%d of publisher %d", uint32(id), id>>32))
	}
	for p, sent := range published {
		if sent > l.last[p] {
			all = append(all, fmt.Sprintf("%d to %d of publisher %d", l.last[p]+1, sent, p))
		}
	}
	slices.Sort(all)
	return all[:min(len(all), 5)]
}
