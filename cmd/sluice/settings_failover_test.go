package main

import (
	"fmt"
	"strings"
)

// failoverProbes are of what is kept of the channels that did not work.
func failoverProbes() []probe {
	return []probe{
		{setting: "flex-client/failover-diagnostics", add: page{"flex-client": "<failover-diagnostics>none</failover-diagnostics>"},
			see:  failedOver,
			want: seen("a report, said", "<nil>, not said")},
	}
}

// failedOver connects as a client whose WebSocket did not work, and says what the API and the log have of that.
func failedOver(w *world) string {
	_, lines, _ := w.Post("/longpoll", `{"type":"command","operation":"client_ping","messageId":"c","headers":{"DSId":"nil"},"body":{"tried":[{"channelId":"websocket","millis":2003,"code":4008}]}}`)
	report := w.api("GET", "/clients/"+lines[0]["headers"].(map[string]any)["DSId"].(string), "")["failovers"]
	if strings.Contains(fmt.Sprint(report), "channelId:websocket code:4008 millis:2003") {
		report = "a report"
	}
	return fmt.Sprint(report, ", ", w.said(`"category":"Client.Failover"`))
}
