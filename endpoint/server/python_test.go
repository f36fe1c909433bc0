package server_test

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"sluice/channel"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// startReal starts a server on sockets of this machine; it ends with the test.
func startReal(t *testing.T, change func(*server.Options)) *server.Server {
	t.Helper()
	s, err := server.New(endpointtest.Options(func(o *server.Options) {
		o.Listeners[0].Addr = "127.0.0.1:0"
		for i := range o.Channels {
			if c := &o.Channels[i]; c.Kind == channel.WebSocket {
				c.URL = strings.Replace(c.URL, "http", "ws", 1)
			}
		}
		if change != nil {
			change(o)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return s
}

// A client that was written from docs/protocol.md alone gets everything once and in order over all three channels.
func TestPythonExample(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("docs/examples/client.py needs python3, which is not installed here")
	}
	kept := func(o *server.Options) {
		for i := range o.Channels {
			o.Channels[i].ReliableReconnectDuration = 15 * time.Second
		}
	}
	for name, c := range map[string]struct {
		change   func(*server.Options)
		messages int
	}{
		"as shipped":     {kept, 41},
		"a small window": {func(o *server.Options) { kept(o); o.FlexClient.Window.Messages = 3 }, 41},
		"as LCDS":        {nil, 31}, // a client does not outlive its WebSocket
		"with history": {func(o *server.Options) {
			kept(o)
			for i := range o.Destinations {
				o.Destinations[i].History = channel.History{MaxMessages: 1000}
			}
		}, 51},
	} {
		t.Run(name, func(t *testing.T) {
			s := startReal(t, c.change)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			out, err := exec.CommandContext(ctx, python, "../../docs/examples/client.py", "http://"+s.Addr("main").String()).CombinedOutput()
			if err != nil || !strings.Contains(string(out), fmt.Sprintf("%d messages, each once and in order", c.messages)) {
				t.Errorf("%v\n%s", err, out)
			}
			if clients, _ := s.Registry().Count(); clients != 0 {
				t.Errorf("%d clients are left", clients)
			}
		})
	}
}

// Without a server the example says so in one sentence, as anybody meets it who has forgotten to start one.
func TestPythonExampleWithoutServer(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("docs/examples/client.py needs python3, which is not installed here")
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, "../../docs/examples/client.py", "http://"+closed.Addr().String())
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 1 || strings.Count(string(out), "\n") != 1 || !strings.Contains(string(out), "cannot be reached") {
		t.Errorf("status %d, and it said:\n%s", cmd.ProcessState.ExitCode(), out)
	}
}
