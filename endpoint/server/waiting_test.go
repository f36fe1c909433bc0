package server_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
	"sluice/flexsession"
)

// destination changes the destination chat, and gives clients time to come back.
func destination(change func(*channel.DestinationDefinition)) func(*server.Options) {
	return func(o *server.Options) {
		within(time.Hour)(o)
		change(&o.Destinations[0])
	}
}

// told is what a client that comes back is told of the past: bodies, losses, merges, skips, warnings and states of subscriptions.
func told(lines []endpointtest.Line) string {
	var words []string
	for _, l := range lines {
		switch l.Text("type") + " " + l.Text("operation") {
		case "async ":
			words = append(words, fmt.Sprint(l["body"]))
		case "loss ":
			words = append(words, fmt.Sprintf("-%v", l["count"]))
		case "control merged":
			words = append(words, fmt.Sprintf("%v+", l["count"]))
		case "control skip":
			words = append(words, fmt.Sprintf("skip %v", l["count"]))
		case "control slow":
			words = append(words, fmt.Sprintf("slow %v/%v", l["waiting"], l["limit"]))
		case "subscription-state unsubscribe":
			words = append(words, "unsubscribed")
		case "control gone":
			return l.Code().String()
		}
	}
	return strings.Join(words, " ")
}

// What waits for a client that is away, and what becomes of it, is the same on whatever channel it comes back.
func TestWaitingForAClient(t *testing.T) {
	slow := func(policy channel.SlowPolicy, limit int) func(*channel.DestinationDefinition) {
		return func(d *channel.DestinationDefinition) {
			d.SlowConsumer, d.MaxWaitingMessages, d.ConflateKey = policy, limit, "k"
		}
	}
	key := func(k string) string { return fmt.Sprintf(`"headers":{"k":%q},`, k) }
	urgent := func(p int) string { return fmt.Sprintf(`"headers":{"DSPriority":%d},`, p) }
	seven := 7
	for name, c := range map[string]struct {
		change  func(*channel.DestinationDefinition)
		publish []string // members of messages whose bodies are their places; "-": a subscription of the client's ends
		want    string
	}{
		"time to live": {nil, []string{`"timeToLive":1000,`, `"timeToLive":60000,`, `"timeToLive":0,`}, "2 3"},
		"of the destination": {func(d *channel.DestinationDefinition) { d.MessageTimeToLive = time.Second },
			[]string{``, `"timeToLive":60000,`}, ""},
		"never expires":                     {func(d *channel.DestinationDefinition) { d.MessageTimeToLive = -1 }, []string{`"timeToLive":1000,`}, "1"},
		"priority":                          {nil, []string{urgent(0), "", urgent(9), urgent(4), urgent(9), urgent(5)}, "3 5 6 2 4 1"},
		"not across the server's own lines": {nil, []string{urgent(1), "", "-", urgent(9), urgent(0)}, "2 1 unsubscribed 4 5"},
		"priority of the destination":       {func(d *channel.DestinationDefinition) { d.MessagePriority = &seven }, []string{urgent(6), "", urgent(8)}, "3 2 1"},
		"disconnect":                        {slow("", 3), []string{"", "", "", ""}, "slow-consumer"},
		"drop-oldest":                       {slow(channel.SlowDropOldest, 3), []string{"", "", "", "", "", ""}, "slow 3/3 -3 4 5 6"},
		"losses where they occurred":        {slow(channel.SlowDropOldest, 2), []string{"", "", "", "-", "", ""}, "slow 2/2 -3 unsubscribed 5 6"},
		"conflate":                          {slow(channel.SlowConflate, 3), []string{key("a"), key("b"), key("a"), key("b"), key("a")}, "slow 3/3 1+ 3 1+ 4 5"},
		"conflate what is too much":         {slow(channel.SlowConflate, 2), []string{key("a"), key("b"), key("c"), key("c"), key("b")}, "slow 2/2 -1 1+ 4 1+ 5"},
		"drop what has expired first":       {slow("", 2), []string{`"timeToLive":1,`, "", ""}, "slow 2/2 2 3"},
	} {
		for _, kind := range endpointtest.Kinds {
			t.Run(name+"/"+string(kind), func(t *testing.T) {
				endpointtest.Run(t, destination(func(d *channel.DestinationDefinition) {
					if c.change != nil {
						c.change(d)
					}
				}), func(t *testing.T, r *endpointtest.Rig) {
					reader, publisher := r.Connect(kind), r.Connect(channel.WebSocket)
					reader.Subscribe("chat", "")
					other := reader.Subscribe("news", "")
					reader.Vanish()
					synctest.Wait()
					for i, members := range c.publish {
						if members == "-" {
							r.Post("/longpoll", fmt.Sprintf(`{"type":"command","operation":"unsubscribe","messageId":"u","clientId":%q}`, other), reader.Auth()...)
							continue
						}
						publisher.Do("async", fmt.Sprintf(`"destination":"chat",%s"body":%d`, members, i+1))
						time.Sleep(10 * time.Millisecond)
					}
					time.Sleep(5 * time.Second)
					lines := comeBack(r, kind, reader, 100, 2, pingLine)
					if got := told(lines); got != c.want {
						t.Errorf("told %q, want %q", got, c.want)
					}
					wantBalanced(t, r)
				})
			})
		}
	}
}

