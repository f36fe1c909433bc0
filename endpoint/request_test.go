package endpoint

import (
	"crypto/tls"
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

func TestPages(t *testing.T) {
	def := &channel.ChannelDefinition{AllowedOrigins: []string{"https://App.example.com", "*"}}
	for _, c := range []struct {
		origin, site string
		want         page
	}{
		{"", "", own}, {"http://host.test", "", own}, {"https://HOST.test", "", own}, {"http://host.test", "same-origin", own}, {"", "none", own},
		{"https://app.example.com", "", listed}, {"https://app.example.com", "cross-site", listed},
		{"http://app.example.com", "", stranger}, {"https://app.example.com.evil.test", "", stranger}, {"https://host.test:8443", "", stranger}, {"null", "", stranger},
		{"host.test", "", stranger}, {"http://host.test@evil.test", "", stranger}, {"http://evil.test/host.test", "", stranger}, {strings.Repeat(":", 100), "", stranger},
		{"*", "", stranger},
		{"", "cross-site", stranger}, {"", "same-site", stranger}, {"http://host.test", "cross-site", stranger}, {"https://evil.test", "none", stranger},
	} {
		r := &http.Request{Host: "host.test", Header: http.Header{}}
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		r.Header.Set("Sec-Fetch-Site", c.site)
		if got := new(Core).pageOf(r, def); got != c.want {
			t.Errorf("%q %q: %v, want %v", c.origin, c.site, got, c.want)
		}
		r.Header.Set("Upgrade", "websocket")
		if got := new(Core).pageOf(r, def); c.origin == "http://host.test" && got != own {
			t.Errorf("a WebSocket of %q %q: %v", c.origin, c.site, got)
		}
	}
	r := &http.Request{Host: "host.test", Header: http.Header{"Origin": {"http://host.test"}}, TLS: new(tls.ConnectionState)}
	if got := new(Core).pageOf(r, def); got != stranger {
		t.Errorf("a page without TLS: %v", got)
	}
}
