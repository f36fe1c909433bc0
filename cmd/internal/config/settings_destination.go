package config

import (
	"slices"
	"strconv"

	"sluice/channel"
)

// servicesSettings is what stands around destinations.
func servicesSettings() []Setting {
	return slices.Concat(
		include(ScopeServices, "", "service-include", "services"),
		within(ScopeServices, "",
			Setting{In: "default-channels", Name: "channel", Kind: Group, List: true, From: blazeDS, Doc: "A channel of destinations that name none; the order is the client's order of preference.",
				set: on(func(s *servicesDraft, v Value) { s.defaults = append(s.defaults, v.ref()) })},
			channelRef("default-channels/channel"),
		),
		within(ScopeService, "",
			Setting{Name: "id", Kind: ID, Required: true, From: blazeDS, Example: "other", Doc: "Name of the service.",
				set: on(func(s *serviceDraft, v Value) { s.id = v.Text })},
			Setting{Name: "class", Kind: Class, Required: true, From: blazeDS, Example: "RemotingService", Doc: "MessageService, also with its Java package. Destinations of other services are not served.",
				set: on(func(s *serviceDraft, v Value) { s.class = v.Text })},
			Setting{Name: "messageTypes", Kind: Text, Status: JavaOnly, Quiet: true, Instead: "the class says it", From: blazeDS, Doc: "Known by name, so that files which have it load."},
			Setting{In: "default-channels", Name: "channel", Kind: Group, List: true, From: blazeDS, Doc: "A channel of this service's destinations that name none.",
				set: on(func(s *serviceDraft, v Value) { s.defaults = append(s.defaults, v.ref()) })},
			channelRef("default-channels/channel"),
			Setting{In: "default-security-constraint", Name: "ref", Kind: Ref, Strict: true, From: blazeDS, Example: "users", Doc: "The constraint of this service's destinations that have none.",
				set: on(func(s *serviceDraft, v Value) { s.constraint = ref{v.Text, v.at} })},
		),
		include(ScopeService, "adapters", "adapter-include", "adapters"),
		include(ScopeService, "", "destination-include", "destinations"),
		within(ScopeAdapter, "",
			Setting{Name: "id", Kind: ID, Required: true, From: blazeDS, Example: "other", Doc: "Name of the adapter.",
				set: on(func(a *adapterDraft, v Value) { a.id = v.Text })},
			Setting{Name: "class", Kind: Class, Required: true, From: blazeDS, Example: "com.example.Adapter", Doc: "ActionScriptAdapter is what the server does; others are Java.",
				set: on(func(a *adapterDraft, v Value) { a.class = v.Text })},
			Setting{Name: "default", Kind: Bool, Default: "false", From: blazeDS, Doc: "The adapter of destinations that name none.",
				set: on(func(a *adapterDraft, v Value) { a.isDefault = v.Bool })},
		),
	)
}

// channelRef is the only attribute of a channel that stands in a list.
func channelRef(in string) Setting {
	return Setting{In: in, Name: "ref", Kind: Ref, Required: true, Strict: true, From: blazeDS, Example: "second", Doc: "Id of the channel.",
		set: on(func(r *ref, v Value) { *r = ref{v.Text, v.at} })}
}

// ref reads a Group whose only setting is a reference.
func (v Value) ref() ref {
	r := ref{at: v.at}
	apply(&r, v.Items)
	return r
}

