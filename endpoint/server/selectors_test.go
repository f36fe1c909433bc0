package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// selecting subscribes to room on chat with a selector.
func selecting(t *testing.T, c *endpointtest.Client, selector string) (clientID string) {
	t.Helper()
	reply := c.Do("command", fmt.Sprintf(`"operation":"subscribe","destination":"chat","headers":{"DSSubtopic":"room","DSSelector":%q}`, selector))
	if reply.Text("type") != "acknowledge" || c.Next().Text("operation") != "subscribe" {
		t.Fatalf("%s: %v", selector, reply)
	}
	return reply.Text("clientId")
}

// publishWith publishes a text to room with headers, which are members of JSON.
func publishWith(c *endpointtest.Client, headers, body string) {
	c.Do("async", fmt.Sprintf(`"destination":"chat","headers":{"DSSubtopic":"room",%s},"body":%q`, headers, body))
}

func TestSelectors(t *testing.T) {
	endpointtest.Each(t, nil, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		selecting(t, c, "price BETWEEN 5 AND 10 AND symbol LIKE 'S%'")
		publishWith(c, `"price":7.5,"symbol":"SLC"`, "one")
		publishWith(c, `"price":11,"symbol":"SLC"`, "dear")
		publishWith(c, `"price":"7","symbol":"SLC"`, "text is no number")
		publishWith(c, `"symbol":"SLC"`, "of unknown price")
		publishWith(c, `"price":5,"symbol":"S"`, "two")
		c.WantMessages("one", "two")
		c.Nothing(time.Minute)
	})
}

// The selectors of a client's subscriptions decide which of them a message is for.
func TestSelectorsOfSeveralSubscriptions(t *testing.T) {
	endpointtest.Each(t, nil, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		low, high := selecting(t, c, "n < 10"), selecting(t, c, "n > 5")
		for n, want := range map[int][]string{3: {low}, 7: {low, high}, 20: {high}} {
			publishWith(c, fmt.Sprintf(`"n":%d`, n), "message")
			line := c.Next()
			ids, _ := line["clientIds"].([]any)
			if len(ids) != len(want) || !strings.Contains(fmt.Sprint(ids), want[0]) || !strings.Contains(fmt.Sprint(ids), want[len(want)-1]) {
				t.Errorf("%d: got %v, want for %v", n, line, want)
			}
			c.WantMessages("message")
		}
		m, err := message.New("chat", []string{"room"}, []byte(`"pushed"`), map[string]any{"n": 3}, "", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		r.Server.Registry().Clients()[0].Push(r.Server.Broker().Destination("chat"), m)
		if line := c.Next(); fmt.Sprint(line["clientIds"]) != "["+low+"]" {
			t.Errorf("to one client: %v", line)
		}
		c.WantMessages("pushed")
	})
}

func TestBadSelectorSaysWhere(t *testing.T) {
	endpointtest.Each(t, func(o *server.Options) { o.Destinations[1].DisallowSelectors = true }, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		refuse := func(reply endpointtest.Line, detail string) {
			t.Helper()
			if c.WantRefusal(reply, message.CodeBadSelector); !strings.Contains(reply.Text("faultDetail"), detail) {
				t.Errorf("%v, want %s", reply, detail)
			}
		}
		refuse(c.Do("command", `"operation":"subscribe","destination":"chat","headers":{"DSSelector":"price > 5 &&"}`), `"price > 5 &&", character 11: `)
		refuse(c.Do("command", `"operation":"multi_subscribe","destination":"chat","headers":{"DSAddSub":["a_;_n = 1","b_;_n ="]}`), `"n =", character 4: `)
		refused := c.Do("command", `"operation":"subscribe","destination":"news","headers":{"DSSelector":"n = 1"}`)
		if refuse(refused, "none"); refused.Text("setting") != "allow-selectors" || refused["value"] != false {
			t.Errorf("%v", refused)
		}
		c.Nothing(time.Minute) // no subscription-state
	})
}

