package server_test

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// behind trusts the proxies of 10.0.0.0/8 and fd00::/8.
func behind(o *server.Options) {
	o.Listeners[0].TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
}

// peers are the addresses of the sessions that live.
func peers(r *endpointtest.Rig) (all []string) {
	synctest.Wait()
	for _, s := range r.Server.Registry().Sessions() {
		all = append(all, s.Peer().RemoteAddr)
	}
	return all
}

// X-Forwarded-For is believed from trusted proxies alone, and of it the last address that is not one of theirs.
func TestForwardedFor(t *testing.T) {
	for _, c := range []struct{ name, from, forwarded, want string }{
		{"no proxy", "203.0.113.9:5", "198.51.100.1", "203.0.113.9:5"},
		{"a proxy", "10.1.1.1:5", "198.51.100.1", "198.51.100.1"},
		{"a forged front", "10.1.1.1:5", "192.0.2.66, 198.51.100.1", "198.51.100.1"},
		{"two proxies", "10.1.1.1:5", "192.0.2.66, 198.51.100.1, 10.2.2.2", "198.51.100.1"},
		{"proxies alone", "10.1.1.1:5", "10.3.3.3, 10.2.2.2", "10.3.3.3"},
		{"nothing", "10.1.1.1:5", "", "10.1.1.1:5"},
		{"nonsense", "10.1.1.1:5", "unknown", "10.1.1.1:5"},
		{"nonsense behind a client", "10.1.1.1:5", "198.51.100.1, unknown, 10.2.2.2", "10.2.2.2"},
		{"IPv6", "[fd00::1]:5", "2001:db8::7", "2001:db8::7"},
		{"a port", "10.1.1.1:5", "198.51.100.1:777", "198.51.100.1:777"},
		{"IPv4 in IPv6", "[::ffff:10.1.1.1]:5", "198.51.100.1", "198.51.100.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			endpointtest.Run(t, behind, func(t *testing.T, r *endpointtest.Rig) {
				raw := r.RawFrom(c.from)
				raw.Upgrade("/websocket", "X-Forwarded-For: "+c.forwarded)
				if got := peers(r); len(got) != 1 || got[0] != c.want {
					t.Errorf("the session is of %q, want %s", got, c.want)
				}
			})
		})
	}
}

// The limit for an address is that of the client behind the proxy, and a client cannot choose another address to escape it.
func TestLimitsBehindAProxy(t *testing.T) {
	few := func(o *server.Options) {
		behind(o)
		o.Listeners[0].MaxNewSessions = 1
	}
	endpointtest.Run(t, few, func(t *testing.T, r *endpointtest.Rig) {
		proxy, direct := r.From("10.1.1.1:5"), r.From("203.0.113.9:5")
		for i, try := range []struct {
			rig       *endpointtest.Rig
			forwarded string
			ok        bool
		}{
			{proxy, "198.51.100.1", true}, {proxy, "198.51.100.2", true}, {proxy, "198.51.100.1", false}, {proxy, "192.0.2.9, 198.51.100.1", false},
			{direct, "198.51.100.3", true}, {direct, "198.51.100.4", false},
		} {
			line := tryConnect(try.rig, "longpoll", "X-Forwarded-For", try.forwarded)
			if ok := line.Text("type") == "acknowledge"; ok != try.ok || !ok && line.Code() != message.CodeLimitNewSessions {
				t.Errorf("connect %d: %v", i, line)
			}
		}
	})
}

// A PROXY line of a trusted proxy names the client; without one its connection is worth nothing. Others send none, and one that they send is no HTTP.
func TestProxyProtocol(t *testing.T) {
	lines := func(o *server.Options) {
		behind(o)
		o.Listeners[0].ProxyProtocol = true
	}
	endpointtest.Run(t, lines, func(t *testing.T, r *endpointtest.Rig) {
		proxied := r.RawFrom("10.1.1.1:5")
		proxied.Send("PROXY TCP4 198.51.100.1 192.0.2.1 777 80\r\n")
		proxied.Upgrade("/websocket", "X-Forwarded-For: 192.0.2.66") // not the proxy's word: it wrote the first line
		if got := peers(r); len(got) != 1 || got[0] != "198.51.100.1:777" {
			t.Errorf("the session is of %q", got)
		}
		proxied.Close()

		bare := r.RawFrom("10.1.1.1:6")
		bare.Send("POST /longpoll HTTP/1.1\r\nHost: x\r\n\r\n")
		bare.WantClosed()
		silent := r.RawFrom("10.1.1.1:7")
		silent.WantClosed() // in the time for the head

		direct := r.RawFrom("203.0.113.9:5")
		direct.Upgrade("/websocket")
		if got := peers(r); len(got) != 1 || got[0] != "203.0.113.9:5" {
			t.Errorf("the session is of %q", got)
		}
		forged := r.RawFrom("203.0.113.9:6")
		forged.Send("PROXY TCP4 198.51.100.1 192.0.2.1 777 80\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if resp := forged.Head(); resp.StatusCode != 400 {
			t.Errorf("a PROXY line of somebody else: %s", resp.Status)
		}
	})
}
