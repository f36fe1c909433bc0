package server_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// benchServer is a server on a TCP port of this machine, without limits that would be in the way.
func benchServer(b *testing.B) (*server.Server, string) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	opts := endpointtest.Options(func(o *server.Options) {
		for i := range o.Channels {
			c := &o.Channels[i]
			c.MaxConnections, c.MaxStreamingClients, c.MaxWaitingPollRequests, c.PollingInterval = 1e6, 1e6, 1e6, 0
		}
	})
	opts.Listeners[0].Net = l
	s, err := server.New(opts)
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		s.Shutdown(ctx)
	})
	return s, l.Addr().String()
}

const benchConnect = `{"type":"command","operation":"client_ping","messageId":"c","headers":{"DSId":"nil"},"reliable":false%s}` + "\n" +
	`{"type":"command","operation":"subscribe","messageId":"s","destination":"plain"}`

// counter counts the messages in what is written to it.
type counter struct {
	n    *atomic.Int64
	tail []byte // what of a mark may stand at the end of the last write
}

var benchMark = []byte(`{"type":"async"`)

func (c *counter) Write(b []byte) (int, error) {
	both := append(c.tail, b...)
	c.n.Add(int64(bytes.Count(both, benchMark)))
	c.tail = append(c.tail[:0], both[max(0, len(both)-len(benchMark)+1):]...)
	return len(b), nil
}

// benchSocket connects and subscribes over a WebSocket, and returns the connection behind the first answer.
func benchSocket(b *testing.B, addr string) net.Conn {
	b.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	lines := fmt.Sprintf(benchConnect, `,"attach":1`)
	frame := []byte{0x81, 0x80 | 126, byte(len(lines) >> 8), byte(len(lines)), 0, 0, 0, 0} // a mask of zeros
	fmt.Fprintf(conn, "GET /websocket HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	r := bufio.NewReaderSize(conn, 1024)
	if _, err := http.ReadResponse(r, nil); err != nil {
		b.Fatal(err)
	}
	conn.Write(append(frame, lines...))
	await(b, r, `"subscription-state"`)
	return conn
}

func await(b *testing.B, r *bufio.Reader, mark string) {
	b.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			b.Fatal(err)
		}
		if strings.Contains(line, mark) {
			return
		}
	}
}

func benchPost(b *testing.B, url, body, bearer string) *http.Response {
	b.Helper()
	req, _ := http.NewRequest("POST", url, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil // the server has ended with the benchmark
	}
	return resp
}

// benchConnectHTTP connects and subscribes by POST and returns the bearer token.
func benchConnectHTTP(b *testing.B, addr, path string) string {
	b.Helper()
	resp := benchPost(b, "http://"+addr+path, fmt.Sprintf(benchConnect, ""), "")
	lines := endpointtest.ReadLines(b, resp.Body)
	resp.Body.Close()
	h := lines[0]["headers"].(map[string]any)
	return fmt.Sprint(h["DSId"], ".", h["DSSecret"])
}

// benchConsumer receives over the kind of channel until the server ends, counting into n.
func benchConsumer(b *testing.B, addr string, kind channel.Kind, n *atomic.Int64, running *sync.WaitGroup) {
	b.Helper()
	switch kind {
	case channel.WebSocket:
		conn := benchSocket(b, addr)
		running.Go(func() { io.Copy(struct{ io.Writer }{&counter{n: n}}, conn) })
	case channel.Streaming:
		bearer := benchConnectHTTP(b, addr, "/streaming")
		resp := benchPost(b, "http://"+addr+"/streaming?command=open", `{"type":"control","operation":"attach","attach":1,"have":0}`, bearer)
		r := bufio.NewReader(resp.Body)
		await(b, r, `"subscription-state"`)
		running.Go(func() {
			defer resp.Body.Close()
			io.Copy(struct{ io.Writer }{&counter{n: n}}, r)
		})
	case channel.LongPoll:
		bearer := benchConnectHTTP(b, addr, "/longpoll")
		running.Go(func() {
			for attach := 1; ; attach++ {
				resp := benchPost(b, "http://"+addr+"/longpoll", fmt.Sprintf(`{"type":"command","operation":"poll","messageId":"p","attach":%d,"have":0}`, attach), bearer)
				if resp == nil {
					return
				}
				io.Copy(&counter{n: n}, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					return
				}
			}
		})
	}
}

// BenchmarkEndpoint is a fan-out through a whole endpoint and real sockets, both ends in this process: 32 messages of 128 bytes in flight.
func BenchmarkEndpoint(b *testing.B) {
	for _, kind := range endpointtest.Kinds {
		for _, subs := range []int{1, 100} {
			b.Run(fmt.Sprintf("%s/subs=%d", kind, subs), func(b *testing.B) {
				s, addr := benchServer(b)
				var got atomic.Int64
				var running sync.WaitGroup
				b.Cleanup(running.Wait)
				b.Cleanup(http.DefaultClient.CloseIdleConnections)
				for range subs {
					benchConsumer(b, addr, kind, &got, &running)
				}
				const inFlight = 32
				batch := make([]*message.Message, inFlight)
				body := []byte(`"` + strings.Repeat("x", 126) + `"`)
				sent := int64(0)
				b.ReportAllocs()
				for b.Loop() {
					for i := range batch {
						batch[i], _ = message.New("plain", nil, body, nil, "m", time.Now())
					}
					s.Broker().Publish(batch, func(int, *message.Error) {})
					for sent += inFlight * int64(subs); got.Load() < sent; {
						runtime.Gosched()
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(sent), "ns/delivery")
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				s.Shutdown(ctx)
			})
		}
	}
}

// BenchmarkIdleWebSocket reports what one idle, subscribed WebSocket session takes of this process: heap and stacks of the server, and a bare net.Conn of the other end.
func BenchmarkIdleWebSocket(b *testing.B) {
	_, addr := benchServer(b)
	usage := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	const warm = 100
	for range warm {
		benchSocket(b, addr)
	}
	before := usage()
	n := 0
	for b.Loop() {
		if n < 4000 { // of 20,000 descriptors
			benchSocket(b, addr)
			n++
		}
	}
	time.Sleep(100 * time.Millisecond) // the last goroutines come to rest; nothing is asserted
	b.ReportMetric(float64(usage()-before)/float64(n), "B/session")
}
