package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

const apiKey = "a key of the tests"

// withAPI lets the tests use the API.
func withAPI(o *server.Options) {
	o.APIKeys = []server.APIKey{{ID: "other", Value: "the key of another"}, {ID: "tests", Value: apiKey}}
	o.Version = "1.2.3"
	o.Reload = func() (*server.Reloaded, error) {
		return &server.Reloaded{Changed: []server.Change{{Setting: "api/key[new]", New: "new"}}, NeedsRestart: []server.Change{}}, nil
	}
}

// object is an answer of the API.
type object = map[string]any

// ask makes a request of the API and decodes its answer.
func ask(t *testing.T, r *endpointtest.Rig, method, path, body string) (status int, answer object) {
	t.Helper()
	resp := r.Do(method, "/api/v1"+path, body, "Authorization", "Bearer "+apiKey)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil || resp.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s %s: %v: %q", method, path, err, text)
	}
	return resp.StatusCode, answer
}

// want makes a request that must succeed.
func want(t *testing.T, r *endpointtest.Rig, method, path, body string) object {
	t.Helper()
	status, answer := ask(t, r, method, path, body)
	if status != http.StatusOK {
		t.Fatalf("%s %s %s: %d %v", method, path, body, status, answer)
	}
	return answer
}

// refused makes a request that must be refused with the code, and returns the error.
func refused(t *testing.T, r *endpointtest.Rig, method, path, body string, code message.Code) object {
	t.Helper()
	status, answer := ask(t, r, method, path, body)
	e, _ := answer["error"].(object)
	if status != code.Info().HTTPStatus || e["code"] != float64(code) || e["name"] != code.Info().Name || e["message"] != code.Info().Sentence {
		t.Errorf("%s %s %s: %d %v, want %v", method, path, body, status, answer, code)
	}
	return e
}

func TestAPIKeys(t *testing.T) {
	for name, tc := range map[string]struct {
		authorization string
		keys          []server.APIKey
		status        int
	}{
		"right":           {"Bearer " + apiKey, []server.APIKey{{ID: "a", Value: "something else"}, {ID: "b", Value: apiKey}}, 200},
		"scheme's case":   {"bearer " + apiKey, []server.APIKey{{ID: "b", Value: apiKey}}, 200},
		"absent":          {"", []server.APIKey{{ID: "b", Value: apiKey}}, 401},
		"wrong":           {"Bearer " + apiKey + "!", []server.APIKey{{ID: "b", Value: apiKey}}, 401},
		"other scheme":    {"Basic " + apiKey, []server.APIKey{{ID: "b", Value: apiKey}}, 401},
		"none configured": {"Bearer " + apiKey, nil, 401},
		"empty key":       {"Bearer ", []server.APIKey{{ID: "b", Value: ""}}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			w := serveOnce(t, func(o *server.Options) { o.APIKeys = tc.keys }, "main", "/api/v1/info", tc.authorization)
			if w.Code != tc.status {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if w.Code != http.StatusUnauthorized {
				return
			}
			if !strings.Contains(w.Body.String(), `"code":4541`) || w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%v %s", w.Header(), w.Body)
			}
			if none := strings.Contains(w.Body.String(), "no key is configured"); none != (tc.keys == nil) {
				t.Errorf("%s", w.Body)
			}
		})
	}
}

// serveOnce asks one listener of a server that is not started.
func serveOnce(t *testing.T, change func(*server.Options), listener, path, authorization string) *httptest.ResponseRecorder {
	t.Helper()
	s, err := server.New(endpointtest.Options(change))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(t.Context())
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("Authorization", authorization)
	w := httptest.NewRecorder()
	s.Handler(listener).ServeHTTP(w, r)
	return w
}

