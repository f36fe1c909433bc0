package server_test

import (
	"fmt"
	"testing"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

func TestPublishAndReceive(t *testing.T) {
	endpointtest.Each(t, nil, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		id := c.Subscribe("chat", "room.1")
		if reply := c.Publish("chat", "room.1", "hello"); reply.Text("type") != "acknowledge" {
			t.Fatalf("publish: %v", reply)
		}
		line := c.Next()
		if line.Text("body") != "hello" || line.Text("destination") != "chat" || line.Text("messageId") == "" || line["timestamp"] == nil {
			t.Fatalf("got %v", line)
		}
		if h := line["headers"].(map[string]any); h["DSSubtopic"] != "room.1" {
			t.Fatalf("headers: %v", h)
		}
		c.Publish("chat", "room.2", "elsewhere")
		reply := c.Do("command", fmt.Sprintf(`"operation":"unsubscribe","clientId":%q`, id))
		if reply.Text("type") != "acknowledge" {
			t.Fatalf("unsubscribe: %v", reply)
		}
		if line := c.Next(); line.Text("type") != "subscription-state" || line.Text("operation") != "unsubscribe" {
			t.Fatalf("got %v, want the end of the subscription", line)
		}
		c.Publish("chat", "room.1", "too late")
		c.Nothing(time.Minute)
	})
}

func TestEveryPairOfChannels(t *testing.T) {
	for _, from := range endpointtest.Kinds {
		for _, to := range endpointtest.Kinds {
			t.Run(fmt.Sprintf("%s to %s", from, to), func(t *testing.T) {
				endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
					producer, consumer := r.Connect(from), r.Connect(to)
					consumer.Subscribe("chat", "room.*")
					var want []string
					for i := range 50 {
						body := fmt.Sprint(i)
						want = append(want, body)
						producer.Publish("chat", "room.1", body)
					}
					consumer.WantMessages(want...)
				})
			})
		}
	}
}

func TestWildcards(t *testing.T) {
	endpointtest.Each(t, nil, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		c.Subscribe("chat", "chat.*.news")
		for _, subtopic := range []string{"chat.news", "chat.uk.x.news", "chat.uk.news"} {
			c.Publish("chat", subtopic, subtopic)
		}
		c.WantMessages("chat.uk.news")
		c.Nothing(time.Minute)
	})
}

// A message reaches a client once however many of its subscriptions match, and the for line before it says which.
func TestSeveralSubscriptions(t *testing.T) {
	endpointtest.Each(t, nil, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		one := c.Subscribe("chat", "a.b")
		all := c.Subscribe("chat", "*")
		plain := c.Subscribe("plain", "")
		want := func(body string, ids ...string) {
			t.Helper()
			if len(ids) > 0 {
				line := c.Next()
				got := map[any]bool{}
				for _, id := range line["clientIds"].([]any) {
					got[id] = true
				}
				if line.Text("operation") != "for" || len(got) != len(ids) {
					t.Fatalf("got %v, want for %v", line, ids)
				}
				for _, id := range ids {
					if !got[id] {
						t.Fatalf("%v lacks %s", line, id)
					}
				}
			}
			c.WantMessages(body)
		}
		c.Publish("chat", "a.b", "both")
		want("both", one, all)
		c.Publish("chat", "x", "one")
		want("one", all)
		c.Publish("plain", "", "alone on its destination")
		want("alone on its destination")
		_ = plain
	})
}

func TestPublishToSeveralSubtopics(t *testing.T) {
	endpointtest.Each(t, nil, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		c.Subscribe("chat", "*")
		c.Do("async", `"destination":"chat","headers":{"DSSubtopic":["a","b"]},"body":"once"`)
		c.WantMessages("once")
		c.Nothing(time.Minute)
	})
}

func TestMultiSubscribe(t *testing.T) {
	endpointtest.Each(t, nil, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		reply := c.Do("command", `"operation":"multi_subscribe","destination":"chat","headers":{"DSAddSub":["a_;_","b_;_"]}`)
		id := reply.Text("clientId")
		if id == "" || c.Next().Text("type") != "subscription-state" {
			t.Fatalf("multi_subscribe: %v", reply)
		}
		c.Publish("chat", "b", "first")
		c.WantMessages("first")
		reply = c.Do("command", fmt.Sprintf(`"operation":"multi_subscribe","clientId":%q,"headers":{"DSAddSub":["c_;_"],"DSRemSub":["b_;_"]}`, id))
		if reply.Text("type") != "acknowledge" || c.Next().Text("operation") != "multi_subscribe" {
			t.Fatalf("change: %v", reply)
		}
		c.Publish("chat", "b", "no more")
		c.Publish("chat", "c", "second")
		c.WantMessages("second")
	})
}

