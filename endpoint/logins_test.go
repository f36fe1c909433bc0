package endpoint

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"sluice/channel/message"
	"sluice/flexsession"
)

// try says how a login is refused before its password is looked at; 0: it is not, and then it has failed.
func try(l *Logins, addr, user string) message.Code {
	if err := l.Begin(addr, user); err != nil {
		return err.Code
	}
	l.Ended(addr, user, true)
	return 0
}

func TestLoginFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLogins(3, 0)
		for i := range 3 {
			if code := try(l, "192.0.2.1:1", "ann"); code != 0 {
				t.Fatalf("%v after %d failures", code, i)
			}
		}
		for _, c := range []struct {
			name, addr, user string
			want             message.Code
		}{
			{"the same", "192.0.2.1:1", "ann", message.CodeLimitLogins},
			{"the user elsewhere", "192.0.2.2:1", "ann", message.CodeLimitLogins},
			{"the address as others", "192.0.2.1:9", "bob", message.CodeLimitLogins},
			{"others elsewhere", "192.0.2.2:1", "bob", 0},
		} {
			if got := try(l, c.addr, c.user); got != c.want {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
		}
		time.Sleep(2 * time.Minute)
		if code := try(l, "192.0.2.1:1", "ann"); code != 0 {
			t.Errorf("two minutes later: %v", code)
		}
		if len(l.under) != 0 || l.total != 0 {
			t.Errorf("%v are under way, %d in all", l.under, l.total)
		}
	})
}

// The limiter counts with a window that slides, and rounds: just below the limit it did not count any more, and who came at the right second could guess without end.
func TestLoginFailuresOverTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, tried := NewLogins(5, 0), 0
		for began := time.Now(); time.Since(began) < 10*time.Minute; time.Sleep(100 * time.Millisecond) {
			if try(l, "192.0.2.1:1", "ann") == 0 {
				tried++
			}
		}
		if tried > 5*11 {
			t.Errorf("%d guesses in ten minutes, five a minute may fail", tried)
		}
	})
}

// Logins under way count like failures, and those that succeed give their places back.
func TestLoginsUnderWay(t *testing.T) {
	l := NewLogins(2, 0)
	begin := func(want message.Code) {
		t.Helper()
		var got message.Code
		if err := l.Begin("192.0.2.1:1", "ann"); err != nil {
			got = err.Code
		}
		if got != want {
			t.Errorf("%v, want %v", got, want)
		}
	}
	for range 100 {
		begin(0)
		begin(0)
		begin(message.CodeOverloaded)
		l.Ended("192.0.2.1:1", "ann", false)
		l.Ended("192.0.2.1:1", "ann", false)
	}
	begin(0)
	begin(0)
	l.Ended("192.0.2.1:1", "ann", true)
	begin(message.CodeOverloaded)
	l.Ended("192.0.2.1:1", "ann", true)
	begin(message.CodeLimitLogins)
}

// Without a limit of failures there is still one for those that wait for their turn.
func TestLoginsWithoutALimit(t *testing.T) {
	l := NewLogins(-1, 0)
	for range l.most * 3 {
		if code := try(l, "192.0.2.1:1", "ann"); code != 0 {
			t.Fatal(code)
		}
	}
	for range l.most {
		if err := l.Begin("192.0.2.1:1", "ann"); err != nil {
			t.Fatal(err)
		}
	}
	if code := try(l, "192.0.2.2:1", "bob"); code != message.CodeOverloaded {
		t.Errorf("one more: %v", code)
	}
	l.Ended("192.0.2.1:1", "ann", false)
	if code := try(l, "192.0.2.2:1", "bob"); code != 0 {
		t.Errorf("when one has ended: %v", code)
	}
}

// Sixty guesses at a time were all tried, because only those that had ended counted.
func TestParallelGuesses(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, append([]byte("ann:"), hash...), 0o600); err != nil {
		t.Fatal(err)
	}
	passwords, err := flexsession.LoadPasswords(file)
	if err != nil {
		t.Fatal(err)
	}
	k := &Core{Logins: NewLogins(5, 0), Passwords: passwords}
	var guesses sync.WaitGroup
	start, tried := make(chan struct{}), make(chan message.Code, 60)
	for range 60 {
		guesses.Go(func() {
			<-start
			_, err := k.Verify("192.0.2.1:1", "ann", "wrong")
			tried <- err.Code
		})
	}
	close(start)
	guesses.Wait()
	close(tried)
	got := make(map[message.Code]int)
	for code := range tried {
		got[code]++
	}
	if got[message.CodeBadCredentials] != 5 {
		t.Errorf("of sixty guesses at a time five may fail: %v", got)
	}
}
