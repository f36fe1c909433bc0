//go:build linux

package endpoint

import (
	"testing"
	"time"
)

// Who waits for the word of why a connection is dead does not outlive it: after Close nobody is told anything.
func TestCloseEndsTheWaitForTheCause(t *testing.T) {
	ours, theirs := tcpPair(t)
	s := &Socket{Conn: ours}
	theirs.Close()
	deadline := time.Now().Add(10 * time.Second)
	for !dead(ours) && time.Now().Before(deadline) { // until the answer to what is written, a reset, has come
		ours.Write([]byte("x"))
		time.Sleep(time.Millisecond)
	}
	waits := make(chan struct{})
	go func() {
		s.Read(make([]byte, 1))
		close(waits)
	}()
	for waiting := false; !waiting; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		waiting = s.told != nil
		s.mu.Unlock()
		if time.Now().After(deadline) {
			t.Fatal("nobody waits")
		}
	}
	began := time.Now()
	s.Close()
	<-waits
	if d := time.Since(began); d > causeWait/2 {
		t.Errorf("it waited %v more", d)
	}
	s.Read(make([]byte, 1))
	if d := time.Since(began); d > causeWait/2 {
		t.Errorf("who came later waited %v", d)
	}
}