// destinationSettings is what this version makes of a destination.
func destinationSettings() []Setting {
	de := on[destinationDraft]
	return slices.Concat(
		within(ScopeDestination, "",
			Setting{Name: "id", Kind: ID, Required: true, From: blazeDS, Example: "other", Doc: "Name of the destination, which clients use.",
				set: de(func(d *destinationDraft, v Value) { d.ID = v.Text })},
			Setting{Name: "channels", Kind: Refs, AttrOnly: true, Strict: true, From: blazeDS, Example: "second", Doc: "Shortcut for channels: ids separated by , ; or :",
				set: de(func(d *destinationDraft, v Value) {
					for _, id := range splitRefs(v.Text) {
						d.channels = append(d.channels, ref{id, v.at})
					}
				})},
			Setting{In: "channels", Name: "channel", Kind: Group, List: true, From: blazeDS, Doc: "A channel over which the destination may be used; the order is the client's order of preference.",
				set: de(func(d *destinationDraft, v Value) { d.channels = append(d.channels, v.ref()) })},
			channelRef("channels/channel"),
			Setting{Name: "adapter", Kind: Ref, AttrOnly: true, Strict: true, From: blazeDS, Example: "default", Doc: "Shortcut for adapter/@ref.",
				set: de(func(d *destinationDraft, v Value) { d.adapter = ref{v.Text, v.at} })},
			Setting{In: "adapter", Name: "ref", Kind: Ref, Strict: true, From: blazeDS, Example: "default", Doc: "Id of the service's adapter to use.",
				set: de(func(d *destinationDraft, v Value) { d.adapter = ref{v.Text, v.at} })},
			Setting{Name: "security-constraint", Kind: Ref, AttrOnly: true, Strict: true, From: blazeDS, Example: "users", Doc: "Shortcut for security/security-constraint/@ref.",
				set: de(func(d *destinationDraft, v Value) { d.constraint.ref = ref{v.Text, v.at} })},
			Setting{In: "security", Name: "security-constraint", Kind: Group, From: blazeDS, Doc: "Who may send and subscribe: a reference, or a constraint written here.",
				set: de(func(d *destinationDraft, v Value) { d.constraint.read(v) })},
		),
		constraintSettings(ScopeDestination, "security/security-constraint"),
		within(ScopeDestination, "properties/server",
			Setting{Name: "allow-subtopics", Kind: Bool, Default: "false", From: blazeDS, Doc: "Clients may send to and subscribe to subtopics.",
				set: de(func(d *destinationDraft, v Value) { d.AllowSubtopics = v.Bool })},
			Setting{Name: "subtopic-separator", Kind: Text, Default: ".", Strict: true, From: blazeDS, Example: "/", Doc: "What separates the parts of a subtopic.",
				set: de(func(d *destinationDraft, v Value) { d.SubtopicSeparator, d.separatorAt = v.Text, v.at })},
			Setting{Name: "disallow-wildcard-subtopics", Kind: Bool, Default: "false", From: blazeDS, Doc: "Nobody may subscribe with *.",
				set: de(func(d *destinationDraft, v Value) { d.DisallowWildcardSubtopics = v.Bool })},
			Setting{Name: "allow-selectors", Kind: Bool, Default: "true", From: sluice, Doc: "Subscribers may choose messages by their headers, with selectors. Each different one costs the server some work for each message of the subtopic; subscriptions that have one already keep it.",
				set: de(func(d *destinationDraft, v Value) { d.DisallowSelectors = !v.Bool })},
			Setting{Name: "message-time-to-live", Kind: Millis, Min: anyNegative, Default: "-1", Zero: "never", Negative: "what the publisher says", From: blazeDS, Doc: "How long a message is worth delivering: one whose time is over before it is handed to a connection is not, and one that was is not sent again. It replaces the publisher's timeToLive.",
				set: de(func(d *destinationDraft, v Value) {
					switch d.MessageTimeToLive = v.Dur; {
					case v.Dur == 0:
						d.MessageTimeToLive = -1
					case v.Dur < 0:
						d.MessageTimeToLive = 0
					}
				})},
			Setting{Name: "message-priority", Kind: Int, Min: -1, Max: 9, Default: "-1", Negative: "4", Strict: true, From: blazeDS, Doc: "Priority of messages whose publisher gave none (DSPriority): of what waits for a client, the more urgent goes first. Without effect where a history is kept.",
				set: de(func(d *destinationDraft, v Value) {
					d.MessagePriority = nil
					if v.Int >= 0 {
						d.MessagePriority = &v.Int
					}
				})},
			Setting{In: "send-security-constraint", Name: "ref", Kind: Ref, Strict: true, From: blazeDS, Example: "users", Doc: "The constraint for sending.",
				set: de(func(d *destinationDraft, v Value) { d.send = ref{v.Text, v.at} })},
			Setting{In: "subscribe-security-constraint", Name: "ref", Kind: Ref, Strict: true, From: blazeDS, Example: "users", Doc: "The constraint for subscribing.",
				set: de(func(d *destinationDraft, v Value) { d.subscribe = ref{v.Text, v.at} })},
		),
	)
}

