package websocket_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
	"sluice/flexsession"
)

const connect = `{"type":"command","operation":"client_ping","messageId":"connect","headers":{"DSId":"nil"},"attach":1}`

// connected opens a socket with a client, and takes the answers to its connect.
func connected(t *testing.T, r *endpointtest.Rig) *endpointtest.Raw {
	t.Helper()
	c := r.RawSocket()
	c.Frame(endpointtest.Fin|endpointtest.Text, connect)
	if line := c.NextLine(); line.Text("correlationId") != "connect" {
		t.Fatalf("connect: %v", line)
	}
	return c
}

// alive fails unless the socket answers.
func alive(t *testing.T, c *endpointtest.Raw) {
	t.Helper()
	c.Frame(endpointtest.Fin|endpointtest.Text, `{"type":"command","operation":"client_ping","messageId":"alive"}`)
	if line := c.NextLine(); line.Text("correlationId") != "alive" {
		t.Fatalf("got %v, want the answer to a probe", line)
	}
}

// What breaks the rules of the protocol itself ends the socket with a code and a sentence, its session and client with it, and nobody else.
func TestProtocolErrors(t *testing.T) {
	for _, fault := range []struct {
		name, bytes string
		code        message.Code
	}{
		{"a binary frame", endpointtest.FrameHead(endpointtest.Fin|endpointtest.Binary, 2) + "{}", message.CodeProtocolError},
		{"a frame without a mask", "\x81\x02{}", message.CodeProtocolError},
		{"reserved bits", endpointtest.FrameHead(0xC1, 2) + "{}", message.CodeProtocolError},
		{"an unknown frame type", endpointtest.FrameHead(endpointtest.Fin|0x3, 2) + "{}", message.CodeProtocolError},
		{"a fragmented ping", endpointtest.FrameHead(endpointtest.Ping, 0), message.CodeProtocolError},
		{"a ping that is too long", endpointtest.FrameHead(endpointtest.Fin|endpointtest.Ping, 126) + strings.Repeat("x", 126), message.CodeProtocolError},
		{"a continuation of nothing", endpointtest.FrameHead(endpointtest.Fin|endpointtest.Continue, 2) + "{}", message.CodeProtocolError},
		{"text inside of a message", endpointtest.FrameHead(endpointtest.Text, 1) + "{" + endpointtest.FrameHead(endpointtest.Fin|endpointtest.Text, 1) + "}", message.CodeProtocolError},
		{"a close frame of one byte", endpointtest.FrameHead(endpointtest.Fin|endpointtest.Close, 1) + "\x03", message.CodeProtocolError},
		{"a close frame with a code that is none", endpointtest.FrameHead(endpointtest.Fin|endpointtest.Close, 2) + "\x03\xed", message.CodeProtocolError},
		{"a close frame with bad text", endpointtest.FrameHead(endpointtest.Fin|endpointtest.Close, 3) + "\x03\xe8\xff", message.CodeProtocolError},
		{"a frame that is too large", endpointtest.FrameHead(endpointtest.Fin|endpointtest.Text, 256<<10+1), message.CodeMessageTooLarge},
		{"fragments that are too large", endpointtest.FrameHead(endpointtest.Text, 256<<10) + strings.Repeat(" ", 256<<10) + endpointtest.FrameHead(endpointtest.Fin|endpointtest.Continue, 1), message.CodeMessageTooLarge},
		{"a length beyond all bounds", "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", message.CodeMessageTooLarge},
		{"garbage", "GET / HTTP/1.1\r\n\r\n", message.CodeProtocolError},
	} {
		t.Run(fault.name, func(t *testing.T) {
			endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
				other := r.Connect(channel.WebSocket)
				other.Subscribe("chat", "")
				c := connected(t, r)
				c.Send(fault.bytes)
				c.WantGoodbye(fault.code, 0)
				synctest.Wait()
				if clients, sessions := r.Server.Registry().Count(); clients != 1 || sessions != 1 {
					t.Errorf("%d clients and %d sessions live on, want the other one", clients, sessions)
				}
				other.Publish("chat", "", "still here")
				other.WantMessages("still here")
			})
		})
	}
}

