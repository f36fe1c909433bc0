package memengine

import "sluice/channel/message"

// segmentSize is how many records a segment has.
const segmentSize = 256

// record is one kept message.
type record struct {
	m  *message.Message
	at int64 // milliseconds since 1970 when the server took it; never less than of the record before
}

// segments is a queue of records in pieces, so that it grows and shrinks without moving what is in it: publishers wait for that.
type segments struct {
	all   []*[segmentSize]record
	head  int // of the first one: records that are gone
	n     int
	spare *[segmentSize]record // for the next piece, so that a queue that is full allocates nothing
}

func (s *segments) push(r record) {
	i := s.head + s.n
	if i == len(s.all)*segmentSize {
		if s.spare == nil {
			s.spare = new([segmentSize]record)
		}
		s.all, s.spare = append(s.all, s.spare), nil
	}
	s.all[i/segmentSize][i%segmentSize] = r
	s.n++
}

// at is record i, 0 being the oldest.
func (s *segments) at(i int) *record {
	i += s.head
	return &s.all[i/segmentSize][i%segmentSize]
}

// pop takes the oldest one.
func (s *segments) pop() record {
	first := s.at(0)
	r := *first
	*first = record{}
	s.head++
	s.n--
	if s.head == segmentSize {
		s.spare, s.all[0] = s.all[0], nil
		s.all, s.head = s.all[1:], 0
	}
	return r
}

// orders is a queue of increasing numbers: where the messages of one subtopic are.
type orders struct {
	ring []uint64 // a power of two long
	head int
	n    int
}

func (o *orders) at(i int) uint64 { return o.ring[(o.head+i)&(len(o.ring)-1)] }

// push appends a number, if it is not the last one already: a message may name a subtopic twice.
func (o *orders) push(order uint64) {
	if o.n > 0 && o.at(o.n-1) == order {
		return
	}
	if o.n == len(o.ring) {
		o.resize(max(4, 2*o.n))
	}
	o.ring[(o.head+o.n)&(len(o.ring)-1)] = order
	o.n++
}

// pop takes the first number off if it is that one.
func (o *orders) pop(order uint64) {
	if o.n == 0 || o.at(0) != order {
		return
	}
	o.head = (o.head + 1) & (len(o.ring) - 1)
	o.n--
	if len(o.ring) > 64 && o.n < len(o.ring)/8 {
		o.resize(len(o.ring) / 2)
	}
}

func (o *orders) resize(size int) {
	ring := make([]uint64, size)
	for i := range o.n {
		ring[i] = o.at(i)
	}
	o.ring, o.head = ring, 0
}

// after is the index of the first number above order.
func (o *orders) after(order uint64) int {
	lo, hi := 0, o.n
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); o.at(mid) > order {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}