// javaDestinationSettings is what others make of a destination.
func javaDestinationSettings() []Setting {
	return slices.Concat(
		within(ScopeDestination, "properties/server",
			Setting{Name: "durable", Kind: Bool, Default: "false", Status: NotServed, Refused: true, Harmless: []string{"false"}, From: blazeDS, Doc: "Messages are kept for subscribers that are away."},
			Setting{Name: "cluster-message-routing", Kind: Enum, Enum: []string{"server-to-server", "broadcast", "none"}, Strict: true, Status: JavaOnly, Quiet: true, Instead: "this version runs on one node", From: blazeDS, Doc: "Which nodes of a cluster get a message."},
			Setting{Name: "max-cache-size", Kind: Text, Status: JavaOnly, Instead: "BlazeDS has not read it for long, either", From: blazeDS, Doc: "Left over in old samples."},
		),
		within(ScopeDestination, "properties/network",
			Setting{Name: "subscription-timeout-minutes", OldNames: []string{"session-timeout"}, Kind: Minutes, Default: "0", Zero: "a subscription lives as long as its client", From: blazeDS,
				Doc: "A subscription to which no message was sent for so long ends, and its client is told.",
				set: on(func(d *destinationDraft, v Value) { d.SubscriptionTimeout = v.Dur })},
			Setting{Name: "slow-consumer-policy", Kind: Enum, Enum: []string{"disconnect", "drop-oldest", "conflate"}, Default: "disconnect", Strict: true, From: sluice, Example: "conflate",
				Doc: "What happens when as many messages wait for a client as may, and one more comes: the client ends; or the oldest of the destination go, and the client is told how many, where they are missing; or of messages with the same key the newest stands for all and tells for how many, and where that is not enough the oldest go.",
				set: on(func(d *destinationDraft, v Value) { d.SlowConsumer = channel.SlowPolicy(v.Text) })},
			Setting{Name: "conflate-key", Kind: Text, From: sluice, Example: "symbol", Doc: "The header whose value, with the subtopic, is the key of a message for slow-consumer-policy conflate. Absent: the subtopic alone is.",
				set: on(func(d *destinationDraft, v Value) { d.ConflateKey = v.Text })},
			Setting{Name: "max-waiting-messages", Kind: Int, Max: 1 << 24, Default: "0", Zero: "as many as may wait for the client in all", From: sluice, Doc: "Messages of the destination that may wait for one client.",
				set: on(func(d *destinationDraft, v Value) { d.MaxWaitingMessages = v.Int })},
			Setting{Name: "max-waiting-bytes", Kind: Bytes, Max: 1 << 30, Default: "0", Zero: "as many as may wait for the client in all", From: sluice, Doc: "The same in bytes; one message alone may be more.",
				set: on(func(d *destinationDraft, v Value) { d.MaxWaitingBytes = v.Int })},
			Setting{Name: "reliable", Kind: Bool, Default: "false", Status: NotServed, Refused: true, Harmless: []string{"false"}, Instead: "leave it out: every message is delivered once and in order as long as its client lives", From: lcds, Doc: "Messages survive a change of connection."},
			Setting{Name: "adaptive-frequency", Kind: Bool, Default: "false", Status: NotServed, Refused: true, Harmless: []string{"false"}, From: lcds, Doc: "Lets the server slow messages down by a client's measured lag."},
			Setting{In: "cluster", Name: "ref", Kind: Ref, Strict: true, Status: NotServed, Refused: true, Instead: "this version runs on one node", From: blazeDS, Doc: "Puts the destination on several nodes."},
			Setting{In: "cluster", Name: "shared-backend", Kind: Bool, Status: JavaOnly, Quiet: true, Instead: "this version runs on one node", From: blazeDS, Doc: "Known by name, so that files which have it load."},
		),
		throttleInbound(),
		throttleOutbound(),
		within(ScopeDestination, "properties", Setting{Name: "jms", Kind: Opaque, Status: JavaOnly, From: blazeDS,
			Instead: "messages go to the subscribers of this server, not to a JMS provider; all its settings (destination-type, connection-factory, delivery-settings and so on) are ignored with it",
			Doc:     "Connects the destination to a JMS topic or queue."}),
	)
}

