package server_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
	"sluice/flexsession"
)

// retryWithin says whether line tells to come back after a time from least up to most.
func retryWithin(line endpointtest.Line, least, most time.Duration) bool {
	millis, told := line["retryAfterMillis"].(float64)
	after := time.Duration(millis) * time.Millisecond
	return told && after >= least && after <= most
}

// turns notes when each client ends.
type turns struct {
	mu sync.Mutex
	at map[string]time.Time
}

// drained is a server whose clients have their turns within window; ends notes them, log is what it logs.
func drained(window time.Duration) (change func(*server.Options), ends *turns, log *bytes.Buffer) {
	ends, log = &turns{at: map[string]time.Time{}}, &bytes.Buffer{}
	return func(o *server.Options) {
		o.DrainWindow = window
		o.Log = func(category string) zerolog.Logger {
			if category != "Startup" {
				return zerolog.Nop()
			}
			return zerolog.New(zerolog.SyncWriter(log))
		}
		o.Listeners = append(o.Listeners, server.Listener{ID: "internal", Role: server.Internal, Net: endpointtest.Listen("192.0.2.2:90")})
		o.FlexClient.Listeners = []flexsession.Listener{{ClientDestroyed: func(c *flexsession.FlexClient, _ flexsession.Cause) {
			ends.mu.Lock()
			defer ends.mu.Unlock()
			ends.at[c.ID()] = time.Now()
		}}}
	}, ends, log
}

// inTheBackground shuts the server down, and says when it has how long that took.
func inTheBackground(r *endpointtest.Rig, ctx context.Context) (took <-chan time.Duration) {
	over, began := make(chan time.Duration, 1), time.Now()
	go func() {
		if err := r.Server.Shutdown(ctx); err != nil {
			r.T.Errorf("shutdown: %v", err)
		}
		over <- time.Since(began)
	}()
	synctest.Wait()
	return over
}

func readiness(r *endpointtest.Rig) int {
	w := httptest.NewRecorder()
	r.Server.Handler("internal").ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	return w.Code
}

// On every kind of channel the clients are told to move one after the other, evenly over the window, each with a delay of its own, and get every message until then.
func TestDrain(t *testing.T) {
	const each, window = 10, 30 * time.Second
	change, ends, log := drained(window)
	endpointtest.Run(t, change, func(t *testing.T, r *endpointtest.Rig) {
		var all []*endpointtest.Client
		for _, kind := range endpointtest.Kinds {
			for range each {
				c := r.Connect(kind)
				c.Subscribe("chat", "")
				all = append(all, c)
			}
		}
		if readiness(r) != http.StatusOK {
			t.Error("it is not ready")
		}
		began := time.Now()
		over := inTheBackground(r, context.Background())
		if readiness(r) != http.StatusServiceUnavailable {
			t.Error("it still says that it is ready")
		}
		time.Sleep(window / each / 6) // between two turns
		published := 0
		for ; published < 29; published++ {
			status, _, _ := r.Post("/longpoll/chat", fmt.Sprint(published))
			if status != http.StatusOK {
				t.Fatalf("publish: %d", status)
			}
			time.Sleep(time.Second)
		}
		if took := <-over; took > window+time.Second {
			t.Errorf("it took %v", took)
		}

		var at []time.Duration
		delays := map[any]bool{}
		for _, c := range all {
			turn := ends.at[c.ID].Sub(began)
			at = append(at, turn)
			got := 0
			line := c.Next()
			for ; line.Text("type") == "async"; line = c.Next() {
				if line["body"] != float64(got) {
					t.Errorf("%s: message %d is %v", c.Kind, got, line)
				}
				got++
			}
			if want := int((turn + time.Second/2) / time.Second); got != want {
				t.Errorf("%s: %d messages until its turn after %v, want %d", c.Kind, got, turn, want)
			}
			if line.Code() != message.CodeServerShutdown || line.Text("reconnect") != "after" || !retryWithin(line, time.Second, time.Second+window) {
				t.Errorf("%s: the end is %v", c.Kind, line)
			}
			delays[line["retryAfterMillis"]] = true
		}
		slices.Sort(at)
		for i, turn := range at {
			if want := window / (3 * each) * time.Duration(i); turn < want || turn > want+20*time.Millisecond {
				t.Errorf("turn %d is after %v, want %v", i, turn, want)
			}
		}
		if len(delays) < 2*each {
			t.Errorf("only %d different delays", len(delays))
		}
		for _, want := range []string{`"clients":30,`, `"window":"30s"`, `"message":"shutting down"`, `"told":30,"cut":0,"took":"29`, `"message":"shut down"`} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log lacks %s:\n%s", want, log)
			}
		}
	})
}

