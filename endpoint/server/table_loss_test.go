package server_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

const noPings = "nothing is answered on HTTP but requests"

// What ends connections, and what becomes of those who had them.
func TestTableOfConnections(t *testing.T) {
	walk(t, []row{
		{name: "it breaks without a word", do: (*scene).vanish,
			websocket: fate{session: end{message.CodeConnectionLost, 0}, client: lost(message.CodeConnectionLost, 0), conn: message.CodeConnectionLost},
			streaming: fate{client: away(0), conn: message.CodeConnectionLost},
			longpoll:  fate{client: away(0), conn: message.CodeConnectionLost}},
		{name: "the client closes it", do: (*scene).close,
			websocket: fate{session: end{message.CodeConnectionClosed, 0}, client: lost(message.CodeConnectionClosed, 0), conn: message.CodeConnectionClosed},
			streaming: fate{client: away(0), told: end{message.CodeStreamClosed, 0}},
			longpoll:  fate{none: "a poll is closed by its answer"}},
		{name: "its machine acknowledges nothing", do: func(s *scene) {
			s.wire.each(func(c *endpointtest.Conn) { c.Peer().Fail(syscall.ETIMEDOUT) })
		},
			websocket: fate{session: end{message.CodeUnacknowledgedBytes, 0}, client: lost(message.CodeUnacknowledgedBytes, 0), conn: message.CodeUnacknowledgedBytes},
			streaming: fate{client: away(0), conn: message.CodeUnacknowledgedBytes},
			longpoll:  fate{client: away(0), conn: message.CodeUnacknowledgedBytes}},
		{name: "a heartbeat cannot be written", do: func(s *scene) {
			s.wire.each(func(c *endpointtest.Conn) { c.Freeze(); c.Peer().CloseWrite() })
		},
			websocket: fate{session: end{message.CodeConnectionLost, 5 * time.Second}, client: lost(message.CodeConnectionLost, 5*time.Second), conn: message.CodeConnectionLost},
			streaming: fate{client: away(5 * time.Second), conn: message.CodeHeartbeatFailed},
			longpoll:  fate{none: "polls have no heartbeats"}},
		{name: "it takes no data", do: (*scene).clog,
			websocket: fate{session: end{message.CodeWriteTimeout, 10 * time.Second}, client: lost(message.CodeWriteTimeout, 10*time.Second), conn: message.CodeWriteTimeout},
			streaming: fate{client: away(10 * time.Second), conn: message.CodeWriteTimeout},
			longpoll:  fate{client: away(10 * time.Second), conn: message.CodeWriteTimeout}},
		{name: "pings are left unanswered", do: func(s *scene) { s.c.Mute.Store(true) },
			websocket: fate{session: end{message.CodeMissedPong, 25 * time.Second}, told: end{message.CodeMissedPong, 25 * time.Second}, client: lost(message.CodeMissedPong, 25*time.Second)},
			streaming: fate{none: noPings},
			longpoll:  fate{none: noPings}},
		{name: "the cable is pulled", do: func(s *scene) { s.wire.each((*endpointtest.Conn).Cut) }, // that nobody says goodbye takes two seconds more
			websocket: fate{session: end{message.CodeMissedPong, 27 * time.Second}, client: lost(message.CodeMissedPong, 27*time.Second), conn: message.CodeMissedPong},
			streaming: fate{}, // what the kernel does not tell, only broken promises do
			longpoll:  fate{client: away(25 * time.Second)}},
		{name: "promised heartbeats do not come", do: (*scene).promise,
			websocket: fate{session: end{message.CodeMissedHeartbeats, 20 * time.Second}, told: end{message.CodeMissedHeartbeats, 20 * time.Second}, client: lost(message.CodeMissedHeartbeats, 20*time.Second)},
			streaming: fate{told: end{message.CodeMissedHeartbeats, 20 * time.Second}, client: away(20 * time.Second)},
			longpoll:  fate{told: end{message.CodeMissedHeartbeats, 20 * time.Second}, client: away(20 * time.Second)}},
		{name: "dead-peer-timeout is off", set: channels(func(c *channel.ChannelDefinition) { c.DeadPeerTimeout = 0 }), do: func(s *scene) {
			s.c.Mute.Store(true)
			s.promise()
		}},
		{name: "it is idle", do: quietly, watch: 20 * time.Minute,
			set:       channels(func(c *channel.ChannelDefinition) { c.IdleTimeout, c.WaitInterval = 10*time.Minute, -1 }),
			websocket: fate{session: end{message.CodeIdleTimeout, 10 * time.Minute}, told: end{message.CodeIdleTimeout, 10 * time.Minute}, client: lost(message.CodeIdleTimeout, 10*time.Minute)},
			streaming: fate{told: end{message.CodeIdleTimeout, 10 * time.Minute}, client: away(10 * time.Minute)},
			longpoll:  fate{told: end{message.CodeIdleTimeout, 10 * time.Minute}, client: away(10 * time.Minute)}},
	})
}

