package server_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// throttledIn gives chat a throttle-inbound.
func throttledIn(t channel.Throttle) func(*server.Options) {
	return func(o *server.Options) { o.Destinations[0].Inbound, o.Destinations[0].ConflateKey = t, "key" }
}

// publishAll sends messages in one frame, and returns their replies as they come, by messageId and in the order in which they were sent.
func publishAll(c *endpointtest.Client, bodies ...string) []endpointtest.Line {
	var lines []string
	for _, body := range bodies {
		key, _, _ := strings.Cut(body, "=")
		lines = append(lines, fmt.Sprintf(`{"type":"async","messageId":%q,"destination":"chat","headers":{"key":%q},"body":%q}`, body, key, body))
	}
	c.Send(strings.Join(lines, "\n"))
	replies := map[string]endpointtest.Line{}
	for range bodies {
		line := c.Next()
		replies[line.Text("correlationId")] = line
	}
	all := make([]endpointtest.Line, len(bodies))
	for i, body := range bodies {
		all[i] = replies[body]
	}
	return all
}

// verdicts are what became of messages, by their replies.
func verdicts(lines []endpointtest.Line) string {
	var all []string
	for _, l := range lines {
		body, _ := l["body"].(map[string]any)
		switch {
		case l.Text("type") == "error":
			all = append(all, fmt.Sprintf("%s by %s=%v", l.Text("name"), l.Text("setting"), l["value"]))
		case body["merged"] == true && body["throttled"] == true:
			all = append(all, "merged")
		case body["throttled"] == true:
			all = append(all, "throttled")
		case l.Text("type") == "acknowledge" && body == nil:
			all = append(all, "published")
		default:
			all = append(all, fmt.Sprint(l))
		}
	}
	return strings.Join(all, ", ")
}

// A client that publishes faster than max-client-frequency is refused, and told when to come again; another one is not. Above max-frequency all are.
func TestInboundError(t *testing.T) {
	set := throttledIn(channel.Throttle{Policy: channel.ThrottleError, MaxFrequency: 5, MaxClientFrequency: 3})
	endpointtest.Each(t, set, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		reader, other := r.Connect(channel.WebSocket), r.Connect(channel.WebSocket)
		reader.Subscribe("chat", "")
		replies := publishAll(c, "1", "2", "3", "4")
		if got, want := verdicts(replies), "published, published, published, throttled by max-client-frequency=3"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got, want := verdicts(publishAll(other, "5", "6", "7")), "published, published, throttled by max-frequency=5"; got != want {
			t.Errorf("the other got %s, want %s", got, want)
		}
		again, _ := replies[3]["retryAfterMillis"].(float64)
		if again <= 0 || again > 1000 {
			t.Errorf("it is told to come again after %v ms", again)
		}
		time.Sleep(time.Duration(again) * time.Millisecond)
		if got := verdicts(publishAll(c, "8")); got != "published" {
			t.Errorf("when it comes again it got %s", got)
		}
		reader.WantMessages("1", "2", "3", "5", "6", "8")
		if n := r.Server.Broker().Destination("chat").Throttled(); n != (channel.ThrottleStats{Refused: 2}) {
			t.Errorf("counted %+v", n)
		}
	})
}

// What is refused for another reason does not count as published.
func TestInboundCountsWhatIsAllowed(t *testing.T) {
	set := func(o *server.Options) {
		throttledIn(channel.Throttle{Policy: channel.ThrottleError, MaxFrequency: 1})(o)
		o.Destinations[0].Channels = []string{"websocket"}
	}
	endpointtest.Run(t, set, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.WebSocket)
		for range 3 {
			if status, _, _ := r.Post("/longpoll/chat", `1`); status != 403 {
				t.Errorf("a channel that is not allowed: %d", status)
			}
			c.WantRefusal(c.Publish("chat", "a.*", "x"), message.CodeWildcardPublish)
		}
		if got := verdicts(publishAll(c, "1")); got != "published" {
			t.Error(got)
		}
	})
}

