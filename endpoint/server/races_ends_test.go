package server_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"time"

	"sluice/channel"
	"sluice/channel/memengine"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
	"sluice/flexsession"
)

// doom is one way to end.
type doom struct {
	code  message.Code  // what it ends by, if nothing else comes before
	on    []string      // the channels where that is so
	do    func(w *wild) // brings it about
	after time.Duration // so long after that
	house int           // which server it takes
	alone bool          // nothing may keep the client alive meanwhile
	never bool          // there is no client that could have rivals
}

// The servers.
const (
	usual    = iota
	outlives // its clients outlive their sessions (flex-client/timeout-minutes)
)

var (
	everywhere  = []string{"websocket", "frail", "streaming", "strict", "longpoll"}
	onWebSocket = []string{"websocket"}
	onStreams   = []string{"streaming", "strict"}
	lasting     = []string{"websocket", "streaming", "strict", "longpoll"}
)

// raceOptions are those of a house: all times differ, so that each has its turn.
func raceOptions(house int, o *server.Options) {
	for i := range o.Channels {
		c := &o.Channels[i]
		c.ReliableReconnectDuration, c.ReloadGrace, c.DeadPeerTimeout, c.SessionTimeout = 15*time.Second, 3*time.Second, 20*time.Second, 90*time.Second
		if c.Kind == channel.WebSocket {
			c.IdleTimeout = time.Minute
		}
	}
	frail, strict := o.Channels[0], o.Channels[1]
	frail.ID, frail.Path, frail.ReliableReconnectDuration = "frail", "/frail", 0
	strict.ID, strict.Path, strict.InvalidateSessionOnDisconnect = "strict", "/strict", true
	o.Channels = append(o.Channels, frail, strict)
	o.Destinations = append(o.Destinations, channel.DestinationDefinition{ID: "quiet", SubscriptionTimeout: 70 * time.Second})
	o.FlexClient.MaxWaitingMessages, o.FlexClient.Window.Messages = 20, 10
	o.Engine = faulty{memengine.New(memengine.Options{})}
	if house == outlives {
		o.FlexClient.ClientTimeout = 30 * time.Second
		for i := range o.Channels {
			o.Channels[i].ReliableReconnectDuration, o.Channels[i].SessionTimeout = 0, 25*time.Second
		}
	}
}

// faulty is an engine that fails of one message.
type faulty struct{ *memengine.Engine }

const fatalBody = `"fatal"`

func (e faulty) Publish(batch []*message.Message, done func(i int, p channel.Position, err error)) {
	for _, m := range batch {
		if strings.Contains(string(m.Line), fatalBody) {
			panic("a fault of the engine")
		}
	}
	e.Engine.Publish(batch, done)
}