// What a client does that is more than it may, or not the protocol.
func TestTableOfFaults(t *testing.T) {
	walk(t, []row{
		{name: "a newer attach takes over", do: (*scene).displace,
			websocket: fate{session: end{message.CodeDisplaced, 0}, told: end{message.CodeDisplaced, 0}},
			streaming: fate{told: end{message.CodeDisplaced, 0}},
			longpoll:  fate{told: end{message.CodeDisplaced, 0}}},
		{name: "it does not read", set: func(o *server.Options) { o.FlexClient.Window.Messages, o.FlexClient.MaxWaitingMessages = 4, 8 },
			do:        func(s *scene) { s.flood(20, "x") },
			websocket: fate{session: end{message.CodeSlowConsumer, 0}, told: end{message.CodeSlowConsumer, 0}, client: dies(message.CodeSlowConsumer, 0)},
			streaming: fate{told: end{message.CodeSlowConsumer, 0}, client: dies(message.CodeSlowConsumer, 0)},
			longpoll:  fate{told: end{message.CodeSlowConsumer, 0}, client: dies(message.CodeSlowConsumer, 0)}},
		{name: "it breaks the protocol", do: func(s *scene) {
			if s.kind == channel.WebSocket {
				s.write(endpointtest.FrameHead(endpointtest.Fin|endpointtest.Binary, 0))
				return
			}
			s.refused("{", message.CodeBadMessage)
		},
			websocket: fate{session: end{message.CodeProtocolError, 0}, told: end{message.CodeProtocolError, 0}, client: dies(message.CodeProtocolError, 0)}},
		{name: "it sends too much at once", do: func(s *scene) {
			if s.kind == channel.WebSocket {
				s.write(endpointtest.FrameHead(endpointtest.Fin|endpointtest.Text, 1<<20))
				return
			}
			s.refused(fmt.Sprintf("%300000d", 1), message.CodeMessageTooBig)
		},
			websocket: fate{session: end{message.CodeMessageTooLarge, 0}, told: end{message.CodeMessageTooLarge, 0}, client: dies(message.CodeMessageTooLarge, 0)}},
		{name: "there is no room for more", do: (*scene).crowd,
			set: channels(func(c *channel.ChannelDefinition) {
				c.MaxConnections, c.MaxStreamingClients, c.MaxWaitingPollRequests = 2, 2, 2
			})},
	})
}

// vanish drops the client's connections without a word.
func (s *scene) vanish() { s.c.Vanish() }

// close ends the client's connection in order.
func (s *scene) close() {
	if s.kind == channel.WebSocket {
		s.c.CloseWebSocket()
		return
	}
	s.Post("/streaming?command=close&streamId="+s.c.StreamID, "", s.c.Auth()...)
}

// promise sends a heartbeat that promises the next one within ten seconds. None follows.
func (s *scene) promise() {
	s.c.Ask(`{"type":"command","operation":"client_ping","messageId":"beat","heartbeat":10000}`, "beat")
}

// quietly: nobody sends anything that would have to be answered; where the kind of channel is polled, the poll is held.
func quietly(s *scene) {
	s.touch()
	s.ask(s.c, pingLine)
	s.from()
}

// flood publishes n messages at once.
func (s *scene) flood(n int, body string) {
	var batch []*message.Message
	for range n {
		m, err := message.New("chat", nil, fmt.Appendf(nil, "%q", body), nil, "", time.Now())
		if err != nil {
			s.t.Fatal(err)
		}
		batch = append(batch, m)
	}
	s.Server.Broker().Publish(batch, func(int, *message.Error) {})
}

// clog stops the client's reading, and sends more than the buffers on the way hold.
func (s *scene) clog() {
	s.wire.each((*endpointtest.Conn).Freeze)
	s.flood(20, bulk)
}

// displace attaches the client to a socket elsewhere.
func (s *scene) displace() {
	ws := s.NewClient(channel.WebSocket)
	ws.Dial()
	ws.Send(attachFrame(s.c, 900, 0))
}

// write writes bytes of its own on the client's connection.
func (s *scene) write(text string) {
	s.wire.each(func(c *endpointtest.Conn) {
		if _, err := c.Write([]byte(text)); err != nil {
			s.t.Errorf("write: %v", err)
		}
	})
}

// refused sends what is refused as a whole.
func (s *scene) refused(body string, code message.Code) {
	if _, lines, _ := s.Post("/"+string(s.kind), body, s.c.Auth()...); len(lines) != 1 || lines[0].Code() != code {
		s.t.Errorf("got %v, want %v", lines, code)
	}
}

// crowd asks for a connection more than there may be.
func (s *scene) crowd() {
	one := s.NewClient(channel.LongPoll)
	_, lines, _ := s.Post("/longpoll", connectLine)
	one.Adopt(lines[0])
	path, body, want := "/longpoll", one.PollLine(1, 0), message.CodeLimitPolls
	switch s.kind {
	case channel.Streaming:
		path, body, want = "/streaming?command=open", "", message.CodeLimitStreams
	case channel.WebSocket:
		status, lines, _ := s.Fetch("GET", "/websocket", "", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
		if status != 503 || lines[0].Code() != message.CodeLimitConnections {
			s.t.Errorf("one socket too many: %d %v", status, lines)
		}
		return
	}
	if _, lines, _ = s.Post(path, body, one.Auth()...); lines[len(lines)-1].Code() != want {
		s.t.Errorf("one too many: %v, want %v", lines, want)
	}
	s.ask(one, `{"type":"command","operation":"disconnect","messageId":"bye"}`)
}
