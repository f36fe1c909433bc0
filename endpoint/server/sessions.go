package server

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"sluice/channel"
	"sluice/flexsession"
	"sluice/flexsession/filestore"
)

// stored is a session of the store, on its way to being a record again.
type stored struct {
	flexsession.Stored
	idle time.Duration // without activity
}

// restore makes records of what the store of sessions holds, and drops from it what is not to go on: sessions that have timed out meanwhile, of users who are not in the password file any more, and, those
// that were active last first, more than there may be. Rights are those of the password file as it is now.
func (s *Server) restore() error {
	log := s.opts().Log("Startup")
	if s.opts().Sessions == nil {
		log.Info().Msg("HTTP sessions are kept in memory, and end with this process (session-store)")
		return nil
	}
	all, gone, err := s.readSessions()
	if err != nil {
		return fmt.Errorf("restore sessions: %w", err)
	}
	slices.SortFunc(all, func(a, b stored) int { return cmp.Compare(a.idle, b.idle) })
	restored, users, full := 0, 0, 0
	for _, r := range all {
		var user *channel.Principal
		known := r.User == ""
		if !known && s.opts().Passwords != nil {
			user, known = s.opts().Passwords.User(r.User)
		}
		switch {
		case !known:
			users++
			gone = append(gone, r.ID)
		case !s.registry.Restore(r.Stored, s.sessionChannel(r.Channel), user, r.idle):
			full++
			gone = append(gone, r.ID)
		default:
			restored++
		}
	}
	if len(gone) > 0 {
		s.opts().Sessions.Remove(gone...)
	}
	log.Info().Int("restored", restored).Int("timed-out", len(gone)-users-full).Int("users-gone", users).Int("too-many", full).Msg("HTTP sessions are kept over a restart (session-store)")
	return nil
}

// readSessions reads the store: the sessions that still live, and the ids of those that have timed out.
func (s *Server) readSessions() (all []stored, gone []string, err error) {
	now := time.Now()
	var damaged error
	err = s.opts().Sessions.Each(func(id string, state []byte, active time.Time) {
		r := stored{idle: now.Sub(active)}
		if err := json.Unmarshal(state, &r.Stored); err != nil || r.ID != id {
			damaged = fmt.Errorf("%w: the session %q", filestore.ErrDamaged, id)
			return
		}
		def := s.sessionChannel(r.Channel)
		if active.IsZero() || def == nil || def.SessionTimeout > 0 && r.idle >= def.SessionTimeout {
			gone = append(gone, id)
			return
		}
		all = append(all, r)
	})
	if err == nil {
		err = damaged
	}
	return all, gone, err
}

// sessionChannel is the channel whose session settings hold for a record that was made on the one of that id: that one or, where it is not there any more, the first that has such settings. Nil: there is none.
func (s *Server) sessionChannel(id string) *channel.ChannelDefinition {
	var first *channel.ChannelDefinition
	for _, def := range s.now.Load().channels {
		switch {
		case def.Kind == channel.WebSocket:
		case def.ID == id:
			return def
		case first == nil:
			first = def
		}
	}
	return first
}

// stayAlive tells the store at once, and then every so often, that sessions may be active: so much is known after a crash. A disk that hangs is not asked again before it has answered.
func (s *Server) stayAlive() {
	if s.opts().Sessions == nil {
		return
	}
	s.running.Go(func() { // the disk may be slow
		if err := s.opts().Sessions.Alive(); err != nil {
			log := s.opts().Log("Endpoint.FlexSession")
			log.Error().Err(err).Msg("the store of sessions cannot be written")
		}
		s.wheel.Schedule(&s.alive, filestore.AliveInterval, s.stayAlive)
	})
}