// throttleInbound is what publishers may send.
func throttleInbound() []Setting {
	de := on[destinationDraft]
	return within(ScopeDestination, "properties/network/throttle-inbound",
		Setting{Name: "policy", Kind: Enum, Enum: []string{"NONE", "ERROR", "IGNORE", "BUFFER", "CONFLATE"}, Default: "NONE", Strict: true, From: blazeDS, Example: "ERROR",
			Doc: "What happens to a message above a frequency: ERROR refuses it, IGNORE drops it and tells its publisher so, BUFFER lets it wait, CONFLATE (as BUFFER of LCDS) lets the newest of each key wait. With NONE no frequency is in force.",
			set: de(func(d *destinationDraft, v Value) { d.Inbound.Policy = channel.ThrottlePolicy(v.Text) })},
		Setting{Name: "max-frequency", Kind: Int, Default: "0", Zero: "no limit", Strict: true, From: blazeDS, Example: "100", Doc: "Messages per second that the destination takes.",
			set: de(func(d *destinationDraft, v Value) { d.inbound.max, d.Inbound.MaxFrequency = ref{v.Text, v.at}, v.Int })},
		Setting{Name: "max-client-frequency", Kind: Int, Default: "0", Zero: "no limit", Strict: true, From: blazeDS, Example: "10", Doc: "Messages per second that it takes from one client; from plain requests, of one address.",
			set: de(func(d *destinationDraft, v Value) {
				d.inbound.maxClient, d.Inbound.MaxClientFrequency = ref{v.Text, v.at}, v.Int
			})},
		Setting{Name: "max-held-messages", Kind: Int, Min: 1, Max: 1_000_000, Default: strconv.Itoa(channel.DefaultMaxHeld), From: sluice, Example: "50",
			Doc: "Messages that BUFFER and CONFLATE let wait. Further ones, and those that would have to wait for more than 20 seconds, are refused as by ERROR.",
			set: de(func(d *destinationDraft, v Value) { d.Inbound.MaxHeld = v.Int })},
	)
}

// throttleOutbound is what each subscriber gets.
func throttleOutbound() []Setting {
	de := on[destinationDraft]
	return within(ScopeDestination, "properties/network/throttle-outbound",
		Setting{Name: "policy", Kind: Enum, Enum: []string{"NONE", "IGNORE", "BUFFER", "CONFLATE"}, Default: "NONE", Strict: true, From: blazeDS, Example: "IGNORE",
			Doc: "What happens to a message that comes for a client above a frequency, of these or of its subscription: IGNORE drops it, BUFFER (of LCDS) lets it wait, CONFLATE (of LCDS) lets the newest of each key wait. With NONE only what a subscription asks for is in force, as by CONFLATE.",
			set: de(func(d *destinationDraft, v Value) { d.Outbound.Policy = channel.ThrottlePolicy(v.Text) })},
		Setting{Name: "max-frequency", Kind: Int, Default: "0", Zero: "no limit", Strict: true, From: blazeDS, Example: "2", Doc: "Messages per second of the destination that any client gets.",
			set: de(func(d *destinationDraft, v Value) { d.outbound.max, d.Outbound.MaxFrequency = ref{v.Text, v.at}, v.Int })},
		Setting{Name: "max-client-frequency", Kind: Int, Default: "0", Zero: "no limit", Strict: true, From: blazeDS, Example: "2", Doc: "The same; the lower of both holds.",
			set: de(func(d *destinationDraft, v Value) {
				d.outbound.maxClient, d.Outbound.MaxClientFrequency = ref{v.Text, v.at}, v.Int
			})},
	)
}

// queueProcessor is the Java hook into what waits for a client, which a channel and flex-client may both have.
func queueProcessor(scope Scope, path string) []Setting {
	const bounded = "max-waiting-messages and max-waiting-bytes of flex-client bound the queue"
	return slices.Concat(
		within(scope, path+"/flex-client-outbound-queue-processor",
			Setting{Name: "class", Kind: Class, Status: JavaOnly, Instead: bounded, From: blazeDS, Doc: "A Java class that reorders or drops what waits for a client."},
			Setting{In: "properties", Name: "adaptive-frequency", Kind: Bool, Default: "false", Status: NotServed, Refused: true, Harmless: []string{"false"}, From: lcds, Doc: "Lets the server slow a client's messages down by its measured lag."},
			Setting{In: "properties", Name: "frequency-step-size", Kind: Int, Status: JavaOnly, Instead: "there is no adaptive frequency", From: lcds, Doc: "Step by which the frequency changes."},
			Setting{In: "properties", Name: "max-queue-size", Kind: Int, Status: JavaOnly, Harmless: []string{"-1"}, Instead: bounded, From: lcds, Doc: "Messages that may wait for a client."},
		))
}
