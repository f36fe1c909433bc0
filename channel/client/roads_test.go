package client_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/channel"
	"sluice/channel/client"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

var kinds = []client.Kind{client.WebSocket, client.Streaming, client.LongPoll}

// roads lead to the server of a rig, one for each kind of channel. Each can be closed, and what is on it can be broken.
type roads struct {
	*endpointtest.Rig

	mu     sync.Mutex // guards the following
	closed map[client.Kind]bool
	silent map[client.Kind]bool
	conns  map[client.Kind][]*endpointtest.Conn
}

// withRoads runs test in fake time against a server with the times of the shipped configuration, but for how long it keeps its clients.
func withRoads(t *testing.T, keep time.Duration, test func(t *testing.T, r *roads)) {
	endpointtest.Run(t, func(o *server.Options) {
		for i := range o.Channels {
			c := &o.Channels[i]
			c.ClientHeartbeat, c.DeadPeerTimeout, c.ReliableReconnectDuration = 10*time.Second, 20*time.Second, keep
		}
		for id, messages := range map[string]int{"kept": 100000, "short": 50} {
			o.Destinations = append(o.Destinations, channel.DestinationDefinition{ID: id, AllowSubtopics: true, SubtopicSeparator: ".", History: channel.History{MaxMessages: messages}})
		}
	}, func(t *testing.T, rig *endpointtest.Rig) {
		test(t, &roads{Rig: rig, closed: map[client.Kind]bool{}, silent: map[client.Kind]bool{}, conns: map[client.Kind][]*endpointtest.Conn{}})
	})
}

func (r *roads) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	kind := client.Kind(strings.TrimSuffix(addr, ".test:80"))
	r.mu.Lock()
	closed, silent := r.closed[kind], r.silent[kind]
	r.mu.Unlock()
	if closed {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	c, err := r.Net.Dial(ctx)
	if err != nil {
		return nil, err
	}
	if silent {
		c.(*endpointtest.Conn).Cut()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[kind] = append(r.conns[kind], c.(*endpointtest.Conn))
	return c, nil
}

// open opens these roads and closes all others.
func (r *roads) open(open ...client.Kind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, kind := range kinds {
		r.closed[kind] = true
	}
	for _, kind := range open {
		r.closed[kind] = false
	}
}

// shut closes one road.
func (r *roads) shut(kind client.Kind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed[kind] = true
}

// swallow has nothing arrive on what is dialled on a road from here on.
func (r *roads) swallow(kind client.Kind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silent[kind] = true
}

// hit does something to all that is on the roads.
func (r *roads) hit(fault func(...*endpointtest.Conn)) {
	r.mu.Lock()
	conns := r.conns
	r.conns = map[client.Kind][]*endpointtest.Conn{}
	r.mu.Unlock()
	fault(slices.Concat(conns[client.WebSocket], conns[client.Streaming], conns[client.LongPoll])...)
}

// reset breaks connections, with some of what was sent last still under way in both directions.
func reset(conns ...*endpointtest.Conn) {
	for _, c := range conns {
		c.Freeze()
		c.Peer().Freeze()
	}
	time.Sleep(time.Second)
	for _, c := range conns {
		c.Reset()
	}
}

// silence cuts them without a word.
func silence(conns ...*endpointtest.Conn) {
	for _, c := range conns {
		c.Cut()
	}
}

// traveller is a set on the roads, and what it was told.
type traveller struct {
	*client.ChannelSet
	mu     sync.Mutex
	events []client.Event
}

// of returns the events of that kind.
func (v *traveller) of(kind client.EventKind) []client.Event {
	v.mu.Lock()
	defer v.mu.Unlock()
	var list []client.Event
	for _, e := range v.events {
		if e.Kind == kind {
			list = append(list, e)
		}
	}
	return list
}

// travel returns a set that is connected, and tries these kinds in their order.
func (r *roads) travel(t *testing.T, try ...client.Kind) *traveller {
	t.Helper()
	return r.travelWith(t, client.Options{}, try...)
}

func (r *roads) travelWith(t *testing.T, opts client.Options, try ...client.Kind) *traveller {
	t.Helper()
	v := &traveller{}
	if opts.Dial == nil {
		opts.Dial = r.dial
	}
	opts.OnEvent = func(e client.Event) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.events = append(v.events, e)
	}
	for _, kind := range try {
		scheme := "http"
		if kind == client.WebSocket {
			scheme = "ws"
		}
		opts.Channels = append(opts.Channels, client.Channel{Kind: kind, URL: fmt.Sprintf("%s://%s.test/%s", scheme, kind, kind)})
	}
	var err error
	if v.ChannelSet, err = client.New(opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	if err := v.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	return v
}

// ids are those of the server's clients.
func (r *roads) ids() map[string]bool {
	ids := map[string]bool{}
	for _, c := range r.Server.Registry().Clients() {
		ids[c.ID()] = true
	}
	return ids
}
