package flexsession

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"

	"sluice/channel"
)

const (
	maxPasswordFile     = 4 << 20            // bytes
	maxUserName         = 256                // bytes
	maxPasswordBytes    = 72                 // bcrypt looks at no more
	minPasswordCost     = bcrypt.MinCost     // 4
	maxPasswordCost     = 15                 // a few seconds of CPU for each login
	defaultPasswordCost = bcrypt.DefaultCost // what a login costs where there are no users
)

// bcryptHash is the version, the cost, and 53 digits of 6 bits: a salt of 22 and a hash of 31.
var bcryptHash = regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}$`)

// Passwords are the users of a password file. It is immutable; any number of goroutines may use it.
type Passwords struct {
	users   map[string]passwordEntry
	cost    int                               // the highest one of the users
	slots   chan struct{}                     // holds one for each comparison that runs
	compare func(hash, password []byte) error // bcrypt.CompareHashAndPassword, except in tests
}

type passwordEntry struct {
	hash      []byte
	cost      int
	principal *channel.Principal
	line      int
}

// LoadPasswords reads the password file of services-config.xml (security/password-file). It is the format of htpasswd, with roles, a line for
// each user:
//
//	user:bcrypt-hash[:role1,role2]
//
// Blank lines and those that begin with # mean nothing; space around a line or a role does not count. Only bcrypt is taken ($2a$, $2b$, $2y$;
// "htpasswd -B" makes it), with a cost of 4 to 15. The file may have 4 MiB. The error names every line that is malformed or repeats a user, by
// its number and, where it can be told, its user; it quotes nothing of what stands behind the first colon but a cost.
func LoadPasswords(path string) (*Passwords, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read passwords: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPasswordFile+1))
	if err != nil {
		return nil, fmt.Errorf("read passwords: %w", err)
	}
	if len(text) > maxPasswordFile {
		return nil, fmt.Errorf("read passwords: %s is larger than %d bytes", path, maxPasswordFile)
	}
	return parsePasswords(path, string(text))
}

// Verify returns the user whose password it is, or false. It takes as long for a user who does not exist, and for one whose hash has a
// low cost, as for the one with the highest cost in the file, so that its time does not tell who exists. A password of more than 72 bytes,
// which bcrypt would cut off, is refused at once. No more than GOMAXPROCS comparisons run at a time; Verify waits for its turn, and how many may
// wait is for the caller to bound.
func (p *Passwords) Verify(user, password string) (*channel.Principal, bool) {
	if len(password) > maxPasswordBytes {
		return nil, false
	}
	p.slots <- struct{}{}
	defer func() { <-p.slots }()
	secret := []byte(password)
	entry, known := p.users[user]
	if !known {
		entry.hash, entry.cost = anyHash(p.cost), p.cost
	}
	right := p.compare(entry.hash, secret) == nil
	// The work of a cost c is 2^c, and 2^c + (2^c + 2^(c+1) + … + 2^(highest-1)) = 2^highest.
	for cost := entry.cost; cost < p.cost; cost++ {
		_ = p.compare(anyHash(cost), secret)
	}
	if !known || !right {
		return nil, false
	}
	return entry.principal, true
}

// User is the user of that name, as the file has it, for who has logged in before.
func (p *Passwords) User(name string) (*channel.Principal, bool) {
	entry, ok := p.users[name]
	return entry.principal, ok
}

// Len is how many users there are.
func (p *Passwords) Len() int { return len(p.users) }

// Same says whether both are nil or have the same users, with the same hashes and roles.
func (p *Passwords) Same(other *Passwords) bool {
	if p == nil || other == nil {
		return p == other
	}
	return maps.EqualFunc(p.users, other.users, passwordEntry.same)
}

func (a passwordEntry) same(b passwordEntry) bool {
	return bytes.Equal(a.hash, b.hash) && slices.Equal(a.principal.Roles, b.principal.Roles)
}

// Since says who has come, who has another hash or other roles, and who is gone, since p took the place of before. Neither may be nil.
func (p *Passwords) Since(before *Passwords) (came, changed, gone []string) {
	for name, entry := range p.users {
		if old, known := before.users[name]; !known {
			came = append(came, name)
		} else if !entry.same(old) {
			changed = append(changed, name)
		}
	}
	for name := range before.users {
		if _, known := p.users[name]; !known {
			gone = append(gone, name)
		}
	}
	return came, changed, gone
}

// anyHash is a hash that costs as much to compare with as any of that cost. No password is known for it, and its result is not looked at.
func anyHash(cost int) []byte {
	return fmt.Appendf(nil, "$2b$%02d$%s", cost, strings.Repeat(".", 53))
}

func parsePasswords(path, text string) (*Passwords, error) {
	p := &Passwords{
		users:   map[string]passwordEntry{},
		slots:   make(chan struct{}, runtime.GOMAXPROCS(0)),
		compare: bcrypt.CompareHashAndPassword,
	}
	var problems []error
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if err := p.add(line, number); err != nil {
			problems = append(problems, fmt.Errorf("%s:%d: %w", path, number, err))
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	if len(p.users) == 0 {
		p.cost = defaultPasswordCost
	}
	return p, nil
}

// add takes one line, which is neither blank nor a comment.
func (p *Passwords) add(line string, number int) error {
	fields := strings.Split(line, ":")
	if len(fields) < 2 || len(fields) > 3 {
		return fmt.Errorf("%d parts between colons, want user:bcrypt-hash or user:bcrypt-hash:role,role", len(fields))
	}
	name, hash := fields[0], fields[1]
	if err := checkName(name); err != nil {
		return fmt.Errorf("the user name %w", err)
	}
	if first, ok := p.users[name]; ok {
		return fmt.Errorf("user %q is on line %d already", name, first.line)
	}
	cost, err := checkHash(hash)
	if err != nil {
		return fmt.Errorf("user %q: %w", name, err)
	}
	principal := &channel.Principal{Name: name}
	if len(fields) == 3 {
		for i, role := range strings.Split(fields[2], ",") {
			role = strings.TrimSpace(role)
			if err := checkName(role); err != nil {
				return fmt.Errorf("user %q: the name of role %d %w", name, i+1, err)
			}
			if !slices.Contains(principal.Roles, role) {
				principal.Roles = append(principal.Roles, role)
			}
		}
	}
	p.users[name] = passwordEntry{hash: []byte(hash), cost: cost, principal: principal, line: number}
	p.cost = max(p.cost, cost)
	return nil
}

// checkName says what is wrong with the name of a user or role.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("is empty")
	case len(name) > maxUserName:
		return fmt.Errorf("has more than %d bytes", maxUserName)
	case !utf8.ValidString(name):
		return errors.New("is not UTF-8")
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("holds a character that cannot be seen")
	case name != strings.TrimSpace(name):
		return errors.New("begins or ends with space")
	}
	return nil
}

// checkHash returns the cost of a bcrypt hash.
func checkHash(hash string) (int, error) {
	parts := bcryptHash.FindStringSubmatch(hash)
	if parts == nil {
		return 0, errors.New("the hash is not a whole one of bcrypt ($2a$, $2b$ or $2y$), the only kind that is taken")
	}
	cost, err := strconv.Atoi(parts[1])
	if err != nil || cost < minPasswordCost || cost > maxPasswordCost {
		return 0, fmt.Errorf("the cost of the hash is %s, want %d to %d", parts[1], minPasswordCost, maxPasswordCost)
	}
	return cost, nil
}
