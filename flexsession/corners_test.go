package flexsession

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

// A client that has said something at the very moment at which it was found silent is watched on.
func TestSilentAtTheLastMoment(t *testing.T) {
	living(t, channel.ChannelDefinition{Kind: channel.WebSocket, DeadPeerTimeout: 20 * time.Second}, nil, func(t *testing.T, l *life) {
		tr := l.on()
		l.c.Attach(tr, 1, 0)
		l.c.Promise(time.Second)
		l.c.presence.clock.Stop() // as when it has just called
		l.c.Touch()
		l.c.fellSilent()
		time.Sleep(time.Minute)
		synctest.Wait()
		if cause := tr.cause(); cause == nil || cause.Code != message.CodeMissedHeartbeats {
			t.Errorf("its connection ended by %v", cause)
		}
		l.c.End(Because(message.CodeAdministrator))
	})
}

// So is one that was found to be away: it has the rest of its time, and its end says how it was lost.
func TestAwayAtTheLastMoment(t *testing.T) {
	living(t, channel.ChannelDefinition{Kind: channel.WebSocket, ReliableReconnectDuration: 15 * time.Second}, nil, func(t *testing.T, l *life) {
		tr := l.on()
		l.c.Attach(tr, 1, 0)
		l.c.Detach(tr, Cause{Code: message.CodeConnectionLost, Incident: "seven"})
		time.Sleep(10 * time.Second)
		l.c.Touch()
		time.Sleep(5 * time.Second)
		l.c.stayedAway()
		l.want(t, time.Minute, 25*time.Second, message.CodeClientVanished)
		if detail := l.c.Ended().Detail; !strings.Contains(detail, "connection-lost (incident seven)") {
			t.Errorf("its end says %q", detail)
		}
	})
}

// Sessions may end while a silent client's are ended.
func TestSilentWhileSessionsEnd(t *testing.T) {
	h := newHouse(t, nil)
	def := &channel.ChannelDefinition{ID: "test", Kind: channel.WebSocket, DeadPeerTimeout: time.Nanosecond}
	for range 500 {
		c, _, err := h.registry.NewClient(def, Peer{}, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		one := h.registry.NewWebSocketSession(def, Peer{}, deadSocket{}, nil)
		two := h.registry.NewWebSocketSession(def, Peer{}, deadSocket{}, nil)
		c.Use(one)
		c.Use(two)
		c.mu.Lock()
		c.presence.promise = time.Nanosecond
		c.mu.Unlock()
		time.Sleep(time.Nanosecond)
		var all sync.WaitGroup
		all.Go(c.fellSilent)
		all.Go(func() { one.Invalidate(Because(message.CodeConnectionLost)) })
		all.Wait()
		two.Invalidate(Because(message.CodeConnectionLost))
		c.End(Because(message.CodeAdministrator))
	}
}

// A session that ends in the middle of an attach does not hold the client for ever.
func TestAttachedOnAnEndedSession(t *testing.T) {
	living(t, channel.ChannelDefinition{Kind: channel.WebSocket, ReliableReconnectDuration: 15 * time.Second}, nil, func(t *testing.T, l *life) {
		s := l.registry.NewWebSocketSession(l.def, Peer{}, deadSocket{}, nil)
		s.Invalidate(Because(message.CodeAdministrator))
		tr := l.on()
		tr.session = s
		l.c.Attach(tr, 1, 0)
		l.c.Detach(tr, Because(message.CodeConnectionLost))
		l.want(t, time.Minute, 15*time.Second, message.CodeClientVanished)
	})
}

// Two requests of a client that came by a socket bring the cookie of the same record, and one of them logs in: neither waits for the other.
func TestLoginWhileARecordIsGiven(t *testing.T) {
	h := newHouse(t, nil)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 2000 {
				r := h.registry.NewGuestRecord(polling)
				c, _, err := h.registry.NewClient(polling, Peer{}, nil, false)
				if err != nil {
					t.Error(err)
					return
				}
				var two sync.WaitGroup
				two.Go(func() { c.SetRecord(r); c.Login(&channel.Principal{Name: "ann"}, true) })
				two.Go(func() { c.SetRecord(r); c.Login(&channel.Principal{Name: "ann"}, true) })
				two.Wait()
				c.End(Because(message.CodeClientDisconnect))
			}
		})
	}
	all.Wait()
	if n := h.registry.Records(); n != 0 {
		t.Errorf("%d records are left", n)
	}
}

