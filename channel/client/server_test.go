package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"sluice/channel"
	"sluice/channel/client"
	"sluice/channel/message"
	"sluice/endpoint/server"
	"sluice/flexsession"
)

// start serves the three channels and the destinations chat, secret and orders, which keeps a history, on a free port, and metrics on another.
func start(opts server.Options) (address, internal string, stop func(), err error) {
	for _, kind := range []channel.Kind{channel.WebSocket, channel.Streaming, channel.LongPoll} {
		opts.Channels = append(opts.Channels, channel.ChannelDefinition{
			ID: string(kind), Kind: kind, Path: "/" + string(kind), MaxStreamingClients: 100, MaxWaitingPollRequests: 100, MaxConnections: 100,
			WaitInterval: time.Second, PollingInterval: 10 * time.Millisecond, SessionTimeout: time.Minute,
			ReliableReconnectDuration: 15 * time.Second,
		})
	}
	opts.Destinations = []channel.DestinationDefinition{
		{ID: "chat", AllowSubtopics: true, SubtopicSeparator: "."}, {ID: "secret", Constraint: "users"},
		{ID: "orders", AllowSubtopics: true, SubtopicSeparator: ".", History: channel.History{MaxMessages: 1000}},
	}
	opts.Constraints = []channel.SecurityConstraint{{ID: "users"}}
	opts.Listeners = []server.Listener{{ID: "public", Addr: "127.0.0.1:0"}, {ID: "internal", Role: server.Internal, Addr: "127.0.0.1:0"}}
	s, err := server.New(opts)
	if err != nil {
		return "", "", nil, err
	}
	if err := s.Start(); err != nil {
		return "", "", nil, err
	}
	return s.Addrs()["public"], s.Addrs()["internal"], func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = s.Shutdown(ctx) // tests look at what clients see of it
	}, nil
}

func startServer(t *testing.T, opts server.Options) (address string, stop func()) {
	t.Helper()
	address, _, stop, err := start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return address, stop
}

// newSet returns a set that is connected over one channel.
func newSet(t *testing.T, address string, kind client.Kind, opts client.Options) *client.ChannelSet {
	t.Helper()
	opts.URL, opts.Channels = "http://"+address, []client.Channel{{Kind: kind}}
	opts.MinDelay, opts.MaxDelay = 2*time.Millisecond, 50*time.Millisecond
	set, err := client.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	if err := set.Connect(limit(t)); err != nil {
		t.Fatal(err)
	}
	return set
}

