package server_test

import (
	"encoding/base64"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
	"sluice/flexsession"
)

// users are ann, a member, and bob, who has no role; both have the password secret. The destination members is for members, listen may be subscribed to and send published
// to by members alone.
func users(t *testing.T) func(*server.Options) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, fmt.Appendf(nil, "ann:%s:members\nbob:%s\n", hash, hash), 0o600); err != nil {
		t.Fatal(err)
	}
	passwords, err := flexsession.LoadPasswords(file)
	if err != nil {
		t.Fatal(err)
	}
	return func(o *server.Options) {
		o.Passwords = passwords
		o.Constraints = []channel.SecurityConstraint{{ID: "members", Roles: []string{"members"}}, {ID: "anyone", Basic: true}}
		o.Destinations = append(o.Destinations,
			channel.DestinationDefinition{ID: "members", Constraint: "members"},
			channel.DestinationDefinition{ID: "listen", SubscribeConstraint: "members"},
			channel.DestinationDefinition{ID: "send", SendConstraint: "members"},
			channel.DestinationDefinition{ID: "anyone", Constraint: "anyone"},
		)
	}
}

func loginFields(user, password string) string {
	return fmt.Sprintf(`"operation":"login","destination":"auth","body":%q`, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
}

func login(user, password string, seq int) string {
	return fmt.Sprintf(`{"type":"command","seq":%d,%s}`, seq, loginFields(user, password))
}

// Who exists is not told: a wrong password and an unknown user get the same answer.
func TestWrongPassword(t *testing.T) {
	endpointtest.Each(t, users(t), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		same := ""
		for _, try := range []struct{ user, password string }{{"ann", "wrong"}, {"nobody", "secret"}, {"", ""}, {"ann", ""}, {"ann", "secret\x00"}} {
			reply := c.Do("command", loginFields(try.user, try.password))
			c.WantRefusal(reply, message.CodeBadCredentials)
			delete(reply, "correlationId")
			if text := fmt.Sprint(reply); same == "" {
				same = text
			} else if text != same {
				t.Errorf("%v: %s, the first was %s", try, text, same)
			}
		}
		c.WantRefusal(c.Do("async", `"destination":"members","body":1`), message.CodeLoginRequired)
		if reply := c.Do("command", loginFields("ann", "secret")); reply.Text("type") != "acknowledge" || fmt.Sprint(reply["body"]) != "map[roles:[members] user:ann]" {
			t.Errorf("the right one: %v", reply)
		}
	})
}

// Constraints of destinations, for sending, for subscribing and for both; a refused subscription leaves nothing.
func TestConstraints(t *testing.T) {
	endpointtest.Each(t, users(t), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		try := func(subscribe bool, destination string) message.Code {
			if subscribe {
				return c.Do("command", fmt.Sprintf(`"operation":"subscribe","destination":%q`, destination)).Code()
			}
			return c.Do("async", fmt.Sprintf(`"destination":%q,"body":1`, destination)).Code()
		}
		check := func(who string, refusal message.Code) {
			t.Helper()
			for _, d := range []struct {
				id              string
				send, subscribe message.Code
			}{{"members", refusal, refusal}, {"listen", 0, refusal}, {"send", refusal, 0}, {"nowhere", message.CodeUnknownDestination, message.CodeUnknownDestination}} {
				if got := try(false, d.id); got != d.send {
					t.Errorf("%s sends to %s: %v, want %v", who, d.id, got, d.send)
				}
				if got := try(true, d.id); got != d.subscribe {
					t.Errorf("%s subscribes to %s: %v, want %v", who, d.id, got, d.subscribe)
				}
			}
		}
		check("nobody", message.CodeLoginRequired)
		if n := r.Server.Broker().Destination("members").Subscribers(); n != 0 {
			t.Errorf("%d subscriptions to members", n)
		}
		c.Do("command", loginFields("bob", "secret"))
		check("bob", message.CodeAccessDenied)
		c.WantRefusal(c.Do("command", loginFields("ann", "secret")), message.CodeAlreadyLoggedIn)
		check("bob, still,", message.CodeAccessDenied)
		if reply := c.Do("command", loginFields("bob", "secret")); reply.Text("type") != "acknowledge" {
			t.Errorf("the same user again: %v", reply)
		}
		ann := r.Connect(c.Kind)
		ann.Do("command", loginFields("ann", "secret"))
		c = ann
		check("ann", 0)
	})
}

// A channel with a constraint serves nothing but connect and login to others.
func TestConstraintOfAChannel(t *testing.T) {
	closed := func(o *server.Options) {
		for i := range o.Channels {
			o.Channels[i].Constraint = "members"
		}
	}
	both := users(t)
	endpointtest.Each(t, func(o *server.Options) { both(o); closed(o) }, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		for _, request := range []struct{ typ, fields string }{
			{"async", `"destination":"chat","body":1`}, {"command", `"operation":"subscribe","destination":"chat"`},
			{"command", `"operation":"multi_subscribe","destination":"chat","headers":{"DSAddSub":["a_;_"]}`},
		} {
			c.WantRefusal(c.Do(request.typ, request.fields), message.CodeLoginRequired)
		}
		c.Do("command", loginFields("ann", "secret"))
		c.Subscribe("chat", "")
	})
}

