package config

import (
	"strings"
	"time"
)

// serverDraft is a server on its way to Config.
type serverDraft struct {
	Server
	at                      pos
	given                   map[string]pos
	certificate, privateKey ref
	sessionTimeout          *time.Duration
}

func (s *serverDraft) note(name string, at pos) { s.given[name] = at }

// flexClientDraft is the flex-client section.
type flexClientDraft struct {
	FlexClient
	given map[string]pos
	life  lifeDraft
}

func (f *flexClientDraft) note(name string, at pos) { f.given[name] = at }

// apiDraft is the api section.
type apiDraft struct {
	API
	keys []apiKeyDraft
}

type apiKeyDraft struct {
	APIKey
	at pos
}

// loggingDraft is the logging section.
type loggingDraft struct {
	Logging
	level Level
}

func (l *loader) readServers() {
	for _, n := range bounded(l, l.items(l.root.child("servers"), "servers", "server"), maxServers, "servers") {
		class, _ := n.value("class")
		r := regime{foreign: class != "" && class != "Server"}
		s := &serverDraft{at: n.at, given: map[string]pos{}}
		l.defaults(s, ScopeServer, r.foreign)
		apply(s, l.collect(n, l.schema.scopes[ScopeServer], r))
		l.finishServer(s, n)
		l.servers = append(l.servers, s)
	}
	if len(l.servers) == 0 {
		l.defaultServers()
	}
	byID, byAddress := map[string]bool{}, map[string]bool{}
	for _, s := range l.servers {
		if byID[s.ID] && s.ID != "" {
			l.rep.errorf(s.at, "a server with this id exists already")
		}
		if byAddress[s.Address()] && s.Port != 0 {
			l.rep.errorf(s.at, "another server listens on %s already", s.Address())
		}
		byID[s.ID], byAddress[s.Address()] = true, true
		l.cfg.Servers = append(l.cfg.Servers, s.Server)
	}
}

// finishServer looks at what only makes sense together. A listener that was meant to be encrypted must never come up in the clear.
func (l *loader) finishServer(s *serverDraft, n *node) {
	cert, key := s.certificate, s.privateKey
	switch {
	case cert.id != "" && key.id != "":
		s.CertificateFile, s.PrivateKeyFile = l.file(cert), l.file(key)
	case cert.id != "":
		l.rep.errorf(cert.at, "certificate-file needs a private-key-file")
	case key.id != "":
		l.rep.errorf(key.at, "private-key-file needs a certificate-file")
	default:
		if k := n.child("properties"); k != nil {
			if _, ok := k.value("keystore-file"); ok {
				l.rep.errorf(k.sub("keystore-file"), "a Java keystore cannot be read, and the listener shall not come up without TLS; give certificate-file and private-key-file")
			}
		}
	}
	if s.ProxyProtocol && len(s.TrustedProxies) == 0 {
		l.rep.errorf(s.given["proxy-protocol"], "proxy-protocol needs trusted-proxies: nobody else's PROXY line is believed")
	}
}

// defaultServers stand in when the file configures none.
func (l *loader) defaultServers() {
	host, port, ok := splitListen(l.opt.Listen)
	if !ok {
		l.rep.add(l.root.at, Problem{Severity: Error, Message: "bad listen address", Found: l.opt.Listen, Expected: "host:port"})
	}
	internalHost, internalPort, _ := splitListen(DefaultInternal)
	for _, d := range []Server{{ID: "public", Role: RolePublic, BindAddress: host, Port: port}, {ID: "internal", Role: RoleInternal, BindAddress: internalHost, Port: internalPort}} {
		s := &serverDraft{at: l.root.at, given: map[string]pos{}}
		l.defaults(s, ScopeServer, false)
		s.ID, s.Role, s.BindAddress, s.Port = d.ID, d.Role, d.BindAddress, d.Port
		l.servers = append(l.servers, s)
	}
}

// listeners are the public servers on which a channel with that server/@ref is served.
func (l *loader) listeners(id string) []*serverDraft {
	var out []*serverDraft
	for _, s := range l.servers {
		if s.Role == RolePublic && (id == "" || s.ID == id) {
			out = append(out, s)
		}
	}
	return out
}

func (l *loader) readFlexClient() {
	l.flexClient = &flexClientDraft{given: map[string]pos{}}
	l.readSection(ScopeFlexClient, l.flexClient)
	l.cfg.FlexClient = l.flexClient.FlexClient
}

func (l *loader) readAPI() {
	a := &apiDraft{}
	l.readSection(ScopeAPI, a)
	l.cfg.API = a.API
	seen := map[string]bool{}
	for _, k := range a.keys {
		switch {
		case k.ID == "" || k.Value == "": // told already
		case seen[k.ID]:
			l.rep.errorf(k.at, "a key with this id exists already")
		case len(k.Value) < 16 || len(k.Value) > 512:
			l.rep.add(k.at, Problem{Setting: "value", Severity: Error, Message: "bad length of a key", Expected: "16 to 512 characters"})
		}
		seen[k.ID] = true
		l.cfg.API.Keys = append(l.cfg.API.Keys, k.APIKey)
	}
}

func (l *loader) readLogging() {
	g := &loggingDraft{}
	l.readSection(ScopeLogging, g)
	if len(g.Targets) == 0 {
		g.Targets = []LogTarget{{Format: "auto"}}
	}
	for i := range g.Targets {
		if g.Targets[i].Level == "" {
			g.Targets[i].Level = g.level
		}
	}
	l.cfg.Logging = g.Logging
}

// parseLevel reads a level by its first letter, as BlazeDS does; empty when there is none with that letter. Fatal is Error: the samples
// of BlazeDS have it, and there it falls back to Error.
func parseLevel(s string) Level {
	if s == "" {
		return ""
	}
	switch strings.ToLower(s[:1]) {
	case "n":
		return LevelNone
	case "e", "f":
		return LevelError
	case "w":
		return LevelWarn
	case "i":
		return LevelInfo
	case "d":
		return LevelDebug
	case "a":
		return LevelAll
	}
	return ""
}
