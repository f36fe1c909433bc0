package endpoint

import (
	"net/netip"
	"slices"
	"sync/atomic"

	"sluice/channel/message"
)

// MaxDiagnosed bounds each list of a [DiagnosticsPolicy].
const MaxDiagnosed = 1000

// DiagnosticsPolicy says of which clients the reports of failover are kept, logged and counted. A user's name decides before an address, the longest network that an address is in before the others, and
// the default last. Who is listed as on is also followed: the lives of his clients are logged at Info that otherwise are at Debug.
type DiagnosticsPolicy struct {
	Default      bool           `json:"default"` // services-config.xml: flex-client/failover-diagnostics
	Users        []string       `json:"users"`
	Addresses    []netip.Prefix `json:"addresses"`
	OffUsers     []string       `json:"offUsers"`
	OffAddresses []netip.Prefix `json:"offAddresses"`
}

// Check says what is wrong with the lists: they are too long, or contradict each other.
func (p *DiagnosticsPolicy) Check() *message.Error {
	for _, l := range []struct {
		name   string
		length int
	}{{"users", len(p.Users)}, {"addresses", len(p.Addresses)}, {"offUsers", len(p.OffUsers)}, {"offAddresses", len(p.OffAddresses)}} {
		if l.length > MaxDiagnosed {
			return message.Errorf(message.CodeBadField, "%s: expected at most %d", l.name, MaxDiagnosed)
		}
	}
	for _, user := range p.Users {
		if slices.Contains(p.OffUsers, user) {
			return message.Errorf(message.CodeBadField, "%q is both in users and in offUsers", user)
		}
	}
	for _, net := range p.Addresses {
		if slices.Contains(p.OffAddresses, net) {
			return message.Errorf(message.CodeBadField, "%q is both in addresses and in offAddresses", net)
		}
	}
	return nil
}

// decide says whether diagnostics are on for a user ("": nobody has logged in) at an address, and whether that is because one of the two is listed.
func (p *DiagnosticsPolicy) decide(user, addr string) (on, listed bool) {
	if user != "" && slices.Contains(p.Users, user) {
		return true, true
	}
	if user != "" && slices.Contains(p.OffUsers, user) {
		return false, true
	}
	if len(p.Addresses)+len(p.OffAddresses) > 0 {
		if ip, err := netip.ParseAddr(host(addr)); err == nil {
			in, out := longest(p.Addresses, ip.Unmap()), longest(p.OffAddresses, ip.Unmap())
			if in != out {
				return in > out, true
			}
		}
	}
	return p.Default, false
}

// longest is the length of the longest of the networks that ip is in; -1: it is in none.
func longest(networks []netip.Prefix, ip netip.Addr) int {
	best := -1
	for _, n := range networks {
		if n.Contains(ip.WithZone("")) {
			best = max(best, n.Bits())
		}
	}
	return best
}

// Diagnostics is the policy of a server, which may change while it runs. Safe for concurrent use. The zero value, and nil, is off for all.
type Diagnostics struct {
	policy atomic.Pointer[DiagnosticsPolicy]
}

// Policy is what holds now. Its lists are not to be changed.
func (d *Diagnostics) Policy() DiagnosticsPolicy {
	if d != nil {
		if p := d.policy.Load(); p != nil {
			return *p
		}
	}
	return DiagnosticsPolicy{}
}

// Set makes p, which was checked, hold from the next report on.
func (d *Diagnostics) Set(p DiagnosticsPolicy) { d.policy.Store(&p) }

// SetDefault changes the default alone.
func (d *Diagnostics) SetDefault(on bool) {
	for {
		old := d.policy.Load()
		p := d.Policy()
		p.Default = on
		if d.policy.CompareAndSwap(old, &p) {
			return
		}
	}
}

// Wants says whether the reports of a client are wanted, by its user ("": nobody has logged in) and its address.
func (d *Diagnostics) Wants(user, addr string) bool {
	p := d.Policy()
	on, _ := p.decide(user, addr)
	return on
}

// Follows says whether the user or the address is listed as on.
func (d *Diagnostics) Follows(user, addr string) bool {
	p := d.Policy()
	on, listed := p.decide(user, addr)
	return on && listed
}

// mayWant says whether a login could yet make the reports of a client wanted that nobody has logged in on.
func (d *Diagnostics) mayWant() bool { return len(d.Policy().Users) > 0 }
