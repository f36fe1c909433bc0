package streaming_test

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// probe opens a stream of c without an attach and returns what follows its first line, and its id.
func probe(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) (*bufio.Reader, string) {
	t.Helper()
	resp := r.Do("POST", "/streaming?command=open", "", c.Auth()...)
	t.Cleanup(func() { resp.Body.Close() })
	stream := bufio.NewReader(resp.Body)
	line, err := stream.ReadString('\n')
	_, id, ok := strings.Cut(line, `"streamId":"`)
	if id, _, _ = strings.Cut(id, `"`); err != nil || !ok {
		t.Fatalf("the first line is %q, %v", line, err)
	}
	return stream, id
}

// wantRefused checks a request that is refused as a whole.
func wantRefused(t *testing.T, what string, status int, lines []endpointtest.Line, code message.Code) {
	t.Helper()
	if status != code.Info().HTTPStatus || len(lines) != 1 || lines[0].Code() != code || lines[0].Text("type") != "error" {
		t.Errorf("%s: %d %v, want %v", what, status, lines, code)
	}
}

// A stream belongs to its client: nobody opens one for another, closes another's or attaches to it.
func TestForeignStreams(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c, thief := r.Connect(channel.Streaming), r.Connect(channel.Streaming)
		c.Subscribe("chat", "")
		_, id := probe(t, r, c)
		for _, bearer := range []string{c.ID + ".wrong", c.ID + "." + thief.Secret, c.ID, "nobody.x", ".", ""} {
			status, lines, _ := r.Post("/streaming?command=open", `{"type":"control","operation":"attach","attach":99,"have":0}`, "Authorization", "Bearer "+bearer)
			if status != 401 || len(lines) != 1 || lines[0].Text("operation") != "gone" || lines[0].Text("reason") != message.GoneUnknown {
				t.Errorf("with bearer %q: %d %v, want gone", bearer, status, lines)
			}
		}
		status, lines, _ := r.Post("/streaming?command=close&streamId="+id, "", thief.Auth()...)
		wantRefused(t, "closing another's stream", status, lines, message.CodeUnknownStream)
		thief.WantRefusal(thief.Ask(fmt.Sprintf(`{"type":"control","operation":"attach","attach":99,"have":0,"streamId":%q}`, id), ""), message.CodeUnknownStream)
		thief.WantRefusal(thief.Ask(`{"type":"control","operation":"attach","attach":99,"have":0}`, ""), message.CodeUnknownStream)
		c.Publish("chat", "", "all is well")
		c.WantMessages("all is well")
		thief.Subscribe("chat", "")
	})
}

// A stream that was opened before a reload, and is attached after it, goes by the times that hold then.
func TestAttachAfterAReload(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.Streaming)
		stream, id := probe(t, r, c)
		faster := func(o *server.Options) {
			for i := range o.Channels {
				o.Channels[i].ServerHeartbeat = time.Second
			}
		}
		if _, err := r.Server.Reload(endpointtest.Options(faster)); err != nil {
			t.Fatal(err)
		}
		c.Ask(fmt.Sprintf(`{"type":"control","operation":"attach","attach":2,"have":0,"streamId":%q}`, id), "")
		var beats atomic.Int32
		go func() {
			for b, err := stream.ReadByte(); err == nil; b, err = stream.ReadByte() {
				if b == 0 {
					beats.Add(1)
				}
			}
		}()
		time.Sleep(20 * time.Second)
		if n := beats.Load(); n < 15 || n > 20 {
			t.Errorf("%d heartbeats in 20 seconds, want one each", n)
		}
	})
}

// A stream that has proved itself is attached by a POST, displaces the one before it, and is closed by name.
func TestProbeAttachClose(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.Streaming)
		c.Subscribe("chat", "")
		stream, id := probe(t, r, c)
		answer := c.Ask(fmt.Sprintf(`{"type":"control","operation":"attach","attach":2,"have":1,"streamId":%q}`, id), "")
		if answer.Text("operation") != "attached" || answer["have"] != 1.0 {
			t.Fatalf("attach: %v", answer)
		}
		if line := c.Next(); line.Text("operation") != "displaced" || line["attach"] != 2.0 {
			t.Fatalf("the older stream got %v, want displaced", line)
		}
		c.Publish("chat", "", "here")
		status, lines, _ := r.Post("/streaming?command=close&streamId="+id, "", c.Auth()...)
		if status != 200 || len(lines) != 1 || lines[0].Text("type") != "acknowledge" {
			t.Errorf("close: %d %v", status, lines)
		}
		lines = endpointtest.ReadLines(t, stream)
		if len(lines) != 3 || lines[0].Text("operation") != "attached" || lines[1].Text("body") != "here" || lines[2].Code() != message.CodeStreamClosed {
			t.Errorf("the stream had %v", lines)
		}
		status, lines, _ = r.Post("/streaming?command=close&streamId="+id, "", c.Auth()...)
		wantRefused(t, "closing it again", status, lines, message.CodeUnknownStream)
	})
}

// A stream that was never attached ends with its client all the same: it would hold its place for ever.
func TestProbeEndsWithItsClient(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.Streaming)
		stream, _ := probe(t, r, c)
		began := time.Now()
		c.Do("command", `"operation":"disconnect"`)
		lines := endpointtest.ReadLines(t, stream)
		if len(lines) != 1 || lines[0].Code() != message.CodeClientDisconnect || time.Since(began) > time.Second {
			t.Errorf("after %v the stream had %v, want the disconnect at once", time.Since(began), lines)
		}
	})
}

