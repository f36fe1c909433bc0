package filestore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"
)

// AliveInterval is how often [Store.Alive] is to be called. After a crash sessions count as active until twice that after the last call: a call may be late, but not by so much.
const AliveInterval = 30 * time.Second

// ErrUnknown says that the store has no session of that id.
var ErrUnknown = errors.New("no such stored session")

// The buckets. A key of sessions and activity is an inner id.
var (
	sessionsBucket = []byte("sessions") // see entry
	tokensBucket   = []byte("tokens")   // SHA-256 of the token: the inner id
	activityBucket = []byte("activity") // when the session was last active, as of Settle
	metaBucket     = []byte("meta")

	formatKey  = []byte("format")  // formatNow
	aliveKey   = []byte("alive")   // the last Alive
	settledKey = []byte("settled") // the last Settle; gone with the next Alive
	formatNow  = []byte("1")
)

// Store is an open file of sessions. It implements scs.Store.
type Store struct {
	db   *bbolt.DB
	path string
	log  zerolog.Logger

	mu      sync.Mutex // guards the following
	next    *group     // is being gathered; nil: nothing is
	settled bool
	closed  bool

	running sync.WaitGroup // commits that nobody waits for
}

// Find implements scs.Store: what was committed under the token, unless it has expired or another token has replaced it.
func (s *Store) Find(token string) (found []byte, ok bool, err error) {
	err = s.db.View(func(b *bbolt.Tx) error {
		t, hash := buckets(b), sha256.Sum256([]byte(token))
		id := t.tokens.Get(hash[:])
		if id == nil {
			return nil
		}
		e, valid := parse(t.sessions.Get(id))
		if ok = valid && bytes.Equal(e.hash, hash[:]) && time.Now().Before(e.expiry); ok {
			found = bytes.Clone(e.data)
		}
		return nil
	})
	return found, ok, err
}

// Commit implements scs.Store: b, made by [Codec], is the session from now on, and token its only one. It returns when that is on disk.
func (s *Store) Commit(token string, b []byte, expiry time.Time) error {
	id, _, ok := split(b)
	if !ok {
		return errForm
	}
	hash := sha256.Sum256([]byte(token))
	return s.write(func(t *tx) {
		t.remove([]byte(id))
		t.put(t.tokens, hash[:], []byte(id))
		t.put(t.sessions, []byte(id), entry{expiry, hash[:], b}.bytes())
	})
}

// Delete implements scs.Store: it drops the session of the token, and returns when that is on disk.
func (s *Store) Delete(token string) error {
	if _, ok, err := s.Find(token); !ok {
		return err
	}
	hash := sha256.Sum256([]byte(token))
	return s.write(func(t *tx) { t.remove(t.tokens.Get(hash[:])) })
}

// Update replaces the state of a session, which keeps its token, and returns when that is on disk. Without such a session the error is ErrUnknown.
func (s *Store) Update(id string, state []byte) error {
	known := false
	err := s.write(func(t *tx) {
		var e entry
		if e, known = parse(t.sessions.Get([]byte(id))); known {
			e.data = withState(e.data, state)
			t.put(t.sessions, []byte(id), e.bytes())
		}
	})
	if err == nil && !known {
		return ErrUnknown
	}
	return err
}

// Remove drops sessions by their inner ids, soon: it does not wait for the disk. A failure is logged, and the session is there again after a restart, until it times out.
func (s *Store) Remove(ids ...string) {
	s.later(func(t *tx) {
		for _, id := range ids {
			t.remove([]byte(id))
		}
	})
}

// Alive notes that the process runs, and that sessions may be active from now on. It is for the beginning and then every [AliveInterval]. After Settle it does nothing.
func (s *Store) Alive() error {
	now := stamp(time.Now())
	return s.write(func(t *tx) {
		s.mu.Lock()
		over := s.settled // asked here: a Settle that has come meanwhile may be written before this
		s.mu.Unlock()
		if !over {
			t.put(t.meta, aliveKey, now)
			t.delete(t.meta, settledKey)
		}
	})
}

// Settle notes when each session was last active, at the end of a process, after which none is.
func (s *Store) Settle(active map[string]time.Time) error {
	s.mu.Lock()
	s.settled = true
	s.mu.Unlock()
	now := stamp(time.Now())
	return s.write(func(t *tx) {
		for id, _ := t.activity.Cursor().First(); id != nil; id, _ = t.activity.Cursor().First() {
			t.delete(t.activity, id)
		}
		for id, at := range active {
			t.put(t.activity, []byte(id), stamp(at))
		}
		t.put(t.meta, settledKey, now)
	})
}

// Close waits for what is being written, and closes the file.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.running.Wait()
	return s.db.Close()
}

// remove drops a session and its token.
func (t *tx) remove(id []byte) {
	if e, ok := parse(t.sessions.Get(id)); ok {
		t.delete(t.tokens, e.hash)
		t.delete(t.sessions, id)
	}
}

// entry is a value of the bucket sessions: a checksum of the rest (CRC-32, 4 bytes), the expiry in seconds (8), the hash of the token (32), and what scs committed.
type entry struct {
	expiry time.Time
	hash   []byte
	data   []byte
}

const entryHead = 4 + 8 + sha256.Size

func (e entry) bytes() []byte {
	b := make([]byte, 4, entryHead+len(e.data))
	b = binary.BigEndian.AppendUint64(b, uint64(e.expiry.Unix()))
	b = append(append(b, e.hash...), e.data...)
	binary.BigEndian.PutUint32(b, crc32.ChecksumIEEE(b[4:]))
	return b
}

// parse reads what bytes made; its parts are those of b.
func parse(b []byte) (e entry, ok bool) {
	if len(b) < entryHead || binary.BigEndian.Uint32(b) != crc32.ChecksumIEEE(b[4:]) {
		return entry{}, false
	}
	return entry{time.Unix(int64(binary.BigEndian.Uint64(b[4:])), 0), b[12:entryHead], b[entryHead:]}, true
}

// stamp is a time in milliseconds since 1970, 8 bytes.
func stamp(t time.Time) []byte { return binary.BigEndian.AppendUint64(nil, uint64(t.UnixMilli())) }

// stamped reads a stamp; the zero time where there is none.
func stamped(b []byte) time.Time {
	if len(b) != 8 {
		return time.Time{}
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b)))
}
