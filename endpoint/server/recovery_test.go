package server_test

import (
	"bufio"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// The bugs that users of other servers report of recovery, each turned into what must be true here, on every kind of channel. The numbers are those of their issue trackers.

// remembering makes chat keep its last messages, and lets clients be away for a quarter of a minute.
func remembering(messages int) func(*server.Options) {
	return func(o *server.Options) {
		o.Destinations[0].History.MaxMessages = messages
		o.FlexClient.Window.Messages = 10000 // the clients of these tests do not confirm by themselves
		for i := range o.Channels {
			o.Channels[i].ReliableReconnectDuration = 15 * time.Second
		}
	}
}

// recovery is a client with a subscription on chat, and what it got by it.
type recovery struct {
	*endpointtest.Client
	t         *testing.T
	sub       string
	recovered any    // of its subscribe: true, false, or nil for not told
	position  string // as a client keeps it: that of the last line that has one
	losses    []endpointtest.Line
}

// subscribeFrom subscribes with more members behind the destination, and notes what it is told at once.
func subscribeFrom(t *testing.T, c *endpointtest.Client, subtopic, headers, members string) *recovery {
	t.Helper()
	ack := c.Do("command", fmt.Sprintf(`"operation":"subscribe","destination":"chat","headers":{"DSSubtopic":%q%s}%s`, subtopic, headers, members))
	s := &recovery{Client: c, t: t, sub: ack.Text("clientId")}
	state := s.next()
	if ack.Text("type") != "acknowledge" || state.Text("operation") != "subscribe" {
		t.Fatalf("subscribe: %v, %v", ack, state)
	}
	body, _ := ack["body"].(map[string]any)
	if s.recovered = state["recovered"]; body["recovered"] != s.recovered || fmt.Sprint(body["position"]) != fmt.Sprint(state["position"]) {
		t.Errorf("the acknowledgement says %v, the line %v", body, state)
	}
	return s
}

// next is the next line; its position is kept.
func (s *recovery) next() endpointtest.Line {
	s.t.Helper()
	line := s.Next()
	if p := line.Text("position"); p != "" {
		s.position = p
	}
	return line
}

// past takes the messages up to where the subscription goes live.
func (s *recovery) past() (bodies []string) {
	s.t.Helper()
	for {
		switch line := s.next(); {
		case line.Text("operation") == "live":
			return bodies
		case line.Text("type") == "loss":
			s.losses = append(s.losses, line)
		case line.Text("type") == "async":
			bodies = append(bodies, line.Text("body"))
		default:
			s.t.Fatalf("in the past: %v", line)
		}
	}
}

// wantPast checks the past, and whether it was whole.
func (s *recovery) wantPast(recovered bool, bodies ...string) {
	s.t.Helper()
	if got := s.past(); !slices.Equal(got, bodies) {
		s.t.Errorf("the past is %v, want %v", got, bodies)
	}
	if s.recovered != recovered || len(s.losses) > 0 == recovered {
		s.t.Errorf("recovered is %v, with losses %v, want %v", s.recovered, s.losses, recovered)
	}
}

// take takes live messages.
func (s *recovery) take(bodies ...string) {
	s.t.Helper()
	for _, want := range bodies {
		if line := s.next(); line.Text("body") != want {
			s.t.Fatalf("got %v, want the message %q", line, want)
		}
	}
}

// again is a new client, of the same kind, that subscribes with the position of the old one.
func (s *recovery) again(r *endpointtest.Rig, subtopic string) *recovery {
	s.t.Helper()
	return subscribeFrom(s.t, r.Connect(s.Kind), subtopic, "", fmt.Sprintf(`,"position":%q`, s.position))
}

// publish publishes texts without a client.
func publish(t *testing.T, r *endpointtest.Rig, subtopic string, bodies ...string) {
	t.Helper()
	var batch []*message.Message
	for _, body := range bodies {
		m, err := message.New("chat", []string{subtopic}, fmt.Appendf(nil, "%q", body), nil, "", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		batch = append(batch, m)
	}
	r.Server.Broker().Publish(batch, func(int, *message.Error) {})
	synctest.Wait()
}

func numbers(from, to int) (all []string) {
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

// socket.io #5538: a client that has not received a single event has no offset, and cannot recover.
func TestRecoversWithoutHavingReceivedAnything(t *testing.T) {
	endpointtest.Each(t, remembering(100), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		s := subscribeFrom(t, c, "a", "", "")
		if s.position == "" || s.recovered != nil {
			t.Fatalf("position %q, recovered %v", s.position, s.recovered)
		}
		c.Vanish()
		publish(t, r, "a", "1", "2", "3")
		s.again(r, "a").wantPast(true, "1", "2", "3")
	})
}

// socket.io #5282: on a connection that has been there for long the offset is too old, and recovery fails though nothing was missed.
func TestRecoversAfterALongQuietConnection(t *testing.T) {
	endpointtest.Each(t, remembering(5), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		s := subscribeFrom(t, c, "a", "", "")
		publish(t, r, "a", "first")
		s.take("first")
		for i := range 50 { // of which it hears nothing
			publish(t, r, "b", fmt.Sprint(i))
			time.Sleep(10 * time.Minute)
			c.Ask(`{"type":"command","operation":"client_ping","messageId":"beat"}`, "beat")
		}
		c.Vanish()
		publish(t, r, "a", "second")
		s.again(r, "a").wantPast(true, "second")
	})
}

// socket.io #4880: recovery works once, and the second time does not.
func TestRecoversManyTimes(t *testing.T) {
	endpointtest.Each(t, remembering(100), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		s := subscribeFrom(t, c, "a", "", "")
		for i := range 20 {
			live, missed := fmt.Sprint("live ", i), []string{fmt.Sprint("missed ", i), fmt.Sprint("missed too ", i)}
			publish(t, r, "a", live)
			s.take(live)
			s.Vanish()
			publish(t, r, "a", missed...)
			s = s.again(r, "a")
			s.wantPast(true, missed...)
		}
	})
}