// A plain POST has no client: who comes from its address counts as one.
func TestInboundPlainPost(t *testing.T) {
	for policy, want := range map[channel.ThrottlePolicy]string{channel.ThrottleError: "429 error", channel.ThrottleIgnore: "200 map[throttled:true]", channel.ThrottleBuffer: "200 <nil>"} {
		endpointtest.Run(t, throttledIn(channel.Throttle{Policy: policy, MaxClientFrequency: 1}), func(t *testing.T, r *endpointtest.Rig) {
			r.Post("/longpoll/chat", `1`)
			began := time.Now()
			status, lines, h := r.Post("/longpoll/chat", `2`)
			got := fmt.Sprint(status, " ", lines[0]["body"])
			if status == 429 {
				got = fmt.Sprint(status, " ", lines[0].Text("type"))
				if h.Get("Retry-After") != "1" {
					t.Errorf("Retry-After: %q", h.Get("Retry-After"))
				}
			}
			if got != want {
				t.Errorf("%s: got %s, want %s", policy, got, want)
			}
			if took := time.Since(began); (policy == channel.ThrottleBuffer) != (took >= time.Second) {
				t.Errorf("%s: it was answered after %v", policy, took)
			}
		})
	}
}

// What is ignored is acknowledged as such, and counted.
func TestInboundIgnore(t *testing.T) {
	set := throttledIn(channel.Throttle{Policy: channel.ThrottleIgnore, MaxFrequency: 2})
	endpointtest.Each(t, set, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		reader := r.Connect(channel.WebSocket)
		reader.Subscribe("chat", "")
		if got, want := verdicts(publishAll(c, "1", "2", "3", "4")), "published, published, throttled, throttled"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		time.Sleep(time.Second)
		publishAll(c, "5")
		reader.WantMessages("1", "2", "5")
		if n := r.Server.Broker().Destination("chat").Throttled(); n != (channel.ThrottleStats{Ignored: 2}) {
			t.Errorf("counted %+v", n)
		}
	})
}

// What is buffered is published later, in order, never faster than it may, and acknowledged when it is. Beyond max-held-messages it is refused.
func TestInboundBuffer(t *testing.T) {
	set := throttledIn(channel.Throttle{Policy: channel.ThrottleBuffer, MaxClientFrequency: 2, MaxHeld: 5})
	endpointtest.Each(t, set, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		reader, other := r.Connect(channel.WebSocket), r.Connect(channel.WebSocket)
		reader.Subscribe("chat", "")
		began := time.Now()
		if got, want := verdicts(publishAll(c, "1", "2", "3", "4", "5", "6", "7", "8")), "published, published, published, published, published, published, published, throttled by max-held-messages=5"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if took := time.Since(began); took < 3*time.Second || took > 4*time.Second {
			t.Errorf("the last one was acknowledged after %v", took)
		}
		synctest.Wait() // nobody publishes what was held any more: the other one's would go behind it
		if got := verdicts(publishAll(other, "9")); got != "published" {
			t.Errorf("the other one got %s", got)
		}
		reader.WantMessages("1", "2", "3", "4", "5", "6", "7", "9")
		if n := r.Server.Broker().Destination("chat").Throttled(); n != (channel.ThrottleStats{Refused: 1, Held: 5}) {
			t.Errorf("counted %+v", n)
		}
	})
}

// One client may have to wait, the other does not wait for it; what both send is held to max-frequency.
func TestInboundBufferOfSeveral(t *testing.T) {
	set := throttledIn(channel.Throttle{Policy: channel.ThrottleBuffer, MaxFrequency: 4, MaxClientFrequency: 2})
	endpointtest.Run(t, set, func(t *testing.T, r *endpointtest.Rig) {
		reader := r.Connect(channel.WebSocket)
		reader.Subscribe("chat", "")
		for i := range 3 {
			c := r.Connect(channel.WebSocket)
			for k := range 4 {
				c.Send(fmt.Sprintf(`{"type":"async","destination":"chat","body":"%d.%d"}`, i, k))
			}
		}
		var at []time.Time
		next := map[string]int{}
		for range 12 {
			from, number, _ := strings.Cut(reader.Next().Text("body"), ".")
			if number != fmt.Sprint(next[from]) {
				t.Errorf("of %s came %s, want %d", from, number, next[from])
			}
			next[from]++
			at = append(at, time.Now())
		}
		for i := 4; i < len(at); i++ {
			if at[i].Sub(at[i-4]) < time.Second {
				t.Errorf("5 came within %v", at[i].Sub(at[i-4]))
			}
		}
		if took := at[11].Sub(at[0]); took > 3*time.Second {
			t.Errorf("all took %v", took)
		}
	})
}

