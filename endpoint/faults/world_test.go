//go:build linux

package faults

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
	"sluice/flexsession"
)

// ctx is for what ends with its process or its connection.
var ctx = context.Background()

// The settings of the tests: those of the shipped file, some ten or twenty times as fast.
const (
	heartbeat = 250 * time.Millisecond  // server-to-client-heartbeat-millis
	promise   = 500 * time.Millisecond  // heartbeat-interval-millis of the clients that promise
	deadPeer  = 1500 * time.Millisecond // dead-peer-timeout-millis
	stuck     = 700 * time.Millisecond  // write-timeout-millis
	parked    = 1500 * time.Millisecond // wait-interval-millis
	reconnect = 1500 * time.Millisecond // reliable-reconnect-duration-millis
	session   = 6 * time.Second         // session-timeout-minutes
	longer    = 3 * time.Second         // … of what is not to pass in a test
)

// goodbye is how long a WebSocket that is ended may take to close: endpoint/websocket. late is what the clocks, the wheel and a busy machine may add to a time.
const (
	goodbye = 2 * time.Second
	late    = time.Second
)

// world is a server on real sockets.
type world struct {
	t   *testing.T
	s   *server.Server
	url string

	mu   sync.Mutex // guards the following
	log  bytes.Buffer
	ends []end         // what the log has of them
	more chan struct{} // closed when there is one more
}

// end is a line of the log about an end.
type end struct {
	Message string
	Code    message.Code
	Cause   string

	when time.Time
	busy time.Duration // the machine's clock of being busy, then
}

// Write takes a line of the log.
func (w *world) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := end{when: time.Now(), busy: busy()}
	if json.Unmarshal(b, &e) == nil && e.Code != 0 {
		w.ends = append(w.ends, e)
		close(w.more)
		w.more = make(chan struct{})
	}
	return w.log.Write(b)
}

// find is the first end whose message is what, and what is closed when there are more.
func (w *world) find(what string) (found *end, more chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.ends {
		if w.ends[i].Message == what {
			return &w.ends[i], w.more
		}
	}
	return nil, w.more
}

// What is looked for in the log.
const (
	connectionEnded = "connection ended"
	clientDestroyed = "client destroyed"
)

// newWorld starts a server on a free port of host. change changes each channel.
func newWorld(t *testing.T, host string, change ...func(*channel.ChannelDefinition)) *world {
	t.Helper()
	w := &world{t: t, more: make(chan struct{})}
	s, err := server.New(endpointtest.Options(func(o *server.Options) {
		o.Listeners[0].Addr = net.JoinHostPort(host, "0")
		o.Logger = zerolog.New(w)
		o.FlexClient.Window = flexsession.Window{Messages: 10000, Bytes: 64 << 20} // so that it is the connection that gets stuck
		o.FlexClient.MaxWaitingMessages, o.FlexClient.MaxWaitingBytes = 10000, 64<<20
		for i := range o.Channels {
			c := &o.Channels[i]
			c.ServerHeartbeat, c.DeadPeerTimeout, c.WriteTimeout, c.WaitInterval = heartbeat, deadPeer, stuck, parked
			c.ReliableReconnectDuration, c.SessionTimeout = reconnect, session
			for _, f := range change {
				f(c)
			}
		}
	}))
	if err == nil {
		err = s.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		limit, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if err := s.Shutdown(limit); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	w.s, w.url = s, "http://"+s.Addr("main").String()
	return w
}

// client starts a client of the kind in a process of its own, and returns when it receives. where is what comes before its command line; the process gets signals only where that is empty.
func (w *world) client(url string, kind channel.Kind, promise time.Duration, where ...string) *exec.Cmd {
	w.t.Helper()
	command := append(where, os.Args[0])
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), roleKey+"=client", urlKey+"="+url, kindKey+"="+string(kind), fmt.Sprintf("%s=%d", promiseKey, promise.Milliseconds()))
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil {
		w.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if strings.TrimSpace(line) != ready {
		w.t.Fatalf("the client said %q, %v", line, err)
	}
	for limit := time.Now().Add(10 * time.Second); !w.holds(kind); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(limit) {
			w.t.Fatalf("the server does not hold the client\n%s", w.text())
		}
	}
	return cmd
}

