package config

// presenceSettings are of who is told who is subscribed.
func presenceSettings() []Setting {
	de := on[destinationDraft]
	return within(ScopeDestination, "properties/server",
		Setting{Name: "presence", Kind: Bool, Default: "false", From: sluice,
			Doc: "Who may subscribe may ask who is subscribed, and be told who comes and leaves.",
			set: de(func(d *destinationDraft, v Value) { d.Presence = v.Bool })},
		Setting{Name: "max-presence-members", Kind: Int, Min: 1, Max: 1000, Default: "100", From: sluice, Example: "10",
			Doc: "How many members one answer lists; the others come with the answers to further questions, and all are counted.",
			set: de(func(d *destinationDraft, v Value) { d.MaxPresenceMembers = v.Int })},
		Setting{Name: "presence-interval-millis", Kind: Millis, Min: 1, Default: "1000", From: sluice, Example: "5000",
			Doc: "How often those who watch a subtopic are told of it: the first who comes or leaves is told at once, what follows after this time; more than 16 are then told as counts.",
			set: de(func(d *destinationDraft, v Value) { d.PresenceInterval = v.Dur })},
	)
}
