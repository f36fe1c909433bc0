package server_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// closedDestinations adds a destination without wildcards to the ones of every rig.
func closedDestinations(o *server.Options) {
	o.Destinations = append(o.Destinations, channel.DestinationDefinition{
		ID: "exact", AllowSubtopics: true, SubtopicSeparator: ".", DisallowWildcardSubtopics: true,
	})
}

// badLines are lines that cannot be served: what is answered, and something that the answer's detail says.
var badLines = []struct {
	name, line string
	code       message.Code
	detail     string
}{
	{"no JSON", `nonsense`, message.CodeBadMessage, ""},
	{"truncated", `{"type":"async","destination":"chat","body":"hal`, message.CodeBadMessage, ""},
	{"an array", `[{"type":"async"}]`, message.CodeBadMessage, ""},
	{"an empty object", `{}`, message.CodeBadMessage, "type"},
	{"type is not first", `{"messageId":"x","type":"async","destination":"chat"}`, message.CodeBadMessage, "type"},
	{"something behind it", `{"type":"async","destination":"chat"} {}`, message.CodeBadMessage, ""},
	{"a line that is too long", `{"type":"async","destination":"chat","body":"` + strings.Repeat("x", 64<<10) + `"}`, message.CodeMessageTooBig, ""},
	{"nested too deeply", `{"type":"async","destination":"chat","body":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`, message.CodeMessageTooDeep, ""},
	{"nested without end", `{"type":"async","destination":"chat","body":` + strings.Repeat("[", 60<<10), message.CodeMessageTooDeep, ""},
	{"not UTF-8", "{\"type\":\"async\",\"destination\":\"chat\",\"body\":\"\xff\"}", message.CodeBadText, ""},
	{"a NUL", "{\"type\":\"async\",\"destination\":\"chat\",\"body\":\"\x00\"}", message.CodeBadText, ""},
	{"a destination that is a number", `{"type":"async","destination":7}`, message.CodeBadField, "destination"},
	{"no destination", `{"type":"async","body":7}`, message.CodeBadField, "destination"},
	{"no operation", `{"type":"command"}`, message.CodeBadField, "operation"},
	{"a seq that is text", `{"type":"async","destination":"chat","seq":"1"}`, message.CodeBadField, "seq"},
	{"a seq below zero", `{"type":"async","destination":"chat","seq":-1}`, message.CodeBadField, "seq"},
	{"headers that are an array", `{"type":"async","destination":"chat","headers":[]}`, message.CodeBadField, "headers"},
	{"a subtopic that is a number", `{"type":"async","destination":"chat","headers":{"DSSubtopic":7}}`, message.CodeBadField, "DSSubtopic"},
	{"an unknown type", `{"type":"shout"}`, message.CodeUnknownType, "shout"},
	{"a type that only servers send", `{"type":"acknowledge"}`, message.CodeUnknownType, "acknowledge"},
	{"an unknown operation", `{"type":"command","operation":"dance"}`, message.CodeUnknownOperation, "dance"},
	{"an unknown control", `{"type":"control","operation":"dance"}`, message.CodeUnknownOperation, "dance"},
	{"an unknown destination", `{"type":"async","destination":"nowhere"}`, message.CodeUnknownDestination, "nowhere"},
	{"a subscription to an unknown destination", `{"type":"command","operation":"subscribe","destination":"nowhere"}`, message.CodeUnknownDestination, "nowhere"},
	{"a poll beside others", `{"type":"command","operation":"poll","attach":9}` + "\n" + `{"type":"command","operation":"poll","attach":9}`, message.CodePollNotAlone, ""},
	{"a second connect", `{"type":"command","operation":"client_ping","headers":{"DSId":"nil"}}`, message.CodeAlreadyConnected, ""},

	{"remoting", `{"type":"remoting","operation":"x"}`, message.CodeNotServed, "remoting"},
	{"a bad selector", `{"type":"command","operation":"subscribe","destination":"chat","headers":{"DSSelector":"a == 1"}}`, message.CodeBadSelector, "character 4: "},
	{"one that compares what cannot be compared", `{"type":"command","operation":"subscribe","destination":"chat","headers":{"DSSelector":"a > 'text'"}}`, message.CodeBadSelector, "character "},
	{"too long a selector", `{"type":"command","operation":"subscribe","destination":"chat","headers":{"DSSelector":"` + strings.Repeat("a", 4097) + `"}}`, message.CodeBadField, "4096"},
	{"a bad selector of a multi_subscribe", `{"type":"command","operation":"multi_subscribe","destination":"chat","headers":{"DSAddSub":["a_;_b = 1","b_;_b = "]}}`, message.CodeBadSelector, "character 5: "},

	{"publishing to a wildcard", `{"type":"async","destination":"chat","headers":{"DSSubtopic":"a.*"}}`, message.CodeWildcardPublish, "a.*"},
	{"publishing to a wildcard among others", `{"type":"async","destination":"chat","headers":{"DSSubtopic":["a","*"]}}`, message.CodeWildcardPublish, "*"},
	{"publishing to an empty part", `{"type":"async","destination":"chat","headers":{"DSSubtopic":"a..b"}}`, message.CodeBadSubtopic, "a..b"},
	{"subscribing to a dot", `{"type":"command","operation":"subscribe","destination":"chat","headers":{"DSSubtopic":"."}}`, message.CodeBadSubtopic, ""},
	{"subscribing to a*", `{"type":"command","operation":"subscribe","destination":"chat","headers":{"DSSubtopic":"a*"}}`, message.CodeBadSubtopic, ""},
	{"subscribing to foo.ba*", `{"type":"command","operation":"subscribe","destination":"chat","headers":{"DSSubtopic":"foo.ba*"}}`, message.CodeBadSubtopic, ""},
	{"subscribing to foo.", `{"type":"command","operation":"subscribe","destination":"chat","headers":{"DSSubtopic":"foo."}}`, message.CodeBadSubtopic, ""},
	{"subscribing to foo.bar:*", `{"type":"command","operation":"subscribe","destination":"chat","headers":{"DSSubtopic":"foo.bar:*"}}`, message.CodeBadSubtopic, ""},
	{"subscribing to a wildcard where none may be", `{"type":"command","operation":"subscribe","destination":"exact","headers":{"DSSubtopic":"a.*"}}`, message.CodeWildcardNotAllowed, ""},
	{"a subtopic where there are none", `{"type":"command","operation":"subscribe","destination":"plain","headers":{"DSSubtopic":"a"}}`, message.CodeSubtopicsNotAllowed, ""},
	{"publishing to a subtopic where there are none", `{"type":"async","destination":"plain","headers":{"DSSubtopic":"a"}}`, message.CodeSubtopicsNotAllowed, ""},
	{"the same subtopic twice", `{"type":"command","operation":"multi_subscribe","destination":"chat","headers":{"DSAddSub":["a_;_","a_;_"]}}`, message.CodeAlreadySubscribed, "a"},
	{"subscribing under a name of one's own", `{"type":"command","operation":"subscribe","destination":"chat","clientId":"mine"}`, message.CodeNotSubscribed, "mine"},
	{"the end of an unknown subscription", `{"type":"command","operation":"unsubscribe","clientId":"mine"}`, message.CodeNotSubscribed, "mine"},
	{"a change of an unknown subscription", `{"type":"command","operation":"multi_subscribe","clientId":"mine","headers":{"DSAddSub":["a_;_"]}}`, message.CodeNotSubscribed, "mine"},
	{"a login that is no text", `{"type":"command","operation":"login","body":{}}`, message.CodeBadField, "body"},
	{"a login that is not Base64", `{"type":"command","operation":"login","body":"user:password"}`, message.CodeBadField, "body"},
	{"a logout of nobody", `{"type":"command","operation":"logout"}`, message.CodeLoginRequired, ""},
}

