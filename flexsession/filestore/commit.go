package filestore

import (
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
)

// ErrClosed says that the store has been closed.
var ErrClosed = errors.New("the session store is closed")

// tx is one transaction. The first error of a put or delete is its own.
type tx struct {
	sessions, tokens, activity, meta *bbolt.Bucket

	err error
}

func (t *tx) put(b *bbolt.Bucket, key, value []byte) {
	if t.err == nil {
		t.err = b.Put(key, value)
	}
}

func (t *tx) delete(b *bbolt.Bucket, key []byte) {
	if t.err == nil {
		t.err = b.Delete(key)
	}
}

// group is what is written by one transaction. It grows until that begins, by what comes while the one before it is committed: at most one change for each writer that waits, and one for each session
// that has ended meanwhile.
type group struct {
	changes []func(*tx)
	alone   bool          // somebody does not wait for it
	done    chan struct{} // closed when it is committed, or has failed
	err     error         // to be read after done
}

// write makes the change a part of the next transaction, and returns when that is on disk.
func (s *Store) write(change func(*tx)) error {
	g, first, err := s.join(change, false)
	if err != nil {
		return err
	}
	if first {
		s.commit(g)
	}
	<-g.done
	return g.err
}

// later is write without waiting.
func (s *Store) later(change func(*tx)) {
	g, first, err := s.join(change, true)
	if err == nil && first { // after Close nothing is to be written
		go func() {
			defer s.running.Done()
			s.commit(g)
		}()
	}
}

// join adds the change to the group that is being gathered. First says that there was none, and that the caller has to commit it.
func (s *Store) join(change func(*tx), alone bool) (g *group, first bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, false, ErrClosed
	}
	first = s.next == nil
	if first {
		s.next = &group{done: make(chan struct{})}
		if alone {
			s.running.Add(1)
		}
	}
	g = s.next
	g.changes, g.alone = append(g.changes, change), g.alone || alone
	return g, first, nil
}

// commit writes a group. It waits for the transaction before it; until then the group may grow.
func (s *Store) commit(g *group) {
	defer close(g.done)
	if g.err = s.update(g); g.err == nil {
		return
	}
	g.err = fmt.Errorf("write %s: %w", s.path, g.err)
	s.mu.Lock()
	if s.next == g {
		s.next = nil // the transaction could not even begin
	}
	s.mu.Unlock()
	if g.alone {
		s.log.Error().Err(g.err).Msg("sessions that have ended could not be dropped from the store")
	}
}

// update is the transaction of a group. A damaged page may make it panic: that is an error like any other, and not the end of the process.
func (s *Store) update(g *group) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	return s.db.Update(func(b *bbolt.Tx) error {
		s.mu.Lock()
		s.next = nil
		s.mu.Unlock()
		t := buckets(b)
		for _, change := range g.changes {
			change(t)
		}
		return t.err
	})
}

func buckets(b *bbolt.Tx) *tx {
	return &tx{sessions: b.Bucket(sessionsBucket), tokens: b.Bucket(tokensBucket), activity: b.Bucket(activityBucket), meta: b.Bucket(metaBucket)}
}
