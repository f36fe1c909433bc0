package config

import "sluice/channel"

// defaultHistory is what a history keeps where it does not say.
var defaultHistory = channel.History{MaxMessages: 10000, MaxBytes: 16 << 20}

// historySettings are of what a destination keeps of the past.
func historySettings() []Setting {
	de, hi := on[destinationDraft], on[channel.History]
	return within(ScopeDestination, "properties/server",
		Setting{Name: "history", Kind: Group, From: sluice,
			Doc: "Messages are kept for those who subscribe later or come back, in memory and until the server stops; the oldest go first. Absent: none are kept. One in a destination replaces that of its adapter or service.",
			set: de(func(d *destinationDraft, v Value) {
				d.History = defaultHistory
				apply(&d.History, v.Items)
			})},
		Setting{In: "history", Name: "max-messages", Kind: Int, Max: 10_000_000, Default: "10000", Zero: "none are kept", From: sluice, Example: "100",
			Doc: "How many messages are kept.",
			set: hi(func(h *channel.History, v Value) { h.MaxMessages = v.Int })},
		Setting{In: "history", Name: "max-bytes", Kind: Bytes, Default: "16777216", Zero: "no limit", From: sluice, Example: "100000",
			Doc: "How many bytes their lines have, as they are sent; what a message takes besides is bounded by max-messages alone.",
			set: hi(func(h *channel.History, v Value) { h.MaxBytes = v.Int })},
		Setting{In: "history", Name: "time-minutes", Kind: Minutes, Default: "0", Zero: "no limit", From: sluice, Example: "60",
			Doc: "How long a message is kept.",
			set: hi(func(h *channel.History, v Value) { h.MaxAge = v.Dur })},
		Setting{Name: "last-value", Kind: Bool, Default: "false", From: sluice,
			Doc: "The newest message of each subtopic is kept for new subscribers.",
			set: de(func(d *destinationDraft, v Value) { d.LastValue = v.Bool })},
		Setting{Name: "max-last-values", Kind: Int, Min: 1, Max: 10_000_000, Default: "10000", From: sluice, Example: "100",
			Doc: "Of how many subtopics last-value keeps a message; at the limit that which was published to longest ago gives way, and is counted in /metrics.",
			set: de(func(d *destinationDraft, v Value) { d.MaxLastValues = v.Int })},
	)
}
