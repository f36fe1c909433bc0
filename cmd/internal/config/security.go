package config

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"sluice/channel"
)

// securityDraft is the security section on its way to Config.
type securityDraft struct {
	Security
	passwordFile, cookieName ref
	store                    pos // of session-store
}

// constraintDraft is a security-constraint, written here or referred to.
type constraintDraft struct {
	channel.SecurityConstraint
	ref    ref
	inline *pos // written in place, not referred to
}

// read takes the Group form inside a channel or destination.
func (c *constraintDraft) read(v Value) {
	shortcut := c.ref
	apply(c, v.Items)
	if shortcut.id != "" { // the attribute wins
		c.ref = shortcut
	}
	if c.ref.id == "" {
		c.inline = &v.at
	}
}

func securitySettings() []Setting {
	sec := on[securityDraft]
	return slices.Concat(
		include(ScopeSecurity, "", "security-constraint-include", "constraints"),
		within(ScopeSecurity, "",
			Setting{Name: "password-file", Kind: File, Strict: true, From: sluice, Example: "passwords", Doc: "File of users, one line each: `user:bcrypt-hash` or `user:bcrypt-hash:role1,role2`; `sluice password` prints such a line. Blank lines and those that begin with # mean nothing. Seen from the file that names it. Absent: nobody can log in by password.",
				set: sec(func(s *securityDraft, v Value) { s.passwordFile = ref{v.Text, v.at} })},
			Setting{Name: "session-cookie-name", Kind: Text, Default: "SluiceSessionId", Strict: true, From: lcds, Example: "SID", Doc: "Name of the cookie behind which a browser's login is remembered.",
				set: sec(func(s *securityDraft, v Value) { s.cookieName = ref{v.Text, v.at} })},
			Setting{Name: "session-cookie-secure", Kind: Enum, Enum: []string{"auto", "true", "false"}, Default: "auto", Strict: true, From: sluice, Example: "true", Doc: "Whether the cookie is for TLS only; auto: when it was set over TLS, here or at a trusted proxy.",
				set: sec(func(s *securityDraft, v Value) { s.SessionCookieSecure = CookieSecure(v.Text) })},
			Setting{Name: "max-login-failures-per-minute", Kind: Int, Default: "10", Zero: "no limit", From: sluice, Doc: "Failed logins of one address or user name in a minute; further ones are refused unseen.",
				set: sec(func(s *securityDraft, v Value) { s.MaxLoginFailuresPerMinute = v.Int })},
			Setting{Name: "max-counted-addresses", Kind: Int, Min: 1, Default: "100000", From: sluice, Doc: "Addresses whose new sessions are counted, of each listener, and addresses and user names whose failed logins are; past it a new one takes the place of one of the minute before, or of any.",
				set: sec(func(s *securityDraft, v Value) { s.MaxCountedAddresses = v.Int })},
			Setting{Name: "session-store", Kind: Enum, Enum: []string{"memory", "file"}, Default: "memory", Strict: true, From: sluice, Example: "file", Doc: "Where HTTP sessions are kept. memory: they end with the process. file: in system/data-directory; logins and attributes outlive a restart and a crash (docs/sessions.md).",
				set: sec(func(s *securityDraft, v Value) { s.SessionStore, s.store = SessionStore(v.Text), v.at })},
			Setting{Name: "permissions-verifier", Kind: Opaque, Status: NotServed, Refused: true, From: glacier, Doc: "A back-end that says who may log in."},
			Setting{Name: "session-manager", Kind: Opaque, Status: NotServed, Refused: true, From: glacier, Doc: "A back-end that is told of every session."},
			Setting{Name: "ssl-permissions-verifier", Kind: Opaque, Status: NotServed, Refused: true, From: glacier, Doc: "The same for TLS certificates."},
			Setting{Name: "ssl-session-manager", Kind: Opaque, Status: NotServed, Refused: true, From: glacier, Doc: "The same for TLS certificates."},
			Setting{Name: "recreate-httpsession-after-login", Kind: Bool, Status: JavaOnly, Harmless: []string{"true"}, Instead: "the session id is always renewed at login", From: blazeDS, Doc: "A new session id at login, against session fixation."},
			Setting{In: "login-command", Name: "class", Kind: Class, Required: true, Status: JavaOnly, Instead: "users are those of password-file", From: blazeDS, Doc: "Java class that checks passwords."},
			Setting{In: "login-command", Name: "server", Kind: Text, Required: true, Status: JavaOnly, Quiet: true, Instead: "users are those of password-file", From: blazeDS, Doc: "Servlet container that the class is for."},
			Setting{In: "login-command", Name: "per-client-authentication", Kind: Bool, Status: JavaOnly, Harmless: []string{"false"}, Instead: "a login over WebSocket is the client's, one over HTTP is its browser's", From: blazeDS, Doc: "A login is one client's and not its session's."},
		),
		within(ScopeSecurity, "", Setting{Name: "login-command", Kind: Group, List: true, Status: JavaOnly, Instead: "users are those of password-file", From: blazeDS, Doc: "How passwords are checked."}),
	)
}