// A goodbye of the peer's is answered with one, whatever code it has, and is the end of session and client.
func TestGoodbyes(t *testing.T) {
	for name, payload := range map[string]string{"1000": "\x03\xe8done", "1001": "\x03\xe9", "no code": "", "a code of its own": "\x0f\xa0"} {
		t.Run(name, func(t *testing.T) {
			endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
				c := connected(t, r)
				c.Frame(endpointtest.Fin|endpointtest.Close, payload)
				c.WantGoodbye(message.CodeConnectionClosed, 1000)
				synctest.Wait()
				if clients, sessions := r.Server.Registry().Count(); clients+sessions != 0 {
					t.Errorf("%d clients and %d sessions live on", clients, sessions)
				}
			})
		})
	}
}

// A ping is answered with its payload, also in the middle of a message (RFC 6455 section 5.5); a pong means nothing.
func TestControlFrames(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := connected(t, r)
		c.NextFrame() // attached
		c.Frame(endpointtest.Text, `{"type":"command",`)
		c.Frame(endpointtest.Fin|endpointtest.Ping, "are you there?")
		if op, payload, _ := c.NextFrame(); op != endpointtest.Fin|endpointtest.Pong || payload != "are you there?" {
			t.Fatalf("got frame %x %q, want the pong", op, payload)
		}
		c.Frame(endpointtest.Continue, `"operation":"client_ping",`)
		c.Frame(endpointtest.Fin|endpointtest.Pong, "nobody asked")
		c.Frame(endpointtest.Continue, "")
		c.Frame(endpointtest.Fin|endpointtest.Continue, `"messageId":"pieces"}`)
		if line := c.NextLine(); line.Text("correlationId") != "pieces" {
			t.Fatalf("a message in pieces: %v", line)
		}
	})
}

// noPongs is for peers that do not answer pings.
func noPongs(o *server.Options) {
	for i := range o.Channels {
		o.Channels[i].DeadPeerTimeout = 0
	}
}

// Half a control frame has the time that half a message has, and not for ever; what comes in time is no matter.
func TestHalfAControlFrame(t *testing.T) {
	ping := endpointtest.FrameHead(endpointtest.Fin|endpointtest.Ping, 10) + "0123456789"
	for _, half := range []int{1, 2, 5, 6, 15} {
		t.Run(fmt.Sprint(half, " bytes"), func(t *testing.T) {
			endpointtest.Run(t, noPongs, func(t *testing.T, r *endpointtest.Rig) {
				c := connected(t, r)
				c.NextFrame() // attached
				c.Send(ping[:half])
				time.Sleep(20 * time.Second)
				c.Send(ping[half:])
				time.Sleep(time.Minute)
				alive(t, c)
				began := time.Now()
				c.Send(ping[:half])
				c.WantGoodbye(message.CodeRequestTimeout, 0)
				if took := time.Since(began); took < 29*time.Second || took > 33*time.Second {
					t.Errorf("it had %v, want 30 s, and 2 s for its goodbye", took)
				}
				synctest.Wait()
				if clients, sessions := r.Server.Registry().Count(); clients+sessions != 0 {
					t.Errorf("%d clients and %d sessions live on", clients, sessions)
				}
			})
		})
	}
}

// A peer that pings and does not read makes no more pongs than there is room for, and is cut off by the time of its writes.
func TestPingsOfAPeerThatDoesNotRead(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		r.Net.Buffer = 4 << 10
		c := connected(t, r)
		c.Freeze()
		ping := endpointtest.FrameHead(endpointtest.Fin|endpointtest.Ping, 125) + strings.Repeat("x", 125)
		for range 1000 {
			if _, err := c.Conn.Write([]byte(ping)); err != nil {
				t.Fatalf("the server does not read any more: %v", err)
			}
		}
		time.Sleep(20 * time.Second)
		if clients, sessions := r.Server.Registry().Count(); clients+sessions != 0 {
			t.Errorf("%d clients and %d sessions live on", clients, sessions)
		}
	})
}

