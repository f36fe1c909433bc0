package config

import (
	"slices"
	"strings"
)

// Products that a setting comes from, as the table names them.
const (
	blazeDS = "BlazeDS"
	lcds    = "LCDS"
	sluice  = "Sluice"
	glacier = "Glacier2"
)

// anyNegative is a lower bound for settings to which every negative number means the same.
const anyNegative = -1 << 31

// never is the reason why nothing of a Java class can be served.
const (
	noJavaClass  = "no Java class is loaded"
	goRuntime    = "the Go runtime sizes and schedules this by itself"
	jsonMessages = "messages are JSON, in one form"
)

// Settings is the one table: every setting this server knows by name, in the order of docs/settings.md. The caller owns the slice.
func Settings() []Setting {
	return slices.Concat(
		rootSettings(),
		serverSettings(),
		channelSettings(),
		endpointSettings(),
		channelLifeSettings(),
		javaEndpointSettings(),
		servicesSettings(),
		destinationSettings(),
		historySettings(),
		presenceSettings(),
		javaDestinationSettings(),
		flexClientSettings(),
		flexClientLifeSettings(),
		queueProcessor(ScopeFlexClient, ""),
		securitySettings(),
		constraintSettings(ScopeConstraint, ""),
		apiSettings(),
		loggingSettings(),
		systemSettings(),
	)
}

// within puts rows into a scope and below the elements of path.
func within(scope Scope, path string, rows ...Setting) []Setting {
	for i := range rows {
		rows[i].Scope = scope
		rows[i].In = strings.Trim(path+"/"+rows[i].In, "/")
	}
	return rows
}

// javaOnly makes one row for each name of a list that is known and without meaning here.
func javaOnly(from, instead string, kind Kind, names ...string) []Setting {
	var rows []Setting
	for _, name := range names {
		rows = append(rows, Setting{Name: name, Kind: kind, Status: JavaOnly, Instead: instead, From: from,
			Doc: "Known by name, so that files which have it load."})
	}
	return rows
}

// include is an include element with its two attributes.
func include(scope Scope, path, name, what string) []Setting {
	return within(scope, path,
		Setting{Name: name, Kind: Include, List: true, From: blazeDS, Doc: "Reads " + what + " from other files, as if they stood here."},
		Setting{In: name, Name: "file-path", Kind: File, From: blazeDS, Example: "more.xml", Doc: "One file, as seen from this one."},
		Setting{In: name, Name: "directory-path", Kind: File, From: blazeDS, Example: "more", Doc: "Every *.xml of a directory, in the order of their names."},
	)
}

func rootSettings() []Setting {
	return within(ScopeRoot, "",
		Setting{Name: "factories", Kind: Opaque, Status: JavaOnly, Instead: noJavaClass, From: blazeDS, Doc: "Makers of Java objects for remoting."},
		Setting{Name: "validators", Kind: Opaque, Status: JavaOnly, Instead: "nothing is deserialised into classes, so there is nothing to validate", From: blazeDS, Since: "BlazeDS 4.7.3", Doc: "Deserialisation validators."},
		Setting{Name: "async-message-filters", Kind: Opaque, Status: JavaOnly, Instead: noJavaClass, From: lcds, Doc: "Java filters around message handling."},
		Setting{Name: "sync-message-filters", Kind: Opaque, Status: JavaOnly, Instead: noJavaClass, From: lcds, Doc: "Java filters around message handling."},
	)
}