// socket.io #4880, the other half: it works only after the old socket has been noticed to be dead.
func TestRecoversWhileTheOldConnectionIsOpen(t *testing.T) {
	endpointtest.Each(t, remembering(100), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		s := subscribeFrom(t, c, "a", "", "")
		publish(t, r, "a", "1")
		s.take("1")
		publish(t, r, "a", "2", "3") // which the old connection has, and its page will never see
		fresh := s.again(r, "a")
		fresh.wantPast(true, "2", "3")
		publish(t, r, "a", "4")
		fresh.take("4")
		s.take("2", "3", "4")
	})
	endpointtest.Each(t, remembering(0), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) { // the same client, without history
		c.Subscribe("chat", "a")
		publish(t, r, "a", "1")
		c.WantMessages("1")
		synctest.Wait() // a poll is back by then
		fresh := r.Resume(c, c.Kind)
		synctest.Wait() // and has taken over
		publish(t, r, "a", "2", "3")
		fresh.WantMessages("2", "3")
		if line := c.Next(); line.Text("operation") != "displaced" {
			t.Errorf("the old connection got %v", line)
		}
	})
}

// socket.io #4733 #4968: recovered is always false in practice, whatever the network did.
func TestRecoveryIsTrueWhateverEndedTheConnection(t *testing.T) {
	for name, lose := range map[string]func(c *endpointtest.Client){
		"without a word": (*endpointtest.Client).Vanish,
		"in order": func(c *endpointtest.Client) { // ppy/osu#35658: it helps only while the socket is not cleanly closed
			if c.Kind == channel.WebSocket {
				c.CloseWebSocket()
			}
			c.Vanish()
		},
	} {
		for after, wait := range map[string]time.Duration{"within the time to come back": 10 * time.Second, "too late": time.Minute} {
			t.Run(name+", "+after, func(t *testing.T) {
				endpointtest.Each(t, remembering(100), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
					s := subscribeFrom(t, c, "a", "", "")
					publish(t, r, "a", "1")
					s.take("1")
					lose(c)
					time.Sleep(wait)
					publish(t, r, "a", "2")
					s.again(r, "a").wantPast(true, "2")
				})
			})
		}
	}
}

