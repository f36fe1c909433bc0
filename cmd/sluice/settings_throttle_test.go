package main

import (
	"fmt"
	"strings"
	"time"

	"sluice/channel"
)

// throttleProbes are of throttle-inbound and throttle-outbound.
func throttleProbes() []probe {
	const in = "services/service/destination/properties/network/throttle-inbound/"
	inbound := func(attributes string) page {
		return page{"plain": "<properties><network><throttle-inbound " + attributes + "/></network></properties>"}
	}
	const out = "services/service/destination/properties/network/throttle-outbound/"
	outbound := func(attributes string) page {
		return page{"plain": "<properties><network><throttle-outbound " + attributes + "/></network></properties>"}
	}
	const free = "published, published, published, published"
	return []probe{
		{setting: in + "policy", common: inbound(`max-frequency="2"`), instead: inbound(`max-frequency="2" policy="ERROR"`), see: published, want: seen(free, "published, published, throttled by max-frequency=2, throttled by max-frequency=2")},
		{setting: in + "policy", common: inbound(`max-frequency="2"`), instead: inbound(`max-frequency="2" policy="IGNORE"`), see: published, want: seen(free, "published, published, ignored, ignored")},
		{setting: in + "policy", common: inbound(`max-frequency="2"`), instead: inbound(`max-frequency="2" policy="BUFFER"`), see: published, want: seen(free, free+" in time")},
		{setting: in + "policy", common: inbound(`max-frequency="2"`), instead: inbound(`max-frequency="2" policy="CONFLATE"`), see: published, want: seen(free, "published, published, ignored, published in time")},
		{setting: in + "max-frequency", common: inbound(`policy="ERROR"`), instead: inbound(`policy="ERROR" max-frequency="3"`), see: published, want: seen(free, "published, published, published, throttled by max-frequency=3")},
		{setting: in + "max-client-frequency", common: inbound(`policy="ERROR"`), instead: inbound(`policy="ERROR" max-client-frequency="3"`), see: published, want: seen(free, "published, published, published, throttled by max-client-frequency=3")},
		{setting: in + "max-held-messages", common: inbound(`policy="BUFFER" max-frequency="1"`), instead: inbound(`policy="BUFFER" max-frequency="1" max-held-messages="2"`), see: published,
			want: seen(free+" in time", "published, published, published, throttled by max-held-messages=2 in time")},
		{setting: out + "policy", common: outbound(`max-frequency="2"`), instead: outbound(`max-frequency="2" policy="IGNORE"`), see: arrived, want: seen("4 of 4", "2 of 4")},
		{setting: out + "policy", common: outbound(`max-frequency="2"`), instead: outbound(`max-frequency="2" policy="BUFFER"`), see: arrived, want: seen("4 of 4", "4 of 4, later")},
		{setting: out + "policy", common: outbound(`max-frequency="2"`), instead: outbound(`max-frequency="2" policy="CONFLATE"`), see: arrived, want: seen("4 of 4", "3 of 4, later")},
		{setting: out + "max-frequency", common: outbound(`policy="IGNORE"`), instead: outbound(`policy="IGNORE" max-frequency="3"`), see: arrived, want: seen("4 of 4", "3 of 4")},
		{setting: out + "max-client-frequency", common: outbound(`policy="IGNORE"`), instead: outbound(`policy="IGNORE" max-client-frequency="1"`), see: arrived, want: seen("4 of 4", "1 of 4")},
	}
}

// arrived says how many of four messages at once a subscriber gets.
func arrived(w *world) string {
	c, producer := w.Connect(channel.WebSocket), w.Connect(channel.WebSocket)
	c.Subscribe("plain", "")
	for i := range 4 {
		producer.Publish("plain", "", fmt.Sprint(i))
	}
	began, n, late := time.Now(), 0, ""
	for {
		select {
		case line := <-c.Pushed():
			if line.Text("type") == "async" {
				n++
			}
			if time.Since(began) > 100*time.Millisecond {
				late = ", later"
			}
			continue
		case <-time.After(10 * time.Second):
		}
		return fmt.Sprint(n, " of 4", late)
	}
}

// published says what becomes of four messages at once.
func published(w *world) string {
	c := w.Connect(channel.WebSocket)
	for i := range 4 {
		c.Send(fmt.Sprintf(`{"type":"async","messageId":"%d","destination":"plain","body":1}`, i))
	}
	var fates [4]string
	began := time.Now()
	for range 4 {
		line := c.Next()
		body, _ := line["body"].(map[string]any)
		fate := "published"
		switch {
		case line.Text("type") == "error":
			fate = fmt.Sprintf("%s by %s=%v", line.Text("name"), line.Text("setting"), line["value"])
		case body["throttled"] == true:
			fate = "ignored"
		}
		fates[line.Text("correlationId")[0]-'0'] = fate
	}
	text := strings.Join(fates[:], ", ")
	if time.Since(began) > 100*time.Millisecond {
		text += " in time"
	}
	return text
}
