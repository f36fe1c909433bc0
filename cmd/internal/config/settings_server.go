package config

import "slices"

func serverSettings() []Setting {
	sv := on[serverDraft]
	const props = "properties"
	return slices.Concat(
		within(ScopeServer, "",
			Setting{Name: "id", Kind: ID, Required: true, From: lcds, Example: "other", Doc: "Name that a channel's server/@ref refers to.",
				set: sv(func(s *serverDraft, v Value) { s.ID = v.Text })},
			Setting{Name: "class", Kind: Class, Status: JavaOnly, Quiet: true, Harmless: []string{"Server"}, Instead: "the listener is this server's own", From: lcds, Doc: "Java class of the socket server; with one, bad values are warnings."},
		),
		within(ScopeServer, props,
			Setting{Name: "role", Kind: Enum, Enum: []string{"public", "api", "internal"}, Default: "public", Strict: true, From: sluice, Example: "api", Doc: "public: channels. api: /api/v1. internal: /healthz, /readyz, /metrics.",
				set: sv(func(s *serverDraft, v Value) { s.Role = Role(v.Text) })},
			Setting{Name: "bind-address", Kind: Address, Strict: true, From: lcds, Example: "127.0.0.1", Doc: "Interface to listen on; absent or *: all of them.",
				set: sv(func(s *serverDraft, v Value) { s.BindAddress = v.Text })},
			Setting{Name: "port", Kind: Int, Max: 65535, Default: "8080", Zero: "any free port", Strict: true, From: lcds, Doc: "TCP port.",
				set: sv(func(s *serverDraft, v Value) { s.Port = v.Int })},
			Setting{Name: "certificate-file", Kind: File, Strict: true, From: sluice, Example: "cert.pem", Doc: "PEM certificates, the server's own first; with private-key-file the listener speaks TLS. Seen from the file that names it.",
				set: sv(func(s *serverDraft, v Value) { s.certificate = ref{v.Text, v.at} })},
			Setting{Name: "private-key-file", Kind: File, Strict: true, From: sluice, Example: "key.pem", Doc: "PEM private key of the certificate.",
				set: sv(func(s *serverDraft, v Value) { s.privateKey = ref{v.Text, v.at} })},
			Setting{In: "trusted-proxies", Name: "proxy", Kind: Network, List: true, Strict: true, From: sluice, Example: "10.0.0.0/8", Doc: "A proxy whose X-Forwarded-For, X-Forwarded-Proto and PROXY lines are believed; nobody else's are.",
				set: sv(func(s *serverDraft, v Value) {
					p, _ := parseNetwork(v.Text)
					s.TrustedProxies = append(s.TrustedProxies, p)
				})},
			Setting{Name: "proxy-protocol", Kind: Bool, Default: "false", Strict: true, From: sluice, Doc: "Connections from trusted proxies begin with a PROXY protocol line (version 1 or 2).",
				set: sv(func(s *serverDraft, v Value) { s.ProxyProtocol = v.Bool })},
			Setting{Name: "max-connections", Kind: Int, Min: 1, Default: "20000", From: lcds, Doc: "Connections of this listener, of all kinds.",
				set: sv(func(s *serverDraft, v Value) { s.MaxConnections = v.Int })},
			Setting{Name: "max-new-sessions-per-minute-per-address", Kind: Int, Default: "6000", Zero: "no limit", From: sluice, Doc: "New FlexSessions that one client address may open in a minute.",
				set: sv(func(s *serverDraft, v Value) { s.MaxNewSessionsPerMinutePerAddress = v.Int })},
			Setting{Name: "read-header-timeout-millis", Kind: Millis, Min: 100, Default: "10000", From: sluice, Doc: "How long a request's header may take to arrive.",
				set: sv(func(s *serverDraft, v Value) { s.ReadHeaderTimeout = v.Dur })},
			Setting{Name: "request-body-timeout-millis", Kind: Millis, Min: 100, Default: "30000", From: sluice, Doc: "How long a request's body may take to arrive over a slow uplink.",
				set: sv(func(s *serverDraft, v Value) { s.RequestBodyTimeout = v.Dur })},
			Setting{Name: "handshake-timeout-millis", Kind: Millis, Min: 100, Default: "10000", From: sluice, Doc: "How long a WebSocket may be open before its client has connected.",
				set: sv(func(s *serverDraft, v Value) { s.HandshakeTimeout = v.Dur })},
			Setting{Name: "shutdown-timeout-millis", Kind: Millis, Default: "10000", Zero: "do not wait", From: sluice, Doc: "How long a shutdown may take: what is then still under way is cut off. The longest of all servers counts.",
				set: sv(func(s *serverDraft, v Value) { s.ShutdownTimeout = v.Dur })},
			Setting{Name: "drain-window-millis", Kind: Millis, Default: "0", Zero: "all at once", From: sluice, Example: "5000",
				Doc: "Over how long a shutdown spreads the moments at which clients are told to move, each with a delay of its own; until its turn a client is served. It is within shutdown-timeout-millis, and like that the longest of all servers counts.",
				set: sv(func(s *serverDraft, v Value) { s.DrainWindow = v.Dur })},
			Setting{Name: "session-timeout-minutes", Kind: Minutes, Zero: "never", From: lcds, Example: "20", Doc: "Default of session-timeout-minutes for the HTTP channels on this server; a channel's own wins.",
				set: sv(func(s *serverDraft, v Value) { s.sessionTimeout = &v.Dur })},
			Setting{Name: "client-auth", Kind: Text, Status: NotServed, Refused: true, Harmless: []string{"none", "false"}, From: glacier, Doc: "Asks clients for a TLS certificate."},
			Setting{Name: "need-client-auth", Kind: Bool, Status: NotServed, Refused: true, Harmless: []string{"false"}, From: lcds, Doc: "Refuses clients without a TLS certificate."},
			Setting{Name: "want-client-auth", Kind: Bool, Status: NotServed, Harmless: []string{"false"}, From: lcds, Doc: "Asks clients for a TLS certificate."},
			Setting{Name: "whitelist", Kind: Opaque, Status: NotServed, Refused: true, Instead: "let a firewall do it", From: lcds, Doc: "ip-address and ip-address-pattern of those who may connect."},
			Setting{Name: "blacklist", Kind: Opaque, Status: NotServed, Refused: true, Instead: "let a firewall do it", From: lcds, Doc: "ip-address and ip-address-pattern of those who may not."},
			Setting{Name: "keystore-file", Kind: Text, Status: JavaOnly, Instead: "TLS needs certificate-file and private-key-file, in PEM", From: lcds, Doc: "Java keystore with the certificate."},
			Setting{Name: "keystore-password", Kind: Text, Secret: true, Status: JavaOnly, Instead: "keys are read from private-key-file", From: lcds, Doc: "Password of the keystore."},
			Setting{Name: "truststore-password", Kind: Text, Secret: true, Status: JavaOnly, Instead: "keys are read from private-key-file", From: lcds, Doc: "Password of the truststore."},
		),
		within(ScopeServer, props, serverLifeSettings()...),
		within(ScopeServer, props, javaOnly(lcds, "TLS needs certificate-file and private-key-file, in PEM", Text, "keystore-type", "keystore-password-file", "keystore-password-obfuscated",
			"password-obfuscator", "alias", "truststore-file", "truststore-type", "truststore-password-file", "algorithm", "protocol", "ssl-provider")...),
		within(ScopeServer, props, javaOnly(lcds, "TLS 1.2 and later with the cipher suites of Go", Opaque, "enabled-cipher-suites", "enabled-protocols")...),
		within(ScopeServer, props, javaOnly(lcds, goRuntime, Text, "accept-backlog", "max-worker-threads", "min-worker-threads", "idle-worker-timeout-seconds", "max-selectors", "min-selectors",
			"reactor-count", "socket-linger-seconds", "socket-receive-buffer-size", "socket-send-buffer-size", "socket-tcp-no-delay-enabled", "thread-priority",
			"thread-wait-timeout-millis", "websphere-workmanager-jndi-name", "connection-read-buffer-size", "connection-write-buffer-size", "connection-buffer-type",
			"connection-initial-timeout-seconds")...),
		within(ScopeServer, props, javaOnly(lcds, "there is no Flash Player to ask for it; name origins in a channel's allowed-origins", Opaque, "cross-domain-path", "enable-cross-domain", "allow-access-from", "http")...),
	)
}