// socket.io #5363: what the client sent when it lost its connection is lost, or comes twice.
func TestClientsMessagesSurviveALostConnection(t *testing.T) {
	endpointtest.Each(t, remembering(0), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		hears := r.Connect(channel.WebSocket)
		hears.Subscribe("chat", "a")
		line := func(seq int) string {
			return fmt.Sprintf(`{"type":"async","messageId":"m%d","seq":%d,"destination":"chat","headers":{"DSSubtopic":"a"},"body":"%d"}`, seq, seq, seq)
		}
		c.Ask(line(1), "m1")
		c.Ask(line(2), "m2") // the answer to which it will say it never had
		c.Vanish()
		for _, kind := range endpointtest.Kinds {
			c = r.Resume(c, kind)
			for seq := 2; seq <= 4; seq++ { // 3 and 4 are new the first time
				if reply := c.Ask(line(seq), fmt.Sprint("m", seq)); reply.Text("type") != "acknowledge" {
					t.Errorf("message %d over %s: %v", seq, kind, reply)
				}
			}
			c.Vanish()
		}
		hears.WantMessages("1", "2", "3", "4")
		hears.Nothing(time.Second)
	})
}

// aspnetcore#46691: what is sent while the connection is down is lost.
func TestMessagesWhileDisconnectedArrive(t *testing.T) {
	for _, to := range endpointtest.Kinds {
		t.Run("to "+string(to), func(t *testing.T) {
			endpointtest.Each(t, remembering(0), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
				c.Subscribe("chat", "a")
				publish(t, r, "a", "1", "2")
				c.WantMessages("1", "2")
				synctest.Wait()
				c.Vanish()
				synctest.Wait()
				publish(t, r, "a", "3", "4")
				time.Sleep(10 * time.Second)
				publish(t, r, "a", "5")
				c = r.Resume(c, to)
				publish(t, r, "a", "6")
				c.WantMessages("3", "4", "5", "6")
				c.Nothing(time.Second)
			})
		})
	}
}

// Mercure #178: an update that is published while somebody subscribes is in neither the history nor the live messages. Mercure #354: or lies in the gap of a reconnect.
func TestNothingIsLostBetweenThePastAndThePresent(t *testing.T) {
	endpointtest.Each(t, remembering(1000), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		s := subscribeFrom(t, c, "a", "", "")
		var publishing sync.WaitGroup
		publishing.Go(func() {
			for i := range 300 {
				r.Post("/longpoll/chat/a", fmt.Sprintf(`"%d"`, i))
			}
			r.Post("/longpoll/chat/a", `"end"`)
		})
		var got []string
		for line := s.next(); line.Text("body") != "end"; line = s.next() {
			if got = append(got, line.Text("body")); len(got)%25 == 0 {
				s.Vanish()
				s = s.again(r, "a")
				past := s.past()
				if len(past) > 0 && past[len(past)-1] == "end" {
					got = append(got, past[:len(past)-1]...)
					break
				}
				got = append(got, past...)
			}
		}
		publishing.Wait()
		if !slices.Equal(got, numbers(0, 300)) {
			t.Errorf("%d messages: %v", len(got), got)
		}
	})
}

// Mercure #704: with an id that the hub does not know the client never catches up, and is not told.
func TestUnknownPositionGetsAllThereIs(t *testing.T) {
	endpointtest.Each(t, remembering(3), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		elsewhere := endpointtest.New(t, remembering(3)) // the server as it was before a restart
		foreign := subscribeFrom(t, elsewhere.Connect(c.Kind), "a", "", "").position
		publish(t, r, "a", numbers(0, 5)...)
		s := subscribeFrom(t, c, "a", "", fmt.Sprintf(`,"position":%q`, foreign))
		s.wantPast(false, "2", "3", "4")
		if loss := s.losses[0]; loss.Text("from") != foreign || loss.Text("reason") != "history" || loss.Text("clientId") != s.sub {
			t.Errorf("the loss is %v", loss)
		}
		publish(t, r, "a", "5")
		s.take("5")
	})
}

// Mercure #586: each reconnect brings all of the backlog once more, and more each time.
func TestReconnectBringsOnlyWhatIsNew(t *testing.T) {
	endpointtest.Each(t, remembering(100), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		publish(t, r, "a", numbers(0, 50)...)
		s := subscribeFrom(t, c, "a", `,"DSSince":0`, "")
		s.wantPast(true, numbers(0, 50)...)
		for range 5 { // nothing is new
			s.Vanish()
			s = s.again(r, "a")
			s.wantPast(true)
		}
		publish(t, r, "a", "50")
		s.take("50")
		s.Vanish()
		s.again(r, "a").wantPast(true)
	})
}

