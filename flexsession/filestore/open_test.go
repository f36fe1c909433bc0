package filestore

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// What is wrong with a directory is said in a sentence, before anything else happens. These hold for root as well.
func TestDirectoriesThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	must(t, os.WriteFile(file, nil, 0o600))
	cases := []struct{ dir, want string }{{file, "not a directory"}, {filepath.Join(file, "below"), "not a directory"}}
	if runtime.GOOS == "linux" { // where nobody can make anything
		cases = append(cases, []struct{ dir, want string }{{"/proc/sluice", "cannot write to /proc: "}, {"/proc", "cannot write to /proc: "}}...)
	}
	for _, c := range cases {
		_, err := Open(c.dir, Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Open(%s): %v, want %q", c.dir, err, c.want)
		}
		if checked := Check(c.dir); fmt.Sprint(checked) != fmt.Sprint(err) {
			t.Errorf("Check(%s) says %v, Open %v", c.dir, checked, err)
		}
	}
}

// Check makes nothing, and is content with what a server has open.
func TestCheck(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	must(t, Check(dir))
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it made the directory: %v", err)
	}
	s := opened(t, dir)
	must(t, s.Commit("token", session(t, "a", "x"), later()))
	must(t, Check(dir))
	must(t, s.Close())
	must(t, Check(dir))
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("it left %v", left)
	}
	must(t, os.Truncate(filepath.Join(dir, FileName), 0))
	must(t, Check(dir))
	must(t, os.WriteFile(filepath.Join(dir, FileName), bytes.Repeat([]byte("no sessions "), 1000), 0o600))
	if err := Check(dir); !errors.Is(err, ErrDamaged) {
		t.Errorf("a file of something else: %v", err)
	}
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	began := time.Now()
	_, err := Open(dir, Options{})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), filepath.Join(dir, FileName)+": another process has it open") {
		t.Errorf("the second one: %v", err)
	}
	if waited := time.Since(began); waited < lockWait/2 {
		t.Errorf("it waited %v only: a process that is going down has no time to", waited)
	}
	must(t, s.Close())
	opened(t, dir)
}

// A damaged file is told as one, and never crashes the process or is used as if nothing were.
func TestDamage(t *testing.T) {
	home := t.TempDir()
	s := opened(t, home)
	for i := range 60 {
		must(t, s.Commit(fmt.Sprint("token", i), session(t, fmt.Sprint("session", i), strings.Repeat("state ", 40)), later()))
	}
	must(t, s.Close())
	good, err := os.ReadFile(filepath.Join(home, FileName))
	must(t, err)
	try := func(what string, text []byte) error {
		t.Helper()
		dir := t.TempDir() // a file that bbolt fails to map keeps its lock
		must(t, os.WriteFile(filepath.Join(dir, FileName), text, 0o600))
		looked := Check(dir)
		s, err := Open(dir, Options{})
		if err == nil {
			states, _ := all(t, s)
			for id, state := range states {
				if state != strings.Repeat("state ", 40) {
					t.Errorf("%s: %s has the state %q", what, id, state)
				}
			}
			err = s.Close()
		}
		if looked != nil && err == nil {
			t.Errorf("%s: Check said %v, and Open nothing", what, looked)
		}
		return err
	}
	must(t, try("as it was", good))
	for what, text := range map[string][]byte{
		"text":                  []byte(strings.Repeat("Sessions of yesterday.\n", 500)),
		"a few bytes":           []byte("hello"),
		"zeros":                 make([]byte, 64<<10),
		"half of it":            good[:len(good)/2],
		"without its last page": good[:len(good)-os.Getpagesize()],
		"a state changed":       bytes.Replace(good, []byte("state state"), []byte("stale state"), 1),
		"an id changed":         bytes.ReplaceAll(good, []byte("session17"), []byte("session1x")),
	} {
		if err := try(what, text); !errors.Is(err, ErrDamaged) && what != "without its last page" { // which may be a free one
			t.Errorf("%s: %v", what, err)
		}
	}
	size := os.Getpagesize()
	for page := range len(good) / size {
		if bytes.Count(good[page*size:(page+1)*size], []byte{0}) == size {
			continue // it was never written
		}
		for _, at := range []int{0, 9, 16, 24} { // of the page's header and first element
			text := bytes.Clone(good)
			for i := range 4 {
				text[page*size+at+i] ^= 0xa5
			}
			if err := try(fmt.Sprintf("page %d, byte %d", page, at), text); err != nil && !errors.Is(err, ErrDamaged) {
				t.Errorf("page %d, byte %d: %v", page, at, err)
			}
		}
	}
}

func TestOtherFormats(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	must(t, s.db.Update(func(b *bbolt.Tx) error { return buckets(b).meta.Put(formatKey, []byte("99")) }))
	must(t, s.Close())
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "another version") {
		t.Errorf("a file of the future: %v", err)
	}
	db, err := bbolt.Open(filepath.Join(dir, FileName), 0o600, nil)
	must(t, err)
	must(t, db.Update(func(b *bbolt.Tx) error { return b.DeleteBucket(tokensBucket) }))
	must(t, db.Close())
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrDamaged) {
		t.Errorf("something else of bbolt's: %v", err)
	}
}