// dooms are all ways to end, at least one for each code. Those without a time come about at once, and so can be anyone's rivals.
func dooms() []doom {
	return []doom{
		{code: message.CodeClientDisconnect, on: everywhere, do: func(w *wild) { w.send(w.numbered(`"type":"command","operation":"disconnect"`)) }},
		{code: message.CodeAdministrator, on: everywhere, do: func(w *wild) {
			if c := w.client(); c != nil {
				c.End(flexsession.Because(message.CodeAdministrator))
			}
		}},
		{code: message.CodeAdministrator, on: everywhere, do: func(w *wild) {
			if c := w.client(); c != nil {
				for _, id := range c.Facts().Sessions {
					if s := w.r.Server.Registry().Session(id); s != nil {
						s.Invalidate(flexsession.Because(message.CodeAdministrator))
					}
				}
			}
		}},
		{code: message.CodeLogout, on: everywhere, do: func(w *wild) {
			w.logIn(true, 0)
			w.send(w.numbered(`"type":"command","operation":"logout"`))
		}},
		{code: message.CodeLogout, on: everywhere, do: func(w *wild) {
			w.logIn(false, 0)
			if c := w.client(); c != nil {
				c.Logout()
			}
		}},
		{code: message.CodeSessionInvalidated, on: []string{"strict"}, do: (*wild).otherTab},
		{code: message.CodeDisplaced, on: lasting, do: func(w *wild) { w.listen("websocket") }},
		{code: message.CodeDisplaced, on: lasting, do: func(w *wild) { w.listen("streaming") }},
		{code: message.CodeDisplaced, on: lasting, do: func(w *wild) { w.listen("longpoll") }},
		{code: message.CodeSlowConsumer, on: everywhere, do: func(w *wild) { w.tell(60, 10) }},
		{code: message.CodeProtocolError, on: onWebSocket, do: func(w *wild) { w.write(w.receiver(), endpointtest.Fin|endpointtest.Binary, "{}") }},
		{code: message.CodeMessageTooLarge, on: onWebSocket, do: func(w *wild) {
			w.write(w.receiver(), endpointtest.Fin|endpointtest.Text, strings.Repeat("x", 300<<10))
		}},
		{code: message.CodeConnectionLost, on: everywhere, do: func(w *wild) { w.each((*endpointtest.Conn).Reset) }},
		{code: message.CodeConnectionClosed, on: onWebSocket, do: func(w *wild) { w.write(w.receiver(), endpointtest.Fin|endpointtest.Close, "\x03\xe8") }},
		{code: message.CodeStreamClosed, on: onStreams, do: func(w *wild) {
			w.mu.Lock()
			path, id := w.path, w.streamID
			w.mu.Unlock()
			w.fetch(path+"?command=close&streamId="+id, "")
		}},
		{code: message.CodeInternalError, on: onWebSocket, do: func(w *wild) {
			w.send(w.numbered(`"type":"async","destination":"chat","body":` + fatalBody))
		}},
		{code: message.CodeUnacknowledgedBytes, on: []string{"websocket", "streaming", "longpoll"}, do: func(w *wild) {
			w.each(func(c *endpointtest.Conn) { c.Peer().Fail(syscall.ETIMEDOUT) })
		}},

		{code: message.CodeClientDetached, on: lasting, after: 3 * time.Second, alone: true, do: func(w *wild) { w.send(`{"type":"control","operation":"detach"}`) }},
		{code: message.CodeClientVanished, on: lasting, after: 15 * time.Second, alone: true, do: func(w *wild) { w.each((*endpointtest.Conn).Reset) }},
		{code: message.CodeTokenExpired, on: everywhere, after: 7 * time.Second, do: func(w *wild) { w.logIn(true, 7*time.Second) }},
		{code: message.CodeTokenExpired, on: everywhere, after: 7 * time.Second, do: func(w *wild) { w.logIn(false, 7*time.Second) }},
		{code: message.CodeHeartbeatFailed, on: onStreams, after: 5 * time.Second, do: func(w *wild) {
			if c := w.receiver(); c != nil {
				c.Freeze()
				c.Peer().CloseWrite()
			}
		}},
		{code: message.CodeWriteTimeout, on: []string{"websocket", "streaming"}, after: 10 * time.Second, do: func(w *wild) {
			if c := w.receiver(); c != nil {
				c.Freeze()
				w.tell(1, 300<<10)
			}
		}},
		{code: message.CodeMissedPong, on: onWebSocket, after: 25 * time.Second, alone: true, do: func(w *wild) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.deaf = true
		}},
		{code: message.CodeMissedHeartbeats, on: []string{"websocket", "streaming"}, after: 20 * time.Second, alone: true, do: func(w *wild) {
			w.send(`{"type":"command","operation":"client_ping","messageId":"h","heartbeat":5000}`)
		}},
		{code: message.CodeSubscriptionTimeout, on: everywhere, after: 70 * time.Second, do: func(*wild) {}},
		{code: message.CodeIdleTimeout, on: []string{"websocket", "frail"}, after: time.Minute, alone: true, do: func(*wild) {}},
		{code: message.CodeSessionTimeout, on: onStreams, after: 90 * time.Second, alone: true, do: func(*wild) {}},

		{code: message.CodeClientTimeout, on: []string{"websocket"}, after: 30 * time.Second, alone: true, house: outlives, do: func(w *wild) { w.each((*endpointtest.Conn).Reset) }},
		{code: message.CodeClientTimeout, on: []string{"streaming", "longpoll"}, after: 55 * time.Second, alone: true, house: outlives, do: func(w *wild) { w.each((*endpointtest.Conn).Reset) }},

		{code: message.CodeHandshakeTimeout, on: onWebSocket, after: 10 * time.Second, never: true, do: func(w *wild) { w.socket("websocket", "") }},
	}
}

// each does f to all connections of the client.
func (w *wild) each(f func(*endpointtest.Conn)) {
	w.mu.Lock()
	all := w.all
	w.mu.Unlock()
	for _, c := range all {
		f(c)
	}
}

// logIn makes a user of the client, and with record of its cookie. life is how long that is good; 0: for ever.
func (w *wild) logIn(record bool, life time.Duration) {
	c := w.client()
	if c == nil {
		return
	}
	p := &channel.Principal{Name: "user of " + w.bearer()}
	if life > 0 {
		p.Expires = time.Now().Add(life)
	}
	c.Login(p, record)
}

// otherTab is another client of the cookie, that disconnects.
func (w *wild) otherTab() {
	w.mu.Lock()
	tab := &wild{r: w.r, ctx: w.ctx, cookie: w.cookie}
	path := w.path
	w.mu.Unlock()
	defer tab.hangUp()
	if tab.connect(path) {
		tab.send(tab.numbered(`"type":"command","operation":"disconnect"`))
	}
}

// tell publishes n messages of about size bytes to this client alone.
func (w *wild) tell(n, size int) {
	d := w.r.Server.Broker().Destination("chat")
	c := w.client()
	for i := range n {
		m, err := message.New("chat", []string{"all"}, fmt.Appendf(nil, "%q", strings.Repeat("x", size)), nil, fmt.Sprint(i), time.Now())
		if err == nil && c != nil {
			c.Push(d, m)
		}
	}
}

// rivals are the dooms that come about at once on a channel, and coming back in time.
func rivals(path string) []func(*wild) {
	all := []func(*wild){
		func(w *wild) { w.listen("websocket") }, func(w *wild) { w.listen("streaming") }, func(w *wild) { w.listen("longpoll") },
		func(w *wild) { w.send(`{"type":"control","operation":"detach"}`) },
		func(w *wild) {
			if c := w.client(); c != nil {
				for _, s := range c.Subscriptions() {
					c.Unsubscribe(s.ID(), "")
				}
			}
		},
	}
	for _, d := range dooms() {
		for _, on := range d.on {
			if on == path && d.after == 0 {
				all = append(all, d.do)
			}
		}
	}
	return all
}

// stop ends the server in order.
func stopServer(r *endpointtest.Rig) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return r.Server.Shutdown(ctx)
}