// Until a client is bound the socket has the time of the handshake, whatever it sends meanwhile.
func TestHandshakeTimeout(t *testing.T) {
	probe := endpointtest.FrameHead(endpointtest.Fin|endpointtest.Text, 44) + `{"type":"command","operation":"client_ping"}`
	for name, step := range map[string]string{
		"silent":           "",
		"a byte at a time": "\x81",
		"pings":            endpointtest.FrameHead(endpointtest.Fin|endpointtest.Ping, 0),
		"probes":           probe,
		"bad lines":        endpointtest.FrameHead(endpointtest.Fin|endpointtest.Text, 1) + "x",
	} {
		t.Run(name, func(t *testing.T) {
			endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
				c := r.RawSocket()
				began := time.Now()
				c.Send(step)
				time.Sleep(4 * time.Second)
				if step != "\x81" {
					c.Send(step)
				}
				c.WantGoodbye(message.CodeHandshakeTimeout, 0)
				if took := time.Since(began); took < 10*time.Second || took > 12500*time.Millisecond { // the goodbye may take 2 s
					t.Errorf("it ended after %v, want 10 s", took)
				}
			})
		})
	}
}

// A frame that has begun must be there within the time of a request: bytes one at a time, fragments one at a time, and a payload that
// looks like a whole frame of its own.
func TestFrameTimeout(t *testing.T) {
	for name, step := range map[string]func(c *endpointtest.Raw, i int) string{
		"bytes": func(c *endpointtest.Raw, i int) string {
			if i == 0 {
				return endpointtest.FrameHead(endpointtest.Fin|endpointtest.Text, 1000)
			}
			return " "
		},
		"a payload like a frame": func(c *endpointtest.Raw, i int) string {
			if i == 0 {
				return endpointtest.FrameHead(endpointtest.Fin|endpointtest.Text, 1000) + endpointtest.FrameHead(endpointtest.Fin|endpointtest.Text, 0)
			}
			return " "
		},
		"fragments and pings": func(c *endpointtest.Raw, i int) string {
			if i == 0 {
				return endpointtest.FrameHead(endpointtest.Text, 1) + " "
			}
			return endpointtest.FrameHead(endpointtest.Continue, 1) + " " + endpointtest.FrameHead(endpointtest.Fin|endpointtest.Ping, 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			endpointtest.Run(t, noPongs, func(t *testing.T, r *endpointtest.Rig) {
				c := connected(t, r)
				time.Sleep(time.Hour) // between frames there is no hurry
				alive(t, c)
				c.Frame(endpointtest.Fin|endpointtest.Ping, "") // nor after a ping
				time.Sleep(time.Hour)
				alive(t, c)
				began := time.Now()
				for i := 0; i < 3; i++ {
					c.Send(step(c, i))
					time.Sleep(9 * time.Second)
				}
				c.WantGoodbye(message.CodeRequestTimeout, 0)
				if took := time.Since(began); took < 30*time.Second || took > 33*time.Second { // the goodbye may take 2 s
					t.Errorf("it ended after %v, want 30 s", took)
				}
			})
		})
	}
}

// A peer that does not answer the goodbye is cut off all the same.
func TestGoodbyeWithoutAnswer(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := connected(t, r)
		c.Frame(endpointtest.Fin|endpointtest.Binary, "x")
		began := time.Now()
		c.WantClosed()
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("cut off after %v", took)
		}
	})
}

// A ping comes after the silence of server-to-client-heartbeat-millis, and not before; what is written counts, whatever it is.
func TestPings(t *testing.T) {
	endpointtest.Run(t, noPongs, func(t *testing.T, r *endpointtest.Rig) {
		c := connected(t, r)
		c.NextFrame() // attached
		last := time.Now()
		for range 5 {
			op, payload, _ := c.NextFrame()
			if silence := time.Since(last); op != endpointtest.Fin|endpointtest.Ping || payload != "" || silence < 5*time.Second || silence > 5500*time.Millisecond {
				t.Fatalf("frame %x %q after %v, want a ping after 5 s", op, payload, silence)
			}
			last = time.Now()
		}
		for range 5 {
			time.Sleep(4900 * time.Millisecond)
			alive(t, c)
		}
		began := time.Now()
		if op, _, _ := c.NextFrame(); op != endpointtest.Fin|endpointtest.Ping || time.Since(began) < 5*time.Second {
			t.Errorf("frame %x after %v", op, time.Since(began))
		}
	})
}

// A client that has connected and not attached ends with its socket, and the socket with it, as one that is attached does.
func TestNotAttached(t *testing.T) {
	plain := strings.Replace(connect, `,"attach":1`, "", 1)
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := r.RawSocket()
		c.Frame(endpointtest.Fin|endpointtest.Text, plain)
		c.NextLine()
		r.Server.Registry().Clients()[0].End(flexsession.Because(message.CodeAdministrator))
		c.WantGoodbye(message.CodeAdministrator, 0)
	})
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := r.RawSocket()
		c.Frame(endpointtest.Fin|endpointtest.Text, plain)
		c.NextLine()
		c.Close()
		synctest.Wait()
		if clients, sessions := r.Server.Registry().Count(); clients+sessions != 0 {
			t.Errorf("%d clients and %d sessions live on", clients, sessions)
		}
	})
}

