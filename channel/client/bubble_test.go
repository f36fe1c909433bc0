package client

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sluice/endpoint/endpointtest"
)

// network is where a bubble's server and clients are.
type network struct {
	*endpointtest.Listener

	mu    sync.Mutex // guards the following
	down  bool       // dials are refused
	lossy time.Time  // until then nothing arrives on what is dialled
	conns []*endpointtest.Conn
	all   []*endpointtest.Conn
}

func (n *network) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	n.mu.Lock()
	down := n.down
	n.mu.Unlock()
	if down {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: n.Addr(), Err: syscall.ECONNREFUSED}
	}
	c, err := n.Dial(ctx)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if time.Now().Before(n.lossy) {
		c.(*endpointtest.Conn).Cut()
	}
	n.conns, n.all = append(n.conns, c.(*endpointtest.Conn)), append(n.all, c.(*endpointtest.Conn))
	return c, nil
}

// each does something to every connection there is, and forgets them.
func (n *network) each(fault func(*endpointtest.Conn)) {
	n.mu.Lock()
	conns := n.conns
	n.conns = nil
	n.mu.Unlock()
	for _, c := range conns {
		fault(c)
	}
}

// vanish cuts every connection there is without a word, and those that are made for so long.
func (n *network) vanish(d time.Duration) {
	n.mu.Lock()
	n.lossy = time.Now().Add(d)
	n.mu.Unlock()
	n.each((*endpointtest.Conn).Cut)
}

// setDown has dials fail, or not.
func (n *network) setDown(down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = down
}

// inBubble runs test in fake time, once per channel, with a fake server that keeps its clients for 15 s, on a network in memory.
func inBubble(t *testing.T, test func(t *testing.T, f *fake, n *network, kind Kind)) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, n := makeFake(), &network{Listener: endpointtest.Listen("")}
				f.keep, f.wait, f.spans = true, 25*time.Second, `,"reconnectMillis":15000,"serverHeartbeatMillis":0,"deadPeerMillis":20000`
				f.Server = &httptest.Server{Listener: n, Config: &http.Server{Handler: f.mux}}
				f.Start()
				t.Cleanup(func() {
					for _, c := range n.all { // those that were cut too
						c.Reset()
					}
					f.Close()
				})
				test(t, f, n, kind)
			})
		})
	}
}

// bubbleSet returns a set that is connected over one channel, with the delays that are usual.
func bubbleSet(t *testing.T, f *fake, n *network, kind Kind, opts Options) *ChannelSet {
	t.Helper()
	opts.URL, opts.Channels, opts.Dial = f.URL, []Channel{{Kind: kind}}, n.dial
	set, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	if err := set.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	return set
}

// wantLater is wantNext for what takes some minutes.
func wantLater(t *testing.T, c *Consumer, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if m, err := c.Next(ctx); err != nil || string(m.Body) != body {
		t.Fatalf("received %+v, %v, want %s", m, err, body)
	}
}

// all returns the events of that kind.
func (e *events) all(kind EventKind) []Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []Event
	for _, event := range e.list {
		if event.Kind == kind {
			list = append(list, event)
		}
	}
	return list
}

// wantOneReturn fails the test unless the connection was lost once, for that reason, within so long, and the client went on after that.
func wantOneReturn(t *testing.T, seen *events, code, detail string, began time.Time, least, most time.Duration) {
	t.Helper()
	lost, back := seen.all(Disconnected), seen.all(Connected)
	if len(lost) != 1 || len(back) != 2 || len(seen.all(Unreachable)) != 0 {
		t.Fatalf("lost %d times, connected %d times: %+v", len(lost), len(back), seen.list)
	}
	if c := lost[0].Cause; c.Name != code || c.Detail != detail {
		t.Errorf("lost for %+v, want %s: %s", c, code, detail)
	}
	if !back[1].Resumed || back[1].Cause != nil {
		t.Errorf("came back as another client: %+v", back[1])
	}
	if took := seen.at(1).Sub(began); took < least || took > most {
		t.Errorf("found after %v, want between %v and %v", took, least, most)
	}
}
