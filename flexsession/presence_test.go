package flexsession

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

// life is a client in a house, whose end is noted.
type life struct {
	*house
	c     *FlexClient
	began time.Time
}

// living runs f with a client that has connected on the channel of def.
func living(t *testing.T, def channel.ChannelDefinition, options func(*Options), f func(t *testing.T, l *life)) {
	t.Helper()
	def.ID = "test"
	bubble(t, options, func(t *testing.T, h *house) {
		h.def = &def
		f(t, &life{h, h.client(t), time.Now()})
	})
}

// on makes a transport of the channel.
func (l *life) on() *transport { return &transport{def: l.def} }

// want lets the time pass and says what became of the client: when it ended, to the second, and why. Zero: it lives.
func (l *life) want(t *testing.T, pass, ends time.Duration, code message.Code) {
	t.Helper()
	at := time.Duration(0)
	for range int(pass / time.Second) {
		time.Sleep(time.Second)
		synctest.Wait()
		if l.c.Ended() != nil {
			at = time.Since(l.began)
			break
		}
	}
	why := message.Code(0)
	if e := l.c.Ended(); e != nil {
		why = e.Code
	}
	if at < ends || at > ends+2*time.Second || why != code {
		t.Errorf("it ended at %v by %v, want %v by %v", at, why, ends, code)
	}
}

func TestAwayClientEnds(t *testing.T) {
	lost := Because(message.CodeConnectionLost)
	socket := channel.ChannelDefinition{Kind: channel.WebSocket, ReliableReconnectDuration: 15 * time.Second}
	poll := channel.ChannelDefinition{Kind: channel.LongPoll, ReliableReconnectDuration: 15 * time.Second}
	strict := channel.ChannelDefinition{Kind: channel.WebSocket}
	strictPoll := channel.ChannelDefinition{Kind: channel.LongPoll}
	outlives := func(o *Options) { o.ClientTimeout = 2 * time.Minute }
	for name, tc := range map[string]struct {
		def     channel.ChannelDefinition
		options func(*Options)
		do      func(l *life)
		at      time.Duration
		code    message.Code
	}{
		"a socket is lost":                 {socket, nil, func(l *life) { tr := l.on(); l.c.Attach(tr, 1, 0); l.c.Detach(tr, lost) }, 15 * time.Second, message.CodeClientVanished},
		"a socket is lost, as in LCDS":     {strict, nil, func(l *life) { tr := l.on(); l.c.Attach(tr, 1, 0); l.c.Detach(tr, lost) }, 0, message.CodeConnectionLost},
		"a socket is lost, and outlived":   {strict, outlives, func(l *life) { tr := l.on(); l.c.Attach(tr, 1, 0); l.c.Detach(tr, lost) }, 2 * time.Minute, message.CodeClientTimeout},
		"the longer of both":               {socket, outlives, func(l *life) { tr := l.on(); l.c.Attach(tr, 1, 0); l.c.Detach(tr, lost) }, 2 * time.Minute, message.CodeClientTimeout},
		"a poll is answered":               {poll, nil, func(l *life) { tr := l.on(); l.c.Attach(tr, 1, 0); l.c.Detach(tr, lost) }, 15 * time.Second, message.CodeClientVanished},
		"a poll is answered with a pause":  {poll, nil, func(l *life) { tr := l.on(); l.c.Attach(tr, 1, 0); l.c.Advise(30 * time.Second); l.c.Detach(tr, lost) }, 45 * time.Second, message.CodeClientVanished},
		"a poll is answered, as in LCDS":   {strictPoll, nil, func(l *life) { tr := l.on(); l.c.Attach(tr, 1, 0); l.c.Detach(tr, lost) }, 0, 0},
		"never attached":                   {poll, nil, func(*life) {}, 15 * time.Second, message.CodeClientVanished},
		"the page was left":                {channel.ChannelDefinition{Kind: channel.WebSocket, ReliableReconnectDuration: 15 * time.Second, ReloadGrace: 3 * time.Second}, nil, func(l *life) { l.c.Attach(l.on(), 1, 0); l.c.Leave(1) }, 3 * time.Second, message.CodeClientDetached},
		"the page was left, without grace": {socket, nil, func(l *life) { l.c.Attach(l.on(), 1, 0); l.c.Leave(1) }, 0, message.CodeClientDetached},
		"a fault is final":                 {socket, nil, func(l *life) { tr := l.on(); l.c.Attach(tr, 1, 0); l.c.Detach(tr, Because(message.CodeProtocolError)) }, 0, message.CodeProtocolError},
		"attached":                         {socket, nil, func(l *life) { l.c.Attach(l.on(), 1, 0) }, 0, 0},
		"back in time": {socket, nil, func(l *life) {
			tr := l.on()
			l.c.Attach(tr, 1, 0)
			l.c.Detach(tr, lost)
			time.Sleep(14 * time.Second)
			l.c.Attach(l.on(), 2, 0)
		}, 0, 0},
		"back from a reload": {channel.ChannelDefinition{Kind: channel.WebSocket, ReloadGrace: 3 * time.Second}, nil, func(l *life) {
			l.c.Attach(l.on(), 1, 0)
			l.c.Leave(1)
			time.Sleep(2 * time.Second)
			l.c.Attach(l.on(), 2, 0)
		}, 0, 0},
		"a page's goodbye is overtaken by the next page": {channel.ChannelDefinition{Kind: channel.WebSocket, ReloadGrace: 3 * time.Second}, nil, func(l *life) {
			l.c.Attach(l.on(), 1, 0)
			l.c.Attach(l.on(), 2, 0)
			l.c.Leave(1)
		}, 0, 0},
		"requests put it off": {poll, nil, func(l *life) { time.Sleep(10 * time.Second); l.c.Touch() }, 25 * time.Second, message.CodeClientVanished},
	} {
		t.Run(name, func(t *testing.T) {
			living(t, tc.def, tc.options, func(t *testing.T, l *life) {
				tc.do(l)
				l.want(t, 10*time.Minute, tc.at, tc.code)
				if e := l.c.Ended(); tc.code == message.CodeClientTimeout && e.Value != 2.0 {
					t.Errorf("the timeout of 2 minutes is told as %v", e.Value)
				}
			})
		})
	}
}