// What stands behind a disconnect in its frame is not done any more.
func TestNothingAfterDisconnect(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		other := r.Connect(channel.WebSocket)
		other.Subscribe("chat", "")
		c := connected(t, r)
		c.Frame(endpointtest.Fin|endpointtest.Text, `{"type":"command","operation":"disconnect"}`+"\n"+`{"type":"async","destination":"chat","body":"too late"}`)
		c.WantGoodbye(message.CodeClientDisconnect, 1000)
		other.Nothing(time.Minute)
	})
}

// Attaching a client from another connection: refused without its secret, displaced by what was there already, taken over by an equal number.
func TestAttach(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		home := r.Connect(channel.LongPoll)
		home.Subscribe("chat", "")
		attach := func(id, secret string, attach, have int) (*endpointtest.Raw, endpointtest.Line) {
			c := r.RawSocket()
			c.Frame(endpointtest.Fin|endpointtest.Text, fmt.Sprintf(`{"type":"control","operation":"attach","DSId":%q,"secret":%q,"attach":%d,"have":%d}`, id, secret, attach, have))
			return c, c.NextLine()
		}
		for _, try := range []struct{ id, secret string }{{home.ID, "wrong"}, {home.ID, ""}, {"nobody", home.Secret}, {"", ""}} {
			if _, line := attach(try.id, try.secret, 99, 0); line.Text("reason") != message.GoneUnknown || line.Code() != message.CodeUnknownClient {
				t.Errorf("attach as %q with %q: %v, want gone", try.id, try.secret, line)
			}
		}
		if _, line := attach(home.ID, home.Secret, 100, 99); line.Text("reason") != message.GoneAhead {
			t.Errorf("ahead: %v", line)
		}
		if _, line := attach(home.ID, home.Secret, 0, 0); line.Code() != message.CodeBadField {
			t.Errorf("attach 0: %v", line)
		}
		home.Publish("chat", "", "still polling")
		home.WantMessages("still polling")

		first, line := attach(home.ID, home.Secret, 1000, 0)
		if line.Text("operation") != "attached" {
			t.Fatalf("attach: %v", line)
		}
		second, line := attach(home.ID, home.Secret, 1000, 0)
		if line.Text("operation") != "attached" {
			t.Fatalf("an equal attach: %v", line)
		}
		first.WantGoodbye(message.CodeDisplaced, 0)
		if _, line := attach(home.ID, home.Secret, 999, 0); line.Text("operation") != "displaced" || line["attach"] != 1000.0 {
			t.Errorf("a lower attach: %v, want displaced", line)
		}
		alive(t, second)
	})
}

// Another client cannot be attached where one is, nor a second one connected.
func TestOneClientPerSocket(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		other := r.Connect(channel.LongPoll)
		c := r.Connect(channel.WebSocket)
		c.Send(fmt.Sprintf(`{"type":"control","operation":"attach","DSId":%q,"secret":%q,"attach":99,"have":0}`, other.ID, other.Secret))
		c.WantRefusal(c.Next(), message.CodeAlreadyConnected)
		other.Subscribe("chat", "")
	})
}

// max-connections of the endpoint: the surplus one is refused before it becomes a socket; a place is free again when a socket has ended.
func TestMaxConnections(t *testing.T) {
	two := func(o *server.Options) { o.Channels[0].MaxConnections = 2 }
	endpointtest.Run(t, two, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.WebSocket)
		r.Connect(channel.WebSocket)
		surplus := r.Raw()
		surplus.Request("GET", "/websocket", "", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
		resp, lines := surplus.Answer()
		if resp.StatusCode != 503 || lines[0].Code() != message.CodeLimitConnections || lines[0].Text("setting") != "max-connections" || lines[0]["value"] != 2.0 || resp.Header.Get("Retry-After") != "3" {
			t.Fatalf("%d %v", resp.StatusCode, lines)
		}
		c.Vanish()
		synctest.Wait()
		r.Connect(channel.WebSocket)
	})
}
