package server_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
	"sluice/flexsession"
)

// Whatever ends a session takes it out of the store; what never had a cookie is not in it.
func TestStoredHalfEnds(t *testing.T) {
	invalidate := func(o *server.Options) {
		people(t, "ann:members")(o)
		allow("*")(o)
		for i := range o.Channels {
			o.Channels[i].InvalidateSessionOnDisconnect = true
		}
	}
	onDirectory(t, invalidate, func(t *testing.T, l *directory) {
		l.Connect(channel.WebSocket)
		stranger := l.Connect(channel.LongPoll, "Origin", foreign)
		guest := l.Do("GET", "/streaming/chat", "")
		defer guest.Body.Close()
		if n := l.kept(); n != 0 {
			t.Errorf("%d sessions without a cookie are kept", n)
		}
		_, lines, _ := l.Post("/longpoll", login("ann", "secret", 1), append(stranger.Auth(), "Origin", foreign)...)
		if lines[0].Text("type") != "acknowledge" || l.kept() != 0 {
			t.Errorf("after a login from a page without cookies: %v, %d are kept", lines, l.kept())
		}
		for what, end := range map[string]func(c *endpointtest.Client, s flexsession.Session){
			"disconnect": func(c *endpointtest.Client, _ flexsession.Session) { c.Do("command", `"operation":"disconnect"`) },
			"administrator": func(_ *endpointtest.Client, s flexsession.Session) {
				s.Invalidate(flexsession.Because(message.CodeAdministrator))
			},
			"timeout": func(c *endpointtest.Client, _ flexsession.Session) { c.Vanish(); time.Sleep(16 * time.Minute) },
		} {
			c := l.Connect(channel.Streaming)
			synctest.Wait()
			var s flexsession.Session
			for _, one := range l.Server.Registry().Sessions() {
				if one.Kind() == channel.Streaming && len(one.Clients()) == 1 && one.Clients()[0].ID() == c.ID {
					s = one
				}
			}
			if s == nil || l.kept() != 1 {
				t.Fatalf("%s: the session is %v, and %d are kept", what, s, l.kept())
			}
			end(c, s)
			if n := l.kept(); n != 0 {
				t.Errorf("%s: %d are kept", what, n)
			}
		}
	})
}

// A logout takes the user and the attributes out of the store, over HTTP and over a WebSocket, which can set no cookie; it ends all tabs, and over HTTP the cookie gets a new value.
func TestLogoutIsStored(t *testing.T) {
	for _, kind := range endpointtest.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			onDirectory(t, people(t, "ann:members"), func(t *testing.T, l *directory) {
				one, cookie := l.logIn(channel.LongPoll)
				two := l.Connect(channel.Streaming, "Cookie", cookie)
				three := l.Connect(kind, "Cookie", cookie)
				for _, s := range l.Server.Registry().Sessions() {
					if err := s.SetAttribute("mine", "ann's"); err != nil {
						t.Fatal(err)
					}
				}
				next := cookie
				if kind == channel.WebSocket {
					if reply := three.Do("command", `"operation":"logout"`); reply.Text("type") != "acknowledge" {
						t.Fatal(reply)
					}
				} else {
					_, lines, h := l.Post("/"+string(kind), `{"type":"command","operation":"logout","seq":1}`, three.Auth()...)
					if lines[0].Text("type") != "acknowledge" || len(setCookies(h)) != 1 {
						t.Fatal(lines, h)
					}
					next = "SluiceSessionId=" + setCookies(h)[0].Value
				}
				for _, c := range []*endpointtest.Client{one, two, three} {
					c.WantEnd(message.CodeLogout)
				}
				l.crash()
				l.start(people(t, "ann:members"))
				l.wantWho(next, nil, true)
				if next != cookie {
					l.wantWho(cookie, nil, false)
				}
				again := l.Connect(channel.LongPoll, "Cookie", next)
				for _, s := range l.Server.Registry().Sessions() {
					if names := s.AttributeNames(); len(names) != 0 {
						t.Errorf("the next user finds %q", names)
					}
				}
				again.Vanish()
			})
		})
	}
}