// A promise that is not kept ends the connection, not the client.
func TestSilentClientLosesItsConnection(t *testing.T) {
	for name, tc := range map[string]struct {
		promise, dead time.Duration
		at            time.Duration
	}{
		"two of its heartbeats":    {15 * time.Second, 20 * time.Second, 30 * time.Second},
		"no less than dead-peer":   {time.Second, 20 * time.Second, 20 * time.Second},
		"promised nothing":         {0, 20 * time.Second, 0},
		"dead-peer-timeout is off": {time.Second, 0, 0},
		"dead-peer is negative":    {time.Second, -1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			living(t, channel.ChannelDefinition{Kind: channel.WebSocket, ReliableReconnectDuration: 15 * time.Second, DeadPeerTimeout: tc.dead}, nil, func(t *testing.T, l *life) {
				tr := l.on()
				l.c.Attach(tr, 1, 0)
				l.c.Promise(tc.promise)
				time.Sleep(10 * time.Second)
				l.c.Touch()
				l.began = time.Now()
				var at time.Duration
				for range 300 {
					time.Sleep(time.Second)
					synctest.Wait()
					if cause := tr.cause(); cause != nil {
						if at = time.Since(l.began); cause.Code != message.CodeMissedHeartbeats {
							t.Errorf("it ended by %v", cause)
						}
						break
					}
				}
				if at < tc.at || at > tc.at+time.Second {
					t.Errorf("its connection ended after %v, want %v", at, tc.at)
				}
				if l.c.Ended() != nil {
					t.Error("the client ended with it")
				}
			})
		})
	}
}

// A promise taken back is none.
func TestPromiseTakenBack(t *testing.T) {
	living(t, channel.ChannelDefinition{Kind: channel.WebSocket, DeadPeerTimeout: 5 * time.Second}, nil, func(t *testing.T, l *life) {
		tr := l.on()
		l.c.Attach(tr, 1, 0)
		l.c.Promise(time.Second)
		time.Sleep(time.Second)
		l.c.Promise(0)
		time.Sleep(time.Hour)
		if cause := tr.cause(); cause != nil {
			t.Errorf("it ended by %v", cause)
		}
	})
}

