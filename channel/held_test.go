package channel_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sluice/channel"
)

// waiter is one that waits in the naive line.
type waiter struct {
	key    string
	value  int
	merged uint64
	since  time.Time
}

// The line against a naive one: what waits, in which order, what made way, and for how many.
func TestHeldAgainstANaiveLine(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 2))
		var held channel.Held[int]
		var naive []waiter
		now, round := time.Now(), time.Duration(1+random.IntN(50))*time.Millisecond
		for value := range 200 {
			now = now.Add(time.Duration(random.IntN(5)) * time.Millisecond)
			switch key := fmt.Sprint(random.IntN(6)); random.IntN(5) {
			case 0:
				held.Add(value)
				naive = append(naive, waiter{value: value})
			case 1, 2, 3:
				_, old := held.Merge(key, value, now, round)
				mine := func(w waiter) bool { return w.key == key }
				var there []int
				for i, w := range naive {
					if mine(w) {
						there = append(there, i)
					}
				}
				next, made := waiter{key: key, value: value, since: now}, 0
				if len(there) == 2 || len(there) == 1 && now.Sub(naive[there[0]].since) <= round {
					i := there[len(there)-1]
					made, next.merged, next.since = naive[i].value, naive[i].merged+1, naive[i].since
					naive = slices.Delete(naive, i, i+1)
				}
				naive = append(naive, next)
				if (old == nil) != (next.merged == 0) || old != nil && old.Value != made {
					t.Fatalf("seed %d: for %d made way %v, want %d", seed, value, old, made)
				}
				if newest := held.Key(key); newest == nil || newest.Value != value {
					t.Fatalf("seed %d: the newest of its key is %v, want %d", seed, newest, value)
				}
			default:
				if held.Len() == 0 {
					break
				}
				i := random.IntN(held.Len())
				for item := range held.All() {
					if i == 0 {
						held.Remove(item)
						naive = slices.DeleteFunc(naive, func(w waiter) bool { return w.value == item.Value })
						break
					}
					i--
				}
			}
			var got, want []string
			for item := range held.All() {
				got = append(got, fmt.Sprint(item.Value, "+", item.Merged))
			}
			for _, w := range naive {
				want = append(want, fmt.Sprint(w.value, "+", w.merged))
			}
			if !slices.Equal(got, want) || held.Len() != len(want) {
				t.Fatalf("seed %d: it holds %v, want %v", seed, got, want)
			}
		}
	}
}

// A key that changes all the time gets its turn among others that do: with ten turns a second and thirty keys nobody waits for much longer than the line is.
func TestHeldStarvesNoKey(t *testing.T) {
	var held channel.Held[int]
	var rate channel.Rate
	rate.Set(10)
	now, last := time.Now(), map[int]time.Time{}
	begin := now
	for step := 0; now.Sub(begin) < time.Minute; step++ {
		now = now.Add(10 * time.Millisecond)
		held.Merge("hot", 0, now, rate.Round(held.Len()))
		key := 1 + step%29
		held.Merge(fmt.Sprint(key), key, now, rate.Round(held.Len()))
		for item := range held.All() {
			if rate.Wait(now) > 0 {
				break
			}
			rate.Take(now)
			held.Remove(item)
			last[item.Value] = now
		}
	}
	for key := range 30 {
		if ago := now.Sub(last[key]); ago > 15*time.Second {
			t.Errorf("key %d had its last turn %v ago", key, ago)
		}
	}
}
