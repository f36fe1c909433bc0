//go:build linux

package faults

import (
	"sync/atomic"
	"time"
)

// lateness is how much later than they should a goroutine's moments came, all in all.
var lateness atomic.Int64

// keepTime measures how busy the machine is, until stop is closed: what does nothing but sleep wakes up late.
func keepTime(stop <-chan struct{}) {
	const nap, usual = 5 * time.Millisecond, 2 * time.Millisecond
	for {
		began := time.Now()
		select {
		case <-stop:
			return
		case <-time.After(nap):
			lateness.Add(int64(max(0, time.Since(began)-nap-usual)))
		}
	}
}

// busy is for how long the machine has kept those waiting who had something to do.
func busy() time.Duration { return time.Duration(lateness.Load()) }
