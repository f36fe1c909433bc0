package main

import (
	"fmt"
	"strings"
	"time"

	"sluice/channel"
)

// historyProbes are of what destinations keep.
func historyProbes() []probe {
	const de = "services/service/destination/properties/server/"
	history := func(inside string) page { return page{"chat-server": "<history>" + inside + "</history>"} }
	topics := page{"chat-server": "<allow-subtopics>true</allow-subtopics>"}
	last := topics.and(page{"chat-server": "<last-value>true</last-value>"})
	return []probe{
		{setting: de + "history", add: history(""), see: fiveAndTheLast(0), want: seen("history-not-kept history", "1 2 3 4 5")},
		{setting: de + "history/max-messages", common: history(""), instead: history("<max-messages>3</max-messages>"), see: fiveAndTheLast(0), want: seen("1 2 3 4 5", "3 4 5")},
		{setting: de + "history/max-messages", common: history(""), instead: history("<max-messages>0</max-messages>"), see: fiveAndTheLast(0), want: seen("1 2 3 4 5", "history-not-kept history")},
		{setting: de + "history/max-bytes", common: history(""), instead: history("<max-bytes>400</max-bytes>"), see: fiveAndTheLast(0), want: seen("1 2 3 4 5", "4 5")},
		{setting: de + "history/time-minutes", common: history(""), instead: history("<time-minutes>1.5</time-minutes>"), see: fiveAndTheLast(40 * time.Second), want: seen("1 2 3 4 5", "4 5")},
		{setting: de + "last-value", common: topics, add: page{"chat-server": "<last-value>true</last-value>"}, see: theNewest, want: seen("", "b1 a2")},
		{setting: de + "max-last-values", common: last, add: page{"chat-server": "<max-last-values>1</max-last-values>"}, see: theNewest, want: seen("b1 a2", "a2")},
	}
}

// fiveAndTheLast publishes five messages, with a pause after each, and subscribes with as many of the past as there are.
func fiveAndTheLast(pause time.Duration) func(w *world) string {
	return func(w *world) string {
		for i := range 5 {
			w.post("/longpoll/chat", fmt.Sprintf("%q", fmt.Sprint(i+1)))
			time.Sleep(pause)
		}
		return w.past(`"operation":"subscribe","destination":"chat","headers":{"DSLast":1000}`, "/longpoll/chat")
	}
}

// theNewest publishes to two subtopics and subscribes to both.
func theNewest(w *world) string {
	for _, body := range []string{"a1", "b1", "a2"} {
		w.post("/longpoll/chat/"+body[:1], fmt.Sprintf("%q", body))
	}
	return w.past(`"operation":"subscribe","destination":"chat","headers":{"DSSubtopic":"*"}`, "/longpoll/chat/z")
}

// past is what a subscription gets that was published before it.
func (w *world) past(subscribe, publishTo string) string {
	c := w.Connect(channel.WebSocket)
	if reply := c.Do("command", subscribe); says(reply) != "ok" {
		return says(reply)
	}
	w.post(publishTo, `"the end"`)
	var bodies []string
	for {
		switch body := c.Next().Text("body"); body {
		case "": // a line of the subscription
		case "the end":
			return strings.Join(bodies, " ")
		default:
			bodies = append(bodies, body)
		}
	}
}
