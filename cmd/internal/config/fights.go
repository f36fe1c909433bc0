package config

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"sluice/channel"
)

// checkTogether looks for settings that are right by themselves and fight each other.
func (l *loader) checkTogether() {
	for _, c := range l.channels {
		if c.remote || c.Kind == "" {
			continue
		}
		l.checkPolls(c)
		l.checkTimes(c)
		l.checkLife(c)
		l.checkListeners(c)
		if m := l.cfg.FlexClient.MaxWaitingBytes; c.MaxMessageSize > m {
			l.rep.warnf(c.where("max-message-size-bytes"), "a message of max-message-size-bytes (%d) is more than max-waiting-bytes of flex-client (%d): it would make every subscriber a slow one", c.MaxMessageSize, m)
		}
	}
	l.checkSessions()
	l.checkServers()
	l.checkDrain()
	l.checkLogin()
}

// checkPolls looks at long polling, which needs two settings in BlazeDS and is silently off with one.
func (l *loader) checkPolls(c *channelDraft) {
	if c.Kind != channel.LongPoll {
		return
	}
	switch {
	case c.MaxWaitingPollRequests > 0 && c.WaitInterval == 0:
		l.rep.warnf(c.where("max-waiting-poll-requests"), "max-waiting-poll-requests (%d) has no effect with wait-interval-millis 0: no poll is parked", c.MaxWaitingPollRequests)
	case c.MaxWaitingPollRequests == 0 && c.WaitInterval != 0:
		l.rep.warnf(c.where("wait-interval-millis"), "wait-interval-millis has no effect with max-waiting-poll-requests 0: no poll is parked")
	}
}

func (l *loader) checkTimes(c *channelDraft) {
	http := c.Kind != channel.WebSocket
	timeout := c.SessionTimeout
	if http && timeout > 0 {
		parked := c.Kind == channel.LongPoll && c.MaxWaitingPollRequests > 0
		switch {
		case parked && c.WaitInterval < 0:
			l.rep.warnf(c.where("wait-interval-millis"), "a poll that waits until something comes is cut by session-timeout-minutes (%s)", short(timeout))
		case parked && c.WaitInterval >= timeout:
			l.rep.warnf(c.where("wait-interval-millis"), "wait-interval-millis (%s) is not shorter than session-timeout-minutes (%s): sessions end while a poll is parked", short(c.WaitInterval), short(timeout))
		}
		if c.ClientHeartbeat >= timeout {
			l.rep.warnf(c.where("heartbeat-interval-millis"), "heartbeat-interval-millis (%s) is not shorter than session-timeout-minutes (%s): it does not keep a session alive", short(c.ClientHeartbeat), short(timeout))
		}
		if c.Kind == channel.LongPoll && c.PollingInterval >= timeout {
			l.rep.warnf(c.where("polling-interval-millis"), "polling-interval-millis (%s) is not shorter than session-timeout-minutes (%s): sessions end between two polls", short(c.PollingInterval), short(timeout))
		}
	}
	if c.Kind != channel.LongPoll && c.ServerHeartbeat == 0 {
		l.rep.noticef(c.where("server-to-client-heartbeat-millis"), "without a heartbeat of the server a client that vanished is found only at the next message")
	}
	if c.ConnectTimeout > 0 && c.RequestTimeout > 0 && c.RequestTimeout < c.ConnectTimeout {
		l.rep.warnf(c.where("request-timeout-seconds"), "request-timeout-seconds (%s) is shorter than connect-timeout-seconds (%s), which then never passes", short(c.RequestTimeout), short(c.ConnectTimeout))
	}
}

