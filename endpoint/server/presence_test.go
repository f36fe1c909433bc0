package server_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// presence lets chat keep presence, and clients come back within 15 seconds.
func presence(o *server.Options) {
	o.Destinations[0].Presence = true
	channels(func(c *channel.ChannelDefinition) { c.ReliableReconnectDuration = 15 * time.Second })(o)
}

// watch subscribes with presence lines, and takes the subscription-state line.
func watch(c *endpointtest.Client, subtopic, more string) {
	subscribeAs(c, subtopic, `,"DSPresence":true`+more)
}

func subscribeAs(c *endpointtest.Client, subtopic, headers string) (id string) {
	reply := c.Do("command", fmt.Sprintf(`"operation":"subscribe","destination":"chat","headers":{"DSSubtopic":%q%s}`, subtopic, headers))
	if line := c.Next(); line.Text("type") != "subscription-state" {
		panic(fmt.Sprint(reply, line))
	}
	return reply.Text("clientId")
}

// change is a presence line without what differs from run to run.
func change(line endpointtest.Line) string {
	if line.Text("type") != "presence" {
		return fmt.Sprint(line)
	}
	s := line.Text("operation") + " " + line.Text("subtopic")
	for _, name := range []string{"user", "info", "joined", "left", "count"} {
		if v := line[name]; v != nil {
			s += fmt.Sprintf(" %s=%v", name, v)
		}
	}
	return s
}

func wantChange(t *testing.T, c *endpointtest.Client, want string) endpointtest.Line {
	t.Helper()
	line := c.Next()
	if got := change(line); got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	return line
}

// present asks for the members of a subtopic.
func present(c *endpointtest.Client, subtopic, body string) map[string]any {
	reply := c.Do("command", fmt.Sprintf(`"operation":"presence","destination":"chat","headers":{"DSSubtopic":%q},"body":%s`, subtopic, body))
	answer, ok := reply["body"].(map[string]any)
	if !ok {
		panic(fmt.Sprint(reply))
	}
	return answer
}

func wantCount(t *testing.T, c *endpointtest.Client, subtopic string, want int) {
	t.Helper()
	if got := present(c, subtopic, "null")["count"]; got != float64(want) {
		t.Errorf("%s has %v members, want %d", subtopic, got, want)
	}
}

func TestPresenceOfASubtopic(t *testing.T) {
	endpointtest.Each(t, presence, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		watch(c, "room.1", `,"DSPresenceInfo":{"nick": "Cleo", "n":[1,null]}`)
		self := wantChange(t, c, "join room.1 info=map[n:[1 <nil>] nick:Cleo] count=1").Text("id")
		time.Sleep(2 * time.Second)

		other := r.Connect(channel.WebSocket)
		began := time.Now()
		other.Subscribe("chat", "room.1")
		joined := wantChange(t, c, "join room.1 count=2")
		if at := time.UnixMilli(int64(joined["since"].(float64))); at.Sub(began).Abs() > time.Second {
			t.Errorf("there since %v, want %v", at, began)
		}
		if id := joined.Text("id"); id == "" || id == other.ID || id == self {
			t.Errorf("the id %q", id)
		}
		r.Connect(channel.LongPoll).Subscribe("chat", "room.2")

		answer := present(c, "room.1", "null")
		members := answer["members"].([]any)
		if answer["count"] != 2.0 || answer["self"] != self || len(members) != 2 || answer["next"] != nil {
			t.Fatalf("got %v", answer)
		}
		if first := members[0].(map[string]any); first["id"] != self || !reflect.DeepEqual(first["info"], map[string]any{"nick": "Cleo", "n": []any{1.0, nil}}) {
			t.Errorf("the first is %v", first)
		}
		if second := members[1].(map[string]any); second["id"] != joined.Text("id") || second["info"] != nil || second["since"] != joined["since"] {
			t.Errorf("the second is %v", second)
		}
		if last := joined["number"].(float64); answer["number"].(float64) < last {
			t.Errorf("the answer has number %v, the join before it %v", answer["number"], last)
		}
		other.Do("command", `"operation":"disconnect"`)
		if left := wantChange(t, c, "leave room.1 count=1"); left.Text("id") != joined.Text("id") {
			t.Errorf("%v left, %v had come", left, joined)
		}
		wantCount(t, c, "room.1", 1)
		wantCount(t, c, "room.3", 0)
		c.Nothing(time.Minute)
	})
}