// The API is on the listeners of its own role where there are such, else on the public ones, and never on an internal one.
func TestAPIListeners(t *testing.T) {
	for _, tc := range []struct {
		listeners []server.Role
		served    []bool
	}{
		{[]server.Role{server.Public}, []bool{true}},
		{[]server.Role{server.Public, server.Internal}, []bool{true, false}},
		{[]server.Role{server.Public, server.API, server.Internal}, []bool{false, true, false}},
		{[]server.Role{server.Internal}, []bool{false}},
	} {
		for i, served := range tc.served {
			w := serveOnce(t, func(o *server.Options) {
				withAPI(o)
				o.Listeners = nil
				for _, role := range tc.listeners {
					o.Listeners = append(o.Listeners, server.Listener{ID: string(role), Role: role})
				}
			}, string(tc.listeners[i]), "/api/v1/info", "Bearer "+apiKey)
			if (w.Code == 200) != served || !served && w.Code != 404 {
				t.Errorf("of %v the %s one answers %d", tc.listeners, tc.listeners[i], w.Code)
			}
		}
	}
}

func TestAPIPublish(t *testing.T) {
	endpointtest.Each(t, withAPI, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		c.Subscribe("chat", "room.1")
		c.Subscribe("news", "")
		answer := want(t, r, "POST", "/publish", `{"destination":"chat","subtopic":"room.1","headers":{"colour":"red"},"body":"with a subtopic"}`)
		line := c.Next()
		if h, _ := line["headers"].(object); line.Text("body") != "with a subtopic" || h["colour"] != "red" || h["DSSubtopic"] != "room.1" ||
			line.Text("messageId") == "" || line.Text("messageId") != answer["messageId"] {
			t.Errorf("published %v, received %v", answer, line)
		}
		want(t, r, "POST", "/publish", `{"destination":"chat","body":"elsewhere"}`)
		want(t, r, "POST", "/publish", `{"destination":"news","body":{"text":["plain",null,1.50]}}`)
		if line := c.Next(); fmt.Sprint(line["body"]) != "map[text:[plain <nil> 1.5]]" {
			t.Errorf("received %v", line)
		}
		c.Nothing(time.Minute)
	})
}

