package server

import (
	"fmt"
	"slices"
	"strings"

	"sluice/flexsession"
)

// passwords returns those that hold: the old ones, where the new ones are the same.
func (r *Reloaded) passwords(held, next *flexsession.Passwords) *flexsession.Passwords {
	if next.Same(held) {
		return held
	}
	var old, now any
	if held != nil {
		old = plural(held.Len(), "user")
	}
	differ, on := users(held, next)
	if next != nil {
		now = plural(next.Len(), "user") + differ
	}
	r.changed("security/password-file", old, now, on)
	return next
}

// users says in parentheses how the users of two password files differ, and touches those who are gone or have other roles. Both may be nil; where there was no file, there is nothing to compare with.
func users(held, next *flexsession.Passwords) (differ string, on touch) {
	if held == nil {
		return "", on
	}
	if next == nil {
		next = new(flexsession.Passwords)
	}
	came, changed, gone := next.Since(held)
	on.users = make(map[string]bool)
	for _, name := range gone {
		on.users[name] = true
	}
	for _, name := range changed {
		old, _ := held.User(name)
		if now, _ := next.User(name); !slices.Equal(old.Roles, now.Roles) {
			on.users[name] = true
		}
	}
	var parts []string
	for _, part := range []struct {
		names []string
		how   string
	}{{came, "new"}, {changed, "changed"}, {gone, "gone"}} {
		if n := len(part.names); n > 0 {
			parts = append(parts, fmt.Sprint(n, " ", part.how))
		}
	}
	return " (" + strings.Join(parts, ", ") + ")", on
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprint(n, " ", what)
}