// What cannot be served is answered with its code and its sentence, and that is all that happens: the client, its subscription and everybody else go on.
func TestBadLines(t *testing.T) {
	endpointtest.Each(t, closedDestinations, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		other := r.Connect(channel.WebSocket)
		c.Subscribe("chat", "room")
		other.Subscribe("chat", "room")
		before := r.Server.Broker().Destination("chat").Subscribers()
		for i, bad := range badLines {
			c.Send(bad.line)
			reply := c.Next()
			c.WantRefusal(reply, bad.code)
			if detail := reply.Text("faultDetail"); !strings.Contains(detail, bad.detail) {
				t.Errorf("%s: the detail is %q, want something about %q", bad.name, detail, bad.detail)
			}
			if bad.code == message.CodePollNotAlone {
				c.WantRefusal(c.Next(), bad.code) // the second one
			}
			body := fmt.Sprint(i)
			if reply := c.Publish("chat", "room", body); reply.Text("type") != "acknowledge" {
				t.Fatalf("after %s: %v", bad.name, reply)
			}
			c.WantMessages(body)
			other.WantMessages(body)
		}
		if n := r.Server.Broker().Destination("chat").Subscribers(); n != before {
			t.Errorf("%d subscriptions are open afterwards, want %d: what was refused has left something", n, before)
		}
	})
}