// What would have to wait for too long is refused at once.
func TestInboundBufferTooLate(t *testing.T) {
	set := throttledIn(channel.Throttle{Policy: channel.ThrottleBuffer, MaxFrequency: 1})
	endpointtest.Run(t, set, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.WebSocket)
		for i := range 30 {
			c.Send(fmt.Sprintf(`{"type":"async","messageId":"%d","destination":"chat","body":1}`, i))
		}
		published, refused := 0, 0
		for range 30 {
			if line := c.Next(); line.Text("type") == "acknowledge" {
				published++
			} else if refused++; line.Text("name") != "throttled" || line.Text("setting") != "max-frequency" || line["retryAfterMillis"].(float64) < 1000 {
				t.Errorf("got %v", line)
			}
		}
		if published != 21 || refused != 9 {
			t.Errorf("%d were published and %d refused, want 21 and 9", published, refused)
		}
	})
}

// Of what is conflated the newest of each key is published, and the others' publisher is told so.
func TestInboundConflate(t *testing.T) {
	set := throttledIn(channel.Throttle{Policy: channel.ThrottleConflate, MaxFrequency: 1})
	endpointtest.Each(t, set, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		reader := r.Connect(channel.WebSocket)
		reader.Subscribe("chat", "")
		got := verdicts(publishAll(c, "a=1", "a=2", "b=1", "a=3", "b=2", "a=4"))
		if want := "published, merged, merged, merged, published, published"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		reader.WantMessages("a=1", "b=2", "a=4")
		reader.Nothing(time.Minute)
		if n := r.Server.Broker().Destination("chat").Throttled(); n != (channel.ThrottleStats{Merged: 3, Held: 2}) {
			t.Errorf("counted %+v", n)
		}
	})
}

// An older value never comes behind a newer one, not even where the newer is of a client that need not wait.
func TestInboundConflateOfSeveral(t *testing.T) {
	set := throttledIn(channel.Throttle{Policy: channel.ThrottleConflate, MaxClientFrequency: 1})
	endpointtest.Run(t, set, func(t *testing.T, r *endpointtest.Rig) {
		reader, slow, other := r.Connect(channel.WebSocket), r.Connect(channel.WebSocket), r.Connect(channel.WebSocket)
		reader.Subscribe("chat", "")
		for _, body := range []string{"a=1", "a=2"} {
			slow.Send(fmt.Sprintf(`{"type":"async","messageId":%q,"destination":"chat","headers":{"key":"a"},"body":%[1]q}`, body))
		}
		if got := verdicts([]endpointtest.Line{slow.Next()}); got != "published" {
			t.Errorf("the first got %s", got)
		}
		if got := verdicts(publishAll(other, "a=3")); got != "published" {
			t.Errorf("the other's got %s", got)
		}
		if got := verdicts([]endpointtest.Line{slow.Next()}); got != "merged" {
			t.Errorf("the second got %s", got)
		}
		reader.WantMessages("a=1", "a=3")
		reader.Nothing(time.Minute)
	})
}

// A reload that lifts the throttle lets go what is held, one that raises it lets go what may now, and the end of the server loses nothing either.
func TestInboundHeldIsLetGo(t *testing.T) {
	slow := throttledIn(channel.Throttle{Policy: channel.ThrottleBuffer, MaxFrequency: 1})
	for name, change := range map[string]func(r *endpointtest.Rig){
		"throttle lifted": func(r *endpointtest.Rig) { r.Server.Reload(endpointtest.Options(nil)) },
		"throttle raised": func(r *endpointtest.Rig) {
			r.Server.Reload(endpointtest.Options(throttledIn(channel.Throttle{Policy: channel.ThrottleBuffer, MaxFrequency: 100})))
		},
		"shutdown": func(r *endpointtest.Rig) { go r.Server.Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			endpointtest.Run(t, slow, func(t *testing.T, r *endpointtest.Rig) {
				c := r.Connect(channel.WebSocket)
				for i := range 10 {
					c.Send(fmt.Sprintf(`{"type":"async","messageId":"%d","destination":"chat","body":1}`, i))
				}
				time.Sleep(500 * time.Millisecond)
				began := time.Now()
				change(r)
				if name == "shutdown" {
					time.Sleep(300 * time.Millisecond)
					if n := r.Server.Broker().Destination("chat"); n.Throttled().Waiting != 0 || n.Stats().Published != 10 {
						t.Errorf("%+v %+v", n.Throttled(), n.Stats())
					}
					return
				}
				for range 10 {
					if line := c.Next(); line.Text("type") != "acknowledge" {
						t.Errorf("got %v", line)
					}
				}
				if took := time.Since(began); took > 300*time.Millisecond {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}
