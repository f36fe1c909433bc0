package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sluice/channel"
)

// servicesDraft is what the services section says of all services.
type servicesDraft struct{ defaults []ref }

type serviceDraft struct {
	at         pos
	id, class  string
	defaults   []ref
	constraint ref
	properties []assignment // of its destinations
	adapters   map[string]*adapterDraft
	byDefault  *adapterDraft
	inherited  *channelList // of destinations that name no channel
}

type adapterDraft struct {
	id, class  string
	isDefault  bool
	properties []assignment
}

type throttleDraft struct{ max, maxClient ref }

// destinationDraft is a destination on its way to Config.
type destinationDraft struct {
	channel.DestinationDefinition
	at                pos
	separatorAt       pos // of subtopic-separator
	channels          []ref
	adapter           ref
	constraint        constraintDraft
	send, subscribe   ref
	inbound, outbound throttleDraft
}

// messageService is the class whose destinations are served.
const messageService = "MessageService"

// otherServices are the classes of Adobe that are not, and what happens instead.
var otherServices = map[string]string{
	"RemotingService":          "its destinations are not served: there are no Java objects to call",
	"HTTPProxyService":         "its destinations are not served: let a reverse proxy do it",
	"AuthenticationService":    "clients log in without it",
	"DataService":              "its destinations are not served: there is no data management",
	"AdvancedMessagingSupport": "what it adds and is served needs no service",
}

func (l *loader) readServices() {
	l.services = &servicesDraft{}
	n := l.readSection(ScopeServices, l.services)
	for _, r := range l.services.defaults {
		if c := l.channelRef(r); c != nil && !c.remote {
			l.cfg.DefaultChannels = append(l.cfg.DefaultChannels, r.id)
		}
	}
	seen := map[string]bool{}
	owners := map[string]string{}
	for _, sn := range l.items(n, "services", "service") {
		s := &serviceDraft{at: sn.at, adapters: map[string]*adapterDraft{}}
		apply(s, l.collect(sn, l.schema.scopes[ScopeService], l.document))
		if seen[s.id] && s.id != "" {
			l.rep.errorf(sn.at, "a service with this id exists already")
		}
		seen[s.id] = true
		l.readService(s, sn, owners)
	}
}

func (l *loader) readService(s *serviceDraft, n *node, owners map[string]string) {
	served := l.serviceServed(s, n)
	r := l.document
	for _, an := range l.items(n.child("adapters"), "adapters", "adapter-definition") {
		l.readAdapter(s, an, served, r)
	}
	if served {
		s.properties = l.destinationProperties(n, r)
	}
	for _, def := range s.defaults {
		l.channelRef(def)
	}
	l.constraintRef(s.constraint)
	for _, dn := range l.items(n, "destinations", "destination") {
		l.readDestination(s, dn, served, owners)
	}
}

// serviceServed reports whether the destinations of the service are, and says so if not. A class in nobody's package is a slip: it hides
// nothing of what is inside unless another class is nearer.
func (l *loader) serviceServed(s *serviceDraft, n *node) bool {
	name := lastName(s.class)
	adobe := name == s.class || strings.HasPrefix(s.class, "flex.")
	if s.class == "" || adobe && name == messageService {
		return true
	}
	at := n.sub("class")
	if instead, known := otherServices[name]; known && adobe {
		l.rep.warnf(at, "service %s has no meaning outside Java; %s", name, instead)
		return false
	}
	near := suggest(name, append(sortedKeys(otherServices), messageService))
	if near != "" || adobe {
		l.rep.add(at, Problem{Setting: "class", Severity: Error, Message: "no such service class", Found: s.class, Expected: messageService, Suggestion: near})
		return near == "" || near == messageService
	}
	l.rep.add(at, Problem{Setting: "class", Severity: Warning, Message: "a service of one's own has no meaning outside Java; its destinations are not served", Found: s.class})
	return false
}

func (l *loader) readAdapter(s *serviceDraft, n *node, served bool, r regime) {
	a := &adapterDraft{}
	apply(a, l.collect(n, l.schema.scopes[ScopeAdapter], l.document))
	if s.adapters[a.id] != nil {
		l.rep.errorf(n.at, "an adapter with this id exists already")
		return
	}
	if a.isDefault && s.byDefault != nil {
		l.rep.errorf(n.at, "adapter %s is the default already", s.byDefault.id)
	} else if a.isDefault {
		s.byDefault = a
	}
	s.adapters[a.id] = a
	if !served {
		return
	}
	if lastName(a.class) != "ActionScriptAdapter" && a.class != "" {
		l.rep.warnf(n.sub("class"), "adapter %s has no meaning outside Java; its destinations deliver to the subscribers of this server", lastName(a.class))
		r.javaOnly = true
	}
	a.properties = l.destinationProperties(n, r)
}

// destinationProperties reads the properties of a service or adapter, which its destinations inherit.
func (l *loader) destinationProperties(n *node, r regime) []assignment {
	p := n.child("properties")
	if p == nil {
		return nil
	}
	return l.collect(p, l.schema.scopes[ScopeDestination].kids["properties"], r)
}

