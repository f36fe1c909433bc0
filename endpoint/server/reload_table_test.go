package server

import (
	"os"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
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

// docs/operations.md names every setting that needs a restart, and no other.
func TestOperationsListsRestarts(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "<!-- restart -->")
	list, _, found := strings.Cut(list, "<!-- /restart -->")
	if !found {
		t.Fatal("there is no list")
	}
	var named []string
	for _, m := range regexp.MustCompile("`([a-z/-]+)`").FindAllStringSubmatch(list, -1) {
		named = append(named, m[1])
	}
	want := []string{"session-store", "data-directory", "max-pending-messages"} // which cmd/sluice knows of
	for _, table := range [][]setting{serverSettings, clientSettings, listenerSettings, channelSettings, destinationSettings, constraintSettings} {
		for _, s := range table {
			name := path.Base(s.path)
			if name == "ref" {
				name = s.path
			}
			if s.when == atStart && !slices.Contains(want, name) {
				want = append(want, name)
			}
		}
	}
	slices.Sort(named)
	slices.Sort(want)
	if !slices.Equal(named, want) {
		t.Errorf("named %v\nwant  %v", named, want)
	}
}
