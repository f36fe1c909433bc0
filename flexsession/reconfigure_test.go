package flexsession

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

// redefined makes everything go by def from now on, with the limits of options.
func (h *house) redefined(def channel.ChannelDefinition, options Options) {
	def.ID = "test"
	h.registry.Reconfigure(options, map[string]*channel.ChannelDefinition{"test": &def})
}

// A session timeout that is changed while it runs keeps what has passed of it.
func TestSessionTimeoutChanges(t *testing.T) {
	for _, tc := range []struct{ before, after, ends time.Duration }{
		{15, 60, 60}, {15, 10, 10}, {15, 5, 6}, {0, 10, 10}, {0, 5, 6}, {15, 0, 0}, {15, 15, 15},
	} {
		t.Run(fmt.Sprintf("%d to %d", tc.before, tc.after), func(t *testing.T) {
			living(t, channel.ChannelDefinition{Kind: channel.LongPoll, SessionTimeout: tc.before * time.Minute}, nil, func(t *testing.T, l *life) {
				r, err := l.registry.NewRecord(l.def)
				if err != nil {
					t.Fatal(err)
				}
				guest := l.registry.NewGuestRecord(l.def)
				time.Sleep(6 * time.Minute)
				l.redefined(channel.ChannelDefinition{Kind: channel.LongPoll, SessionTimeout: tc.after * time.Minute}, Options{})
				late, err := l.registry.NewRecord(l.def) // by a request that was under way
				if err != nil {
					t.Fatal(err)
				}
				ended := func(r *Record) bool { return l.registry.Record(r.id) == nil }
				wait := func(until time.Duration) {
					time.Sleep(time.Until(l.began.Add(until)))
					synctest.Wait()
				}
				if tc.ends > 6 {
					wait(tc.ends*time.Minute - time.Second)
					if ended(r) || ended(guest) {
						t.Error("ended before its time")
					}
				}
				wait(max(tc.ends, 6)*time.Minute + time.Second)
				if want := tc.ends != 0; ended(r) != want || ended(guest) != want {
					t.Errorf("ended: %v and %v, want %v", ended(r), ended(guest), want)
				}
				wait((6+tc.after)*time.Minute - time.Second)
				if ended(late) {
					t.Error("what began after the change ended before its time")
				}
				wait(24 * time.Hour)
				if ended(late) != (tc.after != 0) {
					t.Errorf("what began after the change ended: %v", ended(late))
				}
				if tc.ends == 0 {
					r.End(Because(message.CodeAdministrator))
					guest.End(Because(message.CodeAdministrator))
					late.End(Because(message.CodeAdministrator))
				}
				l.redefined(channel.ChannelDefinition{SessionTimeout: time.Minute}, Options{})
				l.c.End(Because(message.CodeAdministrator))
				r.redefine(&channel.ChannelDefinition{SessionTimeout: time.Minute}) // by one that saw it before it ended
				if n := l.registry.options().Wheel.Len(); n != 0 {
					t.Errorf("%d timers are left", n)
				}
			})
		})
	}
}

// So do the times of a client that is away, of one that has promised heartbeats, and of a subscription.
func TestClientTimesChange(t *testing.T) {
	lost := Because(message.CodeConnectionLost)
	def := func(reconnect, dead time.Duration) channel.ChannelDefinition {
		return channel.ChannelDefinition{Kind: channel.WebSocket, ReliableReconnectDuration: reconnect, DeadPeerTimeout: dead}
	}
	for name, tc := range map[string]struct {
		before, after channel.ChannelDefinition
		do            func(l *life)
		ends          time.Duration
		code          message.Code
	}{
		"away, longer":   {def(15*time.Second, 0), def(40*time.Second, 0), func(l *life) { tr := l.on(); l.c.Attach(tr, 1, 0); l.c.Detach(tr, lost) }, 40 * time.Second, message.CodeClientVanished},
		"away, shorter":  {def(15*time.Second, 0), def(12*time.Second, 0), func(l *life) { tr := l.on(); l.c.Attach(tr, 1, 0); l.c.Detach(tr, lost) }, 12 * time.Second, message.CodeClientVanished},
		"away, too long": {def(15*time.Second, 0), def(5*time.Second, 0), func(l *life) { tr := l.on(); l.c.Attach(tr, 1, 0); l.c.Detach(tr, lost) }, 10 * time.Second, message.CodeClientVanished},
		"silent": {def(15*time.Second, 0), def(time.Second, 30*time.Second), func(l *life) {
			tr := &ending{transport: l.on()}
			tr.client = l.c
			l.c.Attach(tr, 1, 0)
			l.c.Promise(10 * time.Second)
		}, 31 * time.Second, message.CodeClientVanished},
	} {
		t.Run(name, func(t *testing.T) {
			living(t, tc.before, nil, func(t *testing.T, l *life) {
				tc.do(l)
				time.Sleep(10 * time.Second)
				l.redefined(tc.after, Options{})
				l.want(t, time.Minute, tc.ends, tc.code)
			})
		})
	}
}