// constraintSettings is what stands in a security-constraint, wherever that is.
func constraintSettings(scope Scope, path string) []Setting {
	co := on[constraintDraft]
	rows := within(scope, path,
		Setting{Name: "id", Kind: ID, Required: scope == ScopeConstraint, Strict: true, From: blazeDS, Example: "other", Doc: "Name of the constraint.",
			set: co(func(c *constraintDraft, v Value) { c.ID = v.Text })},
		Setting{Name: "auth-method", Kind: Enum, Enum: []string{"Custom", "Basic"}, Default: "Custom", From: blazeDS, Example: "Basic", Doc: "Custom: log in with a message. Basic: without a user, HTTP requests of a channel, and plain GETs and POSTs of a destination, are answered 401 and asked for a name and a password, too.",
			set: co(func(c *constraintDraft, v Value) { c.Basic = v.Text == "Basic" })},
		Setting{In: "roles", Name: "role", Kind: Text, List: true, From: blazeDS, Example: "staff", Doc: "A role of which the user must have one; none: any user that has logged in.",
			set: co(func(c *constraintDraft, v Value) { c.Roles = append(c.Roles, v.Text) })},
	)
	if scope != ScopeConstraint {
		rows = append(rows, within(scope, path, Setting{Name: "ref", Kind: Ref, Strict: true, From: blazeDS, Example: "users", Doc: "Id of a constraint in the security section.",
			set: co(func(c *constraintDraft, v Value) { c.ref = ref{v.Text, v.at} })})...)
	}
	return rows
}

// readSecurity fills Config.Security and the constraints.
func (l *loader) readSecurity() {
	l.security = &securityDraft{}
	n := l.readSection(ScopeSecurity, l.security)
	s := l.security
	if s.passwordFile.id != "" {
		s.PasswordFile = l.file(s.passwordFile)
	}
	s.SessionCookieName = s.cookieName.id
	if !validCookieName(s.SessionCookieName) {
		l.rep.add(s.cookieName.at, Problem{Setting: "session-cookie-name", Severity: Error, Message: "bad value", Found: s.SessionCookieName, Expected: "letters, digits, - _ or ."})
	}
	for _, c := range l.items(n, "security-constraints", "security-constraint") {
		d := &constraintDraft{}
		l.defaults(d, ScopeConstraint, l.document.foreign)
		apply(d, l.collect(c, l.schema.scopes[ScopeConstraint], l.document))
		l.addConstraint(d.SecurityConstraint, c.at)
	}
	l.cfg.Security = s.Security
}

func (l *loader) addConstraint(c channel.SecurityConstraint, at pos) {
	if c.ID == "" {
		return // told already
	}
	if l.constraints[c.ID] {
		l.rep.errorf(at, "a security-constraint with this id exists already")
		return
	}
	l.constraints[c.ID] = true
	l.cfg.Constraints = append(l.cfg.Constraints, c)
}

// constraint resolves one that a channel or destination has. One that is written in place and has no id gets one that no file can give, because those are trimmed; it is the same as long as
// the constraint stands there.
func (l *loader) constraint(c *constraintDraft) string {
	if c.inline != nil {
		if c.ID == "" {
			c.ID = " " + strings.TrimPrefix(c.inline.path(), "services-config/")
			if len(c.ID) > maxID {
				c.ID = fmt.Sprintf(" %x", sha256.Sum256([]byte(c.ID)))
			}
		}
		l.addConstraint(c.SecurityConstraint, *c.inline)
		return c.ID
	}
	return l.constraintRef(c.ref)
}

func (l *loader) constraintRef(r ref) string {
	if r.id != "" && !l.constraints[r.id] {
		l.unknownRef(r, "security-constraint", sortedKeys(l.constraints))
	}
	return r.id
}

// unknownRef tells of a reference to nothing.
func (l *loader) unknownRef(r ref, what string, known []string) {
	l.rep.add(r.at, Problem{Setting: "ref", Severity: Error, Message: "there is no " + what + " with this id", Found: r.id, Suggestion: suggest(r.id, known)})
}

// file is the path of a file that r names, as seen from the working directory. It must be there: better to say so now than at the
// first login.
func (l *loader) file(r ref) string {
	name := l.src.beside(r.at.file, r.id)
	if err := readable(l.src, name); err != nil {
		l.rep.add(r.at, Problem{Severity: Error, Message: "cannot read the file: " + cause(err), Found: name})
	}
	return name
}

func validCookieName(s string) bool {
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_' && r != '.' {
			return false
		}
	}
	return s != ""
}