// A subscription to a pattern watches what the pattern matches, and is a member of the pattern alone.
func TestPresenceOfWildcards(t *testing.T) {
	endpointtest.Each(t, presence, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		watch(c, "room.*", "")
		wantChange(t, c, "join room.* count=1")
		other := r.Connect(channel.WebSocket)
		for _, subtopic := range []string{"room", "room.1", "hall.1", "", "room.1.a"} {
			other.Subscribe("chat", subtopic)
		}
		wantChange(t, c, "join room.1 count=1")
		wantChange(t, c, "join room.1.a count=1")
		wantCount(t, c, "room.1", 1)
		wantCount(t, c, "room.*", 1)
		wantCount(t, c, "", 1)
		c.Nothing(time.Minute)
	})
}

func TestSeveralSubscriptionsAreOneMember(t *testing.T) {
	endpointtest.Each(t, presence, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		watcher := r.Connect(channel.WebSocket)
		watch(watcher, "room.1", "")
		wantChange(t, watcher, "join room.1 count=1")
		time.Sleep(2 * time.Second)
		one, two := c.Subscribe("chat", "room.1"), c.Subscribe("chat", "room.1")
		wantChange(t, watcher, "join room.1 count=2")
		unsubscribe := func(id string) { c.Do("command", fmt.Sprintf(`"operation":"unsubscribe","clientId":%q`, id)) }
		unsubscribe(one)
		watcher.Nothing(time.Minute)
		wantCount(t, watcher, "room.1", 2)
		c.Do("command", fmt.Sprintf(`"operation":"multi_subscribe","clientId":%q,"headers":{"DSAddSub":["room.2_;_"],"DSRemSub":["room.1_;_"]}`, two))
		wantChange(t, watcher, "leave room.1 count=1")
		wantCount(t, watcher, "room.2", 1)
		unsubscribe(two)
		wantCount(t, watcher, "room.2", 0)
	})
}

// Whoever watches one subtopic by several subscriptions is told once, and not at all behind the end of the last of them.
func TestWatchingEnds(t *testing.T) {
	endpointtest.Each(t, presence, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		one := subscribeAs(c, "*", `,"DSPresence":true`)
		wantChange(t, c, "join * count=1")
		two := subscribeAs(c, "room.1", `,"DSPresence":true`)
		wantChange(t, c, "join room.1 count=1")
		time.Sleep(2 * time.Second)
		join := func(want string) {
			t.Helper()
			other := r.Connect(channel.WebSocket)
			other.Subscribe("chat", "room.1")
			if want != "" {
				wantChange(t, c, want)
			}
			c.Nothing(time.Minute)
		}
		join("join room.1 count=2")
		c.Do("command", fmt.Sprintf(`"operation":"unsubscribe","clientId":%q`, two))
		for _, want := range []string{"subscription-state", "presence"} {
			if line := c.Next(); line.Text("type") != want {
				t.Fatalf("got %v", line)
			}
		}
		join("join room.1 count=2")
		c.Do("command", fmt.Sprintf(`"operation":"unsubscribe","clientId":%q`, one))
		c.Next()
		join("")
	})
}

