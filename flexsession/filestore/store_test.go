package filestore

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"
)

// later is an expiry that no test lives to see.
func later() time.Time { return time.Now().Add(365 * 24 * time.Hour) }

// session is what scs would commit.
func session(t testing.TB, id, state string) []byte {
	t.Helper()
	b, err := Codec{}.Encode(later(), map[string]any{KeyID: id, KeyState: []byte(state)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func opened(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, Options{})
	must(t, err)
	t.Cleanup(func() { s.Close() }) // those that the test has closed are closed
	return s
}

// state is the state under a token; "-" where there is none.
func state(t testing.TB, s *Store, token string) string {
	t.Helper()
	b, ok, err := s.Find(token)
	must(t, err)
	if !ok {
		return "-"
	}
	_, values, err := Codec{}.Decode(b)
	must(t, err)
	return string(values[KeyState].([]byte))
}

// all are the states by id, and since when each has not been active.
func all(t testing.TB, s *Store) (states map[string]string, idle map[string]time.Duration) {
	t.Helper()
	states, idle = map[string]string{}, map[string]time.Duration{}
	now := time.Now()
	must(t, s.Each(func(id string, state []byte, active time.Time) {
		states[id], idle[id] = string(state), now.Sub(active)
	}))
	return states, idle
}

func TestSessionsAreThereAfterAReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "to", "be", "made")
	s := opened(t, dir)
	must(t, s.Commit("token-a", session(t, "a", "one"), later()))
	must(t, s.Commit("token-b", session(t, "b", "two"), later()))
	must(t, s.Commit("token-c", session(t, "c", ""), later()))
	must(t, s.Update("a", []byte("one and more")))
	must(t, s.Delete("token-b"))
	must(t, s.Delete("token-b"))
	if err := s.Update("b", []byte("x")); !errors.Is(err, ErrUnknown) {
		t.Errorf("the update of a session that has gone: %v", err)
	}
	must(t, s.Close())

	s = opened(t, dir)
	for token, want := range map[string]string{"token-a": "one and more", "token-b": "-", "token-c": "", "": "-", "token": "-"} {
		if got := state(t, s, token); got != want {
			t.Errorf("under %q is %q, want %q", token, got, want)
		}
	}
	if states, _ := all(t, s); !maps.Equal(states, map[string]string{"a": "one and more", "c": ""}) {
		t.Errorf("the sessions are %v", states)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, FileName): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want the mode %v", path, info.Mode(), err, want)
		}
	}
}

// A session has one token: a commit under a new one is the end of the old one. Who reads the file finds neither.
func TestTokens(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	must(t, s.Commit("the-first-token", session(t, "a", "guest"), later()))
	must(t, s.Commit("the-second-token", session(t, "a", "ann"), later()))
	if first, second := state(t, s, "the-first-token"), state(t, s, "the-second-token"); first != "-" || second != "ann" {
		t.Errorf("under the first is %q, under the second %q", first, second)
	}
	must(t, s.Delete("the-first-token"))
	if got := state(t, s, "the-second-token"); got != "ann" {
		t.Errorf("the end of the first token took the session: %q", got)
	}
	must(t, s.Close())
	text, err := os.ReadFile(filepath.Join(dir, FileName))
	must(t, err)
	if !bytes.Contains(text, []byte("ann")) || bytes.Contains(text, []byte("-token")) {
		t.Error("a token stands in the file, or the test looks in the wrong place")
	}
	opened(t, dir) // nothing of the first one is left over
}

func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := opened(t, t.TempDir())
		must(t, s.Commit("token", session(t, "a", "one"), time.Now().Add(time.Hour)))
		time.Sleep(59 * time.Minute)
		if got := state(t, s, "token"); got != "one" {
			t.Errorf("before it expires: %q", got)
		}
		time.Sleep(time.Minute)
		if got := state(t, s, "token"); got != "-" {
			t.Errorf("afterwards: %q", got)
		}
		must(t, s.Each(func(_ string, _ []byte, active time.Time) {
			if !active.IsZero() {
				t.Error("it counts as active")
			}
		}))
	})
}