func flexClientSettings() []Setting {
	fc := on[flexClientDraft]
	return within(ScopeFlexClient, "",
		Setting{Name: "heartbeat-interval-millis", Kind: Millis, Min: anyNegative, Default: "0", Zero: "off", Negative: "off", From: blazeDS,
			Doc: "How often clients send a heartbeat when they have nothing else to send; the default of all channels, told to the client at connect.",
			set: fc(func(f *flexClientDraft, v Value) { f.HeartbeatInterval = max(0, v.Dur) })},
		Setting{Name: "max-unconfirmed-messages", Kind: Int, Min: 16, Max: 1 << 20, Default: "1024", From: sluice,
			Doc: "Messages that may be on their way to a client without its confirmation; the window that lets it change transport without loss.",
			set: fc(func(f *flexClientDraft, v Value) { f.MaxUnconfirmedMessages = v.Int })},
		Setting{Name: "max-unconfirmed-bytes", Kind: Bytes, Min: 4096, Max: 1 << 30, Default: "1048576", From: sluice, Doc: "The same window in bytes.",
			set: fc(func(f *flexClientDraft, v Value) { f.MaxUnconfirmedBytes = v.Int })},
		Setting{Name: "max-waiting-messages", Kind: Int, Min: 1, Max: 1 << 24, Default: "10000", From: sluice,
			Doc: "Messages that may wait for a client behind the window; with more it is a slow consumer.",
			set: fc(func(f *flexClientDraft, v Value) { f.MaxWaitingMessages = v.Int })},
		Setting{Name: "max-waiting-bytes", Kind: Bytes, Min: 4096, Max: 1 << 30, Default: "4194304", From: sluice, Doc: "The same in bytes.",
			set: fc(func(f *flexClientDraft, v Value) { f.MaxWaitingBytes = v.Int })},
		Setting{Name: "confirm-interval-millis", Kind: Millis, Min: 100, Max: 600_000, Default: "5000", From: sluice, Doc: "How long a client may keep a confirmation to itself.",
			set: fc(func(f *flexClientDraft, v Value) { f.ConfirmInterval = v.Dur })},
		Setting{Name: "max-subscriptions", Kind: Int, Min: 1, Default: "1000", From: sluice, Doc: "Subscriptions of one client.",
			set: fc(func(f *flexClientDraft, v Value) { f.MaxSubscriptions = v.Int })},
		Setting{Name: "max-open-requests", Kind: Int, Min: 1, Max: 65536, Default: "256", From: sluice, Doc: "Requests of one client whose reply it has not confirmed; more are refused.",
			set: fc(func(f *flexClientDraft, v Value) { f.MaxOpenRequests = v.Int })},
		Setting{Name: "max-kept-reply-bytes", Kind: Bytes, Min: 1024, Max: 1 << 30, Default: "1048576", From: sluice, Doc: "The same in bytes: the replies that are kept for one client. One is some hundred bytes long.",
			set: fc(func(f *flexClientDraft, v Value) { f.MaxKeptReplyBytes = v.Int })},
		Setting{Name: "max-clients", Kind: Int, Min: 1, Default: "200000", From: sluice, Doc: "Clients of the whole server.",
			set: fc(func(f *flexClientDraft, v Value) { f.MaxClients = v.Int })},
		Setting{Name: "max-sessions", Kind: Int, Min: 1, Default: "200000", From: sluice, Doc: "FlexSessions over HTTP of the whole server: one for each cookie, and for each client that sends none back.",
			set: fc(func(f *flexClientDraft, v Value) { f.MaxSessions = v.Int })},
		Setting{Name: "max-pending-messages", Kind: Int, Min: 1, Default: "65536", From: sluice, Doc: "Published messages that are not yet in the outboxes of their receivers; past it publishers wait.",
			set: fc(func(f *flexClientDraft, v Value) { f.MaxPendingMessages = v.Int })},
		Setting{Name: "max-attributes", Kind: Int, Min: 1, Default: "100", From: sluice, Doc: "Attributes that a program may put on one FlexSession or client.",
			set: fc(func(f *flexClientDraft, v Value) { f.MaxAttributes = v.Int })},
		Setting{Name: "max-attribute-bytes", Kind: Bytes, Min: 16, Max: 1 << 20, Default: "4096", From: sluice, Doc: "One attribute: its name, and its value as JSON.",
			set: fc(func(f *flexClientDraft, v Value) { f.MaxAttributeBytes = v.Int })},
		Setting{Name: "max-remembered-ends", Kind: Int, Min: 1, Default: "10000", From: sluice, Doc: "Ended clients that are still told why they have ended when they come late; the oldest are forgotten first.",
			set: fc(func(f *flexClientDraft, v Value) { f.MaxRememberedEnds = v.Int })},
		Setting{Name: "max-tickets", Kind: Int, Min: 1, Default: "10000", From: sluice, Doc: "Tickets for plain GETs that may be out at a time; the oldest give way.",
			set: fc(func(f *flexClientDraft, v Value) { f.MaxTickets = v.Int })},
		Setting{Name: "failover-diagnostics", Kind: Enum, Enum: []string{"all", "none"}, Default: "all", From: sluice, Example: "none",
			Doc: "Of which clients the reports of channels that did not work are kept, logged and counted; /api/v1/diagnostics changes it, also for single users and addresses, until the server stops.",
			set: fc(func(f *flexClientDraft, v Value) { f.FailoverDiagnostics = v.Text })},
		Setting{Name: "max-clients-per-session", Kind: Int, Min: 1, Default: "100", From: sluice, Doc: "Clients (tabs) of one FlexSession.",
			set: fc(func(f *flexClientDraft, v Value) { f.MaxClientsPerSession = v.Int })},
		Setting{Name: "adaptive-frequency", Kind: Bool, Default: "false", Status: NotServed, Refused: true, Harmless: []string{"false"}, From: lcds, Doc: "Lets the server slow a client's messages down by its measured lag."},
	)
}

