package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// keepAliveProbes ask the kernel what it has for the sockets that the server has accepted, over each channel and over none, and how long it keeps those of HTTP between two requests.
func keepAliveProbes() []probe {
	const sv, ch = "servers/server/properties/", "channels/channel-definition/properties/"
	local := page{"server": "<bind-address>127.0.0.1</bind-address><port>0</port>"}
	const own = "on, idle own, interval own, count own"
	var probes []probe
	for name, row := range map[string]struct{ value, seen string }{
		"enabled":          {"false", "off"},
		"idle-seconds":     {"77", "on, idle 77, interval own, count own"},
		"interval-seconds": {"7", "on, idle own, interval 7, count own"},
		"count":            {"3", "on, idle own, interval own, count 3"},
	} {
		text := fmt.Sprintf("<socket-keepalive-%s>%s</socket-keepalive-%[1]s>", name, row.value)
		probes = append(probes,
			probe{setting: sv + "socket-keepalive-" + name, real: true, common: local, add: page{"server": text}, see: keepAlives, want: seen(sockets(own, "", ""), sockets(row.seen, "", ""))},
			probe{setting: ch + "socket-keepalive-" + name, real: true, common: local, add: page{"streaming-properties": text}, see: keepAlives, want: seen(sockets(own, "", ""), sockets(own, "streaming", row.seen))})
	}
	probes = append(probes, probe{setting: sv + "connection-idle-timeout-minutes", add: page{"server": "<connection-idle-timeout-minutes>0.5</connection-idle-timeout-minutes>"},
		see: idleHTTP, want: seen("2m0s", "30s")})
	return append(probes, probe{setting: ch + "socket-keepalive-enabled", real: true,
		common: local.and(page{"server": "<socket-keepalive-enabled>false</socket-keepalive-enabled>"}),
		add:    page{"longpoll-properties": "<socket-keepalive-enabled>true</socket-keepalive-enabled>"},
		see:    keepAlives, want: seen(sockets("off", "", ""), sockets("off", "longpoll", own))})
}

// sockets is what keepAlives returns where all sockets have the same options, but for that of one channel.
func sockets(options, channel, others string) string {
	all := map[string]string{}
	for name := range probedPaths {
		all[name] = options
	}
	if channel != "" {
		all[channel] = others
	}
	return fmt.Sprint(all)
}

// probedPaths are what is asked for on each socket: with "none" of no channel.
var probedPaths = map[string]string{"none": "/config.json", "websocket": "/websocket", "streaming": "/streaming/chat", "longpoll": "/longpoll"}

// keepAlives are those of four sockets, each used for one request.
func keepAlives(w *world) string {
	found := map[string]string{}
	for name, path := range probedPaths {
		c, err := net.DialTimeout("tcp", w.announced().Host, 5*time.Second)
		if err != nil {
			w.t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(20 * time.Second))
		headers := ""
		if name == "websocket" {
			headers = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		}
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", path, w.announced().Host, headers)
		if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
			w.t.Fatal(err)
		}
		found[name] = kernelKeepAlive(w.t, c.RemoteAddr().(*net.TCPAddr).Port, c.LocalAddr().(*net.TCPAddr).Port)
	}
	return fmt.Sprint(found)
}

// idleHTTP says when the server closes an HTTP connection on which nothing comes after a request.
func idleHTTP(w *world) string {
	c := w.Raw()
	c.Request("GET", "/config.json", "")
	io.Copy(io.Discard, c.Head().Body)
	return took(c.WantClosed)
}
