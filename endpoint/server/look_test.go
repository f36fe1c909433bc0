package server_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sluice/endpoint/endpointtest"
)

func TestAPIInfo(t *testing.T) {
	endpointtest.Each(t, withAPI, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		c.Subscribe("chat", "")
		c.Publish("chat", "", "one")
		c.WantMessages("one")
		synctest.Wait() // a poll that was answered is followed by the next
		info := want(t, r, "GET", "/info", "")
		if info["version"] != "1.2.3" || info["ready"] != true || info["clients"] != 1.0 || info["sessions"] != 1.0 || info["started"] != time.Now().UTC().Format(time.RFC3339Nano) {
			t.Errorf("%v", info)
		}
		for _, v := range info["channels"].([]any) {
			v := v.(object)
			connections := 0.0
			if v["id"] == string(c.Kind) {
				connections = 1
			}
			if v["kind"] != v["id"] || v["path"] != "/"+v["id"].(string) || v["connections"] != connections {
				t.Errorf("%v", v)
			}
		}
		if d := info["destinations"].([]any)[0].(object); d["id"] != "chat" || d["subscriptions"] != 1.0 || d["published"] != 1.0 || d["delivered"] != 1.0 {
			t.Errorf("%v", d)
		}
	})
}

// pages reads a list page by page and returns the values under key.
func pages(t *testing.T, r *endpointtest.Rig, path, key string, limit int) (values []string, count int) {
	t.Helper()
	for after := ""; ; count++ {
		page := want(t, r, "GET", fmt.Sprintf("%slimit=%d&after=%s", path, limit, after), "")
		items := page["items"].([]any)
		if len(items) > limit {
			t.Fatalf("%s: %d items, want at most %d", path, len(items), limit)
		}
		for _, item := range items {
			values = append(values, item.(object)[key].(string))
		}
		if after, _ = page["next"].(string); after == "" {
			return values, count + 1
		}
		if count == 100 {
			t.Fatalf("%s: there is no end of pages", path)
		}
	}
}

func TestAPILists(t *testing.T) {
	endpointtest.Run(t, withAPI, func(t *testing.T, r *endpointtest.Rig) {
		var ids, subscriptions []string
		for range 2 {
			for _, kind := range endpointtest.Kinds {
				c := r.Connect(kind)
				ids = append(ids, c.ID)
				subscriptions = append(subscriptions, c.Subscribe("chat", "for."+string(kind)))
			}
		}
		first := ids[0]
		slices.Sort(ids)
		for limit, count := range map[int]int{1: 6, 4: 2, 6: 1, 1000: 1} {
			if got, n := pages(t, r, "/clients?", "id", limit); !slices.Equal(got, ids) || n != count {
				t.Errorf("pages of %d: %v in %d pages, want %v in %d", limit, got, n, ids, count)
			}
		}
		for path, key := range map[string]string{
			"/clients?transport=streaming&": "id", "/clients?endpoint=longpoll&": "id", "/sessions?kind=websocket&": "id", "/sessions?endpoint=streaming&": "id",
			"/subscriptions?subtopic=for.longpoll&": "clientId",
		} {
			if got, n := pages(t, r, path, key, 1); len(got) != 2 || n != 2 {
				t.Errorf("%s: %v in %d pages, want 2", path, got, n)
			}
		}
		for path, count := range map[string]int{"/subscriptions?destination=chat&": 6, "/subscriptions?destination=news&": 0, "/subscriptions?client=" + first + "&": 1, "/clients?user=alice&": 0} {
			if got, _ := pages(t, r, path, "client", 100); len(got) != count {
				t.Errorf("%s: %v, want %d", path, got, count)
			}
		}
		one := want(t, r, "GET", "/clients/"+first, "")
		details := one["subscriptionDetails"].([]any)[0].(object)
		if one["transport"] != "websocket" || one["unconfirmed"] != 1.0 || details["clientId"] != subscriptions[0] || fmt.Sprint(details["subtopics"]) != "[for.websocket]" {
			t.Errorf("%v", one)
		}
		session := want(t, r, "GET", "/sessions/"+one["sessions"].([]any)[0].(string), "")
		if session["kind"] != "websocket" || session["connections"] != 1.0 || fmt.Sprint(session["clients"]) != "["+first+"]" || session["address"] == "" {
			t.Errorf("%v", session)
		}
	})
}
