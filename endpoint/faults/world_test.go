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

	mu  sync.Mutex // guards the following
	log bytes.Buffer
}

// Write takes the log.
func (w *world) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(b)
}

// newWorld starts a server on a free port of host. change changes each channel.
func newWorld(t *testing.T, host string, change ...func(*channel.ChannelDefinition)) *world {
	t.Helper()
	w := &world{t: t}
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
	for limit := time.Now().Add(10 * time.Second); !w.holds(kind); time.Sleep(5 * time.Millisecond) {
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
	return unacknowledged == 0 && facts.Transport == kind && (kind != channel.LongPoll || facts.Confirmed > 0 && len(w.ends("connection ended")) > 0)
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

// fault makes a fault, and returns when that was. What was logged before is forgotten.
func (w *world) fault(f func()) time.Time {
	w.mu.Lock()
	w.log.Reset()
	w.mu.Unlock()
	began := time.Now()
	f()
	return began
}

// end is a line of the log about an end.
type end struct {
	Message string
	Code    message.Code
	Cause   string
	Detail  string
	at      time.Duration // since the fault
}

// ends are those in the log whose message is what.
func (w *world) ends(what string) (all []end) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for raw := range bytes.Lines(w.log.Bytes()) {
		var e end
		if json.Unmarshal(raw, &e) == nil && e.Message == what {
			all = append(all, e)
		}
	}
	return all
}

// await returns the first line of what, which must be there by limit after the fault.
func (w *world) await(fault time.Time, what string, limit time.Duration) end {
	w.t.Helper()
	for {
		at := time.Since(fault)
		if all := w.ends(what); len(all) > 0 {
			all[0].at = at
			return all[0]
		}
		if at > limit+10*time.Second {
			w.t.Fatalf("no %q after %v\n%s", what, at, w.text())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (w *world) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// lost is what becomes of a connection, and of its client.
type lost struct {
	code        message.Code  // of the connection
	least, most time.Duration // after the fault; most zero: it does not end by itself
	kept        bool          // the client goes on, for it is still heard of
}

// wantLost waits for what is to become of a connection that had its fault at the time fault: its end, then the end of the client that does not come back, then nothing left of either.
func (w *world) wantLost(fault time.Time, want lost) {
	w.t.Helper()
	e := w.await(fault, "connection ended", want.most)
	w.t.Logf("the connection: %v after %v (%v to %v)", e.Cause, e.at.Round(time.Millisecond), want.least, want.most)
	if e.Code != want.code || e.at < want.least-late || e.at > want.most+late {
		w.t.Errorf("the connection ended by %d %s after %v, want %v after %v to %v", e.Code, e.Cause, e.at, want.code, want.least, want.most)
	}
	if want.kept {
		time.Sleep(longer + reconnect)
		if gone := w.ends("client destroyed"); len(gone) > 0 {
			w.t.Errorf("the client, which is still heard of, ended by %d %s", gone[0].Code, gone[0].Cause)
		}
		return
	}
	w.wantGone(fault.Add(e.at))
}

// wantGone waits until the client that lost its connection at the time since is no more, and nothing of it is left.
func (w *world) wantGone(since time.Time) {
	w.t.Helper()
	e := w.await(since, "client destroyed", reconnect)
	if e.Code != message.CodeClientVanished || e.at < reconnect-late || e.at > reconnect+late {
		w.t.Errorf("the client ended by %d %s %v after its connection, want %v after %v", e.Code, e.Cause, e.at, message.CodeClientVanished, reconnect)
	}
	for limit := time.Now().Add(session + 5*time.Second); ; time.Sleep(10 * time.Millisecond) {
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
