package bench

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// histogram counts durations in buckets that are at most 1/32 of their value wide. Any number of goroutines may add.
type histogram struct {
	buckets [64 * 32]atomic.Uint64
	longest atomic.Int64
}

// bucket returns the place of n nanoseconds: below 64 one each, then 32 for each power of two.
func bucket(n uint64) int {
	if n < 64 {
		return int(n)
	}
	shift := bits.Len64(n) - 6
	return shift*32 + int(n>>shift)
}

// upper is the highest value that bucket i holds.
func upper(i int) uint64 {
	if i < 64 {
		return uint64(i)
	}
	shift := i/32 - 1
	return (uint64(i%32+32)+1)<<shift - 1
}

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.buckets[bucket(uint64(d))].Add(1)
	for {
		longest := h.longest.Load()
		if int64(d) <= longest || h.longest.CompareAndSwap(longest, int64(d)) {
			return
		}
	}
}

// quantiles returns the values below which those parts (ascending, from 0 to 1) of all lie, and the longest.
func (h *histogram) quantiles(parts ...float64) (values []time.Duration, longest time.Duration) {
	var counts [len(h.buckets)]uint64
	var all uint64
	for i := range counts {
		counts[i] = h.buckets[i].Load()
		all += counts[i]
	}
	longest = time.Duration(h.longest.Load())
	var below uint64
	i := 0
	for _, part := range parts {
		for i < len(counts)-1 && float64(below+counts[i]) < part*float64(all) {
			below += counts[i]
			i++
		}
		values = append(values, min(time.Duration(upper(i)), longest))
	}
	return values, longest
}
