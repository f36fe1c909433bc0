package server

import (
	"cmp"
	"fmt"
	"net"
	"reflect"
	"strings"
	"time"

	"sluice/channel"
)

// setting is one row of the tables of what a reload looks at: a setting of services-config.xml, and the field of the options that holds it.
type setting struct {
	field string
	path  string // below the element; its last part is the name
	when  when
	part  func(any) any // what of the field it is; nil: all of it
}

// when a setting that has changed holds.
type when bool

const (
	atOnce  when = false
	atStart when = true // from the next start on
)

// The tables have each field of the options: a test looks.
var (
	listenerSettings = []setting{
		{"Role", "properties/role", atStart, nil},
		{"Addr", "properties/bind-address", atStart, func(v any) any { host, _, _ := net.SplitHostPort(v.(string)); return host }},
		{"Addr", "properties/port", atStart, func(v any) any { _, port, _ := net.SplitHostPort(v.(string)); return port }},
		{"CertificateFile", "properties/certificate-file", atOnce, nil}, // but not whether there is TLS
		{"PrivateKeyFile", "properties/private-key-file", atOnce, nil},
		{"TrustedProxies", "properties/trusted-proxies", atOnce, nil},
		{"ProxyProtocol", "properties/proxy-protocol", atStart, nil},
		{"MaxConnections", "properties/max-connections", atOnce, nil},
		{"MaxNewSessions", "properties/max-new-sessions-per-minute-per-address", atOnce, nil},
		{"ReadHeaderTimeout", "properties/read-header-timeout-millis", atStart, nil},
		{"RequestBodyTimeout", "properties/request-body-timeout-millis", atOnce, nil},
		{"HandshakeTimeout", "properties/handshake-timeout-millis", atOnce, nil},
		{"IdleTimeout", "properties/connection-idle-timeout-minutes", atStart, nil}, // of the channels on it: at once
		{"KeepAlive", "properties/socket-keepalive-enabled", atOnce, keepAlive(func(k *channel.KeepAlive) any { return k.Enabled })},
		{"KeepAlive", "properties/socket-keepalive-idle-seconds", atOnce, keepAlive(func(k *channel.KeepAlive) any { return k.Idle })},
		{"KeepAlive", "properties/socket-keepalive-interval-seconds", atOnce, keepAlive(func(k *channel.KeepAlive) any { return k.Interval })},
		{"KeepAlive", "properties/socket-keepalive-count", atOnce, keepAlive(func(k *channel.KeepAlive) any { return k.Count })},
	}

	channelSettings = []setting{
		{"Kind", "endpoint/class", atStart, nil},
		{"Secure", "endpoint/class", atStart, func(v any) any { return map[bool]string{true: "Secure", false: ""}[v.(bool)] }},
		{"URL", "endpoint/url", atStart, nil},
		{"Path", "endpoint/url", atStart, nil},
		{"Server", "server/ref", atStart, nil},
		{"Constraint", "security/security-constraint", atOnce, constraintName},
		{"ServerOnly", "server-only", atOnce, nil},
		{"AllowedOrigins", "properties/allowed-origins", atOnce, nil},
		{"SessionTimeout", "properties/session-timeout-minutes", atOnce, nil},
		{"InvalidateSessionOnDisconnect", "properties/invalidate-session-on-disconnect", atOnce, nil},
		{"ServerHeartbeat", "properties/server-to-client-heartbeat-millis", atOnce, nil},
		{"ClientHeartbeat", "properties/heartbeat-interval-millis", atOnce, nil},
		{"ReliableReconnectDuration", "properties/reliable-reconnect-duration-millis", atOnce, nil},
		{"DeadPeerTimeout", "properties/dead-peer-timeout-millis", atOnce, nil},
		{"ReloadGrace", "properties/reload-grace-millis", atOnce, nil},
		{"IdleTimeout", "properties/connection-idle-timeout-minutes", atOnce, nil},
		{"KeepAlive", "properties/socket-keepalive-enabled", atOnce, keepAlive(func(k *channel.KeepAlive) any { return k.Enabled })},
		{"KeepAlive", "properties/socket-keepalive-idle-seconds", atOnce, keepAlive(func(k *channel.KeepAlive) any { return k.Idle })},
		{"KeepAlive", "properties/socket-keepalive-interval-seconds", atOnce, keepAlive(func(k *channel.KeepAlive) any { return k.Interval })},
		{"KeepAlive", "properties/socket-keepalive-count", atOnce, keepAlive(func(k *channel.KeepAlive) any { return k.Count })},
		{"InvalidateSubscriptionsOnStreamClose", "properties/invalidate-messageclient-on-streaming-close", atOnce, nil},
		{"LoginAfterDisconnect", "properties/login-after-disconnect", atOnce, nil},
		{"MaxStreamingClients", "properties/max-streaming-clients", atOnce, nil},
		{"WaitInterval", "properties/wait-interval-millis", atOnce, nil},
		{"MaxWaitingPollRequests", "properties/max-waiting-poll-requests", atOnce, nil},
		{"ClientWaitInterval", "properties/client-wait-interval-millis", atOnce, nil},
		{"PollingInterval", "properties/polling-interval-millis", atOnce, nil},
		{"UserAgents", "properties/user-agent-settings", atOnce, nil},
		{"MaxConnections", "properties/max-connections", atOnce, nil},
		{"MaxMessageSize", "properties/max-message-size-bytes", atOnce, nil},
		{"MaxRequestSize", "properties/max-request-size-bytes", atOnce, nil},
		{"WriteTimeout", "properties/write-timeout-millis", atOnce, nil},
		{"ConnectTimeout", "properties/connect-timeout-seconds", atOnce, nil},
		{"RequestTimeout", "properties/request-timeout-seconds", atOnce, nil},
		{"Headers", "properties/http-response-headers", atOnce, nil},
		{"NoCacheHeaders", "properties/add-no-cache-headers", atOnce, nil},
	}

	destinationSettings = []setting{
		{"Channels", "channels", atOnce, nil},
		{"AllowSubtopics", "properties/server/allow-subtopics", atOnce, nil},
		{"SubtopicSeparator", "properties/server/subtopic-separator", atStart, func(v any) any { return cmp.Or(v.(string), ".") }},
		{"DisallowWildcardSubtopics", "properties/server/disallow-wildcard-subtopics", atOnce, nil},
		{"DisallowSelectors", "properties/server/allow-selectors", atOnce, func(v any) any { return !v.(bool) }}, // of subscriptions made from then on
		{"History", "properties/server/history/max-messages", atOnce, func(v any) any { return v.(channel.History).MaxMessages }},
		{"History", "properties/server/history/max-bytes", atOnce, func(v any) any { return v.(channel.History).MaxBytes }},
		{"History", "properties/server/history/time-minutes", atOnce, func(v any) any { return v.(channel.History).MaxAge }},
		{"LastValue", "properties/server/last-value", atOnce, nil},
		{"MaxLastValues", "properties/server/max-last-values", atOnce, func(v any) any { return cmp.Or(max(0, v.(int)), channel.DefaultMaxLastValues) }},
		{"Presence", "properties/server/presence", atOnce, nil},
		{"MaxPresenceMembers", "properties/server/max-presence-members", atOnce, func(v any) any { return cmp.Or(max(0, v.(int)), channel.DefaultMaxPresenceMembers) }},
		{"PresenceInterval", "properties/server/presence-interval-millis", atOnce, func(v any) any { return cmp.Or(max(0, v.(time.Duration)), channel.DefaultPresenceInterval) }},
		{"SubscriptionTimeout", "properties/network/subscription-timeout-minutes", atOnce, nil},
		{"MessageTimeToLive", "properties/server/message-time-to-live", atOnce, timeToLive}, // of messages published from then on
		{"MessagePriority", "properties/server/message-priority", atOnce, priority},         // likewise
		{"SlowConsumer", "properties/network/slow-consumer-policy", atOnce, func(v any) any { return cmp.Or(v.(channel.SlowPolicy), channel.SlowDisconnect) }},
		{"ConflateKey", "properties/network/conflate-key", atOnce, nil},
		{"MaxWaitingMessages", "properties/network/max-waiting-messages", atOnce, nil},
		{"MaxWaitingBytes", "properties/network/max-waiting-bytes", atOnce, nil},
		{"Inbound", "properties/network/throttle-inbound/policy", atOnce, throttle(policyOf)},
		{"Inbound", "properties/network/throttle-inbound/max-frequency", atOnce, throttle(func(t channel.Throttle) any { return t.MaxFrequency })},
		{"Inbound", "properties/network/throttle-inbound/max-client-frequency", atOnce, throttle(func(t channel.Throttle) any { return t.MaxClientFrequency })},
		{"Inbound", "properties/network/throttle-inbound/max-held-messages", atOnce, throttle(func(t channel.Throttle) any { return cmp.Or(t.MaxHeld, channel.DefaultMaxHeld) })},
		{"Outbound", "properties/network/throttle-outbound/policy", atOnce, throttle(policyOf)},
		{"Outbound", "properties/network/throttle-outbound/max-frequency", atOnce, throttle(func(t channel.Throttle) any { return t.MaxFrequency })},
		{"Outbound", "properties/network/throttle-outbound/max-client-frequency", atOnce, throttle(func(t channel.Throttle) any { return t.MaxClientFrequency })},
		{"Constraint", "security/security-constraint", atOnce, constraintName},
		{"SendConstraint", "properties/server/send-security-constraint", atOnce, constraintName},
		{"SubscribeConstraint", "properties/server/subscribe-security-constraint", atOnce, constraintName},
	}

	constraintSettings = []setting{
		{"Basic", "auth-method", atOnce, func(v any) any { return map[bool]string{true: "Basic", false: "Custom"}[v.(bool)] }},
		{"Roles", "roles", atOnce, nil},
	}

	// clientSettings hold for all clients.
	clientSettings = []setting{
		{"Window", "flex-client/max-unconfirmed-messages", atOnce, inWindow("Messages")},
		{"Window", "flex-client/max-unconfirmed-bytes", atOnce, inWindow("Bytes")},
		{"MaxWaitingMessages", "flex-client/max-waiting-messages", atOnce, nil},
		{"MaxWaitingBytes", "flex-client/max-waiting-bytes", atOnce, nil},
		{"MaxSubscriptions", "flex-client/max-subscriptions", atOnce, nil},
		{"MaxOpenRequests", "flex-client/max-open-requests", atOnce, nil},
		{"MaxKeptReplyBytes", "flex-client/max-kept-reply-bytes", atOnce, nil},
		{"MaxClients", "flex-client/max-clients", atOnce, nil},
		{"MaxClientsPerSession", "flex-client/max-clients-per-session", atOnce, nil},
		{"MaxSessions", "flex-client/max-sessions", atOnce, nil},
		{"ClientTimeout", "flex-client/timeout-minutes", atOnce, nil},
		{"MaxAttributes", "flex-client/max-attributes", atOnce, nil},
		{"MaxAttributeBytes", "flex-client/max-attribute-bytes", atOnce, nil},
		{"RememberEnds", "flex-client/max-remembered-ends", atOnce, nil},
	}

	// serverSettings are those of the whole server. What lives is touched by none of them.
	serverSettings = []setting{
		{"DefaultChannels", "services/default-channels", atOnce, nil},
		{"ConfirmInterval", "flex-client/confirm-interval-millis", atOnce, nil},
		{"CookieName", "security/session-cookie-name", atStart, nil},
		{"CookieSecure", "security/session-cookie-secure", atOnce, nil},
		{"MaxLoginFailures", "security/max-login-failures-per-minute", atOnce, nil},
		{"MaxTickets", "flex-client/max-tickets", atOnce, nil},
		{"DrainWindow", "servers/server/properties/drain-window-millis", atOnce, nil},
		{"MaxCounted", "security/max-counted-addresses", atOnce, nil},
		{"Failover", "flex-client/failover-diagnostics", atOnce, nil},
		{"RememberIDs", "api/max-remembered-message-ids", atStart, nil},
	}
)