// A client that connects by a request that was under way goes by the new times as well.
func TestLateClientIsRedefined(t *testing.T) {
	living(t, channel.ChannelDefinition{Kind: channel.LongPoll, ReliableReconnectDuration: 15 * time.Second}, nil, func(t *testing.T, l *life) {
		l.c.End(Because(message.CodeClientDisconnect))
		l.redefined(channel.ChannelDefinition{Kind: channel.LongPoll, ReliableReconnectDuration: 40 * time.Second}, Options{})
		l.c = l.client(t)
		l.want(t, time.Minute, 40*time.Second, message.CodeClientVanished)
	})
}

// ending is a transport whose end detaches its client.
type ending struct {
	*transport
	client *FlexClient
}

func (e *ending) End(c Cause) { e.client.Detach(e, c) }

// retimed is a transport that notes how often it was told that its times have changed.
type retimed struct {
	transport
	times int
}

func (r *retimed) Retime() { r.times++ }

// The connections are told, attached or not, and a client learns at its next attach that its times have changed, once.
func TestConnectionsAreRetimed(t *testing.T) {
	living(t, channel.ChannelDefinition{Kind: channel.WebSocket, ServerHeartbeat: 5 * time.Second}, nil, func(t *testing.T, l *life) {
		attached, alone := &retimed{transport: transport{def: l.def}}, &retimed{}
		session := l.registry.NewWebSocketSession(l.def, Peer{}, alone, nil)
		if a := l.c.Attach(attached, 1, 0); a.Moved {
			t.Error("it has moved, on its own channel")
		}
		old := l.def
		l.redefined(channel.ChannelDefinition{Kind: channel.WebSocket, ServerHeartbeat: time.Second}, Options{})
		for _, r := range []*retimed{attached, alone} {
			if r.times != 1 {
				t.Errorf("retimed %d times", r.times)
			}
		}
		if a := l.c.Attach(&transport{def: old}, 2, 0); a.Moved { // a request that was under way
			t.Error("told what it knows")
		}
		now := l.registry.definition(old)
		if a := l.c.Attach(&transport{def: now}, 3, 0); !a.Moved {
			t.Error("not told that its times have changed")
		}
		if a := l.c.Attach(&transport{def: now}, 4, 0); a.Moved {
			t.Error("told twice")
		}
		session.Invalidate(Because(message.CodeAdministrator))
	})
}

// A subscription's timeout may begin, change and end while the subscription lives.
func TestSubscriptionTimeoutChanges(t *testing.T) {
	for _, tc := range []struct{ before, after, ends time.Duration }{{0, 10, 10}, {10, 20, 20}, {10, 3, 6}, {10, 0, 0}} {
		t.Run(fmt.Sprintf("%d to %d", tc.before, tc.after), func(t *testing.T) {
			living(t, channel.ChannelDefinition{Kind: channel.WebSocket}, nil, func(t *testing.T, l *life) {
				set := func(minutes time.Duration) {
					if err := l.broker.Reconfigure([]channel.DestinationDefinition{{ID: "chat", SubscriptionTimeout: minutes * time.Minute}, {ID: "quiet"}}, nil); err != nil {
						t.Fatal(err)
					}
				}
				set(tc.before)
				l.c.Attach(l.on(), 1, 0)
				l.subscribe(t, l.c, "")
				time.Sleep(6 * time.Minute)
				set(tc.after)
				l.redefined(*l.def, Options{})
				at := time.Duration(0)
				for range 40 {
					if len(l.c.Subscriptions()) == 0 {
						at = time.Since(l.began)
						break
					}
					time.Sleep(time.Minute)
					synctest.Wait()
				}
				want := tc.ends * time.Minute
				if tc.before == 0 { // it has begun with the change
					want += 6 * time.Minute
				}
				if at < want || at > want+time.Minute {
					t.Errorf("it ended after %v, want %v", at, want)
				}
			})
		})
	}
}