func apiSettings() []Setting {
	return within(ScopeAPI, "",
		Setting{Name: "max-remembered-message-ids", Kind: Int, Min: 1, Default: "10000", From: sluice, Doc: "Message ids that are remembered, so that a publish which a service repeats is done once; the oldest are forgotten first.",
			set: on(func(a *apiDraft, v Value) { a.MaxRememberedMessageIDs = v.Int })},
		Setting{Name: "key", Kind: Group, List: true, From: sluice, Doc: "A key with which a service may use /api/v1.",
			set: on(func(a *apiDraft, v Value) {
				k := apiKeyDraft{at: v.at}
				apply(&k, v.Items)
				a.keys = append(a.keys, k)
			})},
		Setting{In: "key", Name: "id", Kind: ID, Required: true, From: sluice, Example: "billing", Doc: "Name of the key in logs.",
			set: on(func(k *apiKeyDraft, v Value) { k.ID = v.Text })},
		Setting{In: "key", Name: "value", Kind: Text, Required: true, Secret: true, From: sluice, Example: "0123456789abcdef", Doc: "The secret, 16 to 512 characters; best a token such as {SLUICE_API_KEY}.",
			set: on(func(k *apiKeyDraft, v Value) { k.Value = v.Text })},
	)
}

func loggingSettings() []Setting {
	return slices.Concat(
		within(ScopeLogging, "",
			Setting{Name: "level", Kind: LogLevel, Default: "Info", ForeignDefault: "Error", From: blazeDS, Example: "Debug", Doc: "Level of targets that have none of their own; the first letter counts.",
				set: on(func(g *loggingDraft, v Value) { g.level = parseLevel(v.Text) })},
			Setting{Name: "target", Kind: Group, List: true, From: blazeDS, Doc: "A place where log lines go: standard error.",
				set: on(func(g *loggingDraft, v Value) {
					t := LogTarget{Format: "auto"}
					apply(&t, v.Items)
					g.Targets = append(g.Targets, t)
				})},
			Setting{In: "target", Name: "level", Kind: LogLevel, From: blazeDS, Example: "Debug", Doc: "The least severity written; the first letter counts.",
				set: on(func(t *LogTarget, v Value) { t.Level = parseLevel(v.Text) })},
			Setting{In: "target", Name: "class", Kind: Class, Status: JavaOnly, Quiet: true, Instead: "every target is standard error", From: blazeDS, Doc: "Java class of the target."},
			Setting{In: "target/properties", Name: "format", Kind: Enum, Enum: []string{"auto", "json", "console"}, Default: "auto", From: sluice, Example: "json", Doc: "auto is console on a terminal and json elsewhere.",
				set: on(func(t *LogTarget, v Value) { t.Format = v.Text })},
			Setting{In: "target/properties", Name: "prefix", Kind: Text, From: blazeDS, Example: "[sluice]", Doc: "Put before every message.",
				set: on(func(t *LogTarget, v Value) { t.Prefix = v.Text })},
			Setting{In: "target/filters", Name: "pattern", Kind: Pattern, List: true, Strict: true, From: blazeDS, Example: "Endpoint.*", Doc: "A category to write; a star may end it; none: all.",
				set: on(func(t *LogTarget, v Value) { t.Patterns = append(t.Patterns, v.Text) })},
		),
		within(ScopeLogging, "target/properties", quiet(javaOnly(blazeDS, "every line has time, level and category", Bool, "includeDate", "includeTime", "includeLevel", "includeCategory"))...),
		within(ScopeLogging, "", Setting{Name: "properties", Kind: Opaque, Status: JavaOnly, Quiet: true, Instead: "message bodies and secrets are never logged", From: blazeDS, Doc: "exclude-properties: names of values to hide."}),
		within(ScopeLogging, "", Setting{Name: "pretty-printer", Kind: Opaque, Status: JavaOnly, Quiet: true, Instead: "lines are structured", From: blazeDS, Doc: "Java class that prints values."}),
	)
}