// symfony/mercure#117: of a long backlog only the first thousand come.
func TestLongPastIsWhole(t *testing.T) {
	endpointtest.Each(t, remembering(5000), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		s := subscribeFrom(t, c, "a", "", "")
		c.Vanish()
		publish(t, r, "a", numbers(0, 3000)...)
		s.again(r, "a").wantPast(true, numbers(0, 3000)...)
	})
}

// cometd#775 #2480, CometD.NetCore.Salesforce#20 #22: after "unknown client" and a new handshake the subscriptions are not there, and nothing says so.
func TestUnknownClientIsToldAndGoesOn(t *testing.T) {
	endpointtest.Each(t, remembering(100), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		s := subscribeFrom(t, c, "a", "", "")
		publish(t, r, "a", "1")
		s.take("1")
		synctest.Wait()
		c.Vanish()
		time.Sleep(time.Minute) // too late
		publish(t, r, "a", "2")
		ws := r.NewClient(channel.WebSocket)
		ws.Dial()
		ws.Send(attachFrame(c, 900, 2))
		if line := ws.Next(); line.Text("operation") != "gone" || line.Text("reason") != "expired" || line.Code() != message.CodeClientVanished {
			t.Errorf("it is told %v", line)
		}
		s.again(r, "a").wantPast(true, "2")
	})
}

// jsforce#1709, aiocometd#1, CometD.NetCore.Salesforce#16 #43: a replay id that has grown too old fails, or fails silently.
func TestTooOldPositionIsToldAndGoesOn(t *testing.T) {
	endpointtest.Each(t, remembering(3), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		s := subscribeFrom(t, c, "a", "", "")
		publish(t, r, "a", "1")
		s.take("1")
		c.Vanish()
		publish(t, r, "a", numbers(2, 10)...)
		old := s.position
		s = s.again(r, "a")
		s.wantPast(false, "7", "8", "9")
		if loss := s.losses[0]; loss.Text("from") != old || loss.Text("to") == "" || loss.Text("to") == old {
			t.Errorf("the loss is %v", loss)
		}
		publish(t, r, "a", "10")
		s.take("10")
	})
}

// nchan #306: over one connection for several channels some of what was buffered is missed.
func TestSeveralSubtopicsRecoverTogether(t *testing.T) {
	endpointtest.Each(t, remembering(100), func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		s := subscribeFrom(t, c, "*", "", "")
		publish(t, r, "b", "0")
		s.take("0")
		c.Vanish()
		for i := range 9 {
			publish(t, r, []string{"a", "b", "c.d"}[i%3], fmt.Sprint(i+1))
		}
		s.again(r, "*").wantPast(true, numbers(1, 10)...) // a wildcard
		several := r.Connect(c.Kind)
		reply := several.Do("command", fmt.Sprintf(`"operation":"multi_subscribe","destination":"chat","position":%q,"headers":{"DSAddSub":["c.*_;_","a_;_"]}`, s.position))
		some := &recovery{Client: several, t: t, sub: reply.Text("clientId"), recovered: several.Next()["recovered"]}
		some.wantPast(true, "1", "3", "4", "6", "7", "9")
	})
}

// Mercure #354 #586 for an EventSource, which has nothing but its Last-Event-ID: also if not a single event had come.
func TestEventSourceGoesOnByItself(t *testing.T) {
	endpointtest.Run(t, remembering(100), func(t *testing.T, r *endpointtest.Rig) {
		id := ""
		read := func(want ...string) { // until these have come, and an id with or without them
			resp := r.Do("GET", "/streaming/chat/a", "", "Accept", "text/event-stream", "Last-Event-ID", id)
			defer resp.Body.Close()
			events, named := bufio.NewReader(resp.Body), false
			for len(want) > 0 || !named {
				line, err := events.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				if rest, ok := strings.CutPrefix(line, "id: "); ok {
					id, named = strings.TrimSpace(rest), true
				}
				if strings.HasPrefix(line, "data: ") {
					if len(want) == 0 || !strings.Contains(line, fmt.Sprintf(`"body":%q`, want[0])) {
						t.Fatalf("got %s, want %v", line, want)
					}
					want = want[1:]
				}
			}
		}
		read()
		for i := range 5 {
			missed := []string{fmt.Sprint("missed ", i), fmt.Sprint("missed too ", i)}
			publish(t, r, "a", missed...)
			read(missed...)
			read()
		}
	})
}
