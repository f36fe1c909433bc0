package server_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// throttledOut gives chat a throttle-outbound.
func throttledOut(t channel.Throttle) func(*server.Options) {
	return func(o *server.Options) { o.Destinations[0].Outbound, o.Destinations[0].ConflateKey = t, "key" }
}

// sendValues publishes values, key=value, one every so often.
func sendValues(c *endpointtest.Client, every time.Duration, bodies ...string) {
	for _, body := range bodies {
		key, _, _ := strings.Cut(body, "=")
		c.Do("async", fmt.Sprintf(`"destination":"chat","headers":{"key":%q,"DSSubtopic":"a"},"body":%q`, key, body))
		time.Sleep(every)
	}
}

// heardAll is what a client gets until nothing comes for a minute: bodies, "+n" before one that stands for n older ones.
func heardAll(t *testing.T, c *endpointtest.Client) string {
	var all []string
	for {
		select {
		case line := <-c.Pushed():
			switch {
			case line.Text("operation") == "merged":
				all = append(all, fmt.Sprint("+", line["count"]))
			case line.Text("type") == "async":
				all = append(all, line.Text("body"))
			default:
				all = append(all, line.Text("type")+" "+line.Text("operation"))
			}
		case <-time.After(time.Minute):
			return strings.Join(all, " ")
		}
	}
}

// wantBooks checks that every message is accounted for.
func wantBooks(t *testing.T, r *endpointtest.Rig, accepted, sent, merged, dropped, abandoned uint64) {
	t.Helper()
	b := r.Server.Broker().Destination("chat").Books()
	got := [...]uint64{b.Accepted.Load(), b.Sent.Load(), b.Merged.Load(), b.Dropped.Load(), b.Abandoned.Load()}
	if want := [...]uint64{accepted, sent, merged, dropped, abandoned}; got != want {
		t.Errorf("accepted, sent, merged, dropped, abandoned: %v, want %v", got, want)
	}
}

func TestOutboundIgnore(t *testing.T) {
	endpointtest.Each(t, throttledOut(channel.Throttle{Policy: channel.ThrottleIgnore, MaxFrequency: 3, MaxClientFrequency: 2}), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		producer := r.Connect(channel.WebSocket)
		c.Subscribe("chat", "a")
		sendValues(producer, time.Millisecond, "1", "2", "3", "4")
		time.Sleep(time.Second)
		sendValues(producer, time.Millisecond, "5")
		if got := heardAll(t, c); got != "1 2 5" {
			t.Errorf("it got %s", got)
		}
		wantBooks(t, r, 5, 3, 0, 2, 0)
	})
}

func TestOutboundBuffer(t *testing.T) {
	endpointtest.Each(t, throttledOut(channel.Throttle{Policy: channel.ThrottleBuffer, MaxClientFrequency: 2}), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		producer := r.Connect(channel.WebSocket)
		c.Subscribe("chat", "a")
		sendValues(producer, time.Millisecond, "1", "2", "3", "4", "5", "6", "7")
		var at []time.Time
		for i := range 7 {
			c.WantMessages(fmt.Sprint(i + 1))
			if at = append(at, time.Now()); i == 1 {
				wantBooks(t, r, 7, 2, 0, 0, 0)
				if n := r.Server.Registry().Waiting()[r.Server.Broker().Destination("chat")]; n != 5 {
					t.Errorf("%d wait, want 5", n)
				}
			}
			if i >= 2 && at[i].Sub(at[i-2]) < 900*time.Millisecond {
				t.Errorf("three came within %v", at[i].Sub(at[i-2]))
			}
		}
		if took := at[6].Sub(at[0]); took > 4*time.Second {
			t.Errorf("it took %v", took)
		}
		wantBooks(t, r, 7, 7, 0, 0, 0)
	})
}