func limit(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func onEachKind(t *testing.T, fn func(t *testing.T, kind client.Kind)) {
	for _, kind := range []client.Kind{client.WebSocket, client.Streaming, client.LongPoll} {
		t.Run(string(kind), func(t *testing.T) { fn(t, kind) })
	}
}

// The real server routes to several subscriptions, refuses, ends and explains as the client expects.
func TestRealServer(t *testing.T) {
	address, _ := startServer(t, server.Options{})
	onEachKind(t, func(t *testing.T, kind client.Kind) {
		set := newSet(t, address, kind, client.Options{})
		room, err := set.Subscribe(limit(t), "chat", string(kind)+".1")
		if err != nil {
			t.Fatal(err)
		}
		all, err := set.Subscribe(limit(t), "chat", string(kind)+".*")
		if err != nil {
			t.Fatal(err)
		}
		for i := range 300 {
			if err := set.Publish(limit(t), "chat", fmt.Sprintf("%s.%d", kind, i%3), i); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 300 {
			m, err := all.Next(limit(t))
			if err != nil || string(m.Body) != fmt.Sprint(i) || m.Subtopic != fmt.Sprintf("%s.%d", kind, i%3) || m.Time.IsZero() {
				t.Fatalf("message %d is %+v, %v", i, m, err)
			}
			if i%3 != 1 {
				continue
			}
			if m, err = room.Next(limit(t)); err != nil || string(m.Body) != fmt.Sprint(i) {
				t.Fatalf("message %d is %+v, %v", i, m, err)
			}
		}
		var refused *client.Error
		if err := set.Publish(limit(t), "chat", "*", 1); !errors.As(err, &refused) || refused.Code != message.CodeWildcardPublish {
			t.Errorf("publishing to a wildcard: %v", err)
		}
		if err := set.Publish(limit(t), "secret", "", 1); !errors.As(err, &refused) || refused.Code != message.CodeLoginRequired {
			t.Errorf("publishing without a user: %v", err)
		}
		if err := room.Unsubscribe(limit(t)); err != nil {
			t.Error(err)
		}
		if err := set.Disconnect(limit(t)); err != nil {
			t.Error(err)
		}
	})
}

func TestRealLogin(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "passwords")
	if err := os.WriteFile(file, []byte("ann:"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	passwords, err := flexsession.LoadPasswords(file)
	if err != nil {
		t.Fatal(err)
	}
	address, _ := startServer(t, server.Options{Passwords: passwords})
	onEachKind(t, func(t *testing.T, kind client.Kind) {
		set := newSet(t, address, kind, client.Options{User: "ann", Password: "right"})
		if err := set.Publish(limit(t), "secret", "", 1); err != nil {
			t.Error(err)
		}
		if err := set.Logout(limit(t)); err != nil {
			t.Error(err)
		}
		late := newSet(t, address, kind, client.Options{})
		var refused *client.Error
		if err := late.Login(limit(t), "ann", "wrong"); !errors.As(err, &refused) || refused.Code != message.CodeBadCredentials {
			t.Errorf("a wrong password: %v", err)
		}
		if err := late.Login(limit(t), "ann", "right"); err != nil {
			t.Error(err)
		}
		if _, err := late.Subscribe(limit(t), "secret", ""); err != nil {
			t.Error(err)
		}
	})
}

// held tells whether the server holds a connection of that kind.
func held(t *testing.T, internal string, kind client.Kind) bool {
	t.Helper()
	req, err := http.NewRequestWithContext(limit(t), http.MethodGet, "http://"+internal+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(text), fmt.Sprintf("sluice_connections{endpoint=%q} 1", kind))
}

// A shutdown is told as such, and the client waits as long as the server asks before it comes back.
func TestRealShutdown(t *testing.T) {
	onEachKind(t, func(t *testing.T, kind client.Kind) {
		lost := make(chan client.Event, 100)
		address, internal, stop, err := start(server.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(stop)
		newSet(t, address, kind, client.Options{OnEvent: func(e client.Event) {
			if e.Kind == client.Disconnected {
				lost <- e
			}
		}})
		for ctx := limit(t); !held(t, internal, kind) && ctx.Err() == nil; { // a poll that comes when the listener is closed already is told nothing
			time.Sleep(time.Millisecond)
		}
		stop()
		e := <-lost
		var why *client.Error
		if !errors.As(e.Err, &why) || why.Code != message.CodeServerShutdown || e.Delay < why.RetryAfter || why.RetryAfter == 0 {
			t.Errorf("told %v, back in %v", e.Err, e.Delay)
		}
	})
}

// tunnel passes bytes between clients and a server, and can cut every connection.
type tunnel struct {
	net.Listener
	target string
	all    sync.WaitGroup
	mu     sync.Mutex
	conns  map[net.Conn]bool
}

func newTunnel(t *testing.T, target string) *tunnel {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tunnel{Listener: l, target: target, conns: make(map[net.Conn]bool)}
	p.all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.all.Go(func() { p.pass(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.cut()
		p.all.Wait()
	})
	return p
}

func (p *tunnel) pass(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer far.Close()
	p.mu.Lock()
	p.conns[near], p.conns[far] = true, true
	p.mu.Unlock()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(near, far)
		near.Close()
	})
	_, _ = io.Copy(far, near)
	far.Close()
	back.Wait()
	p.mu.Lock()
	delete(p.conns, near)
	delete(p.conns, far)
	p.mu.Unlock()
}

func (p *tunnel) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

// The real server keeps its clients for a while: with connections cut at random, every message arrives once and in order, both ways.
func TestRealServerLosesNothing(t *testing.T) {
	for _, kind := range []client.Kind{client.WebSocket, client.Streaming, client.LongPoll} {
		t.Run(string(kind), func(t *testing.T) {
			const n = 2000
			address, _ := startServer(t, server.Options{})
			through := newTunnel(t, address)
			sender := newSet(t, through.Addr().String(), kind, client.Options{})
			receiver := newSet(t, through.Addr().String(), kind, client.Options{})
			c, err := receiver.Subscribe(limit(t), "chat", "")
			if err != nil {
				t.Fatal(err)
			}
			stop := make(chan struct{})
			var cutter sync.WaitGroup
			cutter.Go(func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(rand.N(60 * time.Millisecond)):
						through.cut()
					}
				}
			})
			answers := make(chan error, n)
			go func() {
				for i := range n {
					if err := sender.Send(context.Background(), "chat", "", i, func(err error) { answers <- err }); err != nil {
						answers <- err
					}
					if i%10 == 0 {
						time.Sleep(2 * time.Millisecond) // so that cuts fall between
					}
				}
			}()
			for i := range n {
				m, err := c.Next(limit(t))
				if err != nil || string(m.Body) != fmt.Sprint(i) {
					t.Fatalf("message %d is %+v, %v", i, m, err)
				}
			}
			close(stop)
			cutter.Wait()
			for range n {
				if err := <-answers; err != nil {
					t.Error(err)
				}
			}
		})
	}
}
