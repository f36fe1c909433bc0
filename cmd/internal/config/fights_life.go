package config

import "sluice/channel"

// checkLife compares the times by which connections and clients are given up.
func (l *loader) checkLife(c *channelDraft) {
	if idle := c.IdleTimeout; idle > 0 {
		switch {
		case c.ClientHeartbeat == 0:
			l.rep.noticef(c.where("connection-idle-timeout-minutes"), "without heartbeat-interval-millis a client that only listens is idle, and loses its connection, after %s without a message", short(idle))
		case c.ClientHeartbeat >= idle:
			l.rep.warnf(c.where("connection-idle-timeout-minutes"), "connection-idle-timeout-minutes (%s) is not longer than heartbeat-interval-millis (%s): clients that only listen lose their connection between two heartbeats", short(idle), short(c.ClientHeartbeat))
		}
	}
	if c.Kind == channel.WebSocket && c.ServerHeartbeat == 0 && c.DeadPeerTimeout > 0 {
		l.rep.noticef(c.where("dead-peer-timeout-millis"), "without server-to-client-heartbeat-millis nothing is asked, so no pong is missed: dead-peer-timeout-millis finds only bytes that are not acknowledged and heartbeats that were promised")
	}
	if c.Kind != channel.WebSocket && c.SessionTimeout > 0 && c.ReliableReconnectDuration >= c.SessionTimeout {
		l.rep.warnf(c.where("reliable-reconnect-duration-millis"), "reliable-reconnect-duration-millis (%s) is not shorter than session-timeout-minutes (%s): the session of a client that is away ends first, and the client with it", short(c.ReliableReconnectDuration), short(c.SessionTimeout))
	}
	if c.InvalidateSubscriptionsOnStreamClose && c.ReliableReconnectDuration > 0 {
		l.rep.warnf(c.where("invalidate-messageclient-on-streaming-close"), "a client that comes back within reliable-reconnect-duration-millis (%s) finds its subscriptions ended by invalidate-messageclient-on-streaming-close", short(c.ReliableReconnectDuration))
	}
}