// The error of a line that is JSON names the message it is about, whatever is wrong with it.
func TestErrorsNameTheirMessage(t *testing.T) {
	endpointtest.Each(t, nil, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		for _, line := range []string{
			`{"type":"shout","messageId":"m"}`,
			`{"type":"async","messageId":"m","destination":7}`,
			`{"type":"async","timeToLive":5,"destination":"chat","messageId":"m"}`,
			`{"type":"async","messageId":"m","destination":"nowhere"}`,
			`{"type":"command","operation":"dance","messageId":"m"}`,
		} {
			if reply := c.Ask(line, "m"); reply.Text("correlationId") != "m" {
				t.Errorf("%s: %v", line, reply)
			}
		}
	})
}

// A JSON object over several lines is several bad lines. Good lines among bad ones are served.
func TestPrettyPrinted(t *testing.T) {
	endpointtest.Each(t, nil, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		c.Send("{\n \"type\": \"async\",\n \"destination\": \"chat\"\n}\n" + `{"type":"command","operation":"client_ping","messageId":"good"}`)
		for range 4 {
			c.WantRefusal(c.Next(), message.CodeBadMessage)
		}
		if line := c.Next(); line.Text("correlationId") != "good" || line.Text("type") != "acknowledge" {
			t.Errorf("the line behind them: %v", line)
		}
		// one line with white space in it is good
		c.Send("\t{ \"type\" : \"command\",\t\"operation\" : \"client_ping\" , \"messageId\":\"spaces\" }\r\n\x00\n")
		if line := c.Next(); line.Text("correlationId") != "spaces" {
			t.Errorf("a line with white space: %v", line)
		}
	})
}

// The limit of a line is told with its setting and its value.
func TestMessageTooBig(t *testing.T) {
	endpointtest.Each(t, nil, func(t *testing.T, r *endpointtest.Rig, c *endpointtest.Client) {
		c.Send(`{"type":"async","destination":"chat","body":"` + strings.Repeat("x", 64<<10) + `"}`)
		line := c.Next()
		c.WantRefusal(line, message.CodeMessageTooBig)
		if line.Text("setting") != "max-message-size-bytes" || line["value"] != 65536.0 {
			t.Errorf("%v does not tell the limit", line)
		}
	})
}

// Whole requests that are refused: the status of their code, one line, and no session for it.
func TestBadRequests(t *testing.T) {
	connect := `{"type":"command","operation":"client_ping","headers":{"DSId":"nil"}}`
	for _, bad := range []struct {
		name, method, path, body string
		headers                  []string
		code                     message.Code
	}{
		{"no client", "POST", "/longpoll", `{"type":"async","destination":"chat"}`, nil, message.CodeNotConnected},
		{"an empty body and no client", "POST", "/longpoll", "", nil, message.CodeNotConnected},
		{"a bad first line", "POST", "/longpoll", "nonsense", nil, message.CodeBadMessage},
		{"a connect that is not first", "POST", "/streaming", `{"type":"async","destination":"chat"}` + "\n" + connect, nil, message.CodeNotConnected},
		{"a poll without a client", "POST", "/longpoll", `{"type":"command","operation":"poll","attach":1}`, nil, message.CodeNotConnected},
		{"a stream without a client", "POST", "/streaming?command=open", "", nil, message.CodeNotConnected},
		{"a stream opened by a connect", "POST", "/streaming?command=open", connect, nil, message.CodeNotConnected},
		{"a stream command that is none", "POST", "/streaming?command=dance", connect, nil, message.CodeBadRequest},
		{"closing a stream without a client", "POST", "/streaming?command=close&streamId=x", "", nil, message.CodeNotConnected},
		{"text", "POST", "/longpoll", connect, []string{"Content-Type", "text/plain"}, message.CodeBadContentType},
		{"a form", "POST", "/streaming", connect, []string{"Content-Type", "application/x-www-form-urlencoded"}, message.CodeBadContentType},
		{"a body that is too large", "POST", "/streaming", strings.Repeat("x", 256<<10+1), nil, message.CodeMessageTooBig},
		{"an unknown path", "POST", "/nowhere", connect, nil, message.CodeUnknownEndpoint},
		{"another unknown path", "POST", "/longpoll/chat/a/b", connect, nil, message.CodeUnknownEndpoint},
		{"PUT", "PUT", "/longpoll", connect, nil, message.CodeMethodNotAllowed},
		{"GET", "GET", "/longpoll", "", nil, message.CodeMethodNotAllowed},
		{"a WebSocket that is none", "GET", "/websocket", "", nil, message.CodeBadRequest},
		{"POST to the WebSocket", "POST", "/websocket", connect, nil, message.CodeMethodNotAllowed},
	} {
		t.Run(bad.name, func(t *testing.T) {
			endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
				status, lines, h := r.Fetch(bad.method, bad.path, bad.body, bad.headers...)
				if status != bad.code.Info().HTTPStatus || len(lines) != 1 || lines[0].Code() != bad.code || lines[0].Text("type") != "error" {
					t.Errorf("%d %v, want one error line %d %v", status, lines, bad.code.Info().HTTPStatus, bad.code)
				}
				if h.Get("Set-Cookie") != "" {
					t.Errorf("it set a cookie: %s", h.Get("Set-Cookie"))
				}
				if clients, sessions := r.Server.Registry().Count(); clients+sessions != 0 {
					t.Errorf("%d clients and %d sessions live afterwards", clients, sessions)
				}
			})
		})
	}
}

