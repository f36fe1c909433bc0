package flexsession

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"golang.org/x/crypto/bcrypt"
)

// The passwords are "secret", made by htpasswd -B ($2y$), and "other".
var (
	hashOfSecret = strings.Replace(hashOf("secret", 4), "$2a$", "$2y$", 1)
	hashOfOther  = strings.Replace(hashOf("other", 5), "$2a$", "$2b$", 1)
)

func hashOf(password string, cost int) string {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		panic(err)
	}
	return string(hash)
}

func loadPasswords(t *testing.T, text string) (*Passwords, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "passwords")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return LoadPasswords(path)
}

func TestPasswordsVerify(t *testing.T) {
	long := strings.Repeat("x", 72)
	p, err := loadPasswords(t, "# who may come in\n\n"+
		"alice:"+hashOfSecret+":admin, news desk ,admin\r\n"+
		"  bob:"+hashOfOther+"  \n"+
		"\t# bob:again\n"+
		"çelik jr.:"+hashOf(long, 4)+":läser\n"+
		"last:"+hashOf("", 4)) // no line end
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		user, password string
		ok             bool
		roles          []string
	}{
		{user: "alice", password: "secret", ok: true, roles: []string{"admin", "news desk"}},
		{user: "bob", password: "other", ok: true},
		{user: "çelik jr.", password: long, ok: true, roles: []string{"läser"}},
		{user: "last", password: "", ok: true},
		{user: "alice", password: "Secret"},
		{user: "alice", password: ""},
		{user: "bob", password: "secret"},
		{user: "Alice", password: "secret"},
		{user: "nobody", password: "secret"},
		{user: "", password: ""},
		{user: "# bob", password: "again"},
		{user: "çelik jr.", password: long + "x"}, // bcrypt alone would cut it and say yes, or fail
	} {
		who, ok := p.Verify(tc.user, tc.password)
		if ok != tc.ok || (who != nil) != tc.ok {
			t.Errorf("Verify(%q, %q) = %v, %v, want %v", tc.user, tc.password, who, ok, tc.ok)
			continue
		}
		if ok && (who.Name != tc.user || !slices.Equal(who.Roles, tc.roles)) {
			t.Errorf("Verify(%q) = %+v, want roles %q", tc.user, who, tc.roles)
		}
	}
}

func TestPasswordsProblems(t *testing.T) {
	digits := strings.Repeat("a", 53)
	for _, tc := range []struct {
		name, text string
		want       []string // parts of the lines of the error, in order; none: no error
	}{
		{name: "empty file"},
		{name: "comments alone", text: "# nothing\n\n  # at all"},
		{name: "the highest cost", text: "a:$2b$15$" + digits},
		{name: "no hash", text: "hunter2\n", want: []string{":1: 1 parts"}},
		{name: "too many parts", text: "a:" + hashOfSecret + ":x:y", want: []string{":1: 4 parts"}},
		{name: "no user", text: ":" + hashOfSecret, want: []string{":1: the user name is empty"}},
		{name: "space behind the user", text: "a :" + hashOfSecret, want: []string{":1: the user name begins or ends"}},
		{name: "byte order mark", text: "\ufeffa:" + hashOfSecret, want: []string{":1: the user name holds a character that cannot be seen"}},
		{name: "NUL", text: "a\x00:" + hashOfSecret, want: []string{":1: the user name holds"}},
		{name: "not UTF-8", text: "\xff:" + hashOfSecret, want: []string{":1: the user name is not UTF-8"}},
		{name: "long user", text: strings.Repeat("a", 257) + ":" + hashOfSecret, want: []string{":1: the user name has more than 256"}},
		{name: "plain password", text: "a:hunter2", want: []string{`:1: user "a": the hash is not`}},
		{name: "MD5", text: "a:$apr1$hunter2$abc", want: []string{`:1: user "a": the hash is not`}},
		{name: "unknown version", text: "a:$2x$10$" + digits, want: []string{":1: "}},
		{name: "short hash", text: "a:" + hashOfSecret[:59], want: []string{":1: "}},
		{name: "long hash", text: "a:" + hashOfSecret + "a", want: []string{":1: "}},
		{name: "foreign digit", text: "a:" + hashOfSecret[:59] + "=", want: []string{":1: "}},
		{name: "cost too low", text: "a:$2b$03$" + digits, want: []string{":1: user \"a\": the cost of the hash is 03, want 4 to 15"}},
		{name: "cost too high", text: "a:$2b$16$" + digits, want: []string{":1: user \"a\": the cost of the hash is 16, want 4 to 15"}},
		{name: "cost is no number", text: "a:$2b$1x$" + digits, want: []string{":1: "}},
		{name: "empty roles", text: "a:" + hashOfSecret + ":", want: []string{`:1: user "a": the name of role 1 is empty`}},
		{name: "empty role", text: "a:" + hashOfSecret + ":x, ,y", want: []string{`:1: user "a": the name of role 2 is empty`}},
		{
			name: "all at once",
			text: "hunter2\n\na:" + hashOfSecret + "\nb:hunter2\n# a\na:" + hashOfOther + "\r\nc:" + hashOfOther + "\na:" + hashOfSecret,
			want: []string{":1: ", `:4: user "b"`, `:6: user "a" is on line 3 already`, `:8: user "a" is on line 3 already`},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := loadPasswords(t, tc.text)
			var got []string
			if err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if len(got) != len(tc.want) {
				t.Fatalf("got %d problems, want %d:\n%v", len(got), len(tc.want), err)
			}
			for i, line := range got {
				if !strings.Contains(line, tc.want[i]) {
					t.Errorf("problem %q, want %q", line, tc.want[i])
				}
				for _, secret := range []string{"hunter2", hashOfSecret[7:], hashOfOther[7:], "aaaaaaaaaa"} {
					if strings.Contains(line, secret) {
						t.Errorf("the error gives away a secret: %s", line)
					}
				}
			}
		})
	}
}

func TestPasswordsFileThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, []byte(strings.Repeat("# comment\n", maxPasswordFile/10+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "absent"), dir, big} {
		if p, err := LoadPasswords(path); err == nil || p != nil || !strings.Contains(err.Error(), path) {
			t.Errorf("LoadPasswords(%s) = %v, %v, want an error that names the file", path, p, err)
		}
	}
}

// The work, which is the time, is that of the highest cost in the file, whoever tries and whatever comes of it.
func TestPasswordsVerifyAlwaysWorksAsLong(t *testing.T) {
	p, err := parsePasswords("test", "low:"+hashOfSecret+"\nhigh:"+hashOf("secret", 7)+"\nmiddle:"+hashOfOther)
	if err != nil {
		t.Fatal(err)
	}
	work := 0
	p.compare = func(hash, password []byte) error {
		cost, err := bcrypt.Cost(hash)
		if err != nil {
			t.Errorf("compared with %q, which is no hash: %v", hash, err)
		}
		work += 1 << cost
		return nil
	}
	for _, try := range [][2]string{{"low", "secret"}, {"low", "x"}, {"middle", "other"}, {"high", "secret"}, {"high", "x"}, {"nobody", "secret"}} {
		work = 0
		p.Verify(try[0], try[1])
		if work != 1<<7 {
			t.Errorf("Verify(%q) did work for %d rounds, want %d", try, work, 1<<7)
		}
	}
	work = 0
	if p.Verify("high", strings.Repeat("x", 73)); work != 0 {
		t.Errorf("a password that is too long was hashed")
	}

	empty, err := parsePasswords("test", "")
	if err != nil {
		t.Fatal(err)
	}
	work, empty.compare = 0, p.compare
	if _, ok := empty.Verify("nobody", "secret"); ok || work != 1<<bcrypt.DefaultCost {
		t.Errorf("without users: %v after %d rounds, want %d", ok, work, 1<<bcrypt.DefaultCost)
	}
}

func TestPasswordsVerifyLeavesTheMachineToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := parsePasswords("test", "a:"+hashOfSecret)
		if err != nil {
			t.Fatal(err)
		}
		var running atomic.Int32
		step := make(chan struct{})
		p.compare = func(hash, password []byte) error {
			running.Add(1)
			defer running.Add(-1)
			<-step
			return bcrypt.ErrMismatchedHashAndPassword
		}
		limit := runtime.GOMAXPROCS(0)
		var all sync.WaitGroup
		for i := range 5 * limit {
			all.Go(func() { p.Verify([]string{"a", "nobody"}[i%2], "x") })
		}
		for left := 5 * limit; left > 0; left-- {
			synctest.Wait()
			if got, want := int(running.Load()), min(limit, left); got != want {
				t.Errorf("%d comparisons run at a time, want %d", got, want)
			}
			step <- struct{}{}
		}
		all.Wait()
	})
}

// Whatever a file holds: it is refused with the numbers of its lines, or every user in it can be looked up and compared.
func FuzzParsePasswords(f *testing.F) {
	f.Add("a:" + hashOfSecret + ":x,y\n# comment\n\nb:" + hashOfOther)
	f.Add("a:" + hashOfSecret + "\na:" + hashOfSecret)
	f.Add(":::\r\n\xff:$2b$99$")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePasswords("file", text)
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				var number int
				if n, _ := fmt.Sscanf(line, "file:%d: ", &number); n != 1 || number < 1 || number > strings.Count(text, "\n")+1 {
					t.Errorf("%q names no line of the file", line)
				}
			}
			return
		}
		for name, user := range p.users {
			if cost, err := bcrypt.Cost(user.hash); err != nil || cost != user.cost || cost < 4 || cost > p.cost || p.cost > 15 {
				t.Errorf("user %q has cost %d, the highest is %d: %v", name, user.cost, p.cost, err)
			}
			if user.principal.Name != name || name == "" || strings.ContainsAny(name, ":\r\n") {
				t.Errorf("user %q is %+v", name, user.principal)
			}
			if slices.Contains(user.principal.Roles, "") {
				t.Errorf("user %q has a role without a name", name)
			}
		}
	})
}
