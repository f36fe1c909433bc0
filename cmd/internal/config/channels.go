package config

import (
	"fmt"
	"strings"
	"time"

	"sluice/channel"
)

// channelDraft is a channel on its way to Config.
type channelDraft struct {
	channel.ChannelDefinition
	at              pos
	given           map[string]pos
	class           class
	className       string
	url, server     ref
	scheme, port    string // of the endpoint's url
	constraint      constraintDraft
	remote          bool
	oldPolling      *time.Duration
	clientHeartbeat *time.Duration

	reconnect, deadPeer, reloadGrace, idleTimeout *time.Duration
}

func (c *channelDraft) note(name string, at pos) { c.given[name] = at }

// where is the place of a setting, or of the channel when the file does not give it.
func (c *channelDraft) where(setting string) pos {
	if at, ok := c.given[setting]; ok {
		return at
	}
	return c.at
}

// userAgent adds an entry, or changes the one for the same browser, as BlazeDS does with its table.
func (c *channelDraft) userAgent(v Value) {
	u := channel.UserAgent{}
	if c.class.foreign {
		u.MaxPersistentConnections = 5
	}
	given := u
	apply(&given, v.Items)
	for i := range c.UserAgents {
		if c.UserAgents[i].MatchOn == given.MatchOn {
			apply(&c.UserAgents[i], v.Items)
			return
		}
	}
	if len(c.UserAgents) < maxAgents {
		c.UserAgents = append(c.UserAgents, given)
	}
}

func (l *loader) readChannels() {
	l.byID = map[string]*channelDraft{}
	for _, n := range l.channelNodes {
		c := l.readChannel(n)
		if l.byID[c.ID] != nil {
			l.rep.errorf(n.at, "a channel with this id exists already")
			continue
		}
		if c.ID != "" {
			l.byID[c.ID] = c
		}
		l.channels = append(l.channels, c)
		if !c.remote {
			l.cfg.Channels = append(l.cfg.Channels, c.ChannelDefinition)
		}
	}
	l.checkPaths()
}

func (l *loader) readChannel(n *node) *channelDraft {
	name := endpointClass(n)
	cl, known := findClass(name)
	c := &channelDraft{at: n.at, class: cl, given: map[string]pos{}}
	c.Kind, c.Secure = cl.kind, strings.HasPrefix(cl.name, "Secure")
	r := regime{foreign: isForeign(n), kind: cl.kind}
	if cl.foreign && cl.kind != channel.WebSocket {
		c.UserAgents = builtInUserAgents()
	}
	l.defaults(c, ScopeChannel, r.foreign)
	apply(c, l.collect(n, l.schema.scopes[ScopeChannel], r))
	at := n.sub("endpoint/class")
	if e := n.child("endpoint"); e != nil {
		at = e.sub("class")
	}
	switch {
	case c.remote:
		l.rep.warnf(c.where("remote"), "the endpoint is another server's and not started here; destinations cannot use it")
	case !known && name != "":
		l.rep.add(at, Problem{Setting: "class", Severity: Error, Message: "no endpoint class that could be served", Found: name,
			Expected: "WebSocketEndpoint, StreamingEndpoint, LongPollEndpoint or one of BlazeDS", Suggestion: suggest(lastName(name), sortedKeys(classes))})
	case known && cl.kind == "":
		c.remote = true
		l.rep.warnf(at, "an endpoint for other servers over raw sockets is not started here; services use /api/v1")
	case cl.foreign:
		l.rep.noticef(at, "%s is served by %s, with messages in JSON", cl.name, cl.endpoint)
	}
	if _, ok := n.value("class"); ok && c.ServerOnly {
		l.rep.errorf(n.at, "class and server-only exclude each other: one says what browsers use, the other that they do not")
	}
	l.finishChannel(c)
	return c
}

