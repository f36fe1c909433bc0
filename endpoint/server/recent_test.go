package server_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/memengine"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// A service that does not know whether its publish arrived sends it again with the same messageId.
func TestAPIPublishesEachIDOnce(t *testing.T) {
	endpointtest.Run(t, func(o *server.Options) { withAPI(o); o.RememberIDs = 2 }, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.WebSocket)
		c.Subscribe("chat", "")
		c.Subscribe("news", "")
		publish := func(destination, id string, duplicate bool) {
			t.Helper()
			answer := want(t, r, "POST", "/publish", fmt.Sprintf(`{"destination":%q,"messageId":%q,"body":"%s"}`, destination, id, destination+id))
			if (answer["duplicate"] == true) != duplicate {
				t.Errorf("%s %s: %v", destination, id, answer)
			}
			if !duplicate {
				c.WantMessages(destination + id)
			}
		}
		publish("chat", "a", false)
		publish("chat", "a", true)
		publish("news", "a", false) // an id of another destination is another one
		for range 10 {
			publish("chat", "", false) // what has no id is not remembered, and pushes nobody out
		}
		publish("chat", "a", true)
		publish("chat", "b", false)
		publish("chat", "a", false) // two are remembered, not three
		c.Nothing(time.Minute)
	})
}

// An id whose publish failed is not taken, and its place is not given away twice.
func TestAPIForgetsTheIDOfAFailure(t *testing.T) {
	engine := &failing{Engine: memengine.New(memengine.Options{})}
	change := func(o *server.Options) { withAPI(o); o.RememberIDs = 2; o.Engine = engine }
	endpointtest.Run(t, change, func(t *testing.T, r *endpointtest.Rig) {
		publish := func(id string) object {
			return want(t, r, "POST", "/publish", fmt.Sprintf(`{"destination":"chat","messageId":%q,"body":1}`, id))
		}
		engine.fail = true
		refused(t, r, "POST", "/publish", `{"destination":"chat","messageId":"a","body":1}`, message.CodeOverloaded)
		engine.fail = false
		for _, id := range []string{"a", "b"} {
			if answer := publish(id); answer["duplicate"] == true {
				t.Errorf("%s: %v", id, answer)
			}
		}
		for _, id := range []string{"b", "a"} {
			if answer := publish(id); answer["duplicate"] != true {
				t.Errorf("%s again: %v", id, answer)
			}
		}
	})
}

// A repeat that came while the first was under way was told that it is a duplicate, also when the first then failed and nothing was published at all.
func TestAPIRepeatsThatOverlap(t *testing.T) {
	const body = `{"destination":"chat","messageId":"a","body":"once"}`
	for _, first := range []string{"fails", "succeeds", "hangs"} {
		t.Run(first, func(t *testing.T) {
			var engine *slowFirst
			set := func(o *server.Options) {
				withAPI(o)
				engine = &slowFirst{Engine: memengine.New(memengine.Options{}), goOn: make(chan bool)}
				o.Engine = engine
			}
			endpointtest.Run(t, set, func(t *testing.T, r *endpointtest.Rig) {
				c := r.Connect(channel.WebSocket)
				c.Subscribe("chat", "")
				var both sync.WaitGroup
				defer both.Wait()
				both.Go(func() {
					if status, answer := ask(t, r, "POST", "/publish", body); (status == 200) != (first != "fails") || answer["duplicate"] == true {
						t.Errorf("the first: %d %v", status, answer)
					}
				})
				synctest.Wait()
				began, done := time.Now(), make(chan struct{})
				both.Go(func() {
					defer close(done)
					switch status, answer := ask(t, r, "POST", "/publish", body); first {
					case "hangs":
						if took := time.Since(began); status != 503 || took != 30*time.Second {
							t.Errorf("the second: %d %v after %v, want it refused after 30 s", status, answer, took)
						}
					default:
						if status != 200 || (answer["duplicate"] == true) != (first == "succeeds") {
							t.Errorf("the second: %d %v", status, answer)
						}
					}
				})
				synctest.Wait()
				if first == "hangs" {
					<-done
				}
				engine.goOn <- first == "fails"
				c.WantMessages("once")
				c.Nothing(time.Second)
			})
		})
	}
}

// slowFirst is an engine whose first publish waits, and then fails or not.
type slowFirst struct {
	channel.Engine
	once sync.Once
	goOn chan bool // true: fail
}

func (e *slowFirst) Publish(batch []*message.Message, done func(int, channel.Position, error)) {
	fail := false
	e.once.Do(func() { fail = <-e.goOn })
	if fail {
		done(0, "", &message.Error{Code: message.CodeOverloaded})
		return
	}
	e.Engine.Publish(batch, done)
}

// failing is an engine that can be told to refuse.
type failing struct {
	channel.Engine
	fail bool
}

func (f *failing) Publish(batch []*message.Message, done func(int, channel.Position, error)) {
	if !f.fail {
		f.Engine.Publish(batch, done)
		return
	}
	for i := range batch {
		done(i, "", &message.Error{Code: message.CodeOverloaded})
	}
}