// The newest value of each key arrives, and says for how many it stands.
func TestOutboundConflate(t *testing.T) {
	endpointtest.Each(t, throttledOut(channel.Throttle{Policy: channel.ThrottleConflate, MaxClientFrequency: 1}), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		producer := r.Connect(channel.WebSocket)
		c.Subscribe("chat", "a")
		sendValues(producer, time.Millisecond, "a=1", "a=2", "b=1", "a=3", "b=2", "a=4")
		if got := heardAll(t, c); got != "a=1 +1 b=2 +2 a=4" {
			t.Errorf("it got %s", got)
		}
		wantBooks(t, r, 6, 3, 3, 0, 0)
	})
}

// A subscription keeps to the frequency that it asks for, the lower of that and the server's; another one of the same client, and other clients, do not.
func TestOutboundAskedFor(t *testing.T) {
	for _, c := range []struct {
		name, fields string
		throttle     channel.Throttle
		want         string
	}{
		{"alone", `"operation":"subscribe","headers":{"DSSubtopic":"a","DSMaxFrequency":2}`, channel.Throttle{}, "1 2 +2 5"},
		{"lower than the server's", `"operation":"subscribe","headers":{"DSSubtopic":"a","DSMaxFrequency":1}`, channel.Throttle{Policy: channel.ThrottleBuffer, MaxClientFrequency: 3}, "1 2 3 4 5"},
		{"dropped by the server's policy", `"operation":"subscribe","headers":{"DSSubtopic":"a","DSMaxFrequency":1}`, channel.Throttle{Policy: channel.ThrottleIgnore, MaxClientFrequency: 3}, "1"},
		{"higher than the server's", `"operation":"subscribe","headers":{"DSSubtopic":"a","DSMaxFrequency":9}`, channel.Throttle{Policy: channel.ThrottleIgnore, MaxClientFrequency: 3}, "1 2 3"},
		{"of a topic", `"operation":"multi_subscribe","headers":{"DSAddSub":["a_;__;_1","b"],"DSMaxFrequency":4}`, channel.Throttle{}, "1 +3 5"},
		{"none", `"operation":"subscribe","headers":{"DSSubtopic":"a","DSMaxFrequency":0}`, channel.Throttle{}, "1 2 3 4 5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			endpointtest.Each(t, func(o *server.Options) { o.Destinations[0].Outbound = c.throttle }, func(t *testing.T, r *endpointtest.Rig, client *endpointtest.Client) {
				producer := r.Connect(channel.WebSocket)
				producer.Subscribe("chat", "a")
				if reply := client.Do("command", `"destination":"chat",`+c.fields); reply.Text("type") != "acknowledge" {
					t.Fatalf("got %v", reply)
				}
				client.Next()
				sendValues(producer, time.Millisecond, "1", "2", "3", "4", "5")
				if got := heardAll(t, client); got != c.want {
					t.Errorf("it got %s, want %s", got, c.want)
				}
			})
		})
	}
}

// What is held for a subscription ends with it: nothing of it follows the line that says so.
func TestOutboundHeldEndsWithItsSubscription(t *testing.T) {
	endpointtest.Each(t, throttledOut(channel.Throttle{Policy: channel.ThrottleBuffer, MaxClientFrequency: 1}), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		producer := r.Connect(channel.WebSocket)
		id := c.Subscribe("chat", "a")
		sendValues(producer, time.Millisecond, "1", "2", "3")
		c.Do("command", fmt.Sprintf(`"operation":"unsubscribe","clientId":%q`, id))
		if got := heardAll(t, c); got != "1 subscription-state unsubscribe" {
			t.Errorf("it got %s", got)
		}
		wantBooks(t, r, 3, 1, 0, 0, 2)
	})
}

