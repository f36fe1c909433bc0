package main

import (
	"sluice/channel/memengine"
	"sluice/cmd/internal/config"
	"sluice/endpoint/server"
	"sluice/flexsession"
)

// serverOptions turns what the file says into what the server takes. The logs are the caller's. An error is of the password file.
func serverOptions(cfg *config.Config) (server.Options, error) {
	opts := server.Options{
		Channels:        cfg.Channels,
		Destinations:    cfg.Destinations,
		Constraints:     cfg.Constraints,
		DefaultChannels: cfg.DefaultChannels,
		FlexClient: flexsession.Options{
			Window:               flexsession.Window{Messages: cfg.FlexClient.MaxUnconfirmedMessages, Bytes: cfg.FlexClient.MaxUnconfirmedBytes},
			MaxWaitingMessages:   cfg.FlexClient.MaxWaitingMessages,
			MaxWaitingBytes:      cfg.FlexClient.MaxWaitingBytes,
			MaxSubscriptions:     cfg.FlexClient.MaxSubscriptions,
			MaxOpenRequests:      cfg.FlexClient.MaxOpenRequests,
			MaxKeptReplyBytes:    cfg.FlexClient.MaxKeptReplyBytes,
			MaxClients:           cfg.FlexClient.MaxClients,
			MaxClientsPerSession: cfg.FlexClient.MaxClientsPerSession,
			MaxSessions:          cfg.FlexClient.MaxSessions,
			ClientTimeout:        cfg.FlexClient.Timeout,
			RememberEnds:         cfg.FlexClient.MaxRememberedEnds,
			MaxAttributes:        cfg.FlexClient.MaxAttributes,
			MaxAttributeBytes:    cfg.FlexClient.MaxAttributeBytes,
		},
		Engine:           memengine.New(memengine.Options{MaxPending: cfg.FlexClient.MaxPendingMessages}),
		MaxTickets:       cfg.FlexClient.MaxTickets,
		RememberIDs:      cfg.API.MaxRememberedMessageIDs,
		ConfirmInterval:  cfg.FlexClient.ConfirmInterval,
		CookieName:       cfg.Security.SessionCookieName,
		CookieSecure:     string(cfg.Security.SessionCookieSecure),
		MaxLoginFailures: cfg.Security.MaxLoginFailuresPerMinute,
		MaxCounted:       cfg.Security.MaxCountedAddresses,
		Failover:         cfg.FlexClient.FailoverDiagnostics,
	}
	for _, s := range cfg.Servers {
		opts.DrainWindow = max(opts.DrainWindow, s.DrainWindow) // they end together
		opts.Listeners = append(opts.Listeners, server.Listener{
			ID:                 s.ID,
			Role:               server.Role(s.Role),
			Addr:               s.Address(),
			CertificateFile:    s.CertificateFile,
			PrivateKeyFile:     s.PrivateKeyFile,
			TrustedProxies:     s.TrustedProxies,
			ProxyProtocol:      s.ProxyProtocol,
			MaxConnections:     s.MaxConnections,
			MaxNewSessions:     s.MaxNewSessionsPerMinutePerAddress,
			ReadHeaderTimeout:  s.ReadHeaderTimeout,
			RequestBodyTimeout: s.RequestBodyTimeout,
			HandshakeTimeout:   s.HandshakeTimeout,
			IdleTimeout:        s.IdleTimeout,
			KeepAlive:          &s.KeepAlive,
		})
	}
	for _, k := range cfg.API.Keys {
		opts.APIKeys = append(opts.APIKeys, server.APIKey{ID: k.ID, Value: k.Value})
	}
	if file := cfg.Security.PasswordFile; file != "" {
		passwords, err := flexsession.LoadPasswords(file)
		if err != nil {
			return opts, err
		}
		opts.Passwords = passwords
	}
	return opts, nil
}
