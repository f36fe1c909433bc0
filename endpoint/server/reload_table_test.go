package server

import (
	"reflect"
	"slices"
	"testing"

	"sluice/channel"
	"sluice/flexsession"
)

// Every field of what the configuration sets is in a table, or known to be no setting of its own: a reload overlooks none.
func TestReloadLooksAtEverything(t *testing.T) {
	for _, c := range []struct {
		of    any
		table []setting
		other []string // elements, what identifies one, and what the program gives
	}{
		{Options{}, serverSettings, []string{"Channels", "Destinations", "Constraints", "Listeners", "FlexClient", "Passwords", "APIKeys", "Sessions", "Engine", "Version", "Logger", "Log", "Reload"}},
		{flexsession.Options{}, clientSettings, []string{"Node", "Wheel", "Listeners", "Store", "Latency"}},
		{Listener{}, listenerSettings, []string{"ID", "Net"}},
		{channel.ChannelDefinition{}, channelSettings, []string{"ID"}},
		{channel.DestinationDefinition{}, destinationSettings, []string{"ID"}},
		{channel.SecurityConstraint{}, constraintSettings, []string{"ID"}},
		{channel.KeepAlive{}, []setting{{field: "Enabled"}, {field: "Idle"}, {field: "Interval"}, {field: "Count"}}, nil}, // the parts of KeepAlive
		{flexsession.Window{}, []setting{{field: "Messages"}, {field: "Bytes"}}, nil},
	} {
		of := reflect.TypeOf(c.of)
		known := slices.Clone(c.other)
		for _, s := range c.table {
			known = append(known, s.field)
			if _, ok := of.FieldByName(s.field); !ok {
				t.Errorf("%v has no field %s", of, s.field)
			}
		}
		for i := range of.NumField() {
			if name := of.Field(i).Name; !slices.Contains(known, name) {
				t.Errorf("%v.%s: say in reload_table.go when it holds", of, name)
			}
		}
	}
}

// What of one field holds when is the same for all its parts: it is kept or taken as a whole.
func TestReloadKeepsWholeFields(t *testing.T) {
	for _, table := range [][]setting{serverSettings, clientSettings, listenerSettings, channelSettings, destinationSettings, constraintSettings} {
		first := map[string]when{}
		for _, s := range table {
			if w, known := first[s.field]; known && w != s.when {
				t.Errorf("%s holds at different times", s.field)
			}
			first[s.field] = s.when
		}
	}
}