// holds says whether the server has a client that is attached and has acknowledged all, and with a poll whether that is one that waits: the first poll is answered and over at once, and the second one confirms what it
// brought.
func (w *world) holds(kind channel.Kind) bool {
	clients := w.s.Registry().Clients()
	if len(clients) != 1 {
		return false
	}
	facts := clients[0].Facts()
	_, unacknowledged := w.sockets()
	return unacknowledged == 0 && facts.Transport == kind && (kind != channel.LongPoll || facts.Confirmed > 0 && w.has(connectionEnded))
}

// fill sends the client more than the buffers of two machines hold: who reads nothing takes nothing any more.
func (w *world) fill() {
	w.t.Helper()
	m, refused := message.New("plain", nil, json.RawMessage(`"`+strings.Repeat("x", 60<<10)+`"`), nil, "", time.Now())
	if refused != nil {
		w.t.Fatal(refused)
	}
	for range 200 {
		for _, c := range w.s.Registry().Clients() {
			c.Push(w.s.Broker().Destination("plain"), m)
		}
	}
}

// moment is one in time, and on the machine's clock of being busy.
type moment struct {
	time time.Time
	busy time.Duration
}

// fault makes a fault, and returns when it began. What was logged before is forgotten.
func (w *world) fault(f func()) moment {
	w.mu.Lock()
	w.log.Reset()
	w.ends = nil
	w.mu.Unlock()
	began := moment{time.Now(), busy()}
	f()
	return began
}

// await returns the first end whose message is what, and fails if it does not come.
func (w *world) await(what string) end {
	w.t.Helper()
	for limit := time.After(30 * time.Second); ; {
		found, more := w.find(what)
		if found != nil {
			return *found
		}
		select {
		case <-more:
		case <-limit:
			w.t.Fatalf("no %q\n%s", what, w.text())
		}
	}
}

func (w *world) has(what string) bool {
	found, _ := w.find(what)
	return found != nil
}

func (w *world) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// want fails unless e is of the code, and came least to most after since. A machine that was busy may have been late with everything in between.
func (w *world) want(e end, since moment, code message.Code, least, most time.Duration) {
	w.t.Helper()
	at, busy := e.when.Sub(since.time), e.busy-since.busy
	w.t.Logf("%s: %v after %v, the machine being busy for %v", e.Message, e.Cause, at.Round(time.Millisecond), busy.Round(time.Millisecond))
	if e.Code != code || at < least-late || at > most+late+busy {
		w.t.Errorf("%s by %d %s after %v, want %v after %v to %v", e.Message, e.Code, e.Cause, at, code, least, most)
	}
}

// lost is what becomes of a connection, and of its client.
type lost struct {
	code        message.Code  // of the connection
	least, most time.Duration // after the fault
	kept        bool          // the client goes on, for it is still heard of
}

// wantLost waits for what is to become of a connection after a fault: its end, then the end of the client that does not come back, then nothing left of either.
func (w *world) wantLost(fault moment, want lost) {
	w.t.Helper()
	e := w.await(connectionEnded)
	w.want(e, fault, want.code, want.least, want.most)
	if want.kept {
		time.Sleep(longer + reconnect)
		if gone, _ := w.find(clientDestroyed); gone != nil {
			w.t.Errorf("the client, which is still heard of, ended by %d %s", gone.Code, gone.Cause)
		}
		return
	}
	w.want(w.await(clientDestroyed), moment{e.when, e.busy}, message.CodeClientVanished, reconnect, reconnect)
	for limit := time.Now().Add(session + 20*time.Second); ; time.Sleep(50 * time.Millisecond) {
		clients, sessions := w.s.Registry().Count()
		records := w.s.Registry().Records()
		open, _ := w.sockets()
		if clients+sessions+records+open == 0 {
			return
		}
		if time.Now().After(limit) {
			w.t.Fatalf("%d clients, %d sessions, %d records and %d connections are left\n%s", clients, sessions, records, open, w.text())
		}
	}
}

// sockets counts the server's that are connected, and the bytes that they have sent and nobody has acknowledged.
func (w *world) sockets() (open, unacknowledged int) {
	port := w.s.Addr("main").(*net.TCPAddr).Port
	text, err := os.ReadFile("/proc/self/net/tcp")
	if err != nil {
		w.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line) // proc_net(5): number, local address, remote address, state, queues …, the tenth is 0 without a process
		if strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) && f[3] == "01" && f[9] != "0" {
			open++
			var sent int
			fmt.Sscanf(f[4], "%X:", &sent)
			unacknowledged += sent
		}
	}
	return open, unacknowledged
}