// What is held is bounded by what may wait: the client is slow then, or loses the oldest and is told.
func TestOutboundHeldIsBounded(t *testing.T) {
	for policy, want := range map[channel.SlowPolicy]string{channel.SlowDisconnect: "4005", channel.SlowDropOldest: "1 loss  6 7 8"} {
		set := func(o *server.Options) {
			throttledOut(channel.Throttle{Policy: channel.ThrottleBuffer, MaxClientFrequency: 1})(o)
			o.Destinations[0].MaxWaitingMessages, o.Destinations[0].SlowConsumer = 3, policy
		}
		endpointtest.Each(t, set, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
			producer := r.Connect(channel.WebSocket)
			c.Subscribe("chat", "a")
			sendValues(producer, time.Millisecond, "1", "2", "3", "4", "5", "6", "7", "8")
			if policy == channel.SlowDisconnect {
				c.WantEnd(message.CodeSlowConsumer)
			} else if got := strings.ReplaceAll(heardAll(t, c), "loss  loss ", "loss "); !strings.HasPrefix(got, "1 loss") || !strings.HasSuffix(got, "6 7 8") {
				t.Errorf("it got %s, want %s", got, want)
			}
			b := r.Server.Broker().Destination("chat").Books()
			if b.Accepted.Load() != b.Sent.Load()+b.Dropped.Load()+b.Abandoned.Load() {
				t.Errorf("the books do not balance")
			}
		})
	}
}

// A poller whose next message is held is told to come when that has its turn.
func TestPollerIsToldItsTurn(t *testing.T) {
	set := func(o *server.Options) {
		throttledOut(channel.Throttle{Policy: channel.ThrottleBuffer, MaxClientFrequency: 1})(o)
		o.Channels[2].WaitInterval, o.Channels[2].PollingInterval = 0, 7*time.Second
	}
	endpointtest.Run(t, set, func(t *testing.T, r *endpointtest.Rig) {
		producer, c := r.Connect(channel.WebSocket), r.NewClient(channel.LongPoll)
		_, lines, _ := r.Post("/longpoll", connectLine)
		c.Adopt(lines[0])
		c.Do("command", `"operation":"subscribe","destination":"chat","headers":{"DSSubtopic":"a"}`)
		sendValues(producer, 0, "1", "2")
		poll := func(attach, have int) (bodies string, pause float64) {
			_, lines, _ := r.Post("/longpoll", c.PollLine(attach, have), c.Auth()...)
			for _, line := range lines {
				bodies += line.Text("body")
			}
			h, _ := lines[len(lines)-1]["headers"].(map[string]any)
			return bodies, h["DSPollWait"].(float64)
		}
		bodies, pause := poll(1, 0)
		if bodies != "1" || pause < 900 || pause > 1000 {
			t.Errorf("got %q and is to come in %v ms", bodies, pause)
		}
		time.Sleep(time.Duration(pause)*time.Millisecond + 200*time.Millisecond) // and the ticks of the wheel
		if bodies, pause = poll(2, 2); bodies != "2" || pause != 7000 {
			t.Errorf("got %q and is to come in %v ms", bodies, pause)
		}
	})
}

// What comes when a turn is free, and the one before has not gone yet, goes behind it; and a reload that lifts the throttle lets go what is held.
func TestOutboundBufferKeepsItsOrder(t *testing.T) {
	endpointtest.Each(t, throttledOut(channel.Throttle{Policy: channel.ThrottleBuffer, MaxFrequency: 2}), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		producer := r.Connect(channel.WebSocket)
		c.Subscribe("chat", "a")
		time.Sleep(37 * time.Millisecond) // between two ticks of the wheel
		began := time.Now()
		sendValues(producer, time.Millisecond, "1", "2", "3")
		time.Sleep(time.Until(began.Add(time.Second + 5*time.Millisecond)))
		sendValues(producer, time.Millisecond, "4", "5", "6", "7", "8", "9")
		c.WantMessages("1", "2", "3", "4")
		if _, err := r.Server.Reload(endpointtest.Options(nil)); err != nil {
			t.Fatal(err)
		}
		lifted, limit := time.Now(), 300*time.Millisecond
		if c.Kind == channel.LongPoll {
			limit += time.Second // it was told to come when the next one has its turn
		}
		c.WantMessages("5", "6", "7", "8", "9")
		if took := time.Since(lifted); took > limit {
			t.Errorf("what was held came %v after the throttle was lifted", took)
		}
	})
}
