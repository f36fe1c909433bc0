package endpoint

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the trusted proxies of a listener: only what they say of a client is believed.
type Proxies struct{ trusted []netip.Prefix }

// NewProxies trusts the given networks; none: nobody.
func NewProxies(trusted []netip.Prefix) *Proxies { return &Proxies{trusted} }

// Trusts says whether addr ("ip" or "ip:port") is a trusted proxy.
func (p *Proxies) Trusts(addr string) bool {
	ip, err := netip.ParseAddr(host(addr))
	if err != nil || p == nil {
		return false
	}
	ip = ip.Unmap().WithZone("")
	return slices.ContainsFunc(p.trusted, func(n netip.Prefix) bool { return n.Contains(ip) })
}

// Client is the address of who sent r, and whether it came over TLS. From a trusted proxy X-Forwarded-For is read from its end, past further trusted proxies, and
// X-Forwarded-Proto is believed; from anyone else both are ignored.
func (p *Proxies) Client(r *http.Request) (addr string, secure bool) {
	addr, secure = r.RemoteAddr, r.TLS != nil
	if !p.Trusts(addr) {
		return addr, secure
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		hop = strings.TrimSpace(hop)
		if _, err := netip.ParseAddr(host(hop)); err != nil {
			break
		}
		addr = hop
		if !p.Trusts(hop) {
			break
		}
	}
	if proto := r.Header.Get("X-Forwarded-Proto"); proto != "" {
		secure = strings.EqualFold(proto, "https") || strings.EqualFold(proto, "wss")
	}
	return addr, secure
}
