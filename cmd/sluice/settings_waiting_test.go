package main

import (
	"fmt"
	"strings"
	"testing/synctest"
	"time"

	"sluice/channel"
)

// waitingProbes are of what becomes of messages that wait for a client.
func waitingProbes() []probe {
	const sv, nw = "services/service/destination/properties/server/", "services/service/destination/properties/network/"
	server := func(text string) page { return page{"plain": "<properties><server>" + text + "</server></properties>"} }
	network := func(text string) page {
		return page{"plain": "<properties><network>" + text + "</network></properties>"}
	}
	inherited := func(text string) page {
		return page{"service": "<properties><network>" + text + "</network></properties>"}
	}
	few := page{"flex-client": "<max-waiting-messages>4</max-waiting-messages>"}
	keyed := func(k string) string { return `"headers":{"k":"` + k + `"},"body":` }
	const long = `"body":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"`
	return []probe{
		{setting: sv + "message-time-to-live", add: server("<message-time-to-live>1000</message-time-to-live>"),
			see: waiting(2*time.Second, `"body":1`, `"timeToLive":60000,"body":2`), want: seen("1 2", "")},
		{setting: sv + "message-time-to-live", add: server("<message-time-to-live>0</message-time-to-live>"),
			see: waiting(2*time.Second, `"body":1`, `"timeToLive":1000,"body":2`), want: seen("1", "1 2")},
		{setting: sv + "message-priority", add: server("<message-priority>7</message-priority>"),
			see: waiting(0, `"headers":{"DSPriority":5},"body":1`, `"body":2`), want: seen("1 2", "2 1")},
		{setting: nw + "slow-consumer-policy", common: few, add: network("<slow-consumer-policy>drop-oldest</slow-consumer-policy>"),
			see: waiting(0, `"body":1`, `"body":2`, `"body":3`, `"body":4`, `"body":5`), want: seen("slow-consumer max-waiting-messages=4", "2 lost 3 4 5")},
		{setting: nw + "slow-consumer-policy", common: few, add: network("<slow-consumer-policy>conflate</slow-consumer-policy>"),
			see: waiting(0, `"body":1`, `"body":2`, `"body":3`, `"body":4`, `"body":5`), want: seen("slow-consumer max-waiting-messages=4", "3 merged 4 5")},
		{setting: nw + "conflate-key", common: few.and(inherited("<slow-consumer-policy>conflate</slow-consumer-policy>")), add: network("<conflate-key>k</conflate-key>"),
			see: waiting(0, keyed("a")+"1", keyed("b")+"2", keyed("a")+"3", keyed("b")+"4"), want: seen("3 merged 4", "1 merged 3 1 merged 4")},
		{setting: nw + "max-waiting-messages", common: inherited("<slow-consumer-policy>drop-oldest</slow-consumer-policy>"), add: network("<max-waiting-messages>2</max-waiting-messages>"),
			see: waiting(0, `"body":1`, `"body":2`, `"body":3`), want: seen("1 2 3", "1 lost 2 3")},
		{setting: nw + "max-waiting-bytes", common: inherited("<slow-consumer-policy>drop-oldest</slow-consumer-policy>"), add: network("<max-waiting-bytes>420</max-waiting-bytes>"),
			see: waiting(0, long, long, `"body":3`), want: seen("long long 3", "1 lost long 3")},
	}
}

// waiting is what a client gets that has subscribed, and asks for it some time after the messages, given as their fields, were published.
func waiting(pause time.Duration, messages ...string) func(w *world) string {
	return func(w *world) string {
		_, auth := w.welcome("/longpoll")
		w.post("/longpoll", subscribeLine("plain", ""), auth...)
		publisher := w.Connect(channel.WebSocket)
		for _, fields := range messages {
			publisher.Do("async", `"destination":"plain",`+fields)
		}
		time.Sleep(pause)
		synctest.Wait()
		_, lines, _ := w.Post("/longpoll", pollLine(1), auth...)
		var got []string
		for _, line := range lines {
			switch line.Text("operation") + line.Text("type") {
			case "async":
				body := fmt.Sprint(line["body"])
				if len(body) > 10 {
					body = "long"
				}
				got = append(got, body)
			case "loss":
				got = append(got, fmt.Sprint(line["count"], " lost"))
			case "mergedcontrol":
				got = append(got, fmt.Sprint(line["count"], " merged"))
			case "gonecontrol":
				return says(line)
			}
		}
		return strings.Join(got, " ")
	}
}
