package channel_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sluice/channel"
	"sluice/channel/message"
)

func code(err *message.Error) message.Code {
	if err == nil {
		return 0
	}
	return err.Code
}

func TestConfigurationMistakesComeTogether(t *testing.T) {
	_, err := channel.NewMessageBroker(channel.Options{
		Destinations: []channel.DestinationDefinition{
			{ID: ""}, {ID: "a,b"}, {ID: strings.Repeat("x", 256)},
			{ID: "twice"}, {ID: "twice"},
			{ID: "star", SubtopicSeparator: "-*"},
			{ID: "refs", Constraint: "one", SendConstraint: "two", SubscribeConstraint: "known"},
		},
		Constraints: []channel.SecurityConstraint{{ID: "known"}, {ID: "known"}, {ID: ""}},
	})
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{
		`no engine`, `security-constraint "known": defined twice`, `security-constraint "": expected an id`,
		`destination "": expected an id`, `destination "a,b": expected an id`, `destination "xxx`, `destination "twice": defined twice`,
		`destination "star": subtopic-separator "-*"`, `destination "refs": security-constraint "one" is not defined`, `destination "refs": send-security-constraint "two" is not defined`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not in:\n%v", want, err)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 10 {
		t.Errorf("%d mistakes:\n%v", n, err)
	}
}

func TestDestinations(t *testing.T) {
	b := broker(t)
	var ids []string
	for _, d := range b.Destinations() {
		ids = append(ids, d.Definition().ID)
		if b.Destination(d.Definition().ID) != d {
			t.Errorf("%s is not found", d.Definition().ID)
		}
	}
	if !slices.Equal(ids, []string{"news", "plain", "exact", "pairs"}) {
		t.Errorf("%v", ids)
	}
	if b.Destination("nowhere") != nil {
		t.Error("found nowhere")
	}
}

func TestRights(t *testing.T) {
	b, err := channel.NewMessageBroker(channel.Options{
		Engine: &direct{},
		Constraints: []channel.SecurityConstraint{
			{ID: "users"}, {ID: "writers", Roles: []string{"writer", "editor"}}, {ID: "readers", Roles: []string{"reader"}},
		},
		Destinations: []channel.DestinationDefinition{
			{ID: "open"},
			{ID: "news", Channels: []string{"ws"}, Constraint: "users", SendConstraint: "writers", SubscribeConstraint: "readers"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ws, poll := &channel.ChannelDefinition{ID: "ws"}, &channel.ChannelDefinition{ID: "poll"}
	plain, writer, reader := &channel.Principal{Name: "p"}, &channel.Principal{Name: "w", Roles: []string{"x", "editor"}}, &channel.Principal{Name: "r", Roles: []string{"reader"}}
	for _, test := range []struct {
		destination     string
		ch              *channel.ChannelDefinition
		p               *channel.Principal
		send, subscribe message.Code
	}{
		{"open", poll, nil, 0, 0},
		{"open", nil, nil, 0, 0},
		{"news", ws, nil, message.CodeLoginRequired, message.CodeLoginRequired},
		{"news", nil, nil, message.CodeLoginRequired, message.CodeLoginRequired},
		{"news", poll, writer, message.CodeChannelNotAllowed, message.CodeChannelNotAllowed},
		{"news", ws, plain, message.CodeAccessDenied, message.CodeAccessDenied},
		{"news", ws, writer, 0, message.CodeAccessDenied},
		{"news", nil, writer, 0, message.CodeAccessDenied}, // the API has no channel
		{"news", ws, reader, message.CodeAccessDenied, 0},
	} {
		d := b.Destination(test.destination)
		if got := code(d.AllowSend(test.ch, test.p)); got != test.send {
			t.Errorf("%+v: send %v", test, got)
		}
		if got := code(d.AllowSubscribe(test.ch, test.p)); got != test.subscribe {
			t.Errorf("%+v: subscribe %v", test, got)
		}
	}
	for _, test := range []struct {
		constraint string
		p          *channel.Principal
		want       message.Code
	}{
		{"", nil, 0}, {"users", nil, message.CodeLoginRequired}, {"users", plain, 0}, {"writers", plain, message.CodeAccessDenied}, {"writers", writer, 0},
		{"unknown", nil, message.CodeLoginRequired}, {"unknown", writer, message.CodeAccessDenied},
	} {
		if got := code(b.Allow(test.constraint, test.p)); got != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
}

func TestPublishToUnknownDestinations(t *testing.T) {
	b := broker(t)
	c := &client{}
	subscribe(t, b.Destination("plain"), c, "s", "")
	var batch []*message.Message
	for i, destination := range []string{"nowhere", "plain", "plain", "nowhere", "nowhere", "plain"} {
		batch = append(batch, &message.Message{ID: fmt.Sprint(i), Destination: destination})
	}
	codes := map[int]message.Code{}
	b.Publish(batch, func(i int, err *message.Error) {
		if _, twice := codes[i]; twice {
			t.Errorf("done twice for %d", i)
		}
		codes[i] = code(err)
	})
	for i := range batch {
		want := message.Code(0)
		if batch[i].Destination == "nowhere" {
			want = message.CodeUnknownDestination
		}
		if got, done := codes[i]; !done || got != want {
			t.Errorf("message %d: %v, %v", i, got, done)
		}
	}
	if got := c.take(); got != "1 2 5" {
		t.Errorf("came: %s", got)
	}
	if stats := b.Destination("plain").Stats(); stats != (channel.Stats{Published: 3, Delivered: 3, Subscribers: 1}) {
		t.Errorf("%+v", stats)
	}
}

// The publisher learns what is meant for it; the rest stays in the log.
func TestEngineErrors(t *testing.T) {
	for _, test := range []struct {
		fail error
		want message.Code
	}{
		{&message.Error{Code: message.CodeOverloaded}, message.CodeOverloaded},
		{fmt.Errorf("publish: %w", &message.Error{Code: message.CodeServerShutdown}), message.CodeServerShutdown},
		{errors.New("secret"), message.CodeInternal},
	} {
		b, err := channel.NewMessageBroker(channel.Options{Engine: &direct{fail: test.fail}, Destinations: []channel.DestinationDefinition{{ID: "d"}}})
		if err != nil {
			t.Fatal(err)
		}
		b.Publish([]*message.Message{{Destination: "d"}}, func(_ int, err *message.Error) {
			if code(err) != test.want || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v became %v", test.fail, err)
			}
		})
		if err := b.Run(context.Background()); !errors.Is(err, test.fail) {
			t.Errorf("Run returned %v", err)
		}
	}
}