// What a stream cannot be opened with.
func TestBadOpen(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.Streaming)
		c.Subscribe("chat", "")
		attach := `{"type":"control","operation":"attach","attach":2,"have":0}`
		for i, body := range []string{
			"nonsense", attach + "\n" + attach, `{"type":"async","destination":"chat"}`, `{"type":"control","operation":"attach"}`,
			`{"type":"control","operation":"attach","attach":0,"have":0}`, strings.Repeat("\n", 300) + attach + strings.Repeat("\n", 300) + attach,
		} {
			status, lines, _ := r.Post("/streaming?command=open", body, c.Auth()...)
			wantRefused(t, fmt.Sprint("body ", i), status, lines, message.CodeBadRequest)
		}
		status, lines, _ := r.Post("/streaming?command=open", `{"type":"control","operation":"attach","attach":2,"have":99}`, c.Auth()...)
		if status != 401 || len(lines) != 1 || lines[0].Text("reason") != message.GoneAhead {
			t.Errorf("with a have that was never sent: %d %v, want gone", status, lines)
		}
		c.Publish("chat", "", "all is well")
		c.WantMessages("all is well")
	})
}

// A simple client ends with its stream, an ordinary one does not.
func TestLostStream(t *testing.T) {
	for _, reliable := range []bool{true, false} {
		t.Run(fmt.Sprintf("reliable %v", reliable), func(t *testing.T) {
			endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
				c := r.NewClient(channel.Streaming)
				_, lines, _ := r.Post("/streaming", fmt.Sprintf(`{"type":"command","operation":"client_ping","headers":{"DSId":"nil"},"reliable":%v}`, reliable))
				c.Adopt(lines[0])
				c.OpenStream()
				c.DropStream()
				synctest.Wait()
				if clients, _ := r.Server.Registry().Count(); (clients == 1) != reliable {
					t.Errorf("%d clients live on", clients)
				}
			})
		})
	}
}

// The head of a stream tells proxies to hold nothing back, and begins with the padding that its browser wants.
func TestHead(t *testing.T) {
	padded := func(o *server.Options) {
		o.Channels[1].UserAgents = []channel.UserAgent{
			{MatchOn: "*", KickstartBytes: 3}, {MatchOn: "MSIE", KickstartBytes: 2048}, {MatchOn: "MSIE 9", KickstartBytes: 10},
		}
		o.Channels[1].Headers = []channel.Header{{Name: "P3P", Value: `CP="CAO"`}}
	}
	for agent, padding := range map[string]int{"curl": 3, "Mozilla (MSIE 8)": 2048, "Mozilla (MSIE 9)": 10} {
		endpointtest.Run(t, padded, func(t *testing.T, r *endpointtest.Rig) {
			c := r.Connect(channel.Streaming)
			resp := r.Do("POST", "/streaming?command=open", "", append(c.Auth(), "User-Agent", agent)...)
			defer resp.Body.Close()
			body := bufio.NewReader(resp.Body)
			n := 0
			for b, err := body.ReadByte(); err == nil && b == 0; b, err = body.ReadByte() {
				n++
			}
			if n != padding {
				t.Errorf("%s: %d bytes of padding, want %d", agent, n, padding)
			}
			for name, want := range map[string]string{
				"Content-Type": "application/x-ndjson; charset=utf-8", "Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no",
				"X-Content-Type-Options": "nosniff", "P3p": `CP="CAO"`, "Set-Cookie": "",
			} {
				if got := resp.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

// A null byte is written exactly after the silence of server-to-client-heartbeat-millis, and none while lines flow.
func TestHeartbeat(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.Streaming)
		stream, _ := probe(t, r, c)
		last := time.Now()
		for range 5 {
			b, err := stream.ReadByte()
			if silence := time.Since(last); b != 0 || err != nil || silence < 5*time.Second || silence > 5500*time.Millisecond {
				t.Fatalf("byte %d, %v after %v, want a NUL after 5 s", b, err, silence)
			}
			last = time.Now()
		}
	})
	off := func(o *server.Options) { o.Channels[1].ServerHeartbeat = 0 }
	endpointtest.Run(t, off, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.Streaming)
		time.Sleep(10 * time.Minute)
		if n := c.Heartbeats(); n != 0 {
			t.Errorf("%d heartbeats, want none", n)
		}
	})
}

// max-streaming-clients: the surplus stream is refused, those that are open go on, and an ended one leaves its place.
func TestMaxStreamingClients(t *testing.T) {
	two := func(o *server.Options) { o.Channels[1].MaxStreamingClients = 2 }
	endpointtest.Run(t, two, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.Streaming)
		r.Connect(channel.Streaming)
		c.Subscribe("chat", "")
		for _, try := range []func() (int, []endpointtest.Line, http.Header){
			func() (int, []endpointtest.Line, http.Header) {
				return r.Post("/streaming?command=open", "", c.Auth()...)
			},
			func() (int, []endpointtest.Line, http.Header) { return r.Fetch("GET", "/streaming/chat", "") },
		} {
			status, lines, h := try()
			wantRefused(t, "a third stream", status, lines, message.CodeLimitStreams)
			if lines[0].Text("setting") != "max-streaming-clients" || lines[0]["value"] != 2.0 || lines[0]["retryAfterMillis"] != 3000.0 || h.Get("Retry-After") != "3" {
				t.Errorf("%v does not tell the limit", lines[0])
			}
		}
		if clients, _ := r.Server.Registry().Count(); clients != 2 {
			t.Errorf("%d clients live, want those of the two streams", clients)
		}
		c.Publish("chat", "", "still here")
		c.WantMessages("still here")
		c.DropStream()
		c.Next() // it is closed
		synctest.Wait()
		c.OpenStream()
	})
}