// throttle is a part of a channel.Throttle.
func throttle(part func(channel.Throttle) any) func(any) any {
	return func(v any) any { return part(v.(channel.Throttle)) }
}

func policyOf(t channel.Throttle) any { return string(cmp.Or(t.Policy, channel.ThrottleNone)) }

// keepAlive is a part of a *channel.KeepAlive; nil where that is.
func keepAlive(part func(*channel.KeepAlive) any) func(any) any {
	return func(v any) any {
		if k := v.(*channel.KeepAlive); k != nil {
			return part(k)
		}
		return nil
	}
}

// timeToLive is as the file has it: 0 is never, and a negative one the publisher's.
func timeToLive(v any) any {
	switch d := v.(time.Duration); {
	case d == 0:
		return -1
	case d < 0:
		return 0
	default:
		return int(d.Milliseconds())
	}
}

func priority(v any) any {
	if p := v.(*int); p != nil {
		return *p
	}
	return -1
}

func inWindow(part string) func(any) any {
	return func(v any) any { return reflect.ValueOf(v).FieldByName(part).Interface() }
}

// constraintName is the id of a constraint.
func constraintName(v any) any {
	if id := v.(string); strings.HasPrefix(id, inPlace) {
		return placed(id)
	}
	return v
}

// placed is the id of a constraint that is written in place. It is not shown, but the roles are: inWords.
type placed string