// A login that is good for a time takes the client with it, or the whole record where the user came from that.
func TestLoginIsOver(t *testing.T) {
	living(t, channel.ChannelDefinition{Kind: channel.WebSocket}, nil, func(t *testing.T, l *life) {
		l.c.Attach(l.on(), 1, 0)
		login := func(d time.Duration) {
			if err := l.c.Login(&channel.Principal{Name: "ann", Expires: time.Now().Add(d)}, false); err != nil {
				t.Fatal(err)
			}
		}
		login(time.Minute)
		time.Sleep(50 * time.Second)
		login(2 * time.Minute) // renewed
		l.began = time.Now()
		l.want(t, 10*time.Minute, 2*time.Minute, message.CodeTokenExpired)
	})
	living(t, channel.ChannelDefinition{Kind: channel.LongPoll}, nil, func(t *testing.T, l *life) {
		r, _ := l.registry.NewRecord(l.def)
		one, _, _ := l.registry.NewClient(l.def, Peer{}, r, false)
		if err := one.Login(&channel.Principal{Name: "ann", Expires: time.Now().Add(time.Minute)}, true); err != nil {
			t.Fatal(err)
		}
		l.c, _, _ = l.registry.NewClient(l.def, Peer{}, r, false)
		l.want(t, 10*time.Minute, time.Minute, message.CodeTokenExpired)
		if l.registry.Record(r.ID()) != nil {
			t.Error("the record lives on")
		}
	})
}

// A subscription to which nothing is sent ends; its client is told by a counted line.
func TestSubscriptionTimeout(t *testing.T) {
	living(t, channel.ChannelDefinition{Kind: channel.WebSocket}, nil, func(t *testing.T, l *life) {
		tr := l.on()
		epoch := l.c.Attach(tr, 1, 0).Epoch
		s, err := l.c.Subscribe(l.broker.Destination("quiet"), topics(""), "")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Second)
		m, _ := message.New("quiet", nil, []byte("1"), nil, "m", time.Now())
		l.broker.Publish([]*message.Message{m}, func(int, *message.Error) {})
		time.Sleep(50 * time.Second)
		if l.c.Subscription(s.ID()) == nil {
			t.Fatal("it ended although it got a message")
		}
		time.Sleep(12 * time.Second)
		if l.c.Subscription(s.ID()) != nil {
			t.Error("it lives")
		}
		lines, _ := l.c.Take(epoch, nil, 1<<20)
		if got := string(lines); !strings.Contains(got, `"operation":"subscription_invalidate"`) || !strings.Contains(got, `"code":4025`) || !strings.Contains(got, `"setting":"subscription-timeout-minutes","value":1,`) {
			t.Errorf("the client was told %s", got)
		}
		if n := l.registry.options().Wheel.Len(); n != 0 {
			t.Errorf("%d timers are left", n)
		}
	})
}

// With flex-client/timeout-minutes a client outlives a session that has timed out, and one that is logged out does not.
func TestClientOutlivesItsSession(t *testing.T) {
	def := channel.ChannelDefinition{Kind: channel.LongPoll, SessionTimeout: time.Minute}
	for name, tc := range map[string]struct {
		end  func(l *life, r *Record)
		at   time.Duration
		code message.Code
	}{
		"timed out": {func(l *life, r *Record) {}, time.Minute + 2*time.Minute, message.CodeClientTimeout},
		"ended":     {func(l *life, r *Record) { r.End(Because(message.CodeAdministrator)) }, 0, message.CodeAdministrator},
	} {
		t.Run(name, func(t *testing.T) {
			living(t, def, func(o *Options) { o.ClientTimeout = 2 * time.Minute }, func(t *testing.T, l *life) {
				r, _ := l.registry.NewRecord(l.def)
				l.c, _, _ = l.registry.NewClient(l.def, Peer{}, r, false)
				tr := l.on()
				tr.session = r.Session(l.def, Peer{}, 0)
				l.c.Attach(tr, 1, 0)
				tc.end(l, r)
				l.want(t, 10*time.Minute, tc.at, tc.code)
				if name == "timed out" && (tr.cause() == nil || tr.cause().Code != message.CodeSessionTimeout) {
					t.Errorf("its connection ended by %v", tr.cause())
				}
			})
		})
	}
}
