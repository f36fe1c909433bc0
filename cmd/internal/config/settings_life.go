package config

import (
	"time"

	"sluice/channel"
)

// The settings of how long a peer is believed to be there, and how long a client may be away. A flex-client's hold for all channels that have none of their own, a server's for the
// channels on it.

// lifeDraft is what flex-client says of them.
type lifeDraft struct{ reconnect, deadPeer, reloadGrace time.Duration }

func channelLifeSettings() []Setting {
	ch := on[channelDraft]
	own := func(s Setting, field func(c *channelDraft) **time.Duration) Setting {
		s.Default, s.Doc = "", s.Doc+" Absent: what flex-client says."
		s.set = ch(func(c *channelDraft, v Value) { d := v.Dur; *field(c) = &d })
		return s
	}
	rows := []Setting{
		own(reconnectSetting(), func(c *channelDraft) **time.Duration { return &c.reconnect }),
		own(deadPeerSetting(), func(c *channelDraft) **time.Duration { return &c.deadPeer }),
		own(reloadGraceSetting(), func(c *channelDraft) **time.Duration { return &c.reloadGrace }),
		{Name: "connection-idle-timeout-minutes", OldNames: idleOldNames, Kind: Minutes, Min: anyNegative, Zero: "never", Negative: "never", From: blazeDS, Example: "30",
			Doc: idleDoc + " Absent: what the server says.",
			set: ch(func(c *channelDraft, v Value) { d := max(0, v.Dur); c.idleTimeout = &d })},
		{Name: "invalidate-messageclient-on-streaming-close", Kind: Bool, Default: "false", Kinds: onStreaming, From: blazeDS,
			Doc: "The subscriptions of a client end when its stream does; its next attach tells it.",
			set: ch(func(c *channelDraft, v Value) { c.InvalidateSubscriptionsOnStreamClose = v.Bool })},
		{Name: "login-after-disconnect", Kind: Bool, Default: "true", ForeignDefault: "false", From: blazeDS,
			Doc: "A client that connects anew after a lost connection logs in again by itself, with the credentials it was given.",
			set: ch(func(c *channelDraft, v Value) { c.LoginAfterDisconnect = v.Bool })},
	}
	return within(ScopeChannel, "properties", append(rows, keepAliveSettings(func(target any) *channel.KeepAlive {
		c := target.(*channelDraft)
		if c.KeepAlive == nil {
			c.KeepAlive = &channel.KeepAlive{Enabled: true}
		}
		return c.KeepAlive
	}, "", " Absent: what the server says.")...)...)
}

func flexClientLifeSettings() []Setting {
	fc := on[flexClientDraft]
	with := func(s Setting, set func(*flexClientDraft, Value)) Setting { s.set = fc(set); return s }
	return within(ScopeFlexClient, "",
		Setting{Name: "timeout-minutes", Kind: Minutes, Default: "0", Zero: "a client ends with its last session", Strict: true, From: blazeDS,
			Doc: "How long a client outlives its last session, so that it may come back and go on.",
			set: fc(func(f *flexClientDraft, v Value) { f.Timeout = v.Dur })},
		with(reconnectSetting(), func(f *flexClientDraft, v Value) { f.life.reconnect = v.Dur }),
		with(deadPeerSetting(), func(f *flexClientDraft, v Value) { f.life.deadPeer = v.Dur }),
		with(reloadGraceSetting(), func(f *flexClientDraft, v Value) { f.life.reloadGrace = v.Dur }),
	)
}

func serverLifeSettings() []Setting {
	rows := []Setting{
		{Name: "connection-idle-timeout-minutes", OldNames: idleOldNames, Kind: Minutes, Min: anyNegative, Default: "0", Zero: "never", Negative: "never", From: lcds,
			Doc: idleDoc + " An HTTP connection may wait as long for its next request, and 2 minutes at most.",
			set: on(func(s *serverDraft, v Value) { s.IdleTimeout = max(0, v.Dur) })},
	}
	return append(rows, keepAliveSettings(func(target any) *channel.KeepAlive { return &target.(*serverDraft).KeepAlive }, "true", "")...)
}

func reconnectSetting() Setting {
	return Setting{Name: "reliable-reconnect-duration-millis", Kind: Millis, Default: "0", Zero: "a client ends with its WebSocket, and over HTTP with its session, as in LCDS", From: lcds, Since: "LCDS 3.1",
		Example: "15000", Doc: "How long a client that lost its connection may come back, on any channel, and go on without loss; then it ends."}
}

func deadPeerSetting() Setting {
	return Setting{Name: "dead-peer-timeout-millis", Kind: Millis, Min: anyNegative, Default: "20000", Zero: "off", Negative: "off", From: sluice, Example: "8000",
		Doc: "How long a peer may leave bytes (TCP_USER_TIMEOUT), pings and the heartbeats it promised unanswered until its connection is closed."}
}

func reloadGraceSetting() Setting {
	return Setting{Name: "reload-grace-millis", Kind: Millis, Default: "3000", Zero: "it ends at once", From: sluice, Example: "6000",
		Doc: "How long a client whose page was left may be resumed, by a reload or by the page's return from the browser's memory; then it ends."}
}

var idleOldNames = []string{"idle-timeout-minutes", "connection-idle-timeout"}

const idleDoc = "Closes a connection over which neither messages nor client heartbeats have gone for so long; the server's own heartbeats do not count. A WebSocket's session ends with it, an HTTP session lives on."

// keepAliveSettings are socket-keepalive-enabled and its times, of a server or a channel.
func keepAliveSettings(of func(target any) *channel.KeepAlive, enabled, absent string) []Setting {
	const system = "the operating system's own"
	number := func(name, doc string, max float64, set func(k *channel.KeepAlive, n int)) Setting {
		return Setting{Name: name, Kind: Int, Max: max, Zero: system, From: sluice, Example: "7", Doc: doc + absent,
			set: func(target any, v Value) { set(of(target), v.Int) }}
	}
	return []Setting{
		{Name: "socket-keepalive-enabled", Kind: Bool, Default: enabled, From: lcds, Example: "false", Doc: "TCP keep-alive probes of silent connections: really on, and really off." + absent,
			set: func(target any, v Value) { of(target).Enabled = v.Bool }},
		number("socket-keepalive-idle-seconds", "Silence before the first probe.", 32767, func(k *channel.KeepAlive, n int) { k.Idle = time.Duration(n) * time.Second }),
		number("socket-keepalive-interval-seconds", "Time between probes.", 32767, func(k *channel.KeepAlive, n int) { k.Interval = time.Duration(n) * time.Second }),
		number("socket-keepalive-count", "Unanswered probes until the connection is dead.", 127, func(k *channel.KeepAlive, n int) { k.Count = n }),
	}
}

// finishLife gives a channel what flex-client and its server say where it says nothing itself.
func (l *loader) finishLife(c *channelDraft) {
	orElse := func(own *time.Duration, fallback time.Duration) time.Duration {
		if own != nil {
			return *own
		}
		return fallback
	}
	life := l.flexClient.life
	c.ReliableReconnectDuration = orElse(c.reconnect, life.reconnect)
	c.DeadPeerTimeout = max(0, orElse(c.deadPeer, life.deadPeer))
	c.ReloadGrace = orElse(c.reloadGrace, life.reloadGrace)
	for _, s := range l.listeners(c.Server) {
		c.IdleTimeout = s.IdleTimeout
		break
	}
	c.IdleTimeout = orElse(c.idleTimeout, c.IdleTimeout)
}