func TestAPIRefusesBadRequests(t *testing.T) {
	endpointtest.Run(t, withAPI, func(t *testing.T, r *endpointtest.Rig) {
		for _, tc := range []struct {
			method, path, body string
			code               message.Code
		}{
			{"POST", "/publish", ``, message.CodeBadRequest},
			{"POST", "/publish", `{"destination":"chat"`, message.CodeBadRequest},
			{"POST", "/publish", `{"destination":"chat"} {}`, message.CodeBadRequest},
			{"POST", "/publish", `[]`, message.CodeBadRequest},
			{"POST", "/publish", `{"destination":"chat","subject":"x"}`, message.CodeBadRequest},
			{"POST", "/publish", `{"destination":7}`, message.CodeBadRequest},
			{"POST", "/publish", `{"body":"` + strings.Repeat("x", 5<<20) + `"}`, message.CodeMessageTooBig},
			{"POST", "/publish", `{"body":1}`, message.CodeUnknownDestination},
			{"POST", "/publish", `{"destination":"nowhere","body":1}`, message.CodeUnknownDestination},
			{"POST", "/publish", `{"destination":"plain","subtopic":"a","body":1}`, message.CodeSubtopicsNotAllowed},
			{"POST", "/publish", `{"destination":"chat","subtopic":"a..b","body":1}`, message.CodeBadSubtopic},
			{"POST", "/publish", `{"destination":"chat","subtopic":"a.*","body":1}`, message.CodeWildcardPublish},
			{"POST", "/publish", `{"destination":"chat","messageId":"` + strings.Repeat("x", 257) + `"}`, message.CodeBadField},
			{"POST", "/publish", `{"destination":"chat","body":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, message.CodeMessageTooDeep},
			{"POST", "/broadcast", `{"destination":"chat","body":1}`, message.CodeBadField},
			{"POST", "/broadcast", `{"destination":"chat","subtopics":["a","*"]}`, message.CodeWildcardPublish},
			{"POST", "/send", `{"destination":"chat","body":1}`, message.CodeBadField},
			{"POST", "/send", `{"destination":"chat","user":"a","client":"b"}`, message.CodeBadField},
			{"POST", "/send", `{"destination":"chat","user":"nobody"}`, message.CodeNotFound},
			{"POST", "/send", `{"destination":"chat","client":"nobody"}`, message.CodeNotFound},
			{"POST", "/send", `{"destination":"chat","session":"s"}`, message.CodeBadRequest},
			{"POST", "/disconnect", `{}`, message.CodeBadField},
			{"POST", "/disconnect", `{"user":"a","session":"b"}`, message.CodeBadField},
			{"POST", "/disconnect", `{"session":"nobody"}`, message.CodeNotFound},
			{"GET", "/sessions/nobody", ``, message.CodeNotFound},
			{"GET", "/clients/nobody", ``, message.CodeNotFound},
			{"GET", "/clients?limit=0", ``, message.CodeBadField},
			{"GET", "/clients?limit=1001", ``, message.CodeBadField},
			{"GET", "/sessions?limit=many", ``, message.CodeBadField},
			{"GET", "/publish", ``, message.CodeMethodNotAllowed},
			{"POST", "/clients", `{}`, message.CodeMethodNotAllowed},
			{"GET", "/nothing", ``, message.CodeUnknownEndpoint},
		} {
			refused(t, r, tc.method, tc.path, tc.body, tc.code)
		}
	})
}

// Who has subscribed to several of the subtopics gets a broadcast once, and so does who has several subscriptions.
func TestAPIBroadcast(t *testing.T) {
	endpointtest.Run(t, withAPI, func(t *testing.T, r *endpointtest.Rig) {
		one, two, none := r.Connect(channel.WebSocket), r.Connect(channel.Streaming), r.Connect(channel.LongPoll)
		one.Subscribe("chat", "a")
		two.Do("command", `"operation":"multi_subscribe","destination":"chat","headers":{"DSAddSub":["a_;_","b_;_"]}`)
		two.Next() // where the subscription begins
		two.Subscribe("chat", "*")
		none.Subscribe("chat", "c")
		body := `{"destination":"chat","subtopics":["a","b"],"messageId":"only","body":"to all"}`
		if answer := want(t, r, "POST", "/broadcast", body); answer["messageId"] != "only" {
			t.Errorf("%v", answer)
		}
		one.WantMessages("to all")
		if line := two.Next(); line.Text("operation") != "for" || len(line["clientIds"].([]any)) != 2 {
			t.Errorf("got %v, want for two", line)
		}
		two.WantMessages("to all")
		if answer := want(t, r, "POST", "/broadcast", body); answer["duplicate"] != true {
			t.Errorf("again: %v", answer)
		}
		for _, c := range []*endpointtest.Client{one, two, none} {
			c.Nothing(time.Minute)
		}
	})
}

func TestAPISend(t *testing.T) {
	endpointtest.Each(t, func(o *server.Options) { withAPI(o); o.Passwords = passwordsOf(t, "alice", "wonderland", "friends") },
		func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
			other := r.Connect(channel.WebSocket)
			for _, c := range []*endpointtest.Client{c, other} {
				if reply := c.Do("command", `"operation":"login","body":"YWxpY2U6d29uZGVybGFuZA=="`); reply.Text("type") != "acknowledge" {
					t.Fatalf("login: %v", reply)
				}
			}
			exact := c.Subscribe("chat", "a")
			c.Subscribe("chat", "b")
			all := c.Subscribe("chat", "*")
			send := func(fields string, clients, reached int) {
				t.Helper()
				answer := want(t, r, "POST", "/send", `{"destination":"chat","subtopic":"a","body":"for you",`+fields+`}`)
				if answer["clients"] != float64(clients) || answer["reached"] != float64(reached) || answer["messageId"] == "" {
					t.Errorf("%s: %v, want %d of %d reached", fields, answer, reached, clients)
				}
			}
			send(`"client":"`+c.ID+`"`, 1, 1)
			line := c.Next()
			if ids := fmt.Sprint(line["clientIds"]); line.Text("operation") != "for" || ids != fmt.Sprint([]string{exact, all}) {
				t.Errorf("got %v, want for %s and %s", line, exact, all)
			}
			c.WantMessages("for you")
			send(`"user":"alice"`, 2, 1) // the other one has no subscription
			c.Next()
			c.WantMessages("for you")
			send(`"client":"`+other.ID+`"`, 1, 0)
			c.Nothing(time.Minute)
			other.Nothing(time.Minute)
		})
}

// What is disconnected learns the reason, on every transport.
func TestAPIDisconnect(t *testing.T) {
	for _, by := range []string{"client", "session", "user"} {
		t.Run(by, func(t *testing.T) {
			endpointtest.Each(t, func(o *server.Options) { withAPI(o); o.Passwords = passwordsOf(t, "alice", "wonderland", "friends") },
				func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
					bystander := r.Connect(channel.WebSocket)
					bystander.Subscribe("chat", "")
					c.Do("command", `"operation":"login","body":"YWxpY2U6d29uZGVybGFuZA=="`)
					id := map[string]string{"client": c.ID, "user": "alice"}
					if by == "session" {
						synctest.Wait() // the first poll is held
						id["session"] = want(t, r, "GET", "/clients/"+c.ID, "")["sessions"].([]any)[0].(string)
					}
					request := func(reason string) string {
						return fmt.Sprintf(`{%q:%q,"reason":%q}`, by, id[by], reason)
					}
					refused(t, r, "POST", "/disconnect", request(strings.Repeat("x", 201)), message.CodeBadField)
					answer := want(t, r, "POST", "/disconnect", request("Maintenance of the hall."))
					if answer["ended"] != 1.0 || answer["incident"] == "" {
						t.Errorf("%v", answer)
					}
					line := c.WantEnd(message.CodeAdministrator)
					if line.Text("message") != "An administrator ended this session or client. Maintenance of the hall." || line["incident"] != answer["incident"] || line.Text("reconnect") != "no" {
						t.Errorf("the end is %v, the answer %v", line, answer)
					}
					refused(t, r, "POST", "/disconnect", request("again"), message.CodeNotFound)
					if ended := at(want(t, r, "GET", "/clients/"+c.ID, ""), "ended"); at(ended, "incident") != answer["incident"] || at(ended, "message") != line.Text("message") {
						t.Errorf("the API says of it %v", ended)
					}
					bystander.Publish("chat", "", "undisturbed")
					bystander.WantMessages("undisturbed")
				})
		})
	}
}

// A service that sends its body a byte a minute is not waited for.
func TestAPISlowBody(t *testing.T) {
	endpointtest.Run(t, withAPI, func(t *testing.T, r *endpointtest.Rig) {
		c, err := r.Net.Dial(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST /api/v1/publish HTTP/1.1\r\nHost: sluice.test\r\nAuthorization: Bearer %s\r\nContent-Length: 100\r\n\r\n{", apiKey)
		begin := time.Now()
		answer, _ := io.ReadAll(c)
		if !bytes.Contains(answer, []byte(`"code":4544`)) || time.Since(begin) > 40*time.Second {
			t.Errorf("after %v: %s", time.Since(begin), answer)
		}
	})
}

// Who disconnects a user shuts him out: his cookie means nothing any more, also where no client of his is left.
func TestAPIDisconnectsAUserForGood(t *testing.T) {
	endpointtest.Run(t, func(o *server.Options) { withAPI(o); o.Passwords = passwordsOf(t, "alice", "wonderland", "friends") },
		func(t *testing.T, r *endpointtest.Rig) {
			for _, left := range []bool{true, false} {
				_, lines, h := r.Post("/longpoll", connectLine+"\n"+`{"type":"command","operation":"login","messageId":"l","seq":1,"body":"YWxpY2U6d29uZGVybGFuZA=="}`)
				id := lines[0]["headers"].(map[string]any)["DSId"].(string)
				cookies := h.Values("Set-Cookie")
				cookie, _, _ := strings.Cut(cookies[len(cookies)-1], ";")
				if sessions := want(t, r, "GET", "/clients/"+id, "")["sessions"].([]any); len(sessions) != 1 {
					t.Errorf("a client that has connected is in the sessions %v, want one", sessions)
				}
				if !left {
					want(t, r, "POST", "/disconnect", fmt.Sprintf(`{"client":%q}`, id))
				}
				want(t, r, "POST", "/disconnect", `{"user":"alice"}`)
				_, lines, _ = r.Post("/longpoll", connectLine, "Cookie", cookie)
				if user, in := lines[0]["body"].(map[string]any)["user"]; in {
					t.Errorf("the cookie still logs %v in", user)
				}
				refused(t, r, "POST", "/disconnect", `{"user":"alice"}`, message.CodeNotFound)
			}
		})
}
