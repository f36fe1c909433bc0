package filestore

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// FileName is the file in the data directory.
const FileName = "sessions.db"

// lockWait is how long Open waits for another process to let go of the file: one that is going down.
const lockWait = time.Second

// Why a file cannot be opened.
var (
	ErrLocked  = errors.New("another process has it open")
	ErrDamaged = errors.New("it is damaged, or no session store; move it away to start without the sessions in it")
)

// Options configures a Store. The zero value is ready to use.
type Options struct {
	Logger zerolog.Logger // told of what fails in the background; the zero Logger is silent
}

// Open opens the store in a directory; both are made where they are not there (modes 0700 and 0600). The whole file is read once and checked. The error says in a sentence what is wrong, and wraps ErrLocked or ErrDamaged
// where that is it. One process may have it open at a time.
func Open(dir string, opts Options) (*Store, error) {
	if err := writable(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the directory: %w", err)
	}
	path := filepath.Join(dir, FileName)
	_, err := os.Stat(path)
	fresh := errors.Is(err, fs.ErrNotExist)
	db, err := open(path, false)
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, path: path, log: opts.Logger}
	if fresh { // the file is to be found after a crash of the machine, too
		err = errors.Join(syncDirectory(dir), syncDirectory(filepath.Dir(dir)))
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// Check says what would keep Open from opening the store, as far as that can be told without making anything. That a process has it open is no mistake here: a server runs.
func Check(dir string) error {
	if err := writable(dir); err != nil {
		return err
	}
	path := filepath.Join(dir, FileName)
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		return nil // it would be made
	}
	db, err := open(path, true)
	if errors.Is(err, ErrLocked) {
		return nil
	}
	if err != nil {
		return err
	}
	return db.Close()
}

// writable says why nothing can be made in a directory or, where it is not there, in the one it would be made in.
func writable(dir string) error {
	for _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir; _, err = os.Stat(dir) {
		dir = filepath.Dir(dir)
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return fmt.Errorf("%s is not a directory", dir)
	}
	f, err := os.CreateTemp(dir, ".writable-*")
	if at := new(fs.PathError); errors.As(err, &at) {
		return fmt.Errorf("cannot write to %s: %w", dir, at.Err) // without the name that was tried
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// open opens the file, and reads all of it. Opening and reading a damaged file may fault or panic; that is an error like any other.
func open(path string, look bool) (db *bbolt.DB, err error) {
	var file *os.File
	defer func() {
		p := recover()
		if p == nil && err == nil {
			return
		}
		switch {
		case p != nil:
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		case errors.Is(err, bolterrors.ErrTimeout):
			err = ErrLocked
		case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		err = fmt.Errorf("%s: %w", path, err)
		if db != nil {
			err = errors.Join(err, db.Close())
		} else if file != nil {
			_ = file.Close() // where bbolt has not done so; what it has mapped goes with the process
		}
		db = nil
	}()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: lockWait, FreelistType: bbolt.FreelistMapType, ReadOnly: look,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			var err error
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		},
	})
	if err != nil {
		return nil, err
	}
	if !look {
		err = db.Update(format)
	}
	if err == nil {
		err = db.View(verify)
	}
	return db, err
}

// format makes the buckets of a new file.
func format(b *bbolt.Tx) error {
	if name, _ := b.Cursor().First(); name != nil {
		return nil // verify looks at it
	}
	for _, name := range [][]byte{sessionsBucket, tokensBucket, activityBucket, metaBucket} {
		if _, err := b.CreateBucket(name); err != nil {
			return err
		}
	}
	return b.Bucket(metaBucket).Put(formatKey, formatNow)
}

// verify reads everything.
func verify(b *bbolt.Tx) error {
	t := buckets(b)
	if t.sessions == nil || t.tokens == nil || t.activity == nil || t.meta == nil {
		return ErrDamaged
	}
	if !bytes.Equal(t.meta.Get(formatKey), formatNow) {
		return fmt.Errorf("it was written by another version of the server: format %q, expected %q", t.meta.Get(formatKey), formatNow)
	}
	sessions := 0
	err := t.sessions.ForEach(func(id, value []byte) error {
		sessions++
		e, ok := parse(value)
		if !ok || !bytes.Equal(t.tokens.Get(e.hash), id) {
			return fmt.Errorf("%w: the session %q", ErrDamaged, id)
		}
		return nil
	})
	if err != nil {
		return err
	}
	tokens := 0
	if err := t.tokens.ForEach(func(_, _ []byte) error { tokens++; return nil }); err != nil {
		return err
	}
	if tokens != sessions {
		return fmt.Errorf("%w: %d tokens of %d sessions", ErrDamaged, tokens, sessions)
	}
	return t.activity.ForEach(func(_, _ []byte) error { return nil })
}

// Each calls f for each session: its inner id, its state, which f may keep, and until when it was active at most; the zero time where it has expired. It is for the start, before anything is
// written. f must not call the store.
func (s *Store) Each(f func(id string, state []byte, active time.Time)) error {
	return s.db.View(func(b *bbolt.Tx) error {
		t, now := buckets(b), time.Now()
		settled, alive := stamped(t.meta.Get(settledKey)), stamped(t.meta.Get(aliveKey))
		return t.sessions.ForEach(func(key, value []byte) error {
			e, _ := parse(value)
			id, state, ok := split(e.data)
			active := now
			switch {
			case !ok || !now.Before(e.expiry):
				active = time.Time{}
			case !settled.IsZero():
				active = stamped(t.activity.Get(key))
				if active.IsZero() {
					active = settled
				}
			case !alive.IsZero():
				active = alive.Add(2 * AliveInterval)
			}
			if active.After(now) {
				active = now
			}
			f(id, bytes.Clone(state), active)
			return nil
		})
	})
}

// syncDirectory makes the names in a directory durable. Windows, which does so by itself, cannot be asked to.
func syncDirectory(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = f.Sync()
	return errors.Join(err, f.Close())
}