// What a client has not confirmed, and has expired meanwhile, is only counted when it comes back.
func TestExpiredIsNotSentAgain(t *testing.T) {
	endpointtest.Each(t, within(time.Hour), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		c.Subscribe("chat", "")
		c.Vanish()
		synctest.Wait() // else a poll that nobody waits for any more may be given the first of it
		publisher := r.Connect(channel.WebSocket)
		for i := range 5 {
			publisher.Do("async", fmt.Sprintf(`"destination":"chat","timeToLive":%d,"body":"%d"`, map[bool]int{true: 2000}[i%4 != 0], i))
		}
		synctest.Wait()
		for _, want := range []string{"0 1 2 3 4", "0 skip 3 4"} {
			if got := told(comeBack(r, c.Kind, c, 100, 1, pingLine)); got != want {
				t.Errorf("told %q, want %q", got, want)
			}
			time.Sleep(3 * time.Second)
		}
		publisher.Publish("chat", "", "next")
		if got := told(comeBack(r, c.Kind, c, 102, 6, pingLine)); got != "next" {
			t.Errorf("the client that counted those skipped is told %q", got)
		}
		wantBalanced(t, r)
	})
}

// A reader that is slow is warned once, before it is too late, while it is connected; so are those who listen, and metrics.
func TestSlowReaderIsWarned(t *testing.T) {
	for _, kind := range []channel.Kind{channel.WebSocket, channel.Streaming} {
		t.Run(string(kind), func(t *testing.T) {
			var internal *endpointtest.Listener
			var heard []flexsession.Slow
			endpointtest.Run(t, func(o *server.Options) {
				internal = endpointtest.Listen("192.0.2.2:9080") // in the bubble
				o.FlexClient.MaxWaitingMessages, o.FlexClient.Window.Messages = 20, 4
				o.FlexClient.Listeners = append(o.FlexClient.Listeners, flexsession.Listener{ClientSlow: func(_ *flexsession.FlexClient, s flexsession.Slow) { heard = append(heard, s) }})
				o.Listeners = append(o.Listeners, server.Listener{ID: "internal", Role: server.Internal, Net: internal})
			}, func(t *testing.T, r *endpointtest.Rig) {
				c, publisher := r.Connect(kind), r.Connect(channel.WebSocket)
				c.Subscribe("chat", "") // the first of the four lines that may be unconfirmed
				for i := range 3 + 14 {
					publisher.Publish("chat", "", fmt.Sprint(i))
				}
				c.WantMessages("0", "1", "2")
				c.Nothing(time.Second)
				for i := range 5 {
					publisher.Publish("chat", "", fmt.Sprint(17+i))
				}
				line := c.Next()
				if line.Text("operation") != "slow" || line.Text("destination") != "chat" || line["waiting"] != 15.0 || line["limit"] != 20.0 || line.Text("setting") != "max-waiting-messages" {
					t.Errorf("%v, want a warning", line)
				}
				c.Nothing(time.Second)
				synctest.Wait()
				want := flexsession.Slow{Destination: "chat", Setting: "max-waiting-messages", Waiting: 15, Limit: 20}
				if len(heard) != 1 || heard[0] != want {
					t.Errorf("listeners heard %+v, want %+v once", heard, want)
				}
				if n := metricsOf(t, internal)[`sluice_slow_warnings_total{destination="chat",setting="max-waiting-messages"}`]; n != 1 {
					t.Errorf("%v warnings are counted", n)
				}
				publisher.Publish("chat", "", "22")
				publisher.Publish("chat", "", "one too many")
				c.WantEnd(message.CodeSlowConsumer)
				wantBalanced(t, r)
			})
		})
	}
}