// Who connects with the cookie while another tab logs out does not keep the user.
func TestConnectWhileLoggedOut(t *testing.T) {
	var connecting func()
	options := func(o *Options) {
		o.Listeners = []Listener{{ClientCreated: func(*FlexClient) { connecting() }}}
	}
	for name, again := range map[string]string{"nobody": "", "another": "bob", "the same": "ann"} {
		t.Run(name, func(t *testing.T) {
			connecting = func() {}
			bubble(t, options, func(t *testing.T, h *house) {
				r, _ := h.registry.NewRecord(polling)
				defer r.End(Because(message.CodeAdministrator))
				login := func(user string) {
					c, _, _ := h.registry.NewClient(polling, Peer{}, r, false)
					if err := c.Login(&channel.Principal{Name: user}, true); err != nil {
						t.Error(err)
					}
				}
				login("ann")
				tab := r.members()[0]
				connecting = func() {
					connecting = func() {}
					tab.Logout()
					if again != "" {
						login(again)
					}
				}
				c, _, err := h.registry.NewClient(polling, Peer{}, r, false)
				if again == "ann" {
					if err != nil || c.user() != "ann" {
						t.Errorf("it is %v, %v", c, err)
					}
					return
				}
				if err == nil || err.Code != message.CodeUnknownClient {
					t.Errorf("it was connected: %v", err)
				}
				if again == "" && len(h.registry.OfUser("ann")) != 0 {
					t.Error("ann is still there")
				}
			})
		})
	}
}

// The session of a client without a cookie ends by what the client ended by.
func TestGuestSessionEndsAsItsClient(t *testing.T) {
	var got []message.Code
	options := func(o *Options) {
		o.Listeners = []Listener{{SessionDestroyed: func(_ Session, c Cause) { got = append(got, c.Code) }}}
	}
	bubble(t, options, func(t *testing.T, h *house) {
		r := h.registry.NewGuestRecord(polling)
		c, _, _ := h.registry.NewClient(polling, Peer{}, r, false)
		c.Use(r.Session(polling, Peer{}, 0))
		c.End(Because(message.CodeSlowConsumer))
		if len(got) != 1 || got[0] != message.CodeSlowConsumer {
			t.Errorf("its session ended by %v", got)
		}
	})
}

// A client that is away when its time is switched off ends: nobody else would end it.
func TestTimeOfAnAwayClientIsSwitchedOff(t *testing.T) {
	lost := Because(message.CodeConnectionLost)
	on := channel.ChannelDefinition{Kind: channel.WebSocket, ReliableReconnectDuration: time.Minute, ReloadGrace: time.Minute}
	for name, tc := range map[string]struct {
		do   func(l *life)
		code message.Code
	}{
		"lost": {func(l *life) { tr := l.on(); l.c.Attach(tr, 1, 0); l.c.Detach(tr, lost) }, message.CodeClientVanished},
		"left": {func(l *life) { l.c.Attach(l.on(), 1, 0); l.c.Leave(1) }, message.CodeClientDetached},
	} {
		t.Run(name, func(t *testing.T) {
			living(t, on, nil, func(t *testing.T, l *life) {
				tc.do(l)
				time.Sleep(10 * time.Second)
				l.redefined(channel.ChannelDefinition{Kind: channel.WebSocket}, Options{})
				l.want(t, 10*time.Minute, 10*time.Second, tc.code)
			})
		})
	}
	t.Run("an orphan", func(t *testing.T) {
		def := channel.ChannelDefinition{Kind: channel.LongPoll, SessionTimeout: time.Minute}
		living(t, def, func(o *Options) { o.ClientTimeout = time.Hour }, func(t *testing.T, l *life) {
			r, _ := l.registry.NewRecord(l.def)
			l.c, _, _ = l.registry.NewClient(l.def, Peer{}, r, false)
			time.Sleep(10 * time.Minute)
			l.redefined(def, Options{})
			l.want(t, time.Hour, 10*time.Minute, message.CodeClientVanished)
		})
	})
}

// A record whose cookie could not be set, or was taken away, is found by nobody: it ends with its last client.
func TestRecordThatNobodyFindsEnds(t *testing.T) {
	living(t, channel.ChannelDefinition{Kind: channel.LongPoll}, nil, func(t *testing.T, l *life) {
		for what, lose := range map[string]func(r *Record){
			"never set": func(r *Record) { r.DropToken() },
			"taken":     func(r *Record) { r.SetToken("token"); r.DropToken() },
			"given back": func(r *Record) {
				r.DropToken()
				r.SetToken("token")
			},
		} {
			r, _ := l.registry.NewRecord(l.def)
			one, _, _ := l.registry.NewClient(l.def, Peer{}, r, false)
			two, _, _ := l.registry.NewClient(l.def, Peer{}, r, false)
			lose(r)
			one.End(Because(message.CodeClientDisconnect))
			if r.Ended() != nil {
				t.Errorf("%s: it ended before its last client", what)
			}
			two.End(Because(message.CodeClientVanished))
			if ended := r.Ended(); (ended == nil) != (what == "given back") {
				t.Errorf("%s: with its last client it ended by %v", what, ended)
			}
		}
	})
}

// A page that is left takes the socket with it at once, also one on which it has only connected.
func TestLeaveEndsASocketThatIsNotAttached(t *testing.T) {
	living(t, channel.ChannelDefinition{Kind: channel.WebSocket, ReloadGrace: 3 * time.Second}, nil, func(t *testing.T, l *life) {
		var socket transport
		s := l.registry.NewWebSocketSession(l.def, Peer{}, &socket, nil)
		l.c.Use(s)
		l.c.Leave(0)
		if cause := socket.cause(); cause == nil || cause.Code != message.CodeClientDetached {
			t.Errorf("the socket ended by %v", cause)
		}
		l.want(t, time.Minute, 3*time.Second, message.CodeClientDetached)
	})
}