// What is asked for in one frame or one POST is answered there, and a message published behind a subscribe reaches it.
func TestEverythingInOneRequest(t *testing.T) {
	lines := `{"type":"command","operation":"client_ping","messageId":"c","headers":{"DSId":"nil"},"attach":1}
{"type":"command","operation":"subscribe","messageId":"s","seq":1,"destination":"chat"}
{"type":"async","messageId":"m","seq":2,"destination":"chat","body":"at once"}`
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := r.NewClient(channel.WebSocket)
		c.Dial()
		c.Send(lines)
		var replies, pushed []string // which have no order with each other
		for range 6 {
			line := c.Next()
			if line.Text("type") == "acknowledge" {
				replies = append(replies, line.Text("correlationId"))
			} else {
				pushed = append(pushed, line.Text("type")+" "+line.Text("operation"))
			}
		}
		if got, want := fmt.Sprint(replies, pushed), "[c s m] [control attached subscription-state subscribe async ]"; got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		_, replies, _ := r.Post("/longpoll", `{"type":"command","operation":"client_ping","messageId":"c","headers":{"DSId":"nil"}}
{"type":"command","operation":"subscribe","messageId":"s","seq":1,"destination":"chat"}
{"type":"async","messageId":"m","seq":2,"destination":"chat","body":"at once"}`)
		if len(replies) != 3 || replies[2].Text("correlationId") != "m" || replies[2].Text("type") != "acknowledge" {
			t.Errorf("got %v", replies)
		}
	})
}

// A request that comes again with the same seq is not run again; its reply is.
func TestRepeatedRequest(t *testing.T) {
	endpointtest.Each(t, nil, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		c.Subscribe("chat", "")
		line := `{"type":"async","messageId":"twice","seq":2,"destination":"chat","body":"once"}`
		first, second := c.Ask(line, "twice"), c.Ask(line, "twice")
		if first.Text("type") != "acknowledge" || fmt.Sprint(first) != fmt.Sprint(second) {
			t.Errorf("replies %v and %v", first, second)
		}
		c.WantMessages("once")
		c.Nothing(time.Minute)
		gap := c.Ask(`{"type":"async","messageId":"gap","seq":9,"destination":"chat","body":"never"}`, "gap")
		c.WantRefusal(gap, message.CodeUplinkGap)
		if gap["expect"] != 3.0 {
			t.Errorf("expect is %v, want 3", gap["expect"])
		}
	})
}

func TestTooManyOpenRequests(t *testing.T) {
	limit := func(o *server.Options) { o.FlexClient.MaxOpenRequests = 4 }
	endpointtest.Each(t, limit, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		for seq := 1; seq <= 4; seq++ {
			c.Ask(fmt.Sprintf(`{"type":"async","messageId":"m","seq":%d,"destination":"chat","body":1}`, seq), "m")
		}
		full := c.Ask(`{"type":"async","messageId":"m","seq":5,"destination":"chat","body":1}`, "m")
		c.WantRefusal(full, message.CodeTooManyRequests)
		if full["value"] != 4.0 {
			t.Errorf("the error does not tell the limit: %v", full)
		}
		if ok := c.Ask(`{"type":"async","messageId":"m","seq":5,"got":4,"destination":"chat","body":1}`, "m"); ok.Text("type") != "acknowledge" {
			t.Errorf("after got: %v", ok)
		}
	})
}

// The window holds back what is not confirmed, and a confirmation lets it go on.
func TestWindow(t *testing.T) {
	small := func(o *server.Options) { o.FlexClient.Window.Messages = 4 }
	endpointtest.Run(t, small, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.WebSocket)
		c.Subscribe("chat", "") // its subscription-state is the first unconfirmed line
		for i := range 6 {
			c.Publish("chat", "", fmt.Sprint(i))
		}
		c.WantMessages("0", "1", "2")
		c.Nothing(time.Minute)
		c.Send(`{"type":"control","operation":"confirm","have":4}`)
		c.WantMessages("3", "4", "5")
		c.Send(`{"type":"control","operation":"confirm","have":99}`)
		if line := c.Next(); line.Text("operation") != "gone" || line.Text("reason") != "ahead" {
			t.Errorf("confirmed too much: %v, want gone ahead", line)
		}
	})
}

// A request that is refused for one of its fields has used its seq: a mistake of the application must not cost it its client.
func TestRefusedFieldUsesItsSeq(t *testing.T) {
	endpointtest.Each(t, nil, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		c.WantRefusal(c.Do("async", `"destination":"chat","timeToLive":"5","body":1`), message.CodeBadField)
		c.WantRefusal(c.Do("async", `"destination":5,"body":1`), message.CodeBadField)
		if reply := c.Publish("chat", "", "next"); reply.Text("type") != "acknowledge" {
			t.Errorf("the request behind them: %v", reply)
		}
	})
}