func systemSettings() []Setting {
	return slices.Concat(
		within(ScopeSystem, "",
			Setting{Name: "data-directory", Kind: File, Strict: true, From: sluice, Example: "data", Doc: "Directory of what outlives the process: `sessions.db` where session-store is file. One server at a time; it is made where it is not there. Seen from the file that names it.",
				set: on(func(s *systemDraft, v Value) { s.dataDirectory = ref{v.Text, v.at} })},
			Setting{Name: "enforce-endpoint-validation", Kind: Bool, Status: JavaOnly, Harmless: []string{"true"}, Instead: "a destination is only reached over its channels, always", From: blazeDS, Doc: "Refuses messages that came over a channel which is not the destination's."},
			Setting{Name: "manageable", Kind: Bool, Status: JavaOnly, Harmless: []string{"false"}, Quiet: true, Instead: "there is no JMX; metrics are at /metrics", From: blazeDS, Doc: "JMX beans."},
			Setting{Name: "redeploy", Kind: Opaque, Status: JavaOnly, Quiet: true, Instead: "SIGHUP, or POST /api/v1/reload, reads a changed file again", From: blazeDS, Doc: "Watches files and redeploys the web application."},
			Setting{Name: "uuid-generator", Kind: Opaque, Status: JavaOnly, Instead: "ids are made of 128 random bits", From: blazeDS, Doc: "Java class that makes ids."},
		),
		within(ScopeSystem, "", quiet(javaOnly(blazeDS, "messages are in English", Opaque, "locale", "default-locale"))...),
		within(ScopeSystem, "", quiet(javaOnly(lcds, "there is no .NET part", Opaque, "dotnet-framework-version"))...),
		within(ScopeCluster, "",
			Setting{Name: "id", Kind: ID, Status: JavaOnly, Instead: "this version runs on one node", From: blazeDS, Doc: "Name of the cluster."},
			Setting{Name: "default", Kind: Bool, Strict: true, Status: NotServed, Refused: true, Harmless: []string{"false"}, Instead: "it would put every destination on several nodes", From: blazeDS, Doc: "Whether destinations without a cluster belong to this one."},
		),
		within(ScopeCluster, "", quiet(javaOnly(blazeDS, "JGroups is not used", Opaque, "properties", "class"))...),
		within(ScopeCluster, "", Setting{Name: "url-load-balancing", Kind: Bool, Strict: true, Status: JavaOnly, Quiet: true, Instead: "clients are told one URL per channel", From: blazeDS, Doc: "Tells clients the URLs of all nodes."}),
	)
}

// quiet makes a notice of what would be a warning.
func quiet(rows []Setting) []Setting {
	for i := range rows {
		rows[i].Quiet = true
	}
	return rows
}
