package server_test

import (
	"fmt"
	"testing"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/server"
)

// What a client does to end, or its page.
func TestTableOfLeaving(t *testing.T) {
	invalidate := channels(func(c *channel.ChannelDefinition) { c.InvalidateSessionOnDisconnect = true })
	noGrace := channels(func(c *channel.ChannelDefinition) { c.ReloadGrace = 0 })
	detached := func(after time.Duration) (websocket, http fate) {
		http = fate{told: end{message.CodeClientDetached, 0}, client: dies(message.CodeClientDetached, after)}
		websocket = http
		websocket.session = end{message.CodeClientDetached, 0}
		return websocket, http
	}
	graceSocket, grace := detached(3 * time.Second)
	noGraceSocket, noGraceHTTP := detached(0)
	left := fate{told: end{message.CodeClientDisconnect, 0}, client: dies(message.CodeClientDisconnect, 0)}
	leftSocket := left
	leftSocket.session = end{message.CodeClientDisconnect, 0}
	leftAll := left
	leftAll.session, leftAll.tab = end{message.CodeSessionInvalidated, 0}, end{message.CodeSessionInvalidated, 0}
	walk(t, []row{
		{name: "disconnect", do: (*scene).disconnect, websocket: leftSocket, streaming: left, longpoll: left},
		{name: "disconnect invalidates the session", set: invalidate, do: (*scene).disconnect, websocket: leftSocket, streaming: leftAll, longpoll: leftAll},
		{name: "the page is left", do: (*scene).leave, websocket: graceSocket, streaming: grace, longpoll: grace},
		{name: "the page is left, without grace", set: noGrace, do: (*scene).leave, websocket: noGraceSocket, streaming: noGraceHTTP, longpoll: noGraceHTTP},
		{name: "the page is left and loaded again", do: func(s *scene) { s.leave(); time.Sleep(2 * time.Second); s.displace() },
			websocket: fate{session: end{message.CodeClientDetached, 0}, told: end{message.CodeClientDetached, 0}},
			streaming: fate{told: end{message.CodeClientDetached, 0}},
			longpoll:  fate{told: end{message.CodeClientDetached, 0}}},
		{name: "its subscription is sent nothing", set: func(o *server.Options) { o.Destinations[0].SubscriptionTimeout = 90 * time.Second }, do: func(*scene) {},
			websocket: fate{sub: end{message.CodeSubscriptionTimeout, 90 * time.Second}},
			streaming: fate{sub: end{message.CodeSubscriptionTimeout, 90 * time.Second}},
			longpoll:  fate{sub: end{message.CodeSubscriptionTimeout, 90 * time.Second}}},
	})
}

// sessionTimeout makes all sessions time out after d, and polls wait for ever: a poll that comes again and again is activity.
func sessionTimeout(d time.Duration) func(*server.Options) {
	return channels(func(c *channel.ChannelDefinition) { c.SessionTimeout, c.WaitInterval = d, -1 })
}

// What ends sessions for want of activity. A WebSocket's has no such end, but the record of the cookie that it came with does; a client that may outlive its sessions needs none on a WebSocket.
func TestTableOfSessionTimeouts(t *testing.T) {
	const quarter, timeout = 15 * time.Minute, 5 * time.Minute
	over := end{message.CodeSessionTimeout, quarter}
	all := fate{session: over, told: over, client: dies(over.code, quarter), tab: over}
	soon := end{message.CodeSessionTimeout, 30 * time.Second}
	half := fate{session: soon, told: soon, client: dies(soon.code, soon.after), tab: soon}
	outlives := func(f fate, after time.Duration) fate {
		f.client[2] = end{message.CodeClientTimeout, after + timeout}
		return f
	}
	nobody := fate{session: over, client: [3]end{over, {message.CodeClientVanished, 15 * time.Second}, {message.CodeClientTimeout, quarter + timeout}}, gone: true}
	walk(t, []row{
		{name: "nobody says anything", in: regimes[:2], set: sessionTimeout(quarter), do: still, watch: 25 * time.Minute, websocket: all, streaming: all, longpoll: all},
		{name: "nobody says anything", in: regimes[2:], set: sessionTimeout(quarter), do: still, watch: 25 * time.Minute,
			websocket: fate{}, streaming: outlives(all, quarter), longpoll: outlives(all, quarter)},
		{name: "nobody says anything for half a minute", in: regimes[:2], set: sessionTimeout(30 * time.Second), do: still, websocket: half, streaming: half, longpoll: half},
		{name: "nobody says anything for half a minute", in: regimes[2:], set: sessionTimeout(30 * time.Second), do: still,
			websocket: fate{}, streaming: outlives(half, soon.after), longpoll: outlives(half, soon.after)},
		{name: "nobody says anything, and sessions never time out", set: sessionTimeout(0), do: still, watch: 2 * time.Hour},
		{name: "nobody is there", do: func(s *scene) { still(s); s.tab.Vanish(); s.vanish() }, watch: 25 * time.Minute,
			websocket: fate{session: end{message.CodeConnectionLost, 0}, client: lost(message.CodeConnectionLost, 0), gone: true},
			streaming: nobody, longpoll: nobody},
	})
}

