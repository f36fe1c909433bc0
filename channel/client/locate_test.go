package client

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

// A call on a set that nobody has connected connects it. Once it waited for ever.
func TestCallsConnect(t *testing.T) {
	for name, call := range map[string]func(*testing.T, *ChannelSet) error{
		"subscribe": func(t *testing.T, set *ChannelSet) error {
			_, err := set.Subscribe(deadline(t), "chat", "")
			return err
		},
		"publish": func(t *testing.T, set *ChannelSet) error { return set.Publish(deadline(t), "chat", "", 1) },
		"send": func(t *testing.T, set *ChannelSet) error {
			answer := make(chan error, 1)
			if err := set.Send(deadline(t), "chat", "", 1, func(err error) { answer <- err }); err != nil {
				return err
			}
			select {
			case err := <-answer:
				return err
			case <-deadline(t).Done():
				return errors.New("no answer")
			}
		},
		"login": func(t *testing.T, set *ChannelSet) error { return set.Login(deadline(t), "ann", "right") },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.password = "ann:right"
			if err := call(t, newSet(t, f, Options{})); err != nil {
				t.Error(err)
			}
		})
	}
	set := newSet(t, newFake(t), Options{})
	set.Close()
	if err := set.Publish(deadline(t), "chat", "", 1); !errors.Is(err, ErrClosed) {
		t.Errorf("publish on a closed set: %v", err)
	}
}

// configure has f serve text as its config.json, and channels at two places of its own.
func configure(f *fake, text string) {
	f.mux.HandleFunc("GET /config.json", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) })
	f.mux.HandleFunc("/x/poll", f.serveHTTP(LongPoll))
	f.mux.HandleFunc("/x/socket", f.serveWebSocket)
}

const elsewhere = `{"channels":[
	{"id":"p","type":"longpoll","url":"http://{server.name}:{server.port}/x/poll"},
	{"id":"q","type":"pigeon","url":"/roof"},
	{"id":"s","type":"websocket","url":"/x/socket"},
	{"id":"none","type":"streaming","url":""}],"defaultChannels":["s","nobody","p"]}`

// The channels are those of the server's configuration, in its order; asking for a kind takes those of that kind.
func TestChannelsOfTheServer(t *testing.T) {
	f := newFake(t)
	configure(f, elsewhere)
	host := strings.TrimPrefix(f.URL, "http://")
	for _, c := range []struct {
		opts Options
		want string
	}{
		{Options{}, "[{websocket ws://HOST/x/socket} {longpoll http://HOST/x/poll}]"},
		{Options{URL: "ws://" + host}, "[{websocket ws://HOST/x/socket} {longpoll http://HOST/x/poll}]"},
		{Options{Channels: []Channel{{Kind: LongPoll}}}, "[{longpoll http://HOST/x/poll}]"},
		{Options{Channels: []Channel{{Kind: Streaming, URL: "https://other/s"}, {Kind: WebSocket}}}, "[{streaming https://other/s} {websocket ws://HOST/x/socket}]"},
		{Options{Channels: []Channel{{Kind: LongPoll, ID: "p"}}}, "[{longpoll http://HOST/x/poll}]"},
		{Options{URL: "ws://" + host + "/y"}, "[{websocket ws://HOST/y}]"},
		{Options{URL: f.URL + "/y", Channels: []Channel{{Kind: LongPoll}}}, "[{longpoll http://HOST/y}]"},
		{Options{URL: f.URL + "/y", Channels: []Channel{{Kind: LongPoll}, {Kind: Streaming}}}, "[{longpoll http://HOST/y/longpoll} {streaming http://HOST/y/streaming}]"},
		{Options{URL: f.URL + "/y/", Channels: []Channel{{Kind: LongPoll}}}, "[{longpoll http://HOST/y/longpoll}]"},
		{Options{URL: f.URL + "/below"}, "[{websocket ws://HOST/below/websocket} {streaming http://HOST/below/streaming} {longpoll http://HOST/below/longpoll}]"},
	} {
		if c.opts.URL == "" {
			c.opts.URL = f.URL
		}
		list, err := Locate(deadline(t), c.opts)
		if got := strings.ReplaceAll(shortly(list), host, "HOST"); err != nil || got != c.want {
			t.Errorf("%+v:\n%s %v, want\n%s", c.opts, got, err, c.want)
		}
	}
	var seen events
	set := connect(t, f, Options{OnEvent: seen.add, Channels: []Channel{{Kind: LongPoll}}})
	if err := set.Publish(deadline(t), "chat", "", 1); err != nil {
		t.Error(err)
	}
	for _, c := range []Channel{{Kind: Streaming}, {Kind: LongPoll, ID: "other"}} {
		missing := newSet(t, f, Options{Channels: []Channel{c}})
		if err := missing.Connect(deadline(t)); err == nil || !strings.Contains(err.Error(), "the server does not offer it") {
			t.Errorf("%+v, which the server does not have: %v", c, err)
		}
	}
}

// shortly writes down what matters of a list.
func shortly(list []Channel) string {
	var words []string
	for _, c := range list {
		words = append(words, fmt.Sprintf("{%s %s}", c.Kind, c.URL))
	}
	return fmt.Sprint(words)
}

// Where config.json is not one, channels are where they usually are.
func TestUsualChannels(t *testing.T) {
	for _, text := range []string{"<html>", "{}", `{"channels":[]}`, `{"channels":7}`, strings.Repeat(" ", maxConfig) + elsewhere} {
		f := newFake(t)
		configure(f, text)
		list, err := Locate(deadline(t), Options{URL: f.URL})
		if err != nil || len(list) != 3 || list[2].URL != f.URL+"/longpoll" {
			t.Errorf("%.20q: %v, %v", text, list, err)
		}
	}
}

// A server under TLS leads to channels under TLS; the tokens stand for what the URL says.
func TestFill(t *testing.T) {
	for _, c := range []struct {
		root, raw string
		kind      Kind
		want      string
	}{
		{"https://host/", "ws://{server.name}:{server.port}/a", WebSocket, "wss://host:443/a"},
		{"http://[::1]:81/", "ws://{server.name}:{server.port}/a", WebSocket, "ws://[::1]:81/a"},
		{"http://host/", "https://other/a", LongPoll, "https://other/a"},
		{"http://host/", "https://other/a", WebSocket, "wss://other/a"},
		{"http://host/b/", "/a", Streaming, "http://host/a"},
	} {
		root, err := Options{URL: c.root}.root()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := fill(root, c.raw, c.kind); err != nil || got != c.want {
			t.Errorf("%s %s: %s, %v, want %s", c.root, c.raw, got, err, c.want)
		}
	}
}

// Of a server that is not there it is said once, not once a channel.
func TestToldOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	for _, opts := range []Options{
		{URL: "http://" + address},
		{Channels: []Channel{
			{Kind: WebSocket, URL: "ws://" + address}, {Kind: Streaming, URL: "http://" + address}, {Kind: LongPoll, URL: "http://" + address},
		}},
	} {
		opts.MaxAttempts = 1
		set, err := New(opts)
		if err != nil {
			t.Fatal(err)
		}
		if err := set.Connect(deadline(t)); err == nil || strings.Count(err.Error(), "refused") != 1 {
			t.Errorf("connect: %v", err)
		}
		set.Close()
	}
}
