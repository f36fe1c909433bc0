package channel_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sluice/channel"
)

// In no window is more let through than the frequency says, and nothing is refused that it would have allowed: against a list of all that went.
func TestRateIsExact(t *testing.T) {
	for seed := range uint64(80) {
		random := rand.New(rand.NewPCG(seed, 1))
		frequencies := []float64{0.1, 0.5, 1, 1.9, 2, 7, 40}
		frequency := frequencies[random.IntN(len(frequencies))]
		most, window := 1, time.Duration(float64(time.Second)/frequency)
		if frequency >= 1 {
			most = min(int(frequency), 8192)
			window = time.Duration(float64(most) / frequency * float64(time.Second))
		}
		var rate channel.Rate
		rate.Set(frequency)
		now := time.Now()
		var went []time.Time
		for range 500 {
			now = now.Add(time.Duration(random.Int64N(int64(window)/int64(most)*2 + 2)))
			recent := 0
			for _, at := range slices.Backward(went) {
				if now.Sub(at) >= window+1 {
					break
				}
				recent++
			}
			wait := rate.Wait(now)
			if may := recent < most; (wait == 0) != may && wait > 1 { // the window is rounded up to a nanosecond
				t.Fatalf("seed %d, %g in a second: %d went within %v, and the next has to wait %v", seed, frequency, recent, window, wait)
			}
			if wait == 0 {
				rate.Take(now)
				went = append(went, now)
			} else if random.IntN(4) == 0 { // just then, and not a moment before
				if rate.Wait(now.Add(wait-1)) == 0 || rate.Wait(now.Add(wait)) != 0 {
					t.Fatalf("seed %d, %g in a second: it has to wait %v, and that is wrong", seed, frequency, wait)
				}
				now = now.Add(wait)
			}
		}
		for i := most; i < len(went); i++ {
			if between := went[i].Sub(went[i-most]); between < window {
				t.Fatalf("seed %d, %g in a second: %d went within %v, want %d at most", seed, frequency, most+1, between, most)
			}
		}
	}
}

func TestRateWithoutLimit(t *testing.T) {
	var rate channel.Rate
	for _, frequency := range []float64{0, -3} {
		rate.Set(frequency)
		for range 100 {
			if rate.Limited() || rate.Wait(time.Now()) != 0 {
				t.Fatalf("%g in a second is a limit", frequency)
			}
			rate.Take(time.Now())
		}
	}
}

// What has gone counts under the next frequency as well, and what has gone longer ago than a window never does.
func TestRateChanges(t *testing.T) {
	var rate channel.Rate
	now := time.Now()
	rate.Set(10)
	for range 8 {
		rate.Take(now)
		now = now.Add(10 * time.Millisecond)
	}
	if rate.Set(4); rate.Wait(now) != time.Second-40*time.Millisecond {
		t.Errorf("held to 4 it has to wait %v, want 960ms", rate.Wait(now))
	}
	if rate.Set(5); rate.Wait(now) != 0 {
		t.Errorf("held to 5 it has to wait %v, and only 4 are remembered", rate.Wait(now))
	}
	if rate.Idle(now) || !rate.Idle(now.Add(time.Second)) {
		t.Error("it is not idle exactly from a second on")
	}
	if rate.Set(0); !rate.Idle(now) || rate.Wait(now) != 0 {
		t.Error("without a limit something is left of the old one")
	}
}

// A frequency too high to remember a whole second of is held to in shorter windows.
func TestRateOfManyIsInShorterWindows(t *testing.T) {
	var rate channel.Rate
	rate.Set(81920)
	now, n := time.Now(), 0
	for ; rate.Wait(now) == 0; n++ {
		rate.Take(now)
	}
	if n != 8192 || rate.Wait(now) != 100*time.Millisecond {
		t.Errorf("%d go at once and the next in %v, want 8192 and 100ms", n, rate.Wait(now))
	}
}
