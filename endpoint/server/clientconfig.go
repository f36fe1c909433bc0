package server

import (
	"encoding/json"

	"sluice/channel"
)

// clientConfig is what clients are told of the configuration (docs/protocol.md section 9).
func clientConfig(o *Options) []byte {
	type channelConfig struct {
		ID             string       `json:"id"`
		Type           channel.Kind `json:"type"`
		URL            string       `json:"url"`
		ConnectTimeout int64        `json:"connectTimeoutMillis,omitempty"`
		RequestTimeout int64        `json:"requestTimeoutMillis,omitempty"`
		LoginAgain     bool         `json:"loginAfterDisconnect"`
	}
	type destinationConfig struct {
		ID       string   `json:"id"`
		Channels []string `json:"channels"`
	}
	config := struct {
		Channels        []channelConfig     `json:"channels"`
		Destinations    []destinationConfig `json:"destinations"`
		DefaultChannels []string            `json:"defaultChannels"`
	}{Channels: []channelConfig{}, Destinations: []destinationConfig{}, DefaultChannels: append([]string{}, o.DefaultChannels...)}
	var all []string
	for _, c := range o.Channels {
		if c.ServerOnly {
			continue
		}
		all = append(all, c.ID)
		url := c.URL
		if url == "" { // of a program that embeds the server
			url = "http://{server.name}:{server.port}" + c.Path
		}
		config.Channels = append(config.Channels, channelConfig{c.ID, c.Kind, url, c.ConnectTimeout.Milliseconds(), c.RequestTimeout.Milliseconds(), c.LoginAfterDisconnect})
	}
	if len(config.DefaultChannels) == 0 {
		config.DefaultChannels = append(config.DefaultChannels, all...)
	}
	for _, d := range o.Destinations {
		channels := d.Channels
		if len(channels) == 0 {
			channels = config.DefaultChannels
		}
		config.Destinations = append(config.Destinations, destinationConfig{d.ID, channels})
	}
	b, _ := json.Marshal(config) // strings and numbers: it cannot fail
	return b
}
