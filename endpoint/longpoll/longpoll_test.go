package longpoll_test

import (
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

const connect = `{"type":"command","operation":"client_ping","messageId":"c","headers":{"DSId":"nil"}}`

// connected makes a client that polls only when the test does.
func connected(t *testing.T, r *endpointtest.Rig, headers ...string) *endpointtest.Client {
	t.Helper()
	c := r.NewClient(channel.LongPoll)
	_, lines, _ := r.Post("/longpoll", connect, headers...)
	c.Adopt(lines[0])
	return c
}

// answer is the answer of a poll, and when it came.
type answer struct {
	status int
	lines  []endpointtest.Line
	after  time.Duration
}

// poll polls aside.
func poll(r *endpointtest.Rig, c *endpointtest.Client, attach, have int) <-chan answer {
	done, began := make(chan answer, 1), time.Now()
	go func() {
		status, lines, _ := r.Post("/longpoll", c.PollLine(attach, have), c.Auth()...)
		done <- answer{status, lines, time.Since(began)}
	}()
	synctest.Wait() // it is answered, or held
	return done
}

func wait(lines []endpointtest.Line) any {
	h, _ := lines[len(lines)-1]["headers"].(map[string]any)
	return h["DSPollWait"]
}

// A poll is held for wait-interval-millis, or until there is something.
func TestWaiting(t *testing.T) {
	pauses := func(o *server.Options) { o.Channels[2].ClientWaitInterval = 7 * time.Second }
	endpointtest.Run(t, pauses, func(t *testing.T, r *endpointtest.Rig) {
		c := connected(t, r)
		a := <-poll(r, c, 1, 0)
		if a.status != 200 || len(a.lines) != 2 || a.lines[0].Text("operation") != "attached" || wait(a.lines) != 7000.0 || a.after < 25*time.Second || a.after > 25200*time.Millisecond {
			t.Errorf("after %v: %v", a.after, a.lines)
		}
		c.Do("command", `"operation":"subscribe","destination":"chat"`)
		a = <-poll(r, c, 2, 0)
		if len(a.lines) != 3 || wait(a.lines) != 0.0 || a.after != 0 {
			t.Errorf("after %v: %v, want what waited, at once", a.after, a.lines)
		}
		held := poll(r, c, 3, 1)
		time.Sleep(10 * time.Second)
		c.Publish("chat", "", "something")
		if a = <-held; len(a.lines) != 3 || a.lines[1].Text("body") != "something" || a.after != 10*time.Second {
			t.Errorf("after %v: %v, want the message at once", a.after, a.lines)
		}
	})
}

// A second poll displaces the first; an equal one takes over; a lower one has no effect.
func TestDisplacement(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := connected(t, r)
		first := poll(r, c, 1, 0)
		second := poll(r, c, 2, 0)
		if a := <-first; a.status != 200 || len(a.lines) != 2 || a.lines[1].Text("operation") != "displaced" || a.lines[1]["attach"] != 2.0 {
			t.Errorf("the first: %v", a.lines)
		}
		again := poll(r, c, 2, 0)
		if a := <-second; len(a.lines) != 2 || a.lines[1].Text("operation") != "displaced" {
			t.Errorf("the second: %v", a.lines)
		}
		if a := <-poll(r, c, 1, 0); a.status != 200 || len(a.lines) != 1 || a.lines[0].Text("operation") != "displaced" || a.lines[0]["attach"] != 2.0 {
			t.Errorf("a lower one: %v", a.lines)
		}
		c.Do("command", `"operation":"subscribe","destination":"chat"`)
		if a := <-again; len(a.lines) != 3 || a.lines[1].Text("type") != "subscription-state" {
			t.Errorf("the one that took over: %v", a.lines)
		}
	})
}

// Polls that cannot be: without the right secret, without a number, with a have that was never sent. The client and its held poll are not disturbed.
func TestBadPolls(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := connected(t, r)
		held := poll(r, c, 1, 0)
		status, lines, _ := r.Post("/longpoll", c.PollLine(2, 0), "Authorization", "Bearer "+c.ID+".wrong")
		if status != 401 || len(lines) != 1 || lines[0].Text("reason") != message.GoneUnknown || lines[0].Code() != message.CodeUnknownClient {
			t.Errorf("a wrong secret: %d %v", status, lines)
		}
		for _, line := range []string{`{"type":"command","operation":"poll","messageId":"p"}`, `{"type":"command","operation":"poll","messageId":"p","attach":0}`} {
			status, lines, _ = r.Post("/longpoll", line, c.Auth()...)
			if status != 400 || len(lines) != 1 || lines[0].Code() != message.CodeBadField || lines[0].Text("correlationId") != "p" {
				t.Errorf("%s: %d %v", line, status, lines)
			}
		}
		status, lines, _ = r.Post("/longpoll", c.PollLine(2, 99), c.Auth()...)
		if status != 401 || len(lines) != 1 || lines[0].Text("reason") != message.GoneAhead {
			t.Errorf("ahead: %d %v", status, lines)
		}
		c.Do("command", `"operation":"subscribe","destination":"chat"`)
		if a := <-held; len(a.lines) != 3 {
			t.Errorf("the held poll: %v", a.lines)
		}
	})
}