// Where fewer sessions may be than there were, those that were active last stay.
func TestTooManyStoredSessions(t *testing.T) {
	onDirectory(t, nil, func(t *testing.T, l *directory) {
		var cookies []string
		for range 3 {
			_, _, h := l.Post("/longpoll", connectLine)
			cookies = append(cookies, "SluiceSessionId="+setCookies(h)[0].Value)
			time.Sleep(time.Minute)
		}
		l.who(cookies[0]) // is active again
		l.stop()
		l.start(func(o *server.Options) { o.FlexClient.MaxSessions = 2 })
		if n := l.kept(); n != 2 {
			t.Errorf("%d are kept", n)
		}
		l.wantWho(cookies[0], nil, true)
		l.wantWho(cookies[2], nil, true)
		if _, lines, _ := l.Post("/longpoll", connectLine, "Cookie", cookies[1]); lines[0].Code() != message.CodeLimitSessions {
			t.Errorf("the third one: %v", lines)
		}
	})
}

// A session whose channel is not there any more has the settings of the first that has such; where there is none, it ends.
func TestChannelOfAStoredSessionIsGone(t *testing.T) {
	only := func(kind channel.Kind, timeout time.Duration) func(*server.Options) {
		return func(o *server.Options) {
			var all []channel.ChannelDefinition
			for _, def := range o.Channels {
				if def.Kind == kind || def.Kind == channel.WebSocket {
					def.SessionTimeout = timeout
					all = append(all, def)
				}
			}
			o.Channels = all
		}
	}
	onDirectory(t, only(channel.Streaming, 15*time.Minute), func(t *testing.T, l *directory) {
		l.Post("/streaming", connectLine)
		l.stop()
		l.start(only(channel.LongPoll, time.Hour))
		time.Sleep(50 * time.Minute)
		if n := l.Server.Registry().Records(); n != 1 {
			t.Errorf("%d sessions live", n)
		}
		l.stop()
		l.start(only(channel.WebSocket, 0))
		if n := l.Server.Registry().Records() + l.kept(); n != 0 {
			t.Errorf("%d sessions live or are kept", n)
		}
	})
}

// While the store fails, clients work on without a cookie, attributes are refused, and no old cookie gets anybody's rights.
func TestStoreFails(t *testing.T) {
	onDirectory(t, people(t, "ann:members"), func(t *testing.T, l *directory) {
		c := l.Connect(channel.LongPoll)
		s := l.session()
		dropped := l.Connect(channel.Streaming)
		l.Server.Registry().Lookup(dropped.ID).Record().DropToken() // as where its new value could not be stored
		l.wantWho(dropped.Cookie, nil, false)
		l.store.Close()
		if err := s.SetAttribute("k", "v"); !errors.Is(err, flexsession.ErrAttributeUnkept) || len(s.AttributeNames()) != 0 {
			t.Errorf("an attribute: %v, and there are %q", err, s.AttributeNames())
		}
		_, lines, h := l.Post("/longpoll", login("ann", "secret", 1), append(c.Auth(), "Cookie", c.Cookie)...)
		if lines[0].Text("type") != "acknowledge" || h.Get("Set-Cookie") != "" {
			t.Errorf("a login: %v %v", lines, h)
		}
		l.wantWho(c.Cookie, nil, true) // none is set: not the old one is good, but no new one can be had
		if p := l.Server.Registry().Lookup(c.ID).Principal(); p == nil {
			t.Error("the client is not logged in")
		}
		_, lines, _ = l.Post("/longpoll", `{"type":"command","operation":"subscribe","destination":"members","seq":2}`, c.Auth()...)
		if lines[0].Text("type") != "acknowledge" {
			t.Errorf("it may not: %v", lines)
		}
	})
}

// Many browsers at a time come, log in, remember things and go, while the server goes down; what was acknowledged is there after the restart.
func TestSessionsConcurrently(t *testing.T) {
	onDirectory(t, people(t, "ann:members"), func(t *testing.T, l *directory) {
		var mu sync.Mutex
		acknowledged := map[string]int{} // by cookie
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				c, cookie := l.logIn(channel.LongPoll)
				client := l.Server.Registry().Lookup(c.ID)
				for n := range 10 {
					if err := client.Record().SetAttribute("n", n); err != nil {
						return
					}
					mu.Lock()
					acknowledged[cookie] = n
					mu.Unlock()
				}
			})
		}
		time.Sleep(time.Nanosecond) // behind what needs no time
		all.Wait()
		l.stop()
		l.start(people(t, "ann:members"))
		for cookie, n := range acknowledged {
			c := l.Connect(channel.Streaming, "Cookie", cookie)
			var got int
			record := l.Server.Registry().Lookup(c.ID).Record()
			if ok, err := record.Attribute("n", &got); !ok || err != nil || got != n || record.Principal() == nil {
				t.Errorf("there is %d, %v %v of %v, want %d", got, ok, err, record.Principal(), n)
			}
		}
		if len(acknowledged) != 20 {
			t.Errorf("%d browsers were served", len(acknowledged))
		}
	})
}
