package endpointtest

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/endpoint/server"
)

// Rig is a whole server in a bubble, on a network in memory.
type Rig struct {
	T      testing.TB
	Server *server.Server
	Net    *Listener
	HTTP   *http.Client // reaches the server whatever host a URL names
}

// URL is what a path is fetched under.
func (*Rig) URL(path string) string { return "http://sluice.test" + path }

// Definitions are the three channels a Rig has, with the defaults of the native endpoint classes.
func Definitions() []channel.ChannelDefinition {
	common := channel.ChannelDefinition{
		SessionTimeout: 15 * time.Minute, ServerHeartbeat: 5 * time.Second, MaxMessageSize: 64 << 10, MaxRequestSize: 256 << 10,
		DeadPeerTimeout: 20 * time.Second, ReloadGrace: 3 * time.Second, LoginAfterDisconnect: true,
		WriteTimeout: 10 * time.Second, MaxConnections: 1000, MaxStreamingClients: 1000, MaxWaitingPollRequests: 1000,
		WaitInterval: 25 * time.Second, PollingInterval: 3 * time.Second, NoCacheHeaders: true,
	}
	var all []channel.ChannelDefinition
	for _, kind := range Kinds {
		c := common
		c.ID, c.Kind, c.Path = string(kind), kind, "/"+string(kind)
		c.URL = "http://{server.name}:{server.port}/" + string(kind)
		all = append(all, c)
	}
	return all
}

// Kinds are all kinds of channel.
var Kinds = []channel.Kind{channel.WebSocket, channel.Streaming, channel.LongPoll}

// Options are a Rig's: the three channels, the destinations chat and news with subtopics and plain without, and one public listener. change may be nil.
func Options(change func(*server.Options)) server.Options {
	opts := server.Options{
		Channels: Definitions(),
		Destinations: []channel.DestinationDefinition{
			{ID: "chat", AllowSubtopics: true, SubtopicSeparator: "."},
			{ID: "news", AllowSubtopics: true, SubtopicSeparator: "."},
			{ID: "plain", SubtopicSeparator: "."},
		},
		Listeners: []server.Listener{{ID: "main", Role: server.Public}},
	}
	if change != nil {
		change(&opts)
	}
	return opts
}

// New starts a server in the bubble of t; it ends with the test.
func New(t testing.TB, change func(*server.Options)) *Rig {
	t.Helper()
	r := &Rig{T: t, Net: Listen("192.0.2.1:80")}
	opts := Options(change)
	opts.Listeners[0].Net = r.Net
	s, err := server.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	r.Server = s
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{
		DialContext: r.Net.DialContext, MaxIdleConnsPerHost: 100,
		IdleConnTimeout: 90 * time.Second, // less than the server's: else both may act at the same moment, and a POST is not tried again
	}
	r.HTTP = &http.Client{Transport: transport}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		transport.CloseIdleConnections()
		synctest.Wait()
	})
	return r
}

// Run runs f in a bubble of its own with a Rig.
func Run(t *testing.T, change func(*server.Options), f func(t *testing.T, r *Rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, New(t, change)) })
}

// Each runs f once for each kind of channel, with a client that is connected over it: behaviour that holds for all transports is tested once.
func Each(t *testing.T, change func(*server.Options), f func(t *testing.T, r *Rig, c *Client)) {
	t.Helper()
	for _, kind := range Kinds {
		t.Run(string(kind), func(t *testing.T) {
			Run(t, change, func(t *testing.T, r *Rig) { f(t, r, r.Connect(kind)) })
		})
	}
}
