package websocket_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/rs/zerolog"

	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
	"sluice/flexsession"
)

// listening makes a server's options that have one listener more.
func listening(l flexsession.Listener) func(*server.Options) {
	return func(o *server.Options) { o.FlexClient.Listeners = append(o.FlexClient.Listeners, l) }
}

var dismissed = flexsession.Because(message.CodeAdministrator)

// A program may end a session when it hears of it: the socket, which has not begun yet, says why and closes.
func TestSessionEndedAtItsBeginning(t *testing.T) {
	l := flexsession.Listener{SessionCreated: func(s flexsession.Session) { s.Invalidate(dismissed) }}
	endpointtest.Run(t, listening(l), func(t *testing.T, r *endpointtest.Rig) {
		r.RawSocket().WantGoodbye(message.CodeAdministrator, 0)
	})
}

// The same of a client: its socket is told, and does not stay open without one.
func TestClientEndedAtItsBeginning(t *testing.T) {
	l := flexsession.Listener{ClientCreated: func(c *flexsession.FlexClient) { c.End(dismissed) }}
	endpointtest.Run(t, listening(l), func(t *testing.T, r *endpointtest.Rig) {
		c := r.RawSocket()
		c.Frame(endpointtest.Fin|endpointtest.Text, connect)
		c.WantGoodbye(message.CodeAdministrator, 0)
	})
}

// book is a log.
type book struct {
	mu    sync.Mutex
	lines []string
}

func (b *book) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, string(line))
	return len(line), nil
}

// When it is the writer who finds out that a socket is lost, the log has the ends of the connection, its session and its client with one incident all the same.
func TestLostWhileWriting(t *testing.T) {
	var log book
	logging := func(o *server.Options) { o.Log = func(string) zerolog.Logger { return zerolog.New(&log) } }
	endpointtest.Run(t, logging, func(t *testing.T, r *endpointtest.Rig) {
		c := connected(t, r)
		ping := `{"type":"command","operation":"client_ping","messageId":"` + strings.Repeat("x", 200) + "\"}\n"
		c.Frame(endpointtest.Fin|endpointtest.Text, strings.Repeat(ping, 800))
		synctest.Wait() // the writer has written until nothing was taken any more, and the reader waits for it
		c.Reset()
		synctest.Wait()
		log.mu.Lock()
		defer log.mu.Unlock()
		incidents, ends := map[any]bool{}, 0
		for _, line := range log.lines {
			var l map[string]any
			if json.Unmarshal([]byte(line), &l) == nil && l["cause"] == "connection-lost" {
				incidents[l["incident"]] = true
				ends++
			}
		}
		if ends != 3 || len(incidents) != 1 || incidents[""] {
			t.Errorf("%d ends with the incidents %v", ends, incidents)
		}
	})
}
