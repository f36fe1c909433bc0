package main

import (
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

// drainProbes are of how a server ends.
func drainProbes() []probe {
	return []probe{
		{setting: "servers/server/properties/drain-window-millis", add: page{"server": "<drain-window-millis>4000</drain-window-millis>"},
			see: func(w *world) string {
				first, second := w.Connect(channel.Streaming), w.Connect(channel.LongPoll)
				time.Sleep(time.Second) // the poll is held
				w.end()
				return took(func() {
					first.WantEnd(message.CodeServerShutdown)
					second.WantEnd(message.CodeServerShutdown)
				})
			},
			want: seen("0s", "2s")},
	}
}