// max-waiting-poll-requests: a poll that finds no place is answered at once, with the reason and a pause; what waits is told all the same.
func TestMaxWaitingPolls(t *testing.T) {
	one := func(o *server.Options) { o.Channels[2].MaxWaitingPollRequests = 1 }
	endpointtest.Run(t, one, func(t *testing.T, r *endpointtest.Rig) {
		c, other := connected(t, r), connected(t, r)
		held := poll(r, c, 1, 0)
		a := <-poll(r, other, 1, 0)
		last := a.lines[len(a.lines)-1]
		if a.status != 200 || a.after != 0 || len(a.lines) != 2 || last.Code() != message.CodeLimitPolls || last.Text("name") != "limit-polls" || wait(a.lines) != 3000.0 {
			t.Errorf("the second: %d after %v %v", a.status, a.after, a.lines)
		}
		other.Do("command", `"operation":"subscribe","destination":"chat"`)
		if a := <-poll(r, other, 2, 0); len(a.lines) != 3 || a.lines[1].Text("type") != "subscription-state" {
			t.Errorf("what waited: %v", a.lines)
		}
		if a := <-held; a.after < 25*time.Second {
			t.Errorf("the held one was answered after %v: %v", a.after, a.lines)
		}
		if a := <-poll(r, other, 3, 1); a.after < 25*time.Second || a.lines[1].Code() != 0 {
			t.Errorf("the place is not free again: after %v %v", a.after, a.lines)
		}
	})
}

// Without a wait interval every poll is answered at once, with the polling interval and no complaint.
func TestPollingWithoutWaiting(t *testing.T) {
	off := func(o *server.Options) { o.Channels[2].WaitInterval = 0 }
	endpointtest.Run(t, off, func(t *testing.T, r *endpointtest.Rig) {
		a := <-poll(r, connected(t, r), 1, 0)
		if a.after != 0 || len(a.lines) != 2 || wait(a.lines) != 3000.0 || a.lines[1].Code() != 0 {
			t.Errorf("after %v: %v", a.after, a.lines)
		}
	})
}

// With a negative wait interval a poll is held until there is something.
func TestWaitingWithoutEnd(t *testing.T) {
	endless := func(o *server.Options) { o.Channels[2].WaitInterval, o.Channels[2].SessionTimeout = -1, 0 }
	endpointtest.Run(t, endless, func(t *testing.T, r *endpointtest.Rig) {
		c := connected(t, r)
		held := poll(r, c, 1, 0)
		time.Sleep(24 * time.Hour)
		c.Do("command", `"operation":"subscribe","destination":"chat"`)
		if a := <-held; a.after != 24*time.Hour || len(a.lines) != 3 {
			t.Errorf("after %v: %v", a.after, a.lines)
		}
	})
}

// A client that goes away while its poll is held leaves its place, and loses nothing.
func TestAbandonedPoll(t *testing.T) {
	one := func(o *server.Options) { o.Channels[2].MaxWaitingPollRequests = 1 }
	endpointtest.Run(t, one, func(t *testing.T, r *endpointtest.Rig) {
		c := connected(t, r)
		raw := r.Raw()
		raw.Request("POST", "/longpoll", c.PollLine(1, 0), c.Auth()[0]+": "+c.Auth()[1])
		synctest.Wait()
		raw.Close()
		synctest.Wait()
		c.Do("command", `"operation":"subscribe","destination":"chat"`)
		if a := <-poll(r, c, 2, 0); len(a.lines) != 3 || a.lines[1].Text("type") != "subscription-state" {
			t.Errorf("afterwards: %v", a.lines)
		}
		if a := <-poll(r, c, 3, 1); a.after < 25*time.Second {
			t.Errorf("its place is still taken: %v", a.lines)
		}
	})
}