// finishChannel resolves what stands in other sections.
func (l *loader) finishChannel(c *channelDraft) {
	l.finishURL(c)
	c.Constraint = l.constraint(&c.constraint)
	c.Server = c.server.id
	if c.Server != "" && len(l.listeners(c.Server)) == 0 {
		var ids []string
		for _, s := range l.listeners("") {
			ids = append(ids, s.ID)
		}
		l.unknownRef(c.server, "public server", ids)
	}
	if c.oldPolling != nil {
		c.PollingInterval = *c.oldPolling
	}
	if c.ClientWaitInterval == 0 {
		c.ClientWaitInterval = c.PollingInterval
	}
	c.ClientHeartbeat = l.flexClient.HeartbeatInterval
	if c.clientHeartbeat != nil {
		c.ClientHeartbeat = *c.clientHeartbeat
	}
	l.finishLife(c)
	if _, own := c.given["session-timeout-minutes"]; !own {
		for _, s := range l.listeners(c.Server) {
			if s.sessionTimeout != nil {
				c.SessionTimeout = *s.sessionTimeout
				break
			}
		}
	}
	if c.MaxMessageSize > c.MaxRequestSize {
		l.rep.errorf(c.where("max-message-size-bytes"), "max-message-size-bytes (%d) is more than max-request-size-bytes (%d), in which a message must fit", c.MaxMessageSize, c.MaxRequestSize)
	}
}

// finishURL makes Path and URL of endpoint/@url.
func (l *loader) finishURL(c *channelDraft) {
	u, ok := splitURL(c.url.id)
	if !ok {
		return // told already
	}
	c.scheme, c.port = u.scheme, u.port
	c.Path = cleanPath(u.path)
	if c.Path == "" && c.class.rtmp {
		c.Path = "/" + c.ID
	}
	if c.Path == "" && !c.remote {
		l.rep.add(c.url.at, Problem{Setting: "url", Severity: Error, Message: "the url has no path; the endpoint could not be told from others", Found: c.url.id})
	}
	c.URL = c.Path
	if u.scheme != "" {
		c.URL = c.url.id[:strings.Index(c.url.id, "://")+3] + strings.TrimSuffix(c.url.id[strings.Index(c.url.id, "://")+3:], u.path) + c.Path
	}
	if c.class.rtmp {
		scheme := "ws"
		if c.scheme == "rtmps" {
			scheme = "wss"
		}
		c.URL = scheme + "://{server.name}:{server.port}" + c.Path
		l.rep.noticef(c.url.at, "an RTMP channel is a WebSocket channel here, at %s", c.URL)
		c.scheme, c.port = scheme, ""
		return
	}
	l.checkScheme(c)
}

// checkScheme lets a URL have the schemes that its endpoint can be reached by. An insecure class with https is the recipe of BlazeDS
// for a proxy that ends TLS.
func (l *loader) checkScheme(c *channelDraft) {
	allowed := []string{"http", "https"}
	switch {
	case c.scheme == "" || c.Kind == "" || c.remote:
		return
	case c.class.secure:
		allowed = []string{"https"}
	case c.Kind == channel.WebSocket:
		allowed = []string{"ws", "wss", "http", "https"}
	}
	for _, s := range allowed {
		if s == c.scheme {
			return
		}
	}
	l.rep.add(c.url.at, Problem{Setting: "url", Severity: Error, Message: fmt.Sprintf("the scheme does not suit %s", c.class.name), Found: c.scheme, Expected: strings.Join(allowed, ", ")})
}

// cleanPath has one leading and no trailing slash; empty for the root.
func cleanPath(p string) string {
	parts := strings.FieldsFunc(p, func(r rune) bool { return r == '/' })
	if len(parts) == 0 {
		return ""
	}
	return "/" + strings.Join(parts, "/")
}

// checkPaths refuses two endpoints at one place. Paths are compared as requests will be: without case.
func (l *loader) checkPaths() {
	for i, c := range l.channels {
		for _, other := range l.channels[:i] {
			if c.Path != "" && strings.EqualFold(c.Path, other.Path) && !c.remote && !other.remote && (c.Server == "" || other.Server == "" || c.Server == other.Server) {
				l.rep.add(c.url.at, Problem{Setting: "url", Severity: Error, Message: fmt.Sprintf("channel %s has the same path", other.ID), Found: c.Path})
				break
			}
		}
	}
}

func lastName(class string) string { return class[strings.LastIndexByte(class, '.')+1:] }
