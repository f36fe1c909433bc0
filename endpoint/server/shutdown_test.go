package server_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/flexsession"
)

func shutdown(r *endpointtest.Rig, limit time.Duration) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	began := time.Now()
	err = r.Server.Shutdown(ctx)
	return time.Since(began), err
}

// Everyone is told that the server goes down, and when to come back; then it ends at once. A stream that was never attached and a socket without a client do not hold it up.
func TestShutdown(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		var all []*endpointtest.Client
		for _, kind := range endpointtest.Kinds {
			c := r.Connect(kind)
			c.Subscribe("chat", "")
			all = append(all, c)
		}
		probe := r.Do("POST", "/streaming?command=open", "", all[1].Auth()...)
		defer probe.Body.Close()
		events := r.Do("GET", "/streaming/chat", "", "Accept", "text/event-stream")
		defer events.Body.Close()
		socket := r.RawSocket()
		synctest.Wait() // the poll is held

		took, err := shutdown(r, time.Minute)
		if err != nil || took > 5*time.Second {
			t.Errorf("it took %v: %v", took, err)
		}
		for _, c := range all {
			line := c.WantEnd(message.CodeServerShutdown)
			if line.Text("reconnect") != "after" || !retryWithin(line, time.Second, 2*time.Second) || line.Text("incident") == "" {
				t.Errorf("%s: %v", c.Kind, line)
			}
		}
		if lines := endpointtest.ReadLines(t, probe.Body); lines[len(lines)-1].Code() != message.CodeServerShutdown {
			t.Errorf("the probe had %v", lines)
		}
		text := make([]byte, 4096)
		n, _ := events.Body.Read(text)
		for got, err := 0, error(nil); err == nil; n += got {
			got, err = events.Body.Read(text[n:])
		}
		if !strings.Contains(string(text[:n]), "event: disconnect\ndata: {\"type\":\"control\",\"operation\":\"disconnect\",\"code\":4007") {
			t.Errorf("the events were %q", text[:n])
		}
		socket.WantGoodbye(message.CodeServerShutdown, 0)
		if clients, sessions := r.Server.Registry().Count(); clients+sessions != 0 {
			t.Errorf("%d clients and %d sessions live on", clients, sessions)
		}
		if _, err := r.Net.Dial(t.Context()); err == nil {
			t.Error("the listener is still open")
		}
		if took, err := shutdown(r, time.Minute); took != 0 || err != nil {
			t.Errorf("once more: %v %v", took, err)
		}
	})
}

// While it goes down the server makes no new client, and says why; one that comes late learns how its client ended.
func TestRefusedWhileShuttingDown(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c, socket := r.Connect(channel.Streaming), r.RawSocket()
		synctest.Wait()                                                             // a socket that is only being opened is told at once
		r.Server.Registry().Refuse(flexsession.Because(message.CodeServerShutdown)) // the first step of Shutdown; what follows ends with the last open request
		connect := `{"type":"command","operation":"client_ping","headers":{"DSId":"nil"}}`
		status, lines, h := r.Post("/longpoll", connect)
		if status != 200 || lines[0].Code() != message.CodeServerShutdown || lines[0].Text("type") != "error" || lines[0]["retryAfterMillis"] != 1000.0 || h.Get("Set-Cookie") != "" {
			t.Errorf("connect: %d %v %v", status, lines, h)
		}
		socket.Frame(endpointtest.Fin|endpointtest.Text, connect)
		if line := socket.NextLine(); line.Code() != message.CodeServerShutdown || line.Text("type") != "error" {
			t.Errorf("connect on a socket: %v", line)
		}
		status, lines, _ = r.Fetch("GET", "/streaming/chat", "")
		if status != http.StatusServiceUnavailable || lines[0].Code() != message.CodeServerShutdown {
			t.Errorf("GET: %d %v", status, lines)
		}
		r.Server.Registry().Close(flexsession.Because(message.CodeServerShutdown))
		c.WantEnd(message.CodeServerShutdown)
		status, lines, _ = r.Post("/longpoll", c.PollLine(9, 0), c.Auth()...)
		if status != 401 || lines[0].Text("reason") != message.GoneExpired || lines[0].Code() != message.CodeServerShutdown {
			t.Errorf("poll: %d %v", status, lines)
		}
		if clients, sessions := r.Server.Registry().Count(); clients+sessions != 0 {
			t.Errorf("%d clients and %d sessions live on", clients, sessions)
		}
	})
}

// Peers that take nothing do not hold a shutdown beyond its end: they are cut off, and nothing of them is left.
func TestShutdownWithFrozenPeers(t *testing.T) {
	for _, limit := range []time.Duration{time.Second, 5 * time.Second} {
		t.Run(limit.String(), func(t *testing.T) {
			endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
				socket, stream, slow := frozenSocket(t, r), frozenStream(t, r), r.Raw()
				slow.Send("POST /longpoll HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n")
				synctest.Wait()
				took, err := shutdown(r, limit)
				if !errors.Is(err, context.DeadlineExceeded) || took < limit || took > limit+time.Second {
					t.Errorf("it took %v: %v, want the limit of %v", took, err, limit)
				}
				for _, c := range []*endpointtest.Raw{socket, stream, slow} {
					c.Thaw()
					c.WantClosed()
				}
			})
		})
	}
}

// A connection that a browser has opened in advance, and over which nothing was asked, does not hold up a shutdown.
func TestShutdownWithAFreshConnection(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		conn, err := r.Net.Dial(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		synctest.Wait()
		began := time.Now()
		if err := r.Server.Shutdown(context.Background()); err != nil || time.Since(began) > time.Second {
			t.Errorf("it took %v: %v", time.Since(began), err)
		}
	})
}
