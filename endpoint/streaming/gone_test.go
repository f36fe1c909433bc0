package streaming_test

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
	"sluice/flexsession"
)

// onEnd is a log that does something when it is told that a connection has ended.
type onEnd struct{ do func() }

func (l *onEnd) Write(line []byte) (int, error) {
	if do := l.do; do != nil && bytes.Contains(line, []byte(`"connection ended"`)) {
		l.do = nil
		do()
	}
	return len(line), nil
}

// An attach that comes when its stream has just ended does not hold the client for ever: nobody would detach it.
func TestAttachOfAStreamThatHasEnded(t *testing.T) {
	var log onEnd
	logging := func(o *server.Options) {
		o.Log = func(string) zerolog.Logger { return zerolog.New(&log) }
		for i := range o.Channels {
			o.Channels[i].ReliableReconnectDuration = 15 * time.Second
		}
	}
	endpointtest.Run(t, logging, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.Streaming)
		_, id := probe(t, r, c)
		answer := endpointtest.Line{}
		log.do = func() {
			answer = c.Ask(fmt.Sprintf(`{"type":"control","operation":"attach","attach":2,"have":0,"streamId":%q}`, id), "")
		}
		r.Post("/streaming?command=close&streamId="+id, "", c.Auth()...)
		synctest.Wait()
		if answer.Text("operation") != "attached" {
			t.Fatalf("attach: %v", answer)
		}
		if f := r.Server.Registry().Lookup(c.ID).Facts(); f.Transport != "" {
			t.Errorf("it is attached to a %s that has ended", f.Transport)
		}
		time.Sleep(16 * time.Second)
		if _, cause := r.Server.Registry().Client(c.ID, c.Secret); cause == nil || cause.Code != message.CodeClientVanished {
			t.Errorf("it ended by %v", cause)
		}
	})
}

// A plain GET that is refused leaves a client whose end says why.
func TestRefusedReaderEnds(t *testing.T) {
	var ends []message.Code
	options := func(o *server.Options) {
		for i := range o.Channels {
			o.Channels[i].MaxStreamingClients = 1
		}
		o.FlexClient.Listeners = []flexsession.Listener{{ClientDestroyed: func(_ *flexsession.FlexClient, c flexsession.Cause) { ends = append(ends, c.Code) }}}
	}
	endpointtest.Run(t, options, func(t *testing.T, r *endpointtest.Rig) {
		first := r.Do("GET", "/streaming/chat", "")
		defer first.Body.Close()
		status, lines, _ := r.Fetch("GET", "/streaming/chat", "")
		wantRefused(t, "a second reader", status, lines, message.CodeLimitStreams)
		if len(ends) != 1 || ends[0] != message.CodeLimitStreams {
			t.Errorf("its client ended by %v", ends)
		}
	})
}