// While the turns last nobody new comes in, and is told to come back when they are over; who has had its turn while it held nothing learns that with its next request, who has not is served.
func TestRefusedWhileDrained(t *testing.T) {
	const window = 20 * time.Second
	change, _, _ := drained(window)
	endpointtest.Run(t, change, func(t *testing.T, r *endpointtest.Rig) {
		connect := `{"type":"command","operation":"client_ping","messageId":"c","headers":{"DSId":"nil"}}`
		var tokens [][]string
		for range 2 {
			c := r.NewClient(channel.LongPoll)
			_, lines, _ := r.Post("/longpoll", connect)
			c.Adopt(lines[0])
			tokens = append(tokens, c.Auth())
		}
		over := inTheBackground(r, context.Background())
		time.Sleep(4 * time.Second) // one has had its turn, the other comes after ten seconds

		gone, served := 0, 0
		for _, token := range tokens {
			switch _, lines, _ := r.Post("/longpoll", `{"type":"command","operation":"client_ping","messageId":"h"}`, token...); lines[0].Text("type") {
			case "acknowledge":
				served++
			case "control":
				gone++
				if lines[0].Text("reason") != message.GoneExpired || lines[0].Code() != message.CodeServerShutdown || !retryWithin(lines[0], time.Second, time.Second+window) {
					t.Errorf("gone: %v", lines[0])
				}
			}
		}
		if gone != 1 || served != 1 {
			t.Errorf("%d are gone and %d served, want one of each", gone, served)
		}
		_, lines, _ := r.Post("/longpoll", connect)
		if lines[0].Code() != message.CodeServerShutdown || !retryWithin(lines[0], 10*time.Second, time.Minute) {
			t.Errorf("connect: %v", lines[0])
		}
		first := lines[0]["retryAfterMillis"]
		time.Sleep(2 * time.Second) // who is refused later has another time
		resp := r.Do("GET", "/websocket", "", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
		defer resp.Body.Close()
		if lines := endpointtest.ReadLines(t, resp.Body); resp.StatusCode != http.StatusServiceUnavailable || lines[0].Code() != message.CodeServerShutdown || !retryWithin(lines[0], 10*time.Second, time.Minute) || lines[0]["retryAfterMillis"] == first {
			t.Errorf("upgrade: %d %v", resp.StatusCode, lines)
		} else if want := fmt.Sprint((int(lines[0]["retryAfterMillis"].(float64)) + 999) / 1000); resp.Header.Get("Retry-After") != want {
			t.Errorf("Retry-After %s, want %s", resp.Header.Get("Retry-After"), want)
		}
		<-over
	})
}

// The turns are over before the time there is, however long the window; who has had none when it is over at once has it then.
func TestDrainIsBounded(t *testing.T) {
	for _, c := range []struct {
		name string
		ctx  func() (context.Context, context.CancelFunc)
		took time.Duration
	}{
		{"deadline", func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(context.Background(), 10*time.Second)
		}, 6 * time.Second}, // the turns begin at 0, 2, 4 and 6 of 8 seconds
		{"cancelled", func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(3*time.Second, cancel)
			return ctx, cancel
		}, 3 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			change, ends, _ := drained(time.Hour)
			endpointtest.Run(t, change, func(t *testing.T, r *endpointtest.Rig) {
				all := []*endpointtest.Client{r.Connect(channel.WebSocket), r.Connect(channel.Streaming), r.Connect(channel.LongPoll), r.Connect(channel.Streaming)}
				began := time.Now()
				ctx, cancel := c.ctx()
				defer cancel()
				if err := r.Server.Shutdown(ctx); err != nil {
					t.Errorf("shutdown: %v", err)
				}
				last := time.Duration(0)
				for _, client := range all {
					client.WantEnd(message.CodeServerShutdown)
					last = max(last, ends.at[client.ID].Sub(began))
				}
				if last < c.took || last > c.took+50*time.Millisecond {
					t.Errorf("the last turn came after %v, want %v", last, c.took)
				}
			})
		})
	}
}

// When the last client has left, nobody is waited for.
func TestDrainIsOverWithTheLastClient(t *testing.T) {
	change, _, _ := drained(time.Hour)
	endpointtest.Run(t, change, func(t *testing.T, r *endpointtest.Rig) {
		a, b := r.Connect(channel.WebSocket), r.Connect(channel.WebSocket)
		over := inTheBackground(r, context.Background())
		time.Sleep(time.Minute)
		a.Vanish()
		b.Vanish()
		if took := <-over; took < time.Minute || took > time.Hour/2+time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// A request that is under way when the server goes down is answered.
func TestRequestUnderWayIsAnswered(t *testing.T) {
	change, _, _ := drained(0)
	endpointtest.Run(t, change, func(t *testing.T, r *endpointtest.Rig) {
		slow := r.Raw()
		slow.Send("POST /longpoll/chat HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n12")
		synctest.Wait()
		over := inTheBackground(r, context.Background())
		time.Sleep(5 * time.Second)
		slow.Send("34")
		if resp, lines := slow.Answer(); resp.StatusCode != http.StatusOK || lines[0].Text("type") != "acknowledge" {
			t.Errorf("%d %v", resp.StatusCode, lines)
		}
		if took := <-over; took < 5*time.Second || took > 6*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// What had to be cut off is counted.
func TestCutIsCounted(t *testing.T) {
	change, _, log := drained(0)
	endpointtest.Run(t, change, func(t *testing.T, r *endpointtest.Rig) {
		frozen := []*endpointtest.Raw{frozenSocket(t, r), frozenStream(t, r), r.Raw()}
		frozen[2].Send("POST /longpoll HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n")
		r.Connect(channel.LongPoll)
		synctest.Wait()
		if _, err := shutdown(r, time.Second); err == nil || !strings.Contains(err.Error(), "connections cut off: 3: ") {
			t.Errorf("shutdown: %v", err)
		}
		if want := `{"level":"warn","told":3,"cut":3,"took":"1s"`; !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, log)
		}
		for _, c := range frozen {
			c.Thaw()
			c.WantClosed()
		}
	})
}