// Limits hold at once, for who lives already too, but the window is that of the last attach: it was told then.
func TestLimitsChange(t *testing.T) {
	bubble(t, func(o *Options) { o.Window = Window{Messages: 4, Bytes: 1 << 20}; o.MaxSubscriptions = 2 }, func(t *testing.T, h *house) {
		c := h.client(t)
		tr := &transport{}
		a := c.Attach(tr, 1, 0)
		h.subscribe(t, c, "")
		h.redefined(*h.def, Options{Window: Window{Messages: 8, Bytes: 1 << 20}, MaxSubscriptions: 1, MaxClients: 1, RememberEnds: 1})
		if _, err := c.Subscribe(h.broker.Destination("chat"), nil, ""); err == nil || err.Code != message.CodeLimitSubscriptions {
			t.Errorf("a second subscription: %v", err)
		}
		if _, _, err := h.registry.NewClient(h.def, Peer{}, nil, false); err == nil || err.Code != message.CodeLimitClients {
			t.Errorf("a second client: %v", err)
		}
		h.publish(t, "", 20)
		synctest.Wait()
		taken := func(epoch uint64) (n int) {
			lines, _ := c.Take(epoch, nil, 1<<20)
			for range message.Lines(lines) {
				n++
			}
			return n
		}
		if n := taken(a.Epoch); n != 4 {
			t.Errorf("%d lines in the window it was told, want 4", n)
		}
		if a = c.Attach(tr, 2, 0); a.Window.Messages != 8 {
			t.Errorf("attached: %+v", a)
		}
		if n := taken(a.Epoch); n != 8 {
			t.Errorf("%d lines in its new window, want 8", n)
		}
	})
}

// Definitions change while all begins, lives and ends: nobody is overlooked, and nothing is left.
func TestReconfigureRaces(t *testing.T) {
	living(t, channel.ChannelDefinition{Kind: channel.LongPoll, SessionTimeout: time.Hour}, nil, func(t *testing.T, l *life) {
		var all sync.WaitGroup
		records := make(chan *Record, 400)
		for range 4 {
			all.Go(func() {
				for range 100 {
					r, err := l.registry.NewRecord(l.def)
					if err != nil {
						t.Error(err)
						return
					}
					c, _, _ := l.registry.NewClient(l.def, Peer{}, r, false)
					tr := l.on()
					c.Attach(tr, 1, 0)
					l.subscribe(t, c, "")
					c.Touch()
					c.Detach(tr, Because(message.CodeConnectionLost))
					records <- r
				}
			})
		}
		for i := range 100 {
			l.redefined(channel.ChannelDefinition{Kind: channel.LongPoll, SessionTimeout: time.Hour, ReliableReconnectDuration: time.Duration(i+1) * time.Hour}, Options{})
		}
		all.Wait()
		close(records)
		l.redefined(channel.ChannelDefinition{Kind: channel.LongPoll, SessionTimeout: time.Minute}, Options{})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		for r := range records {
			if !r.ended {
				t.Error("a record was overlooked")
			}
		}
		l.c.End(Because(message.CodeAdministrator))
		if n := l.registry.options().Wheel.Len(); n != 0 {
			t.Errorf("%d timers are left", n)
		}
	})
}

// Who has logged in gets the roles he has now; who is gone ends, with the record that would log his next client in. Who has no user, and whose login ends by itself, goes on.
func TestRelogin(t *testing.T) {
	bubble(t, nil, func(t *testing.T, h *house) {
		of := func(p *channel.Principal) (*Record, *FlexClient) {
			r, err := h.registry.NewRecord(h.def)
			if err != nil {
				t.Fatal(err)
			}
			if p != nil {
				if err := r.login(p); err != nil {
					t.Fatal(err)
				}
			}
			c, _, err := h.registry.NewClient(h.def, Peer{}, r, false)
			if err != nil {
				t.Fatal(err)
			}
			return r, c
		}
		ann, bob, eve := &channel.Principal{Name: "ann"}, &channel.Principal{Name: "bob"}, &channel.Principal{Name: "eve", Expires: time.Now().Add(time.Hour)}
		promoted := &channel.Principal{Name: "ann", Roles: []string{"staff"}}
		annsRecord, annsClient := of(ann)
		bobsRecord, bobsClient := of(bob)
		_, evesClient := of(eve)
		_, nobody := of(nil)
		alone := h.client(t)
		if err := alone.Login(bob, false); err != nil {
			t.Fatal(err)
		}
		h.registry.Relogin(func(name string) (*channel.Principal, bool) {
			if name == "ann" {
				return promoted, true
			}
			return nil, false
		}, Because(message.CodeAdministrator))
		if annsRecord.Principal() != promoted || annsClient.Principal() != promoted {
			t.Error("ann has her old roles")
		}
		if h.registry.Record(bobsRecord.ID()) != nil || bobsClient.Ended() == nil || alone.Ended() == nil || bobsClient.Ended().Code != message.CodeAdministrator {
			t.Error("bob is still there")
		}
		if evesClient.Ended() != nil || evesClient.Principal() != eve || nobody.Ended() != nil {
			t.Error("others were touched")
		}
		for _, c := range []*FlexClient{annsClient, evesClient, nobody} {
			c.End(Because(message.CodeClientDisconnect))
		}
	})
}
