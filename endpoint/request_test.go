package endpoint

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"sluice/channel"
)

func TestBearer(t *testing.T) {
	for header, want := range map[string]string{
		"":                    "  false",
		"Basic YTpi":          "  false",
		"Bearer":              "  true",
		"Bearer id.secret":    "id secret true",
		"bearer   id.secret ": "id secret true",
		"Bearer id":           "id  true",
		"Bearer a.b.c":        "a b.c true",
	} {
		r := &http.Request{Header: http.Header{"Authorization": {header}}}
		id, secret, ok := Bearer(r)
		if got := fmt.Sprint(id, " ", secret, " ", ok); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
}

// The longest entry that is part of the browser's name wins, "*" against none.
func TestUserAgentOf(t *testing.T) {
	def := &channel.ChannelDefinition{UserAgents: []channel.UserAgent{
		{MatchOn: "MSIE 9", KickstartBytes: 9}, {MatchOn: "*", KickstartBytes: 1, MaxPersistentConnections: 2}, {MatchOn: "MSIE", KickstartBytes: 5},
	}}
	for agent, want := range map[string]int{"": 1, "curl": 1, "Mozilla MSIE 8": 5, "Mozilla MSIE 9": 9, "msie": 1} {
		if got, _ := UserAgentOf(def, agent); got != want {
			t.Errorf("%q: %d, want %d", agent, got, want)
		}
	}
	if got, limit := UserAgentOf(&channel.ChannelDefinition{}, "curl"); got != 0 || limit != 0 {
		t.Errorf("without entries: %d %d", got, limit)
	}
}

// A body is cut behind a number of lines, and nothing of it is lost; a part that is not empty has something in it.
func TestCut(t *testing.T) {
	for _, c := range []struct {
		data string
		n    int
		want string
	}{
		{"", 2, `"" ""`},
		{"a", 2, `"a" ""`},
		{"a\nb", 2, `"a\nb" ""`},
		{"a\nb\n", 2, `"a\nb\n" ""`},
		{"a\nb\nc", 2, `"a\nb\n" "c"`},
		{"\n\x00\n a\nb\n \r\n\n", 2, `"a\nb\n" ""`},
		{"a\n\n\n\nb\nc", 2, `"a\n\n" "b\nc"`},
	} {
		head, rest := cut([]byte(c.data), c.n)
		if got := fmt.Sprintf("%q %q", head, rest); got != c.want {
			t.Errorf("%q: %s, want %s", c.data, got, c.want)
		}
	}
}

func TestSeconds(t *testing.T) {
	for millis, want := range map[int]string{1: "1", 999: "1", 1000: "1", 1001: "2", 60000: "60"} {
		if got := seconds(millis); got != want {
			t.Errorf("%d ms: %s s, want %s", millis, got, want)
		}
	}
}

func TestOrigins(t *testing.T) {
	def := &channel.ChannelDefinition{AllowedOrigins: []string{"https://App.example.com"}}
	any := &channel.ChannelDefinition{AllowedOrigins: []string{"*"}}
	for _, c := range []struct {
		origin   string
		def      *channel.ChannelDefinition
		expected bool
	}{
		{"", def, true}, {"http://host.test", def, true}, {"https://HOST.test", def, true}, {"https://app.example.com", def, true},
		{"http://app.example.com", def, false}, {"https://app.example.com.evil.test", def, false}, {"https://host.test:8443", def, false}, {"null", def, false},
		{"host.test", def, false}, {"http://host.test@evil.test", def, false}, {"http://evil.test/host.test", def, false}, {strings.Repeat(":", 100), def, false},
		{"https://evil.test", any, true}, {"null", any, true},
	} {
		r := &http.Request{Host: "host.test", Header: http.Header{}}
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		if got := originAllowed(r, c.def); got != c.expected {
			t.Errorf("%q: %v, want %v", c.origin, got, c.expected)
		}
	}
}
