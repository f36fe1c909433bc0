package config

import (
	"regexp"
	"strings"
)

var tokenPattern = regexp.MustCompile(`\{[A-Za-z_][A-Za-z0-9_.\-]*\}`)

// expand replaces the {tokens} of a value. inURL says whether the client may be left to fill in {server.name} and {server.port}.
// ok is false after a problem.
func (l *loader) expand(at pos, text string, inURL bool) (out string, ok bool) {
	if !strings.Contains(text, "{") {
		return text, true
	}
	ok = true
	for _, t := range []string{"{context.root}", "{context-root}"} {
		root := strings.Trim(l.opt.ContextRoot, "/")
		if root == "" {
			text = strings.ReplaceAll(text, "/"+t, "")
		}
		text = strings.ReplaceAll(text, t, root)
	}
	out = tokenPattern.ReplaceAllStringFunc(text, func(token string) string {
		name := token[1 : len(token)-1]
		if name == "server.name" || name == "server.port" {
			if !inURL {
				l.rep.add(at, Problem{Severity: Error, Message: "a token that only the client can replace stands outside an endpoint's url", Found: token})
				ok = false
			}
			return token
		}
		if v, found := l.lookupEnv(name); found {
			return v
		}
		l.rep.add(at, Problem{Severity: Error, Message: "unresolved token", Found: token, Expected: "an environment variable " + envName(name)})
		ok = false
		return token
	})
	return out, ok
}

// lookupEnv tries the name as it is, and as a shell can export it: {my.host} is also MY_HOST, since BlazeDS tokens were Java properties.
func (l *loader) lookupEnv(name string) (string, bool) {
	if v, ok := l.opt.LookupEnv(name); ok {
		return v, true
	}
	return l.opt.LookupEnv(envName(name))
}

func envName(name string) string {
	if !strings.ContainsAny(name, ".-") {
		return name
	}
	return strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(name))
}
