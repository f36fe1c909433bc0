package server

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/flexsession"
)

// Reloaded says what a reload has done. A setting is named by its path below services-config, an element by its id: channels/channel-definition[chat]/properties/session-timeout-minutes. What the file sets in one
// place for others is named where it holds.
type Reloaded struct {
	Changed      []Change `json:"changed"`      // it holds from now on
	NeedsRestart []Change `json:"needsRestart"` // it is as it was, until the next start
	Sessions     int      `json:"sessions"`     // live sessions that something of Changed holds for, those that end by it included
	Clients      int      `json:"clients"`      // live clients, likewise
}

// Change is one setting that is not as it was. An element that has come or gone has its id as the new or the old value.
type Change struct {
	Setting  string `json:"setting"`
	Old      any    `json:"old"` // a secret is ***
	New      any    `json:"new"`
	Sessions int    `json:"sessions"` // live sessions that it holds for
	Clients  int    `json:"clients"`

	touch touch
}

// ErrShutdown refuses a reload of a server that is shutting down.
var ErrShutdown = errors.New("the server is shutting down")

// BadConfiguration is why nothing was reloaded.
type BadConfiguration struct {
	Problems []string // one sentence each
}

// Error lists the problems, one a line.
func (b *BadConfiguration) Error() string { return strings.Join(b.Problems, "\n") }

// Reload makes the server go by other options, as far as that is possible without a restart, and says what has changed and what has not. Sessions, clients and connections go on, but for what the new options do not allow any more, and no message is lost or doubled: requests that are under way go to
// their end as they began, whatever comes is served by the new options, and clocks that run keep what has passed of their time.
//
// Listeners stay open where they are: what New would do with other addresses, and with listeners that have come or gone, needs a restart. So does a channel's class, url and server, and a destination's
// separator of subtopics. Channels and destinations are added; those that are left out stay until the restart. Certificates are read again. A user who is not in Passwords any more is logged out by the
// administrator's code, others have their new roles at once.
//
// Engine, Sessions, Version, Log, Logger, Reload, and of FlexClient what is no limit, are not looked at. With an error, a [BadConfiguration] or ErrShutdown, nothing has changed. Any goroutine may
// call it.
func (s *Server) Reload(opts Options) (*Reloaded, error) {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	select {
	case <-s.closing:
		return nil, ErrShutdown
	default:
	}
	before := s.now.Load()
	r := &Reloaded{Changed: []Change{}, NeedsRestart: []Change{}}
	if err := r.merge(&before.opts, &opts); err != nil {
		return nil, refused(err)
	}
	after := newServing(opts, s.shared, before)
	agreed, err := s.agree(r, after)
	if err == nil {
		err = s.broker.Reconfigure(opts.Destinations, opts.Constraints)
	}
	if err != nil {
		return nil, refused(err)
	}
	r.count(s.registry)
	s.apply(before, after, agreed)
	return r, nil
}

func refused(err error) error { return &BadConfiguration{strings.Split(err.Error(), "\n")} }

// agree makes new terms for all listeners, by position.
func (s *Server) agree(r *Reloaded, after *serving) ([]*terms, error) {
	var agreed []*terms
	var problems []error
	for i, l := range s.listeners {
		t, err := s.newTerms(after.opts.Listeners[i], after, l.lasting, l.now())
		if err != nil {
			problems = append(problems, err)
			continue
		}
		agreed = append(agreed, t)
		r.renewed(l.now(), t)
	}
	return agreed, errors.Join(problems...)
}

