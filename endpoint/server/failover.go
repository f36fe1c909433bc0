package server

import (
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"sluice/channel/message"
	"sluice/endpoint"
	"sluice/flexsession"
)

// docs/failover.md says what this is for.

// onFailover is what hears of reports of failover: the log, and the counters. Where the channel that works is the one that was tried first, as after a restart of the server, nobody has failed over: the report is in the log for who
// looks for it, and not counted. Nor is a try in vain of the channel that works in the end: nobody has moved on from it.
func (s *Server) onFailover(log zerolog.Logger) func(*flexsession.FlexClient, flexsession.Peer, flexsession.Failover) {
	return func(c *flexsession.FlexClient, peer flexsession.Peer, f flexsession.Failover) {
		user, tried, moved := "", zerolog.Arr(), f.Tried[0].Channel != f.Endpoint
		if p := c.Principal(); p != nil {
			user = p.Name
		}
		for _, t := range f.Tried {
			if moved && t.Channel != f.Endpoint {
				s.metrics.failovers.WithLabelValues(s.known(t.Channel), f.Endpoint, knownCode(t.Code)).Inc()
			}
			d := zerolog.Dict().Str("channelId", t.Channel).Int64("millis", t.Took.Milliseconds())
			if t.Code != 0 {
				d = d.Int("code", int(t.Code)).Stringer("cause", t.Code)
			}
			if t.Detail != "" {
				d = d.Str("detail", t.Detail)
			}
			tried = tried.Dict(d)
		}
		event, says := log.Info(), "failed over"
		if !moved {
			event, says = log.Debug(), "tried again"
		}
		event.Str("client", c.ID()).Str("user", user).Str("address", peer.RemoteAddr).Str("endpoint", f.Endpoint).Array("tried", tried).Msg(says)
	}
}

// other stands in the labels of metrics for what peers make up.
const other = "other"

// known is the id of a channel as a label.
func (s *Server) known(id string) string {
	for _, def := range s.now.Load().channels {
		if def.ID == id {
			return id
		}
	}
	return other
}

func knownCode(c message.Code) string {
	if c != 0 && c.Info().Code != c {
		return other
	}
	return strconv.Itoa(int(c))
}

// The forms in which the API shows reports, and the policy for them.
type (
	failoverView struct {
		Client   string    `json:"client,omitempty"` // where it is not plain whose it is
		At       time.Time `json:"at"`
		Endpoint string    `json:"endpoint"`
		Tried    []tryView `json:"tried"`
	}
	tryView struct {
		ChannelID string       `json:"channelId"`
		Millis    int64        `json:"millis"`
		Code      message.Code `json:"code,omitempty"`
		Name      string       `json:"name,omitempty"`
		Detail    string       `json:"detail,omitempty"`
	}
	diagnosticsView struct {
		Default      *bool    `json:"default"`
		Users        []string `json:"users"`
		Addresses    []string `json:"addresses"`
		OffUsers     []string `json:"offUsers"`
		OffAddresses []string `json:"offAddresses"`
	}
)

// viewFailovers shows the reports of a client; "" where it is plain whose they are.
func viewFailovers(client string, reports []flexsession.Failover) (all []failoverView) {
	for _, f := range reports {
		v := failoverView{Client: client, At: f.At, Endpoint: f.Endpoint}
		for _, t := range f.Tried {
			try := tryView{ChannelID: t.Channel, Millis: t.Took.Milliseconds(), Code: t.Code, Detail: t.Detail}
			if knownCode(t.Code) != other && t.Code != 0 {
				try.Name = t.Code.Info().Name
			}
			v.Tried = append(v.Tried, try)
		}
		all = append(all, v)
	}
	return all
}

// diagnostics shows whose reports of failover are kept.
func (a *api) diagnostics(w http.ResponseWriter, _ *http.Request) {
	a.answer(w, http.StatusOK, viewDiagnostics(a.core.Diagnose.Policy()))
}

// setDiagnostics replaces the policy, from the next report on and until the server stops.
func (a *api) setDiagnostics(req *diagnosticsView) (any, *message.Error) {
	p, err := req.policy()
	if err != nil {
		return nil, err
	}
	a.core.Diagnose.Set(p)
	return viewDiagnostics(p), nil
}

func viewDiagnostics(p endpoint.DiagnosticsPolicy) diagnosticsView {
	names := func(networks []netip.Prefix) []string {
		all := []string{}
		for _, n := range networks {
			all = append(all, n.String())
		}
		return all
	}
	return diagnosticsView{&p.Default, append([]string{}, p.Users...), names(p.Addresses), append([]string{}, p.OffUsers...), names(p.OffAddresses)}
}

// policy checks the lists: what stands in one twice is there once.
func (v *diagnosticsView) policy() (p endpoint.DiagnosticsPolicy, err *message.Error) {
	if v.Default == nil {
		return p, message.Errorf(message.CodeBadField, "default: expected true or false")
	}
	p.Default = *v.Default
	for _, l := range []struct {
		name string
		from []string
		to   *[]string
	}{{"users", v.Users, &p.Users}, {"offUsers", v.OffUsers, &p.OffUsers}} {
		if i := slices.IndexFunc(l.from, func(user string) bool { return user == "" || len(user) > maxUserName }); i >= 0 {
			return p, message.Errorf(message.CodeBadField, "%s: expected 1 to %d bytes, found %.300q", l.name, maxUserName, l.from[i])
		}
		*l.to = unique(l.from, strings.Compare)
	}
	for _, l := range []struct {
		name string
		from []string
		to   *[]netip.Prefix
	}{{"addresses", v.Addresses, &p.Addresses}, {"offAddresses", v.OffAddresses, &p.OffAddresses}} {
		networks := make([]netip.Prefix, 0, len(l.from))
		for _, text := range l.from {
			n, ok := network(text)
			if !ok {
				return p, message.Errorf(message.CodeBadField, "%s: expected an address or a network, 10.0.0.0/8, found %.100q", l.name, text)
			}
			networks = append(networks, n)
		}
		*l.to = unique(networks, netip.Prefix.Compare)
	}
	return p, p.Check()
}

// maxUserName bounds a user's name in a list of the policy, in bytes.
const maxUserName = 256

func unique[T comparable](items []T, compare func(a, b T) int) []T {
	items = slices.Clone(items)
	slices.SortFunc(items, compare)
	return slices.Compact(items)
}

// network reads an address, or a network of addresses.
func network(text string) (netip.Prefix, bool) {
	if n, err := netip.ParsePrefix(text); err == nil {
		return n.Masked(), !n.Addr().Is4In6()
	}
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Zone() != "" {
		return netip.Prefix{}, false
	}
	ip = ip.Unmap()
	return netip.PrefixFrom(ip, ip.BitLen()), true
}