// A subscription whose selector changes all the time, under traffic, gets each message once and in order; and what comes before and after the line that tells of a change is chosen as it says.
func TestChangingASelectorLosesNothing(t *testing.T) {
	const messages, changes = 2000, 60
	endpointtest.Each(t, remembering(0), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		selectors := []string{"n >= 0 AND even", "n >= 0 AND (even OR NOT even)", "n >= 0 OR even"} // the first for the even ones, the others for all
		id := selecting(t, c, selectors[0])
		var wait sync.WaitGroup
		wait.Go(func() {
			for n := range messages {
				m, err := message.New("chat", []string{"room"}, fmt.Append(nil, `"`, n, `"`), map[string]any{"n": n, "even": n%2 == 0}, "", time.Now())
				if err != nil {
					t.Error(err)
					return
				}
				r.Server.Broker().Publish([]*message.Message{m}, func(int, *message.Error) {})
			}
		})
		for i := range changes {
			reply := c.Do("command", fmt.Sprintf(`"operation":"multi_subscribe","clientId":%q,"headers":{"DSAddSub":["room_;_%s"],"DSRemSub":["room_;_%s"]}`, id, selectors[(i+1)%3], selectors[i%3]))
			if reply.Text("type") != "acknowledge" {
				t.Fatal(reply)
			}
		}
		wait.Wait()
		synctest.Wait()
		next, told := 0, 0 // the next even number
		for next < messages || told < changes {
			line := c.Next()
			if line.Text("operation") == "multi_subscribe" {
				told++
				continue
			}
			var n int
			if fmt.Sscan(line.Text("body"), &n); n%2 == 0 {
				if n != next {
					t.Fatalf("got %d, want %d", n, next)
				}
				next += 2
			} else if told%3 == 0 {
				t.Fatalf("got %d while %s holds", n, selectors[0])
			}
		}
		c.Nothing(time.Minute)
	})
}

// A client with as many subtopics as it may have can give them other selectors.
func TestSelectorsCountAsSubtopics(t *testing.T) {
	endpointtest.Each(t, func(o *server.Options) { o.FlexClient.MaxSubscriptions = 2 }, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		reply := c.Do("command", `"operation":"multi_subscribe","destination":"chat","headers":{"DSAddSub":["room_;_n = 1","room_;_n = 2"]}`)
		id := reply.Text("clientId")
		change := func(headers string) endpointtest.Line {
			return c.Do("command", fmt.Sprintf(`"operation":"multi_subscribe","clientId":%q,"headers":{%s}`, id, headers))
		}
		c.WantRefusal(change(`"DSAddSub":["room_;_n = 3"]`), message.CodeLimitSubscriptions)
		c.WantRefusal(change(`"DSAddSub":["room_;_n = 1"]`), message.CodeLimitSubscriptions)
		c.WantRefusal(change(`"DSAddSub":["room_;_n = 1"],"DSRemSub":["room_;_n = 2"]`), message.CodeAlreadySubscribed)
		if reply := change(`"DSAddSub":["room_;_n = 3"],"DSRemSub":["room_;_n = 1"]`); reply.Text("type") != "acknowledge" {
			t.Fatal(reply)
		}
		for range 2 {
			if line := c.Next(); line.Text("type") != "subscription-state" {
				t.Fatal(line)
			}
		}
		for n := range 4 {
			publishWith(c, fmt.Sprintf(`"n":%d`, n), fmt.Sprint(n))
		}
		c.WantMessages("2", "3")
		c.Nothing(time.Minute)
	})
}

// Selectors choose from the past as from what comes live.
func TestSelectorsOfThePast(t *testing.T) {
	endpointtest.Each(t, remembering(1000), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		var want []string
		for n := range 200 {
			publishWith(c, fmt.Sprintf(`"n":%d`, n), fmt.Sprint(n))
			if n%7 == 0 {
				want = append(want, fmt.Sprint(n))
			}
		}
		s := subscribeFrom(t, c, "room", `,"DSSince":0,"DSSelector":"n / 7 * 7 = n"`, "")
		s.wantPast(true, want...)
		publishWith(c, `"n":8`, "8")
		publishWith(c, `"n":14`, "14")
		s.take("14")
	})
}

// curl can select, too.
func TestPlainReadingSelects(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		answer, err := r.HTTP.Get(r.URL("/streaming/chat/room?selector=n+%3D"))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusBadRequest {
			t.Errorf("a bad selector: %s", answer.Status)
		}
		answer, err = r.HTTP.Get(r.URL("/streaming/chat/room?selector=n+%3E+5"))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		c := r.Connect(channel.WebSocket)
		publishWith(c, `"n":5`, "five")
		publishWith(c, `"n":6`, "six")
		text := make([]byte, 0, 4096)
		for !strings.Contains(string(text), "six") {
			n, err := answer.Body.Read(text[len(text):cap(text)])
			if text = text[:len(text)+n]; err != nil {
				t.Fatal(err)
			}
		}
		if strings.Contains(string(text), "five") {
			t.Errorf("got %s", text)
		}
	})
}
