package server_test

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// A reader that cannot confirm is active while it is written to; only one that gets nothing has its session end.
func TestWritingKeepsAReaderAlive(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		resp := r.Do("GET", "/streaming/chat/a", "", "Accept", "text/event-stream")
		defer resp.Body.Close()
		events := bufio.NewReader(resp.Body)
		for i := range 6 {
			time.Sleep(10 * time.Minute)
			body := fmt.Sprintf(`"number %d"`, i)
			r.Post("/longpoll/chat/a", body)
			wantLines(t, events, body)
		}
		last := time.Now()
		wantLines(t, events, "event: disconnect", `"code":4001`)
		if d := time.Since(last); d < 15*time.Minute || d > 16*time.Minute {
			t.Errorf("the silent reader ended after %v", d)
		}
	})
}

// Subtopics in a path are percent-encoded as in any path, whether or not they have to be.
func TestEncodedSubtopics(t *testing.T) {
	for path, subtopic := range map[string]string{
		"caf%C3%A9.room": "café.room", "a%2Fb": "a/b", "a%2fcaf%C3%A9": "a/café", "a%2Bb": "a+b", "a+b": "a+b", "a%2eb": "a.b", "a%25b": "a%b", "a b": "a b",
	} {
		t.Run(path, func(t *testing.T) {
			endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
				c := r.Connect("websocket")
				c.Subscribe("chat", subtopic)
				c.Subscribe("news", "*")
				resp := r.Do("GET", "/streaming/chat/"+path, "")
				defer resp.Body.Close()
				if status, lines, _ := r.Post("/streaming/chat/"+path, `"encoded"`); status != 200 {
					t.Fatalf("%d %v", status, lines)
				}
				c.WantMessages("encoded")
				wantLines(t, bufio.NewReader(resp.Body), `"encoded"`)
			})
		})
	}
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		resp := r.Do("GET", "/streaming/chat/caf%C3%A9.*", "") // a path that net/http keeps in its raw form
		defer resp.Body.Close()
		r.Post("/longpoll/chat/caf%C3%A9.1", `"wild"`)
		wantLines(t, bufio.NewReader(resp.Body), `"wild"`)
	})
}

// A connect and a login in one request leave one cookie, not two that are both good.
func TestConnectAndLoginSetOneCookie(t *testing.T) {
	passwords := passwordsOf(t, "alice", "wonderland", "friends")
	endpointtest.Run(t, func(o *server.Options) { o.Passwords = passwords }, func(t *testing.T, r *endpointtest.Rig) {
		const connect = `{"type":"command","operation":"client_ping","messageId":"c","headers":{"DSId":"nil"}}`
		const login = `{"type":"command","operation":"login","messageId":"l","body":"YWxpY2U6d29uZGVybGFuZA=="}`
		_, _, header := r.Post("/longpoll", connect+"\n"+login)
		cookies := (&http.Response{Header: header}).Cookies()
		if len(cookies) != 1 {
			t.Fatalf("%d cookies: %v", len(cookies), header["Set-Cookie"])
		}
		_, lines, _ := r.Post("/longpoll", connect, "Cookie", strings.Split(cookies[0].String(), ";")[0])
		if body, _ := lines[0]["body"].(object); body["user"] != "alice" {
			t.Errorf("the next client of the cookie: %v", lines)
		}
	})
}
