package endpoint

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sluice/channel/message"
	"sluice/flexsession"
)

func TestReportsOfFailoverAreBounded(t *testing.T) {
	entry := `{"channelId":"websocket","millis":2003,"code":4008,"detail":"closed","colour":"red"}`
	many := `{"tried":[` + strings.TrimSuffix(strings.Repeat(entry+",", 40), ",") + `]}`
	long := fmt.Sprintf(`{"tried":[{"channelId":%q,"millis":1,"detail":%q}]}`, strings.Repeat("c", 1000), strings.Repeat("é", 1000))
	for name, tc := range map[string]struct {
		body string
		want []flexsession.Try // nil: it is refused
	}{
		"one":                  {`{"tried":[` + entry + `]}`, []flexsession.Try{{Channel: "websocket", Took: 2003 * time.Millisecond, Code: 4008, Detail: "closed"}}},
		"no code and no words": {`{"tried":[{"channelId":"s","millis":0}]}`, []flexsession.Try{{Channel: "s"}}},
		"a fraction":           {`{"tried":[{"channelId":"s","millis":1.6}]}`, []flexsession.Try{{Channel: "s", Took: 2 * time.Millisecond}}},
		"nothing tried":        {`{"tried":[]}`, []flexsession.Try{}},
		"unprintable":          {`{"tried":[{"channelId":"a\nb","millis":1,"detail":"\u202eevil\u0000"}]}`, []flexsession.Try{{Channel: "a\uFFFDb", Took: time.Millisecond, Detail: "\uFFFDevil\uFFFD"}}},
		"long":                 {long, []flexsession.Try{{Channel: strings.Repeat("c", 64), Took: time.Millisecond, Detail: strings.Repeat("é", 100)}}},
		"many":                 {many, make([]flexsession.Try, 16)},
		"huge":                 {`{"tried":[{"channelId":"s","millis":1,"detail":"` + strings.Repeat("x", 40<<10) + `"}]}`, nil},
		"no object":            {`"websocket"`, nil},
		"without tried":        {`{"attempts":[]}`, nil},
		"tried is no list":     {`{"tried":{"channelId":"s"}}`, nil},
		"an entry is null":     {`{"tried":[null]}`, nil},
		"no channel":           {`{"tried":[{"millis":1}]}`, nil},
		"an empty channel":     {`{"tried":[{"channelId":"","millis":1}]}`, nil},
		"no time":              {`{"tried":[{"channelId":"s"}]}`, nil},
		"a time before":        {`{"tried":[{"channelId":"s","millis":-1}]}`, nil},
		"years":                {`{"tried":[{"channelId":"s","millis":1e300}]}`, nil},
		"a code of text":       {`{"tried":[{"channelId":"s","millis":1,"code":"lost"}]}`, nil},
		"no code of anybody's": {`{"tried":[{"channelId":"s","millis":1,"code":123456}]}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseTried([]byte(tc.body))
			if (err != nil) != (tc.want == nil) || len(got) != len(tc.want) {
				t.Fatalf("%v, %v; want %v", got, err, tc.want)
			}
			for i := range got {
				if name != "many" && got[i] != tc.want[i] {
					t.Errorf("%q, want %q", got[i], tc.want[i])
				}
			}
		})
	}
}

func TestWhoseReportsAreWanted(t *testing.T) {
	networks := func(all ...string) (list []netip.Prefix) {
		for _, text := range all {
			list = append(list, netip.MustParsePrefix(text))
		}
		return list
	}
	p := DiagnosticsPolicy{
		Users: []string{"ann"}, OffUsers: []string{"bob"},
		Addresses: networks("10.0.0.0/8", "2001:db8::/32", "10.1.2.3/32"), OffAddresses: networks("10.1.0.0/16"),
	}
	for _, tc := range []struct {
		user, addr      string
		byDefault       bool
		wants, followed bool
	}{
		{"", "192.0.2.1:50000", false, false, false},
		{"", "192.0.2.1:50000", true, true, false},
		{"ann", "192.0.2.1:50000", false, true, true},
		{"ann", "10.1.0.1:50000", false, true, true},
		{"bob", "10.2.0.1:50000", true, false, false},
		{"eve", "10.2.0.1:50000", false, true, true},
		{"", "10.1.0.1:50000", true, false, false},
		{"", "10.1.2.3", false, true, true},
		{"", "[2001:db8:1::2]:50000", false, true, true},
		{"", "[::ffff:10.2.0.1]:50000", false, true, true},
		{"", "[fe80::1%eth0]:50000", false, false, false},
		{"", "a socket in memory", true, true, false},
	} {
		d := new(Diagnostics)
		d.Set(p)
		d.SetDefault(tc.byDefault)
		if wants, follows := d.Wants(tc.user, tc.addr), d.Follows(tc.user, tc.addr); wants != tc.wants || follows != tc.followed {
			t.Errorf("%q at %s, default %v: wanted %v, followed %v; want %v, %v", tc.user, tc.addr, tc.byDefault, wants, follows, tc.wants, tc.followed)
		}
	}
	if (*Diagnostics)(nil).Wants("ann", "10.0.0.1") || new(Diagnostics).Wants("ann", "10.0.0.1") {
		t.Error("reports are wanted without a policy")
	}
}

func TestAPolicyThatContradictsItself(t *testing.T) {
	net := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for name, p := range map[string]DiagnosticsPolicy{
		"user":    {Users: []string{"ann", "bob"}, OffUsers: []string{"bob"}},
		"network": {Addresses: net, OffAddresses: net},
		"long":    {OffUsers: make([]string, MaxDiagnosed+1)},
	} {
		if err := p.Check(); err == nil || err.Code != message.CodeBadField {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (&DiagnosticsPolicy{Users: []string{"ann"}, OffUsers: []string{"bob"}, Addresses: net}).Check(); err != nil {
		t.Error(err)
	}
}