// A body that is too large is refused by its setting, whether its length was announced or not.
func TestRequestTooLarge(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.Streaming)
		for _, body := range []io.Reader{strings.NewReader(strings.Repeat("x", 256<<10+1)), io.LimitReader(endless{}, 300<<10)} {
			req, _ := http.NewRequest("POST", r.URL("/streaming"), body)
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Authorization", c.Auth()[1])
			resp, err := r.HTTP.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			lines := endpointtest.ReadLines(t, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != 413 || lines[0].Text("setting") != "max-request-size-bytes" || lines[0]["value"] != float64(256<<10) {
				t.Errorf("%d %v", resp.StatusCode, lines)
			}
		}
		c.Subscribe("chat", "") // the client and its stream go on
	})
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

// A body of nothing but tiny bad lines costs the server no more memory than the replies that it lets wait, and the answer says where it stopped.
func TestRepliesOfOneBodyAreBounded(t *testing.T) {
	small := func(o *server.Options) { o.FlexClient.MaxWaitingBytes = 64 << 10 }
	for _, kind := range []channel.Kind{channel.Streaming, channel.LongPoll} {
		t.Run(string(kind), func(t *testing.T) {
			endpointtest.Run(t, small, func(t *testing.T, r *endpointtest.Rig) {
				c := r.Connect(kind)
				_, lines, h := r.Post("/"+string(kind), strings.Repeat("x\n", 128<<10), c.Auth()...)
				last := lines[len(lines)-1]
				if len(lines) > 2000 || last.Code() != message.CodeTooManyRequests || last.Text("setting") != "max-waiting-bytes" || last["value"] != float64(64<<10) {
					t.Errorf("%d lines, %s bytes, the last one %v", len(lines), h.Get("Content-Length"), last)
				}
				c.Subscribe("chat", "")
			})
		})
	}
	// On a socket the replies leave while the frame is worked on.
	endpointtest.Run(t, small, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.WebSocket)
		ping := `{"type":"command","operation":"client_ping"}` + "\n"
		n := 200 << 10 / len(ping)
		c.Send(strings.Repeat(ping, n))
		for range n {
			if line := c.Next(); line.Text("type") != "acknowledge" {
				t.Fatal(line)
			}
		}
	})
}

// An empty body is no fault of a client that is known.
func TestEmptyBody(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.LongPoll)
		for _, body := range []string{"", "\n", "\x00\n \n"} {
			if status, lines, _ := r.Post("/longpoll", body, c.Auth()...); status != 200 || len(lines) != 0 {
				t.Errorf("%q: %d %v, want an empty answer", body, status, lines)
			}
		}
		w := r.Connect(channel.WebSocket)
		w.Send("")
		w.Send("\n\x00\n")
		w.Nothing(time.Minute)
		w.Subscribe("chat", "")
	})
}

func TestGarbageInsteadOfHTTP(t *testing.T) {
	endpointtest.Run(t, nil, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.WebSocket)
		for _, garbage := range []string{
			"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", // a TLS client hello
			"hello\r\n\r\n",
			"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
			"GET / HTTP/1.1\r\n\r\n", // no Host
			"POST /longpoll HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
			"POST /longpoll HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
			"GET /" + strings.Repeat("x", 64<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n",
			strings.Repeat("\x00", 1000),
		} {
			raw := r.Raw()
			io.WriteString(raw, garbage) // the server may have had enough before the end
			raw.CloseWrite()
			raw.WantClosed()
		}
		c.Subscribe("chat", "")
	})
}
