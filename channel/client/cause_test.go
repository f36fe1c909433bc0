package client

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
)

// What a program decides by: timed out, the server goes down, the server has gone.
func TestKinds(t *testing.T) {
	for code, want := range map[message.Code]EndKind{
		message.CodeClientDisconnect: EndLeft, message.CodeLogout: EndLeft,
		message.CodeSessionTimeout: EndTimeout, message.CodeIdleTimeout: EndTimeout, message.CodeClientVanished: EndTimeout,
		message.CodeMissedHeartbeats: EndTimeout, message.CodeSubscriptionTimeout: EndTimeout, message.CodeClientAsleep: EndAway,
		message.CodeServerShutdown: EndShutdown,
		message.CodeServerVanished: EndVanished, message.CodeConnectionLost: EndVanished, message.CodeUnknownClient: EndVanished,
		message.CodeAdministrator: EndRemoved, message.CodeSessionInvalidated: EndRemoved,
		message.CodeSlowConsumer: EndRefused, message.CodeProtocolError: EndRefused, message.CodeLimitClients: EndRefused,
	} {
		if got := (&Error{Code: code}).complete().Kind; got != want {
			t.Errorf("%v is %q, want %q", code, got, want)
		}
	}
	for _, row := range message.Codes() {
		if row.Client && EndKind(row.Kind) == EndRefused && row.Code != message.CodeLimitBrowserConnections {
			t.Errorf("%v, which this side concludes, is a refusal", row.Code)
		}
	}
}

// Whatever ends, the event has code, name, sentence and incident, and says what to make of it.
func TestCauses(t *testing.T) {
	for _, c := range []struct {
		code message.Code
		kind EndKind
	}{
		{message.CodeSessionTimeout, EndTimeout}, {message.CodeServerShutdown, EndShutdown}, {message.CodeSlowConsumer, EndRefused},
	} {
		t.Run(c.code.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fake, n *network, kind Kind) {
				var seen events
				set := bubbleSet(t, f, n, kind, Options{OnEvent: seen.add})
				f.end(c.code)
				time.Sleep(time.Minute)
				lost, back := seen.all(Disconnected), seen.all(Connected)
				if len(lost) != 1 || len(back) != 2 || back[1].Resumed {
					t.Fatalf("%+v", seen.list)
				}
				info := c.code.Info()
				if got := lost[0].Cause; got.Code != c.code || got.Name != info.Name || got.Message != info.Sentence || got.Kind != c.kind || got.Incident != "i1" {
					t.Errorf("lost for %+v", got)
				}
				if got := lost[0].Cause; got.Setting != info.Setting || info.Setting != "" && (got.Value != 1.5 || !strings.Contains(got.Error(), info.Setting+" = 1.5;")) {
					t.Errorf("lost for %s = %v: %v", got.Setting, got.Value, got)
				}
				if lost[0].Delay < time.Duration(info.RetryAfterMillis)*time.Millisecond {
					t.Errorf("comes back after %v", lost[0].Delay)
				}
				set.Close()
				if end := seen.all(Ended); len(end) != 1 || end[0].Cause.Kind != EndLeft || end[0].Err != nil {
					t.Errorf("closed: %+v", end)
				}
			})
		})
	}
}

// A client that has ended while nobody was connected is told of when a new one takes its place, with the cause.
func TestEndedMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, n *network, kind Kind) {
		var seen events
		bubbleSet(t, f, n, kind, Options{OnEvent: seen.add})
		time.Sleep(time.Second)
		n.setDown(true)
		n.each((*endpointtest.Conn).Reset)
		time.Sleep(time.Minute)
		f.end(message.CodeClientVanished)
		n.setDown(false)
		time.Sleep(time.Minute)
		back := seen.all(Connected)
		if len(back) != 2 || back[1].Resumed || back[1].Cause == nil || back[1].Cause.Code != message.CodeClientVanished || back[1].Cause.Incident != "i1" {
			t.Errorf("back: %+v", back)
		}
		for _, e := range append(seen.all(Disconnected), seen.all(Unreachable)...) {
			if e.Cause == nil || e.Cause.Code != message.CodeConnectionLost || e.Cause.Kind != EndVanished || e.Err == nil {
				t.Errorf("%s: %+v", e.Kind, e.Cause)
			}
		}
		if len(seen.all(Unreachable)) < 4 {
			t.Errorf("tried %d times in a minute", len(seen.all(Unreachable)))
		}
	})
}