// apply replaces what holds. From here on nothing can go wrong.
func (s *Server) apply(before, after *serving, agreed []*terms) {
	opts := &after.opts
	s.now.Store(after)
	s.shared.Tickets.SetMax(opts.MaxTickets)
	if before.opts.Failover != opts.Failover {
		s.shared.Diagnose.SetDefault(opts.Failover != "none")
	}
	definitions := make(map[string]*channel.ChannelDefinition, len(after.channels))
	for _, def := range after.channels {
		definitions[def.ID] = def
	}
	for i, l := range s.listeners {
		for _, def := range after.channels {
			if l.Role == Public && servedAt(def, &l.Listener) {
				l.lasting.Serve(agreed[i].core, def)
			}
		}
		l.terms.Store(agreed[i])
	}
	s.registry.Reconfigure(opts.FlexClient, definitions)
	if before.opts.Passwords != opts.Passwords {
		s.relogin()
	}
	for _, c := range s.registry.Clients() { // who may be subscribed to what may have changed
		if t := c.Transport(); t != nil {
			after.core.Review(c, t.Channel())
		}
	}
}

// relogin gives those who have logged in the roles they have now, and ends what belongs to users who are not there any more.
func (s *Server) relogin() {
	cause := flexsession.Cause{Code: message.CodeAdministrator, Detail: "The user is no longer known.", Setting: "password-file"}
	s.registry.Relogin(s.user, cause)
}

// user is who has that name now.
func (s *Server) user(name string) (*channel.Principal, bool) {
	if p := s.opts().Passwords; p != nil {
		return p.User(name)
	}
	return nil, false
}

// loggedIn looks again after a login: who was verified before a reload, or by a ticket, may not be there any more, or have other roles. What comes later, the reload or the login, sees the other.
func (s *Server) loggedIn(p *channel.Principal) {
	if now, ok := s.user(p.Name); p.Expires.IsZero() && (!ok || now != p) {
		s.relogin()
	}
}

// merge compares the options with those that hold, tells what differs, and leaves in next what the server can go by without a restart.
func (r *Reloaded) merge(held, next *Options) error {
	next.defaults()
	if err := unambiguous(next); err != nil {
		return err
	}
	next.Engine, next.Sessions, next.Version, next.Log, next.Logger, next.Reload = held.Engine, held.Sessions, held.Version, held.Log, held.Logger, held.Reload
	r.compare("", clientSettings, &held.FlexClient, &next.FlexClient, touch{all: true})
	r.compare("", serverSettings, held, next, touch{})
	r.keys(held.APIKeys, next.APIKeys)
	next.Passwords = r.passwords(held.Passwords, next.Passwords)
	r.listeners(held, next)
	r.channels(held, next)
	r.destinations(held, next)
	r.constraints(held, next)
	return nil
}

// unambiguous refuses options in which two elements have one id, or two channels one place. (config.Load has told of both, with the line.)
func unambiguous(o *Options) error {
	var problems []error
	twice := func(what string, ids ...string) {
		slices.Sort(ids)
		for i := 1; i < len(ids); i++ {
			if ids[i] == ids[i-1] {
				problems = append(problems, fmt.Errorf("%s %q: defined twice", what, ids[i]))
			}
		}
	}
	twice("listener", idsOf(o.Listeners, func(l *Listener) string { return l.ID })...)
	twice("channel", idsOf(o.Channels, func(c *channel.ChannelDefinition) string { return c.ID })...)
	for i := range o.Channels {
		if other := taken(o.Channels[:i], &o.Channels[i]); other != nil {
			problems = append(problems, fmt.Errorf("channel %q: channel %q has the same path", o.Channels[i].ID, other.ID))
		}
	}
	return errors.Join(problems...)
}

func idsOf[T any](all []T, id func(*T) string) (ids []string) {
	for i := range all {
		ids = append(ids, id(&all[i]))
	}
	return ids
}

// taken is the channel that has the place of c already; nil: none has.
func taken(channels []channel.ChannelDefinition, c *channel.ChannelDefinition) *channel.ChannelDefinition {
	for i := range channels {
		other := &channels[i]
		if other.ID != c.ID && strings.EqualFold(other.Path, c.Path) && (other.Server == "" || c.Server == "" || other.Server == c.Server) {
			return other
		}
	}
	return nil
}

func find[T any](all []T, id string, of func(*T) string) *T {
	for i := range all {
		if of(&all[i]) == id {
			return &all[i]
		}
	}
	return nil
}