// What others do to end it.
func TestTableOfOthers(t *testing.T) {
	gone := func(code message.Code, after time.Duration) fate {
		return fate{told: end{code, after}, client: dies(code, after)}
	}
	withSession := func(f fate) fate { f.session = f.told; return f }
	withTab := func(f fate) fate { f.tab = f.told; return f }
	admin, logout, shutdown := gone(message.CodeAdministrator, 0), gone(message.CodeLogout, 0), withTab(withSession(gone(message.CodeServerShutdown, 0)))
	expired := gone(message.CodeTokenExpired, 2*time.Minute)
	disconnect := func(whom string) func(*scene) {
		return func(s *scene) {
			answer := s.api("/disconnect", fmt.Sprintf(`{%q:%q}`, whom, map[string]string{"session": s.session, "client": s.c.ID, "user": "ann"}[whom]))
			if s.incident = fmt.Sprint(answer["incident"]); s.incident == "" {
				s.t.Errorf("the API answered %v", answer)
			}
		}
	}
	walk(t, []row{
		{name: "an administrator ends the session", do: disconnect("session"), websocket: withSession(admin), streaming: withTab(withSession(admin)), longpoll: withTab(withSession(admin))},
		{name: "an administrator ends the client", do: disconnect("client"), websocket: withSession(admin), streaming: admin, longpoll: admin},
		{name: "an administrator ends the user", users: true, do: disconnect("user"), websocket: withTab(withSession(admin)), streaming: withTab(withSession(admin)), longpoll: withTab(withSession(admin))},
		{name: "the cookie's user logs out", users: true, do: func(s *scene) { s.request(`"operation":"logout"`) },
			websocket: withTab(withSession(logout)), streaming: withTab(logout), longpoll: withTab(logout)},
		{name: "its own user logs out", set: users(t), do: func(s *scene) {
			s.request(loginFields("bob", "secret"))
			s.request(`"operation":"logout"`)
		},
			websocket: withSession(logout), streaming: logout, longpoll: logout},
		{name: "the cookie's login is over", do: (*scene).expire, websocket: withTab(withSession(expired)), streaming: withTab(withSession(expired)), longpoll: withTab(withSession(expired))},
		{name: "its own login is over", do: func(s *scene) { s.loggedIn(false) }, websocket: withSession(expired), streaming: expired, longpoll: expired},
		{name: "the server shuts down", do: (*scene).shutDown, websocket: shutdown, streaming: shutdown, longpoll: shutdown},
	})
}

// request sends a request that must be acknowledged.
func (s *scene) request(fields string) {
	s.t.Helper()
	if reply := s.c.Do("command", fields); reply.Text("type") != "acknowledge" {
		s.t.Errorf("%s: %v", fields, reply)
	}
}

func (s *scene) disconnect() { s.request(`"operation":"disconnect"`) }

// leave is what a page sends when it is left.
func (s *scene) leave() { s.c.Send(`{"type":"control","operation":"detach"}`) }

// still: all of the browser's tabs stay, and send nothing any more.
func still(s *scene) {
	s.silence()
	quietly(s)
}

// loggedIn makes ann the client's user for two minutes, and the record's as well.
func (s *scene) loggedIn(record bool) {
	ann := &channel.Principal{Name: "ann", Expires: time.Now().Add(2 * time.Minute)}
	if err := s.Server.Registry().Lookup(s.c.ID).Login(ann, record); err != nil {
		s.t.Error(err)
	}
}

func (s *scene) expire() { s.loggedIn(true) }