// While the server keeps the client, the pause is short enough for several tries.
func TestPauseWhileKept(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, n *network, kind Kind) {
		var seen events
		bubbleSet(t, f, n, kind, Options{OnEvent: seen.add})
		time.Sleep(time.Second)
		n.setDown(true)
		n.each((*endpointtest.Conn).Reset)
		time.Sleep(2 * time.Minute)
		var within, beyond time.Duration
		began := time.Time{}
		seen.mu.Lock()
		defer seen.mu.Unlock()
		for i, e := range seen.list {
			switch since := seen.when[i].Sub(began); {
			case e.Kind == Disconnected:
				began = seen.when[i]
			case e.Kind == Unreachable && since < 15*time.Second:
				within = max(within, e.Delay)
			default:
				beyond = max(beyond, e.Delay)
			}
		}
		if within > 15*time.Second/4 || beyond < 15*time.Second/2 {
			t.Errorf("pauses up to %v while the client was kept, up to %v afterwards", within, beyond)
		}
	})
}

// A set that is closed takes leave, so that the server need not keep its client. It does not wait for a server that is not there.
func TestCloseTakesLeave(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, n *network, kind Kind) {
		set := bubbleSet(t, f, n, kind, Options{})
		answered := false
		if err := set.Send(t.Context(), "chat", "", 1, func(err error) { answered = err == nil }); err != nil {
			t.Fatal(err)
		}
		if set.Close(); !answered {
			t.Error("what was sent before was given up")
		}
		f.do(func() {
			if len(f.clients) != 1 || f.clients[0].ended != message.CodeClientDisconnect {
				t.Errorf("%d clients, the first ended for %v", len(f.clients), f.clients[0].ended)
			}
		})
		began := time.Now()
		if set.Close(); time.Since(began) > 0 || !errors.Is(set.Err(), ErrClosed) {
			t.Errorf("the second Close took %v, and it ended for %v", time.Since(began), set.Err())
		}

		frozen := bubbleSet(t, f, n, kind, Options{})
		n.vanish(time.Hour)
		began = time.Now()
		if frozen.Close(); time.Since(began) > farewell+200*time.Millisecond {
			t.Errorf("closing without an answer took %v", time.Since(began))
		}
		n.vanish(0)

		lost := bubbleSet(t, f, n, kind, Options{})
		time.Sleep(time.Second)
		n.setDown(true)
		n.each((*endpointtest.Conn).Reset)
		synctest.Wait()
		began = time.Now()
		if lost.Close(); time.Since(began) > 0 {
			t.Errorf("closing without a connection took %v", time.Since(began))
		}
	})
}

// A server that wants no login after a disconnect gets none, and the program is told that nobody is logged in.
func TestLoginAfterDisconnect(t *testing.T) {
	for want, logins := range map[bool]int{true: 2, false: 1} {
		t.Run(fmt.Sprint(want), func(t *testing.T) {
			f := newFake(t)
			configure(f, fmt.Sprintf(`{"channels":[{"id":"s","type":"websocket","url":"/x/socket","loginAfterDisconnect":%v}]}`, want))
			var seen events
			set := connect(t, f, Options{OnEvent: seen.add, User: "ann", Password: "right"})
			f.end(message.CodeSessionTimeout)
			again := seen.await(t, Connected, 1)
			if first := seen.await(t, Connected, 0); first.User != "ann" || again.User != map[bool]string{true: "ann"}[want] {
				t.Errorf("logged in as %q, then as %q", first.User, again.User)
			}
			f.do(func() {
				if len(f.logins) != logins {
					t.Errorf("logins %v", f.logins)
				}
			})
			if err := set.Login(deadline(t), "ann", "right"); err != nil {
				t.Error(err)
			}
		})
	}
}

// The server's configuration says how long its channels may take, where the options say nothing.
func TestTimeoutsOfTheServer(t *testing.T) {
	f := newFake(t)
	configure(f, `{"channels":[{"id":"s","type":"websocket","url":"/x/socket","connectTimeoutMillis":1500,"requestTimeoutMillis":2500}]}`)
	for _, c := range []struct{ own, connect, request time.Duration }{{0, 1500 * time.Millisecond, 2500 * time.Millisecond}, {time.Second, time.Second, time.Second}} {
		opts := Options{URL: f.URL, ConnectTimeout: c.own, RequestTimeout: c.own}
		list, err := Locate(deadline(t), opts)
		if err != nil || len(list) != 1 || list[0].ID != "s" {
			t.Fatal(list, err)
		}
		if opts.connectTimeout(list[0]) != c.connect || opts.requestTimeout(list[0]) != c.request {
			t.Errorf("%v and %v, want %v and %v", opts.connectTimeout(list[0]), opts.requestTimeout(list[0]), c.connect, c.request)
		}
	}
}