// Nobody leaves who changes the transport, or whose page is loaded anew; who has lost his connection leaves when he may no longer come back, and at once who says so.
func TestPresenceLeavesAtTheEndOfTheClient(t *testing.T) {
	endpointtest.Each(t, presence, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		watcher := r.Connect(channel.WebSocket)
		watch(watcher, "room.1", "")
		wantChange(t, watcher, "join room.1 count=1")
		time.Sleep(2 * time.Second)
		c.Subscribe("chat", "room.1")
		wantChange(t, watcher, "join room.1 count=2")
		time.Sleep(2 * time.Second)

		ws := r.NewClient(channel.WebSocket) // the same client on another channel
		ws.ID, ws.Secret = c.ID, c.Secret
		ws.Dial()
		ws.Send(fmt.Sprintf(`{"type":"control","operation":"attach","DSId":%q,"secret":%q,"attach":1000,"have":1}`, c.ID, c.Secret))
		watcher.Nothing(time.Minute)
		ws.Send(`{"type":"control","operation":"detach"}`)
		watcher.Nothing(2 * time.Second)
		again := r.NewClient(channel.WebSocket) // the page loaded anew
		again.ID, again.Secret = c.ID, c.Secret
		again.Dial()
		again.Send(fmt.Sprintf(`{"type":"control","operation":"attach","DSId":%q,"secret":%q,"attach":1001,"have":1}`, c.ID, c.Secret))
		watcher.Nothing(time.Minute)
		again.CloseWebSocket()
		watcher.Nothing(14 * time.Second)
		synctest.Wait()
		began := time.Now()
		wantChange(t, watcher, "leave room.1 count=1")
		if late := time.Since(began); late > 2*time.Second {
			t.Errorf("the leave came %v late", late)
		}
	})
}

// The first is told at once, what follows at the end of the interval: one by one while they are few, else as counts, and nothing is lost among them.
func TestPresenceOfMany(t *testing.T) {
	endpointtest.Each(t, presence, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		watch(c, "room.1", "")
		wantChange(t, c, "join room.1 count=1")
		time.Sleep(5 * time.Second)
		others := make([]*endpointtest.Client, 20)
		for i := range others {
			others[i] = r.Connect(channel.WebSocket)
		}
		end := func(them ...*endpointtest.Client) {
			for _, o := range them {
				o.Do("command", `"operation":"disconnect"`)
			}
		}
		began := time.Now()
		for _, o := range others {
			o.Subscribe("chat", "room.1")
		}
		end(others[18:]...)
		wantChange(t, c, "join room.1 count=2")
		if d := time.Since(began); d > 500*time.Millisecond {
			t.Errorf("the first was told after %v", d)
		}
		line := wantChange(t, c, "change room.1 joined=19 left=2 count=19")
		if d := time.Since(began); d < 900*time.Millisecond || d > 3*time.Second {
			t.Errorf("the others were told after %v", d)
		}
		if answer := present(c, "room.1", "null"); answer["number"] != line["number"] {
			t.Errorf("the line has number %v, the answer behind it %v", line["number"], answer["number"])
		}
		time.Sleep(5 * time.Second)
		end(others[:17]...)
		wantChange(t, c, "leave room.1 count=18")
		for count := 17; count > 1; count-- { // 16 of them
			wantChange(t, c, fmt.Sprintf("leave room.1 count=%d", count))
		}
		c.Nothing(time.Minute)
		wantCount(t, c, "room.1", 2)
	})
}

func TestPresenceInParts(t *testing.T) {
	change := func(o *server.Options) {
		presence(o)
		o.Destinations[0].MaxPresenceMembers = 3
	}
	endpointtest.Each(t, change, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		for range 7 {
			r.Connect(channel.WebSocket).Subscribe("chat", "room.1")
		}
		seen := map[any]bool{}
		body, parts := `{}`, ""
		for {
			answer := present(c, "room.1", body)
			parts += fmt.Sprint(" ", len(answer["members"].([]any)))
			for _, m := range answer["members"].([]any) {
				seen[m.(map[string]any)["id"]] = true
			}
			if answer["count"] != 7.0 || answer["self"] != nil {
				t.Errorf("got %v", answer)
			}
			if answer["next"] == nil {
				break
			}
			body = fmt.Sprintf(`{"after":%q,"limit":2}`, answer["next"])
		}
		if parts != " 3 2 2" || len(seen) != 7 {
			t.Errorf("parts of%s, %d members", parts, len(seen))
		}
		for _, bad := range []string{`{"after":"!"}`, `{"limit":"x"}`, `[]`} {
			c.WantRefusal(c.Do("command", `"operation":"presence","destination":"chat","body":`+bad), message.CodeBadField)
		}
		c.WantRefusal(c.Do("command", `"operation":"presence","destination":"chat","headers":{"DSSubtopic":["a","b"]}`), message.CodeBadField)
		c.WantRefusal(c.Do("command", `"operation":"presence","destination":"chat","headers":{"DSSubtopic":"a..b"}`), message.CodeBadSubtopic)
		c.WantRefusal(c.Do("command", `"operation":"presence","destination":"nowhere"`), message.CodeUnknownDestination)
	})
}

