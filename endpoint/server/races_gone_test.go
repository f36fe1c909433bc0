package server_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
	"sluice/flexsession"
)

// Between the end of a cookie's record and that of its last client there is a moment. Who comes then learns why as well: not that it is unknown. And what was begun for it ends with it.
func TestComeWhileTheRecordEnds(t *testing.T) {
	for _, path := range []string{"longpoll", "streaming"} {
		t.Run(path, func(t *testing.T) {
			first, goOn := make(chan string, 1), atomic.Pointer[chan struct{}]{}
			hold := func(o *server.Options) {
				o.FlexClient.Listeners = append(o.FlexClient.Listeners, flexsession.Listener{ClientDestroyed: func(c *flexsession.FlexClient, _ flexsession.Cause) {
					select {
					case first <- c.ID():
						<-*goOn.Load() // the other one has not ended yet
					default:
					}
				}})
			}
			endpointtest.Run(t, hold, func(t *testing.T, r *endpointtest.Rig) {
				first = make(chan string, 1) // of this bubble
				wait := make(chan struct{})
				goOn.Store(&wait)
				connect := `{"type":"command","operation":"client_ping","messageId":"c","headers":{"DSId":"nil"}}`
				_, lines, h := r.Post("/"+path, connect)
				cookie, _, _ := strings.Cut(h.Get("Set-Cookie"), ";")
				_, more, _ := r.Post("/"+path, connect, "Cookie", cookie)
				one, two := r.NewClient("longpoll"), r.NewClient("longpoll")
				one.Adopt(lines[0])
				two.Adopt(more[0])
				go r.Server.Registry().Lookup(one.ID).Record().End(flexsession.Because(message.CodeAdministrator))
				other := one
				if <-first == one.ID {
					other = two
				}
				synctest.Wait()
				query, body := "", other.PollLine(1, 0)
				if path == "streaming" {
					query, body = "?command=open", `{"type":"control","operation":"attach","attach":1,"have":0}`
				}
				status, answer, _ := r.Post("/"+path+query, body, other.Auth()...)
				if status != 401 || len(answer) != 1 || answer[0].Text("reason") != message.GoneExpired || answer[0].Code() != message.CodeAdministrator || answer[0].Text("incident") == "" {
					t.Errorf("%d %v, want gone with the cause of the record's end", status, answer)
				}
				close(wait)
			})
		})
	}
}