// Remove does not wait; what it drops is gone when the store is closed, and its token with it.
func TestRemove(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	for i := range 10 {
		must(t, s.Commit(fmt.Sprint("token", i), session(t, fmt.Sprint(i), "x"), later()))
	}
	block, err := s.db.Begin(true)
	must(t, err)
	s.Remove("1", "2", "nobody")
	s.Remove("3")
	if got := state(t, s, "token1"); got != "x" {
		t.Errorf("gone before anything could be written: %q", got)
	}
	must(t, block.Rollback())
	must(t, s.Close())
	s.Remove("4") // too late, and not fatal
	if err := s.Commit("late", session(t, "late", ""), later()); !errors.Is(err, ErrClosed) {
		t.Errorf("a commit after the end: %v", err)
	}
	s = opened(t, dir)
	if states, _ := all(t, s); len(states) != 7 || state(t, s, "token2") != "-" || state(t, s, "token4") != "x" {
		t.Errorf("left are %v", states)
	}
}

// Those who come while a transaction is under way share the next one, and its fsync.
func TestWritersShareATransaction(t *testing.T) {
	s := opened(t, t.TempDir())
	must(t, s.Commit("token", session(t, "a", ""), later()))
	before := transaction(t, s)
	block, err := s.db.Begin(true)
	must(t, err)
	var writers sync.WaitGroup
	const n = 200
	for i := range n {
		writers.Go(func() {
			if err := s.Commit(fmt.Sprint("token", i), session(t, fmt.Sprint(i), "x"), later()); err != nil {
				t.Error(err)
			}
		})
	}
	for gathered := 0; gathered < n; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		if s.next != nil {
			gathered = len(s.next.changes)
		}
		s.mu.Unlock()
	}
	must(t, block.Rollback())
	writers.Wait()
	if after := transaction(t, s); after != before+1 {
		t.Errorf("%d writers took %d transactions", n, after-before)
	}
	if states, _ := all(t, s); len(states) != n+1 {
		t.Errorf("%d sessions", len(states))
	}
}

// transaction is the number of the last one.
func transaction(t testing.TB, s *Store) (id int) {
	t.Helper()
	must(t, s.db.View(func(b *bbolt.Tx) error { id = b.ID(); return nil }))
	return id
}

// A transaction that panics, as one that comes to a damaged page does, fails for those who are part of it; the process and the store go on, also where nobody waits.
func TestPanicInATransaction(t *testing.T) {
	s := opened(t, t.TempDir())
	bad := func(*tx) { panic("page 7: invalid type") }
	if err := s.write(bad); !errors.Is(err, ErrDamaged) {
		t.Errorf("the error is %v", err)
	}
	s.later(bad)
	s.running.Wait()
	must(t, s.Commit("token", session(t, "id", "state"), later()))
	if got := state(t, s, "token"); got != "state" {
		t.Errorf("the state is %s", got)
	}
}

// Each writer finds what it has written, whoever else writes.
func TestManyWriters(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	var writers sync.WaitGroup
	for i := range 16 {
		writers.Go(func() {
			id := fmt.Sprint("session", i)
			for round := range 20 {
				token := fmt.Sprint(id, "-", round)
				if err := s.Commit(token, session(t, id, ""), later()); err != nil {
					t.Error(err)
				}
				if err := s.Update(id, []byte(token)); err != nil {
					t.Error(err)
				}
				if got := state(t, s, token); got != token {
					t.Errorf("under %q is %q", token, got)
				}
			}
			if i%2 == 0 {
				s.Remove(id)
			}
		})
	}
	writers.Wait()
	must(t, s.Close())
	s = opened(t, dir)
	states, _ := all(t, s)
	for i := range 16 {
		id := fmt.Sprint("session", i)
		if got, there := states[id]; there != (i%2 == 1) || there && got != id+"-19" {
			t.Errorf("%s: %q %v", id, got, there)
		}
	}
}