func TestPresenceRefused(t *testing.T) {
	change := func(o *server.Options) {
		presence(o)
		users(t)(o)
		o.Constraints = append(o.Constraints, channel.SecurityConstraint{ID: "anyone in"})
		o.Destinations[2].Presence, o.Destinations[2].SubscribeConstraint = true, "anyone in"
	}
	endpointtest.Each(t, change, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		for _, asked := range []string{
			`"operation":"presence","destination":"news"`,
			`"operation":"subscribe","destination":"news","headers":{"DSPresence":true}`,
			`"operation":"subscribe","destination":"news","headers":{"DSPresenceInfo":"me"}`,
		} {
			c.WantRefusal(c.Do("command", asked), message.CodePresenceNotKept)
		}
		for _, asked := range []string{`"operation":"presence"`, `"operation":"subscribe","headers":{"DSPresence":true}`} {
			c.WantRefusal(c.Do("command", asked+`,"destination":"plain"`), message.CodeLoginRequired)
		}
		for _, headers := range []string{`"DSPresence":1`, `"DSPresenceInfo":"` + strings.Repeat("x", message.MaxPresenceInfo-1) + `"`, `"DSPresence":true,"DSPresence":true`} {
			reply := c.Do("command", `"operation":"subscribe","destination":"chat","headers":{`+headers+`}`)
			if reply.Text("type") != "error" {
				t.Errorf("%.40s: %v", headers, reply)
			}
		}
		c.Nothing(time.Minute)
		info := `"` + strings.Repeat("x", message.MaxPresenceInfo-2) + `"`
		id := subscribeAs(c, "room.1", `,"DSPresenceInfo":`+info)
		c.WantRefusal(c.Do("command", fmt.Sprintf(`"operation":"multi_subscribe","clientId":%q,"headers":{"DSAddSub":["a_;_"],"DSPresence":true}`, id)), message.CodeBadField)
		if got := present(c, "room.1", "null")["members"].([]any)[0].(map[string]any)["info"]; got != info[1:len(info)-1] {
			t.Errorf("info is %v", got)
		}
	})
}

// A login is told as a join of a member that is there.
func TestPresenceOfUsers(t *testing.T) {
	change := func(o *server.Options) { presence(o); users(t)(o) }
	endpointtest.Each(t, change, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		watch(c, "room.1", "")
		before := wantChange(t, c, "join room.1 count=1")
		time.Sleep(2 * time.Second)
		if reply := c.Do("command", loginFields("ann", "secret")); reply.Text("type") != "acknowledge" {
			t.Fatal(reply)
		}
		after := wantChange(t, c, "join room.1 user=ann count=1")
		if after.Text("id") != before.Text("id") || after["since"] != before["since"] {
			t.Errorf("%v was %v", after, before)
		}
		if m := present(c, "room.1", "null")["members"].([]any)[0].(map[string]any); m["user"] != "ann" {
			t.Errorf("got %v", m)
		}
	})
}

