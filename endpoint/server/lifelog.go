package server

import (
	"cmp"
	"time"

	"github.com/rs/zerolog"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint"
	"sluice/flexsession"
)

// lives writes the lives of sessions, clients, subscriptions and connections to the log. Every end is there with its code, and with the incident that the client was told: at Info, but at Debug where it says nothing
// new: of a poll that was answered, and of a subscription that was unsubscribed or ended with its client. Beginnings are at Debug. For those whom the diagnostics follow all of it is at Info.
type lives struct {
	sessions, clients, subscriptions, connections zerolog.Logger
	diagnose                                      *endpoint.Diagnostics
}

func newLives(log func(category string) zerolog.Logger, diagnose *endpoint.Diagnostics) *lives {
	return &lives{log("Endpoint.FlexSession"), log("Client.FlexClient"), log("Client.MessageClient"), log("Endpoint.Connection"), diagnose}
}

// line begins a line about a user at an address.
func (l *lives) line(log *zerolog.Logger, telling bool, user, address string) *zerolog.Event {
	if telling || l.diagnose.Follows(user, address) {
		return log.Info()
	}
	return log.Debug()
}

// whose, where and why are what the lines of ends have in common.
func whose(e *zerolog.Event, user, address string) *zerolog.Event {
	if user != "" {
		e = e.Str("user", user)
	}
	return e.Str("address", address)
}

func where(e *zerolog.Event, endpoint string, began time.Time) *zerolog.Event {
	return e.Str("endpoint", endpoint).Int64("livedMillis", time.Since(began).Milliseconds())
}

func why(e *zerolog.Event, c flexsession.Cause) *zerolog.Event {
	e = e.Int("code", int(c.Code)).Str("cause", c.Code.Info().Name).Str("incident", c.Incident)
	if setting := c.Key(); setting != "" {
		e = e.Str("setting", setting)
	}
	if c.Value != nil {
		e = e.Interface("value", c.Value)
	}
	if c.Detail != "" {
		e = e.Str("detail", c.Detail)
	}
	return e
}

func (l *lives) listener() flexsession.Listener {
	return flexsession.Listener{
		SessionCreated: func(s flexsession.Session) {
			l.line(&l.sessions, false, s.User(), s.Peer().RemoteAddr).
				Str("session", s.ID()).Str("address", s.Peer().RemoteAddr).Str("endpoint", s.Endpoint()).Msg("session created")
		},
		SessionDestroyed: func(s flexsession.Session, c flexsession.Cause) {
			e := why(l.sessions.Info().Str("session", s.ID()), c)
			e = where(whose(e, s.User(), s.Peer().RemoteAddr), s.Endpoint(), s.Created())
			e.Int("clients", s.Served()).Msg("session destroyed")
		},
		ClientCreated: func(c *flexsession.FlexClient) {
			f := c.Facts()
			l.line(&l.clients, false, f.User, f.Address).Str("client", f.ID).Str("address", f.Address).Str("endpoint", f.Channel).Msg("client created")
		},
		ClientDestroyed: func(c *flexsession.FlexClient, cause flexsession.Cause) {
			f := c.Facts()
			e := why(l.clients.Info().Str("client", f.ID), cause)
			e = where(whose(e, f.User, f.Address), f.Channel, f.Created)
			e.Int("subscriptions", f.Subscriptions).Uint64("requests", f.Requests).Uint64("confirmed", f.Confirmed).Int("unconfirmed", f.Unconfirmed).Int("waiting", f.Waiting).Msg("client destroyed")
		},
		ClientSlow: func(c *flexsession.FlexClient, s flexsession.Slow) {
			user, address := c.Who()
			whose(l.clients.Warn().Str("client", c.ID()), user, address).Str("destination", s.Destination).Str("policy", string(cmp.Or(s.Policy, channel.SlowDisconnect))).
				Str("setting", s.Setting).Int("waiting", s.Waiting).Int("limit", s.Limit).Msg("client reads too slowly")
		},
		MessageClientCreated: func(s *flexsession.MessageClient) {
			user, address := s.Client().Who()
			l.line(&l.subscriptions, false, user, address).Str("client", s.Client().ID()).Str("subscription", s.ID()).Str("destination", s.Destination()).Strs("subtopics", s.Topics()).Msg("subscribed")
		},
		MessageClientDestroyed: func(s *flexsession.MessageClient, c flexsession.Cause) {
			user, address := s.Client().Who()
			unasked := c.Code != message.CodeClientDisconnect && s.Client().Ended() == nil
			e := why(l.line(&l.subscriptions, unasked, user, address).Str("client", s.Client().ID()).Str("subscription", s.ID()), c)
			whose(e, user, address).Str("destination", s.Destination()).Msg("unsubscribed")
		},
	}
}

// connectionEnded writes of a socket, a stream or a poll.
func (l *lives) connectionEnded(c endpoint.Connection, cause flexsession.Cause) {
	user, client, address := "", "", c.Session.Peer().RemoteAddr
	if c.Client != nil {
		client = c.Client.ID()
		user, _ = c.Client.Who()
	}
	answered := c.Kind == channel.LongPoll && cause.Code == message.CodeConnectionClosed
	e := why(l.line(&l.connections, !answered, user, address).Str("session", c.Session.ID()).Str("client", client), cause)
	where(whose(e, user, address), c.Endpoint, c.Began).Uint64("bytes", c.Bytes).Msg("connection ended")
}

// hear makes the log hear of the ends of connections, besides whoever does already.
func (l *lives) hear(s *endpoint.Stats) {
	counted := s.ConnEnded
	s.ConnEnded = func(c endpoint.Connection, cause flexsession.Cause) {
		counted(c, cause)
		l.connectionEnded(c, cause)
	}
}