// What a service sends to one client waits, expires and makes room as what comes by the broker, and the API shows the books.
func TestSentToOneClient(t *testing.T) {
	change := func(o *server.Options) {
		withAPI(o)
		destination(func(d *channel.DestinationDefinition) {
			d.MessageTimeToLive, d.SlowConsumer, d.MaxWaitingMessages = 10*time.Second, channel.SlowDropOldest, 2
		})(o)
	}
	endpointtest.Each(t, change, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		c.Subscribe("chat", "")
		c.Vanish()
		synctest.Wait() // else a poll that nobody waits for any more may be given the first of it
		send := func(bodies ...int) {
			for _, body := range bodies {
				if status, answer := ask(t, r, "POST", "/send", fmt.Sprintf(`{"destination":"chat","client":%q,"body":%d}`, c.ID, body)); status != 200 || answer["reached"] != 1.0 {
					t.Fatalf("%d %v", status, answer)
				}
			}
		}
		send(1, 2, 3)
		if got := told(comeBack(r, c.Kind, c, 100, 1, pingLine)); got != "slow 2/2 -1 2 3" {
			t.Errorf("told %q", got)
		}
		synctest.Wait()
		send(4)
		time.Sleep(15 * time.Second)
		if got := told(comeBack(r, c.Kind, c, 101, 4, pingLine)); got != "" {
			t.Errorf("told %q of what has expired", got)
		}
		wantBalanced(t, r)
		_, answer := ask(t, r, "GET", "/clients/"+c.ID, "")
		want := "map[abandoned:0 accepted:4 destination:chat dropped:1 expired:1 merged:0 sent:2 waiting:0]"
		if books := answer["books"].([]any); len(books) != 1 || fmt.Sprint(books[0]) != want {
			t.Errorf("the client's books are %v, want %s", books, want)
		}
		_, answer = ask(t, r, "GET", "/info", "")
		if books := answer["destinations"].([]any)[0].(object)["books"]; fmt.Sprint(books) != strings.Replace(want, "destination:chat ", "", 1) {
			t.Errorf("the destination's books are %v", books)
		}
	})
}

// wantBalanced wants the books of all destinations to balance, when nothing is under way.
func wantBalanced(t *testing.T, r *endpointtest.Rig) {
	t.Helper()
	synctest.Wait()
	waiting := r.Server.Registry().Waiting()
	for _, d := range r.Server.Broker().Destinations() {
		b := d.Books()
		if others := b.Sent.Load() + b.Merged.Load() + b.Expired.Load() + b.Dropped.Load() + b.Abandoned.Load() + uint64(waiting[d]); b.Accepted.Load() != others {
			t.Errorf("%s: %d messages were accepted, and of %d it is known what became of them", d.Definition().ID, b.Accepted.Load(), others)
		}
	}
	for _, c := range r.Server.Registry().Clients() {
		for _, b := range c.Facts().Books {
			if !b.Balanced() {
				t.Errorf("the books of a client are %+v", b)
			}
		}
	}
}