// A reload that turns presence off tells the watchers; one that turns it on again finds who is there, and who watched.
func TestPresenceReloaded(t *testing.T) {
	reloading(t, presence, func(t *testing.T, r *endpointtest.Rig, reload func(func(*server.Options)) *server.Reloaded) {
		c, other := r.Connect(channel.WebSocket), r.Connect(channel.LongPoll)
		watch(c, "room.1", "")
		wantChange(t, c, "join room.1 count=1")
		other.Subscribe("chat", "room.1")
		wantChange(t, c, "join room.1 count=2")
		time.Sleep(2 * time.Second)
		reload(func(o *server.Options) { o.Destinations[0].Presence = false })
		wantChange(t, c, "off ")
		c.WantRefusal(c.Do("command", `"operation":"presence","destination":"chat"`), message.CodePresenceNotKept)
		other.Subscribe("chat", "room.2")
		c.Nothing(time.Minute)
		reload(func(o *server.Options) { o.Destinations[0].Presence, o.Destinations[0].MaxPresenceMembers = true, 1 })
		for range 2 {
			if line := c.Next(); line.Text("operation") == "join" && line["count"] == 2.0 {
				break
			}
		}
		wantCount(t, c, "room.1", 2)
		wantCount(t, c, "room.2", 1)
		if answer := present(c, "room.1", "null"); len(answer["members"].([]any)) != 1 || answer["next"] == nil {
			t.Errorf("got %v", answer)
		}
		time.Sleep(2 * time.Second)
		other.Do("command", `"operation":"disconnect"`)
		wantChange(t, c, "leave room.1 count=1")
	})
}

// The API and the metrics show it as well.
func TestPresenceForOperators(t *testing.T) {
	change := func(o *server.Options) {
		presence(o)
		o.APIKeys = []server.APIKey{{ID: "test", Value: tableKey}}
	}
	runInternal(t, change, func(t *testing.T, r *endpointtest.Rig, internal *endpointtest.Listener) {
		get := func(query string) (int, map[string]any) {
			res := r.Do("GET", "/api/v1/presence/"+query, "", "Authorization", "Bearer "+tableKey)
			defer res.Body.Close()
			var answer map[string]any
			if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
				t.Fatal(err)
			}
			return res.StatusCode, answer
		}
		a, b := r.Connect(channel.WebSocket), r.Connect(channel.WebSocket)
		subscribeAs(a, "room.1", `,"DSPresenceInfo":"a"`)
		b.Subscribe("chat", "room.1")
		b.Subscribe("chat", "room.2")
		_, first := get("chat?subtopic=room.1&limit=1")
		items := first["members"].([]any)
		if first["count"] != 2.0 || len(items) != 1 || items[0].(map[string]any)["info"] != "a" {
			t.Fatalf("got %v", first)
		}
		_, second := get(fmt.Sprint("chat?subtopic=room.1&after=", first["next"]))
		if items := second["members"].([]any); len(items) != 1 || second["next"] != nil || items[0].(map[string]any)["id"] == "" {
			t.Fatalf("got %v", second)
		}
		if status, answer := get("chat?subtopic=nobody"); status != 200 || answer["count"] != 0.0 {
			t.Errorf("got %d %v", status, answer)
		}
		for query, want := range map[string]message.Code{
			"none": message.CodeUnknownDestination, "news": message.CodePresenceNotKept,
			"chat?limit=0": message.CodeBadField, "chat?after=!": message.CodeBadField,
		} {
			if _, answer := get(query); answer["error"].(map[string]any)["code"] != float64(want) {
				t.Errorf("%s: %v", query, answer)
			}
		}
		b.Do("command", `"operation":"disconnect"`)
		wantMetrics(t, internal, map[string]float64{
			`sluice_presence_members{destination="chat"}`:                    1,
			`sluice_presence_subtopics{destination="chat"}`:                  1,
			`sluice_presence_changes_total{destination="chat",what="join"}`:  3,
			`sluice_presence_changes_total{destination="chat",what="leave"}`: 2,
		})
		for name := range metricsOf(t, internal) {
			if strings.HasPrefix(name, "sluice_presence") && strings.Contains(name, "news") {
				t.Errorf("%s, though it keeps none", name)
			}
		}
	})
}