// After an orderly end it is known when each session was active. After a crash none may end too early: all count from soon after the last sign of life.
func TestActivity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := opened(t, dir)
		for _, id := range []string{"a", "b", "new"} {
			must(t, s.Commit("token-"+id, session(t, id, ""), later()))
		}
		want := func(what string, a, b, new time.Duration) {
			t.Helper()
			if _, idle := all(t, s); idle["a"] != a || idle["b"] != b || idle["new"] != new {
				t.Errorf("%s: %v, want %v, %v and %v", what, idle, a, b, new)
			}
		}
		reopen := func() {
			must(t, s.Close())
			s = opened(t, dir)
		}
		time.Sleep(time.Hour)
		want("before any sign of life", 0, 0, 0)
		must(t, s.Alive())
		time.Sleep(10 * time.Minute)
		reopen()
		want("after a crash", 10*time.Minute-2*AliveInterval, 10*time.Minute-2*AliveInterval, 10*time.Minute-2*AliveInterval)
		must(t, s.Alive())
		reopen()
		want("at once after a crash", 0, 0, 0)

		must(t, s.Settle(map[string]time.Time{"a": time.Now().Add(-5 * time.Minute), "b": time.Now().Add(-time.Second), "gone": time.Now()}))
		must(t, s.Alive()) // comes too late
		time.Sleep(time.Minute)
		reopen()
		want("after an orderly end", 6*time.Minute, 61*time.Second, time.Minute)
		reopen()
		want("the same, as nothing lived meanwhile", 6*time.Minute, 61*time.Second, time.Minute)
		must(t, s.Alive())
		reopen()
		want("a crash after the orderly end", 0, 0, 0)
		must(t, s.Settle(map[string]time.Time{"a": time.Now().Add(time.Hour)})) // the clock was set back since
		reopen()
		want("from the future", 0, 0, 0)
	})
}

// A Settle is the last word, also where an Alive was under way.
func TestAliveWhileSettling(t *testing.T) {
	for range 200 {
		s := opened(t, t.TempDir())
		var both sync.WaitGroup
		var alive, settled error
		both.Go(func() { alive = s.Alive() })
		both.Go(func() { settled = s.Settle(nil) })
		both.Wait()
		must(t, errors.Join(alive, settled))
		must(t, s.db.View(func(b *bbolt.Tx) error {
			if buckets(b).meta.Get(settledKey) == nil {
				t.Error("the store is as after a crash")
			}
			return nil
		}))
		must(t, s.Close())
	}
}

func TestCodec(t *testing.T) {
	for _, values := range []map[string]any{
		{}, {KeyState: []byte("x")}, {KeyID: ""}, {KeyID: string(make([]byte, 256))}, {KeyID: "a", KeyState: []byte{}, "more": 1},
	} {
		if b, err := (Codec{}).Encode(later(), values); err == nil {
			t.Errorf("%v became %q", values, b)
		}
	}
	for _, b := range []string{"", "12345678", "12345678\x00", "12345678\x00x", "12345678\x02x"} {
		if _, values, err := (Codec{}).Decode([]byte(b)); err == nil {
			t.Errorf("%q became %v", b, values)
		}
	}
	deadline := later().Truncate(time.Second)
	for _, values := range []map[string]any{{KeyID: "a"}, {KeyID: string(make([]byte, 255)), KeyState: []byte("{}")}} {
		b, err := Codec{}.Encode(deadline, values)
		must(t, err)
		at, got, err := Codec{}.Decode(b)
		want, _ := values[KeyState].([]byte)
		if err != nil || !at.Equal(deadline) || got[KeyID] != values[KeyID] || !bytes.Equal(got[KeyState].([]byte), want) {
			t.Errorf("%v became %v %v %v", values, at, got, err)
		}
	}
}

func BenchmarkUpdate(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprint("writers=", writers), func(b *testing.B) {
			s := opened(b, b.TempDir())
			for i := range writers {
				must(b, s.Commit(fmt.Sprint(i), session(b, fmt.Sprint(i), ""), later()))
			}
			state := make([]byte, 1024)
			b.ReportAllocs()
			b.ResetTimer()
			var all sync.WaitGroup
			for i := range writers {
				all.Go(func() {
					for range b.N / writers {
						if err := s.Update(fmt.Sprint(i), state); err != nil {
							b.Error(err)
						}
					}
				})
			}
			all.Wait()
		})
	}
}