// A destination that is not served on a channel says so; elsewhere it is served.
func TestDestinationOfOtherChannels(t *testing.T) {
	elsewhere := func(o *server.Options) {
		for _, kind := range endpointtest.Kinds {
			for _, other := range endpointtest.Kinds {
				if other != kind {
					o.Destinations = append(o.Destinations, channel.DestinationDefinition{ID: "not-" + string(kind) + "-but-" + string(other), Channels: []string{string(other)}})
				}
			}
		}
	}
	endpointtest.Each(t, elsewhere, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		for _, other := range endpointtest.Kinds {
			if other == c.Kind {
				continue
			}
			id := "not-" + string(c.Kind) + "-but-" + string(other)
			c.WantRefusal(c.Publish(id, "", "x"), message.CodeChannelNotAllowed)
			c.WantRefusal(c.Do("command", fmt.Sprintf(`"operation":"subscribe","destination":%q`, id)), message.CodeChannelNotAllowed)
			r.Connect(other).Subscribe(id, "")
		}
	})
}

// max-login-failures-per-minute, of a user from wherever and of an address for whomever: then also the right password is refused, for a while.
func TestLoginFailures(t *testing.T) {
	both := users(t)
	few := func(o *server.Options) { both(o); o.MaxLoginFailures = 3 }
	endpointtest.Each(t, few, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		for range 3 {
			c.WantRefusal(c.Do("command", loginFields("ann", "wrong")), message.CodeBadCredentials)
		}
		wantLimit(t, c.Do("command", loginFields("ann", "secret")), message.CodeLimitLogins, 3)
		wantLimit(t, c.Do("command", loginFields("bob", "secret")), message.CodeLimitLogins, 3)
		status, lines, h := r.Post("/longpoll/anyone", "1", "Authorization", basic("bob", "secret"))
		wantLimit(t, lines[0], message.CodeLimitLogins, 3)
		if status != 429 || h.Get("Retry-After") != "60" {
			t.Errorf("%d, Retry-After %q", status, h.Get("Retry-After"))
		}
		elsewhere := r.From("198.51.100.7:999")
		status, lines, _ = elsewhere.Post("/longpoll/anyone", "1", "Authorization", basic("ann", "secret"))
		if status != 429 {
			t.Errorf("ann from elsewhere: %d %v", status, lines)
		}
		if status, lines, _ = elsewhere.Post("/longpoll/anyone", "1", "Authorization", basic("bob", "secret")); status != 200 {
			t.Errorf("bob from elsewhere: %d %v", status, lines)
		}
		time.Sleep(150 * time.Second)
		if reply := c.Do("command", loginFields("ann", "secret")); reply.Text("type") != "acknowledge" {
			t.Errorf("some minutes later: %v", reply)
		}
	})
}

// Whoever goes from one listener to the next has no more failures for that.
func TestLoginFailuresOfAllListeners(t *testing.T) {
	both := users(t)
	set := func(o *server.Options) {
		both(o)
		o.MaxLoginFailures = 3
		o.Listeners = append(o.Listeners, server.Listener{ID: "second", Addr: "127.0.0.1:0"})
	}
	endpointtest.Run(t, set, func(t *testing.T, r *endpointtest.Rig) {
		var got []int
		for i := range 4 {
			request := httptest.NewRequest("POST", "/longpoll/anyone", strings.NewReader("1"))
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set("Authorization", basic("ann", "wrong"))
			answer := httptest.NewRecorder()
			r.Server.Handler([]string{"main", "second"}[i%2]).ServeHTTP(answer, request)
			got = append(got, answer.Code)
		}
		if want := []int{401, 401, 401, 429}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
}

// Logout over HTTP ends all clients of the cookie's user; on a WebSocket that has logged in itself, this one alone.
func TestLogout(t *testing.T) {
	endpointtest.Run(t, users(t), func(t *testing.T, r *endpointtest.Rig) {
		one := r.Connect(channel.Streaming)
		_, _, h := r.Post("/streaming", login("ann", "secret", 1), one.Auth()...)
		cookie := "SluiceSessionId=" + setCookies(h)[0].Value
		two := r.Connect(channel.LongPoll, "Cookie", cookie)
		three := r.Connect(channel.WebSocket, "Cookie", cookie)
		other := r.Connect(channel.WebSocket)
		other.Do("command", loginFields("ann", "secret"))
		synctest.Wait()
		if n := len(r.Server.Registry().OfUser("ann")); n != 4 {
			t.Fatalf("%d clients of ann, want 4", n)
		}
		r.Post("/streaming", `{"type":"command","operation":"logout","seq":2}`, one.Auth()...)
		for _, c := range []*endpointtest.Client{one, two, three} {
			c.WantEnd(message.CodeLogout)
		}
		if reply := other.Publish("members", "", "x"); reply.Text("type") != "acknowledge" {
			t.Errorf("the one with a login of its own: %v", reply)
		}
		status, lines, _ := r.Post("/longpoll", two.PollLine(99, 0), two.Auth()...)
		if status != 401 || lines[0].Code() != message.CodeLogout {
			t.Errorf("afterwards: %d %v", status, lines)
		}
	})
	endpointtest.Run(t, users(t), func(t *testing.T, r *endpointtest.Rig) {
		one, two := r.Connect(channel.WebSocket), r.Connect(channel.WebSocket)
		one.Do("command", loginFields("ann", "secret"))
		two.Do("command", loginFields("ann", "secret"))
		if reply := one.Do("command", `"operation":"logout"`); reply.Text("type") != "acknowledge" {
			t.Error(reply)
		}
		one.WantEnd(message.CodeLogout)
		if reply := two.Publish("members", "", "x"); reply.Text("type") != "acknowledge" {
			t.Errorf("the other: %v", reply)
		}
	})
}

// Without a password file nobody logs in, and the answer is that of a wrong password.
func TestNobodyCanLogIn(t *testing.T) {
	endpointtest.Each(t, nil, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		c.WantRefusal(c.Do("command", loginFields("ann", "secret")), message.CodeBadCredentials)
	})
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}
