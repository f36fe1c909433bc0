package channel_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"sluice/channel"
	"sluice/channel/message"
)

// A destination keeps its subscriptions when its definition is replaced, and goes by the new one; a new destination is there at once.
func TestReconfigure(t *testing.T) {
	b, c := broker(t), &client{}
	news := b.Destination("news")
	subscribe(t, news, c, "s", "", "a")
	definitions := []channel.DestinationDefinition{
		{ID: "more"},
		{ID: "news", AllowSubtopics: false, SendConstraint: "staff"},
		{ID: "plain", Channels: []string{"ws"}},
		{ID: "exact", AllowSubtopics: true}, {ID: "pairs", AllowSubtopics: true, SubtopicSeparator: "::"},
	}
	if err := b.Reconfigure(definitions, []channel.SecurityConstraint{{ID: "staff", Roles: []string{"staff"}}}); err != nil {
		t.Fatal(err)
	}
	if b.Destination("news") != news || news.Subscribers() != 1 || news.Definition().SubtopicSeparator != "." {
		t.Errorf("the destination is another one, or lost its subscription: %+v", news.Definition())
	}
	publish(t, b, "news", "")
	if len(c.got) != 1 {
		t.Errorf("the subscription has got %d messages, want 1", len(c.got))
	}
	var order []string
	for _, d := range b.Destinations() {
		order = append(order, d.Definition().ID)
	}
	if strings.Join(order, " ") != "more news plain exact pairs" {
		t.Errorf("the order is %v", order)
	}
	staff, other := &channel.Principal{Name: "a", Roles: []string{"staff"}}, &channel.Principal{Name: "b"}
	for _, try := range []struct {
		what string
		got  *message.Error
		want message.Code
	}{
		{"staff sends", news.AllowSend(nil, staff), 0},
		{"another sends", news.AllowSend(nil, other), message.CodeAccessDenied},
		{"another subscribes", news.AllowSubscribe(nil, other), 0},
		{"to a subtopic", news.CheckSend([]string{"a"}), message.CodeSubtopicsNotAllowed},
		{"over another channel", b.Destination("plain").AllowSend(&channel.ChannelDefinition{ID: "poll"}, nil), message.CodeChannelNotAllowed},
	} {
		if code(try.got) != try.want {
			t.Errorf("%s: %v, want %v", try.what, try.got, try.want)
		}
	}
	subscribe(t, b.Destination("exact"), c, "w", "x.*")
	publish(t, b, "more", "")

	// A constraint that nothing refers to any more still holds for who goes by an old definition.
	if err := b.Reconfigure(definitions[:1:1], nil); err == nil {
		t.Error("destinations can be left out")
	}
	definitions[1].SendConstraint = ""
	if err := b.Reconfigure(definitions, nil); err != nil {
		t.Fatal(err)
	}
	if err := b.Allow("staff", staff); err != nil {
		t.Errorf("under the old definition: %v", err)
	}
}

// With any mistake nothing changes, and all are told.
func TestReconfigureMistakes(t *testing.T) {
	b := broker(t)
	err := b.Reconfigure([]channel.DestinationDefinition{
		{ID: "news", Constraint: "nowhere"}, {ID: "plain", SubtopicSeparator: "/"}, {ID: "new,", AllowSubtopics: true},
	}, []channel.SecurityConstraint{{ID: "c"}})
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{
		`destination "news": security-constraint "nowhere" is not defined`, `destination "new,": expected an id`,
		`destination "plain": subtopic-separator "/": it is "." already`,
		`destination "exact": it exists already, and cannot be left out`, `destination "pairs": it exists already`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %s", err, want)
		}
	}
	if len(b.Destinations()) != 4 || !b.Destination("news").Definition().AllowSubtopics || b.Allow("c", &channel.Principal{}) == nil {
		t.Error("something has changed")
	}
}

// Messages that are published while definitions change are delivered, each once and in order.
func TestReconfigureUnderLoad(t *testing.T) {
	definitions := []channel.DestinationDefinition{{ID: "news", AllowSubtopics: true}}
	b, stop := running(t, definitions...)
	c := &client{}
	subscribe(t, b.Destination("news"), c, "s", "a")
	const messages, times = 2000, 200
	var both sync.WaitGroup
	both.Go(func() {
		for i := range messages {
			b.Publish([]*message.Message{{ID: fmt.Sprint(i), Destination: "news", Subtopics: []string{"a"}}}, func(_ int, err *message.Error) {
				if err != nil {
					t.Errorf("publish: %v", err)
				}
			})
		}
	})
	both.Go(func() {
		for i := range times {
			definitions = append(definitions, channel.DestinationDefinition{ID: fmt.Sprint("d", i)})
			if err := b.Reconfigure(definitions, nil); err != nil {
				t.Error(err)
			}
		}
	})
	both.Wait()
	stop()
	for i, m := range c.got {
		if m.ID != fmt.Sprint(i) {
			t.Fatalf("message %d is %s", i, m.ID)
		}
	}
	if len(c.got) != messages || len(b.Destinations()) != times+1 {
		t.Errorf("%d messages, %d destinations", len(c.got), len(b.Destinations()))
	}
}
