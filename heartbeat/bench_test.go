package heartbeat

import (
	"context"
	"fmt"
	"testing"
	"time"
)

const crowd = 100_000

func BenchmarkSchedule(b *testing.B) {
	for _, n := range []int{1, 1_000, crowd} {
		b.Run(fmt.Sprintf("timers=%d", n), func(b *testing.B) {
			w := New(Options{})
			timers := make([]Timer, n)
			f := func() {}
			for i := range timers {
				w.Schedule(&timers[i], time.Hour, f)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				w.Schedule(&timers[i%n], time.Hour+time.Duration(i), f)
				i++
			}
		})
	}
}

func BenchmarkTouch(b *testing.B) {
	w := New(Options{})
	var idle Idle
	idle.Start(w, time.Hour, func() {})
	b.ReportAllocs()
	for b.Loop() {
		idle.Touch()
	}
}

// BenchmarkFire is one tick in which 100,000 timers are due together and fire.
func BenchmarkFire(b *testing.B) {
	w := New(Options{})
	timers := make([]Timer, crowd)
	fired := 0
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		for i := range timers {
			w.Schedule(&timers[i], time.Second, func() { fired++ })
		}
		pass(w, time.Second+2*w.tick)
		b.StartTimer()
		w.fire(context.Background())
	}
	if fired != b.N*crowd {
		b.Fatalf("%d timers fired, want %d", fired, b.N*crowd)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/crowd, "ns/timer")
}

// BenchmarkIdle is one tick in which the wheel gets to 100,000 Idles that have been touched, and puts them off.
func BenchmarkIdle(b *testing.B) {
	w := New(Options{})
	idles := make([]Idle, crowd)
	for i := range idles {
		idles[i].Start(w, time.Second, func() { b.Error("fired") })
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		pass(w, time.Second+2*w.tick)
		for i := range idles {
			idles[i].Touch()
		}
		b.StartTimer()
		w.fire(context.Background())
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/crowd, "ns/timer")
}

// pass lets time pass on the clock of a wheel that does not run.
func pass(w *Wheel, d time.Duration) { w.base = w.base.Add(-d) }
