package server

import (
	"github.com/rs/zerolog"

	"sluice/channel/message"
	"sluice/flexsession"
)

// logListener writes the lives of sessions and clients to the log, with the incident that the client was told.
func logListener(log func(category string) zerolog.Logger) flexsession.Listener {
	sessions, clients, subscriptions := log("Endpoint.FlexSession"), log("Client.FlexClient"), log("Client.MessageClient")
	ended := func(log *zerolog.Logger, c flexsession.Cause) *zerolog.Event {
		e := log.Info()
		switch c.Code {
		case message.CodeClientDisconnect, message.CodeConnectionClosed, message.CodeClientDetached: // everyday
			e = log.Debug()
		}
		if c.Detail != "" {
			e = e.Str("detail", c.Detail)
		}
		return e.Int("code", int(c.Code)).Str("cause", c.Code.Info().Name).Str("incident", c.Incident)
	}
	return flexsession.Listener{
		SessionCreated: func(s flexsession.Session) {
			sessions.Debug().Str("session", s.ID()).Str("endpoint", s.Endpoint()).Str("address", s.Peer().RemoteAddr).Msg("session created")
		},
		SessionDestroyed: func(s flexsession.Session, c flexsession.Cause) {
			ended(&sessions, c).Str("session", s.ID()).Str("endpoint", s.Endpoint()).Msg("session destroyed")
		},
		ClientCreated: func(c *flexsession.FlexClient) { clients.Debug().Str("client", c.ID()).Msg("client created") },
		ClientDestroyed: func(c *flexsession.FlexClient, cause flexsession.Cause) {
			ended(&clients, cause).Str("client", c.ID()).Msg("client destroyed")
		},
		MessageClientCreated: func(s *flexsession.MessageClient) {
			subscriptions.Debug().Str("client", s.Client().ID()).Str("destination", s.Destination()).Strs("subtopics", s.Topics()).Msg("subscribed")
		},
		MessageClientDestroyed: func(s *flexsession.MessageClient, c flexsession.Cause) {
			ended(&subscriptions, c).Str("client", s.Client().ID()).Str("destination", s.Destination()).Msg("unsubscribed")
		},
	}
}