// inPlace is how the ids begin of constraints that are written where they hold. No id in a file does.
const inPlace = " "

// of is the value of the setting in options, a pointer to a struct.
func (s *setting) of(options any) any {
	v := reflect.ValueOf(options).Elem().FieldByName(s.field).Interface()
	if s.part != nil {
		return s.part(v)
	}
	return v
}

// shown is a value as it is told: a time as a number in the unit that the setting's name ends with, a list as texts.
func (s *setting) shown(value any) any {
	if d, ok := value.(time.Duration); ok {
		return inUnit(s.path, d)
	}
	v := reflect.ValueOf(value)
	if v.Kind() != reflect.Slice {
		return value
	}
	texts := make([]string, 0, v.Len())
	for i := range v.Len() {
		switch e := v.Index(i).Interface().(type) {
		case channel.Header:
			texts = append(texts, e.Name+": "+e.Value)
		case channel.UserAgent:
			texts = append(texts, fmt.Sprintf("%s: kickstart-bytes %d, max-persistent-connections-per-session %d", e.MatchOn, e.KickstartBytes, e.MaxPersistentConnections))
		default:
			texts = append(texts, fmt.Sprint(e))
		}
	}
	return texts
}

func inUnit(name string, d time.Duration) any {
	switch {
	case strings.HasSuffix(name, "-minutes"):
		return d.Minutes()
	case strings.HasSuffix(name, "-seconds"):
		return d.Seconds()
	}
	return d.Milliseconds()
}

// compare tells which settings differ between two elements of the path, pointers to structs of one type. Those that hold from the next start only are kept in after as they are in before.
func (r *Reloaded) compare(path string, table []setting, before, after any, touches touch) {
	told := map[string]bool{}
	for i := range table {
		s := &table[i]
		old, now := s.of(before), s.of(after)
		if reflect.DeepEqual(old, now) || told[s.path] {
			continue
		}
		told[s.path] = true
		c := Change{Setting: strings.TrimPrefix(path+"/"+s.path, "/"), Old: s.shown(old), New: s.shown(now), touch: touches}
		if s.when == atStart {
			r.NeedsRestart = append(r.NeedsRestart, c)
		} else {
			r.Changed = append(r.Changed, c)
		}
	}
	for i := range table {
		if s := &table[i]; s.when == atStart {
			reflect.ValueOf(after).Elem().FieldByName(s.field).Set(reflect.ValueOf(before).Elem().FieldByName(s.field))
		}
	}
}

// element is the path of one of many elements.
func element(path, id string) string {
	if at, ok := strings.CutPrefix(id, inPlace); ok {
		return cmp.Or(at, path)
	}
	return fmt.Sprintf("%s[%s]", path, id)
}