// checkListeners compares the endpoint's url with where it is served.
func (l *loader) checkListeners(c *channelDraft) {
	listeners := l.listeners(c.Server)
	if len(listeners) == 0 {
		if c.Server == "" {
			l.rep.errorf(c.at, "no public server is configured on which the channel could be served")
		}
		return
	}
	var tls, plain, proxied, port bool
	ports := make([]string, 0, len(listeners))
	for _, s := range listeners {
		tls, plain = tls || s.TLS(), plain || !s.TLS()
		proxied = proxied || len(s.TrustedProxies) > 0
		port = port || strconv.Itoa(s.Port) == c.port || s.Port == 0
		ports = append(ports, strconv.Itoa(s.Port))
		if at, ok := c.given["max-connections"]; ok && c.MaxConnections > s.MaxConnections {
			l.rep.warnf(at, "max-connections (%d) is more than server %s takes (%d)", c.MaxConnections, s.ID, s.MaxConnections)
		}
	}
	secure := c.scheme == "https" || c.scheme == "wss"
	switch {
	case secure && !tls && !proxied:
		l.rep.warnf(c.url.at, "the url is %s, but no listener of the channel speaks TLS: right only behind a proxy that does (see trusted-proxies)", c.scheme)
	case c.scheme != "" && !secure && !plain:
		l.rep.warnf(c.url.at, "the url is %s, but every listener of the channel speaks TLS", c.scheme)
	}
	if c.port != "" && !strings.HasPrefix(c.port, "{") && !port && !proxied {
		l.rep.noticef(c.url.at, "the url names port %s, but the channel is served on %s: right only if something in front forwards it", c.port, strings.Join(ports, ", "))
	}
}

// checkSessions compares what belongs to the session and not to the channel: a session has the values of the channel it was made on.
func (l *loader) checkSessions() {
	var first *channelDraft
	for _, c := range l.channels {
		if c.remote || c.Kind != channel.Streaming && c.Kind != channel.LongPoll {
			continue
		}
		if first == nil {
			first = c
			continue
		}
		if c.SessionTimeout != first.SessionTimeout {
			l.rep.warnf(c.where("session-timeout-minutes"), "session-timeout-minutes (%s) differs from that of channel %s (%s): a session has that of the channel it began on", short(c.SessionTimeout), first.ID, short(first.SessionTimeout))
		}
		if c.InvalidateSessionOnDisconnect != first.InvalidateSessionOnDisconnect {
			l.rep.warnf(c.where("invalidate-session-on-disconnect"), "invalidate-session-on-disconnect differs from that of channel %s: a session has that of the channel it began on", first.ID)
		}
	}
}

func (l *loader) checkServers() {
	for _, s := range l.servers {
		switch {
		case s.Role == RoleInternal && (s.BindAddress == "" || s.BindAddress == "*"):
			l.rep.warnf(s.at, "the internal server is open to every interface, without a login; give it a bind-address")
		case s.Role == RoleAPI && len(l.cfg.API.Keys) == 0:
			l.rep.warnf(s.at, "nobody can use the api server: there is no api/key")
		}
	}
}

// checkDrain compares what a shutdown is to do with the time it has: the server leaves a fifth of that for the last goodbyes.
func (l *loader) checkDrain() {
	timeout := time.Duration(0)
	for _, s := range l.servers {
		timeout = max(timeout, s.ShutdownTimeout)
	}
	for _, s := range l.servers {
		if s.DrainWindow > timeout*4/5 {
			l.rep.warnf(s.given["drain-window-millis"], "drain-window-millis (%s) is more than four fifths of shutdown-timeout-millis (%s): the turns are spread over those", short(s.DrainWindow), short(timeout))
		}
	}
}

// checkStore compares where sessions are to be kept with where they can be.
func (l *loader) checkStore(s *systemDraft) {
	switch dir := s.dataDirectory; {
	case l.cfg.Security.SessionStore == StoreFile && dir.id == "":
		l.rep.errorf(l.security.store, "sessions cannot be kept in a file: system has no data-directory")
	case l.cfg.Security.SessionStore == StoreMemory && dir.id != "":
		l.rep.noticef(dir.at, "nothing is kept in the data-directory: session-store is memory")
	}
}

// checkLogin looks for rights that nobody can have.
func (l *loader) checkLogin() {
	if l.cfg.Security.PasswordFile == "" && len(l.cfg.Constraints) > 0 {
		at := cmp.Or(l.root.child("security"), l.root).at
		l.rep.warnf(at, "nobody can log in, because there is no password-file: whatever has a security-constraint is closed")
	}
	if l.cfg.Security.SessionCookieSecure != SecureAlways {
		return
	}
	for _, s := range l.listeners("") {
		if !s.TLS() && len(s.TrustedProxies) == 0 {
			l.rep.warnf(l.root.child("security").at, "session-cookie-secure is true, but server %s speaks no TLS and trusts no proxy: browsers drop the cookie", s.ID)
		}
	}
}

// short prints a duration without its empty parts.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