func (l *loader) readDestination(s *serviceDraft, n *node, served bool, owners map[string]string) {
	d := &destinationDraft{at: n.at}
	l.defaults(d, ScopeDestination, l.document.foreign)
	el := l.schema.scopes[ScopeDestination]
	if !served {
		el = l.schema.unserved
	}
	own := l.collect(n, el, l.destinationRegime(s, n))
	d.adapter = ref{}
	apply(d, own)
	apply(d, l.merged(s, d, own))
	if owner, taken := owners[d.ID]; taken && d.ID != "" {
		l.rep.errorf(n.at, "a destination with this id exists already, in service %s", owner)
	}
	owners[d.ID] = s.id
	if !l.finishDestination(s, d) {
		return
	}
	if !served {
		l.rep.Ignored = append(l.rep.Ignored, Entry{n.at.file, n.at.line, n.at.path(), "destination", d.ID, "its service is not served"})
		return
	}
	l.checkThrottles(d)
	l.cfg.Destinations = append(l.cfg.Destinations, d.DestinationDefinition)
}

// destinationRegime lets a destination with a Java adapter have settings that only the adapter knows.
func (l *loader) destinationRegime(s *serviceDraft, n *node) regime {
	r := l.document
	a := s.byDefault
	if id, ok := n.attr("adapter"); ok {
		a = s.adapters[id]
	} else if k := n.child("adapter"); k != nil {
		id, _ := k.value("ref")
		a = s.adapters[id]
	}
	r.javaOnly = a != nil && a.class != "" && lastName(a.class) != "ActionScriptAdapter"
	return r
}

// merged are the properties in their order: service, adapter, destination. The later ones win.
func (l *loader) merged(s *serviceDraft, d *destinationDraft, own []assignment) []assignment {
	a := s.byDefault
	if d.adapter.id != "" {
		if a = s.adapters[d.adapter.id]; a == nil {
			l.unknownRef(d.adapter, "adapter of this service", sortedKeys(s.adapters))
		}
	}
	out := slices.Clone(s.properties)
	if a != nil {
		out = append(out, a.properties...)
	}
	for _, x := range own {
		if strings.HasPrefix(x.setting.In, "properties") {
			out = append(out, x)
		}
	}
	return out
}

// channelList is what a list of references to channels comes to.
type channelList struct {
	ids       []string
	elsewhere bool // all of them are served by other servers
}

func (l *loader) channelList(refs []ref) *channelList {
	out, elsewhere := &channelList{}, 0
	for _, r := range refs {
		switch c := l.byID[r.id]; {
		case c == nil: // told already
		case c.remote:
			elsewhere++
		case !slices.Contains(out.ids, r.id):
			out.ids = append(out.ids, r.id)
		}
	}
	out.ids, out.elsewhere = slices.Clip(out.ids), elsewhere > 0 && elsewhere == len(refs)
	return out
}

// inherits is the list of a service's destinations that have none; they share it.
func (l *loader) inherits(s *serviceDraft) *channelList {
	if s.inherited == nil {
		refs := s.defaults
		if len(refs) == 0 {
			refs = l.services.defaults
		}
		s.inherited = l.channelList(refs)
	}
	return s.inherited
}

// finishDestination resolves what stands in other sections; false when no channel of the destination is served here.
func (l *loader) finishDestination(s *serviceDraft, d *destinationDraft) bool {
	if strings.Contains(d.SubtopicSeparator, "*") {
		l.rep.add(d.separatorAt, Problem{Setting: "subtopic-separator", Severity: Error, Message: "a wildcard separates nothing", Found: d.SubtopicSeparator, Expected: "text without *"})
	}
	list := l.inherits(s)
	if len(d.channels) > 0 {
		for _, r := range d.channels {
			l.channelRef(r)
		}
		list = l.channelList(d.channels)
	}
	d.Channels = list.ids
	d.Constraint = l.constraint(&d.constraint)
	if d.Constraint == "" {
		d.Constraint = s.constraint.id
	}
	d.SendConstraint = l.constraintRef(d.send)
	d.SubscribeConstraint = l.constraintRef(d.subscribe)
	if list.elsewhere {
		// An empty list would mean every channel, which the file does not say.
		l.rep.warnf(d.at, "the destination is not served: none of its channels is started here")
		return false
	}
	return true
}

// channelRef tells of a reference to no channel.
func (l *loader) channelRef(r ref) *channelDraft {
	c := l.byID[r.id]
	if c == nil && r.id != "" && len(l.rep.Problems) <= maxProblems {
		l.unknownRef(r, "channel", sortedKeys(l.byID))
	}
	return c
}

// checkThrottles makes the checks of BlazeDS on the frequencies, although no policy is served: the file is wrong either way.
func (l *loader) checkThrottles(d *destinationDraft) {
	for _, t := range []throttleDraft{d.inbound, d.outbound} {
		all, _ := strconv.Atoi(t.max.id)
		one, _ := strconv.Atoi(t.maxClient.id)
		if all > 0 && one > all {
			l.rep.errorf(t.maxClient.at, "%s", fmt.Sprintf("max-client-frequency (%d) is more than the destination's max-frequency (%d)", one, all))
		}
	}
}
