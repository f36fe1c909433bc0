package channel_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/channel/selector"
)

// withHeaders is a message on news, named by its subtopics and headers, which are members of JSON.
func withHeaders(t testing.TB, subtopic, headers string) *message.Message {
	t.Helper()
	line := fmt.Sprintf(`{"type":"async","destination":"news","messageId":%q,"headers":{"DSSubtopic":%q%s}}`, subtopic+" "+strings.ReplaceAll(headers, `"`, ""), subtopic, comma(headers))
	r, err := message.Decode([]byte(line), message.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return r.Message(time.Now(), message.NewID)
}

func comma(members string) string {
	if members == "" {
		return ""
	}
	return "," + members
}

// selected makes a subscription with topics, each written as in DSAddSub.
func selected(t testing.TB, d *channel.Destination, sub channel.Subscriber, id string, topics ...string) *channel.Subscription {
	t.Helper()
	s := d.Subscribe(id, sub)
	for _, topic := range topics {
		if err := s.Add(of(topic)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func of(topic string) message.Topic {
	subtopic, selector, _ := strings.Cut(topic, "_;_")
	return message.Topic{Subtopic: subtopic, Selector: selector}
}

func send(t testing.TB, b *channel.MessageBroker, batch ...*message.Message) {
	t.Helper()
	b.Publish(batch, func(i int, err *message.Error) {
		if err != nil {
			t.Errorf("%s: %v", batch[i].ID, err)
		}
	})
}

func TestSelectors(t *testing.T) {
	b := broker(t)
	d, c := b.Destination("news"), &client{}
	s := selected(t, d, c, "s", "a_;_n > 5", "a_;_colour = 'red'", "b", "*_;_n IS NULL AND colour = 'blue'")
	for _, test := range []struct {
		subtopic, headers string
		want              bool
	}{
		{"a", `"n":6`, true},
		{"a", `"n":5`, false},
		{"a", `"n":5,"colour":"red"`, true},
		{"a", `"n":7,"colour":"red"`, true}, // once
		{"a", ``, false},                    // n is unknown
		{"b", ``, true},
		{"b", `"colour":"blue"`, true}, // once
		{"c", `"colour":"blue"`, true},
		{"c", `"colour":"blue","n":6`, false},
		{"", `"n":6`, false},
	} {
		m := withHeaders(t, test.subtopic, test.headers)
		send(t, b, m)
		if n := len(c.got); n > 1 || (n == 1) != test.want {
			t.Errorf("%s: came %d times", m.ID, n)
		}
		if s.Matches(m) != test.want {
			t.Errorf("Matches: %s: %v", m.ID, !test.want)
		}
		c.take()
	}
	if got := s.Topics(); !slices.Equal(got, []string{"*", "a", "b"}) || s.Len() != 4 {
		t.Errorf("%d: %q", s.Len(), got)
	}
	if got, want := s.Selections(), []message.Topic{of("*_;_n IS NULL AND colour = 'blue'"), of("a_;_colour = 'red'"), of("a_;_n > 5"), of("b")}; !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	if code(s.Add(of("a_;_n > 5"))) != message.CodeAlreadySubscribed || !s.Remove(of("a_;_n > 5")) || s.Remove(of("a_;_n > 5")) || s.Remove(of("a")) {
		t.Error("Add, Remove")
	}
	if m := withHeaders(t, "a", `"n":6`); s.Matches(m) {
		t.Error("matches by what was removed")
	}
}

func TestSelectorsAreChecked(t *testing.T) {
	b, err := channel.NewMessageBroker(channel.Options{Engine: &direct{}, Destinations: []channel.DestinationDefinition{{ID: "news"}, {ID: "all", DisallowSelectors: true}}})
	if err != nil {
		t.Fatal(err)
	}
	wrong := b.Destination("news").Subscribe("s", &client{}).Add(message.Topic{Selector: "price => 5"})
	if code(wrong) != message.CodeBadSelector || !strings.Contains(wrong.Detail, `"price => 5", character 8: `) {
		t.Errorf("%+v", wrong)
	}
	s := b.Destination("all").Subscribe("s", &client{})
	if err := s.Add(message.Topic{Selector: "a = 1"}); code(err) != message.CodeBadSelector || err.Setting != "allow-selectors" || err.Value != false {
		t.Errorf("%+v", err)
	}
	if err := s.Add(message.Topic{}); err != nil {
		t.Error(err)
	}
}

// A change is made as a whole, or not at all.
func TestChange(t *testing.T) {
	b := broker(t)
	d, c := b.Destination("news"), &client{}
	s := selected(t, d, c, "s", "a_;_n = 1", "b")
	try := func(add, remove []string) (growth int, err *message.Error) {
		topics := func(names []string) (all []message.Topic) {
			for _, name := range names {
				all = append(all, of(name))
			}
			return all
		}
		change, err := s.Prepare(topics(add), topics(remove))
		if err != nil {
			return 0, err
		}
		return change.Growth(), change.Apply()
	}
	for _, test := range []struct {
		add, remove string
		growth      int
		code        message.Code
		want        string // what is subscribed afterwards
	}{
		{"a_;_n = 2", "a_;_n = 1", 0, 0, "a_;_n = 2,b_;_"},
		{"c,d", "never,b,b", 1, 0, "a_;_n = 2,c_;_,d_;_"},
		{"e,c", "d", 1, message.CodeAlreadySubscribed, "a_;_n = 2,c_;_,d_;_"},
		{"e,e", "", 0, message.CodeAlreadySubscribed, "a_;_n = 2,c_;_,d_;_"},
		{"e,f_;_n =", "c", 0, message.CodeBadSelector, "a_;_n = 2,c_;_,d_;_"},
		{"e,f..g", "c", 0, message.CodeBadSubtopic, "a_;_n = 2,c_;_,d_;_"},
		{"c,c_;_n = 2", "c", 1, 0, "a_;_n = 2,c_;_,c_;_n = 2,d_;_"},
		{"", "a_;_n = 2,c,c_;_n = 2,d", -4, 0, ""},
	} {
		growth, err := try(fields(test.add), fields(test.remove))
		var got []string
		for _, topic := range s.Selections() {
			got = append(got, topic.Subtopic+"_;_"+topic.Selector)
		}
		if growth != test.growth || code(err) != test.code || strings.Join(got, ",") != test.want {
			t.Errorf("%s instead of %s: %d, %v, now %q", test.add, test.remove, growth, err, got)
		}
	}
	s.Close()
	if _, err := try([]string{"a"}, nil); code(err) != message.CodeNotSubscribed {
		t.Errorf("after Close: %v", err)
	}
}

func fields(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

// A subscription that changes its selectors and subtopics all the time, always to such as choose each message too, gets each once and in order.
func TestChangingLosesNothing(t *testing.T) {
	const messages = 5000
	b, stop := running(t, channel.DestinationDefinition{ID: "news", AllowSubtopics: true})
	c := &locked{}
	forms := []string{"a.b_;_n >= 0", "a.b_;_n > -1", "a.*_;_n < 1000000", "*.b", "a.b", "*_;_n IS NOT NULL"}
	s := selected(t, b.Destination("news"), c, "s", forms[0])
	selected(t, b.Destination("news"), &locked{}, "other", forms[1]) // the selector is shared
	var over atomic.Bool
	var wait sync.WaitGroup
	wait.Go(func() {
		random := rand.New(rand.NewPCG(1, 2))
		for now, changes := 0, 0; !over.Load() || changes < 100; changes++ {
			next := (now + 1 + random.IntN(len(forms)-1)) % len(forms)
			change, err := s.Prepare([]message.Topic{of(forms[next])}, []message.Topic{of(forms[now])})
			if err == nil {
				err = change.Apply()
			}
			if err != nil {
				t.Error(err)
				return
			}
			now = next
		}
	})
	for i := range messages {
		m := withHeaders(t, "a.b", fmt.Sprintf(`"n":%d`, i))
		m.ID = fmt.Sprint(i)
		send(t, b, m)
	}
	stop()
	over.Store(true)
	wait.Wait()
	for i, id := range c.got {
		if id != fmt.Sprint(i) {
			t.Fatalf("%s comes as number %d", id, i)
		}
	}
	if len(c.got) != messages {
		t.Fatalf("%d of %d came", len(c.got), messages)
	}
}

// fanOutSelected is fanOut with a selector for each subscriber.
func fanOutSelected(tb testing.TB, subs int, selector func(i int) string) *channel.MessageBroker {
	b, _ := running(tb, channel.DestinationDefinition{ID: "news", AllowSubtopics: true})
	for i := range subs {
		s := b.Destination("news").Subscribe("s", &counter{})
		if err := s.Add(message.Topic{Subtopic: "room.1", Selector: selector(i)}); err != nil {
			tb.Fatal(err)
		}
	}
	return b
}

func TestSelectorsAllocateNothingPerSubscriber(t *testing.T) {
	b := fanOutSelected(t, 2000, func(i int) string { return fmt.Sprintf("n > %d AND colour LIKE 'r%%'", i%50) })
	batch := []*message.Message{withHeaders(t, "room.1", `"n":25,"colour":"red"`)}
	done := func(int, *message.Error) {}
	b.Publish(batch, done)
	if n := testing.AllocsPerRun(50, func() { b.Publish(batch, done) }); n > 2 {
		t.Errorf("%v allocations to reach 2000 subscribers", n)
	}
}

// BenchmarkFanOutSelected is BenchmarkFanOut where all have the same selector, or each one of its own.
func BenchmarkFanOutSelected(b *testing.B) {
	for _, bench := range []struct {
		name     string
		selector func(int) string
	}{
		{"none", func(int) string { return "" }},
		{"shared", func(int) string { return "n > 5 AND colour IN ('red', 'green')" }},
		{"own", func(i int) string { return fmt.Sprintf("n > -%d AND colour IN ('red', 'green')", i) }},
	} {
		b.Run("subs=1000/selectors="+bench.name, func(b *testing.B) {
			broker := fanOutSelected(b, 1000, bench.selector)
			batch := []*message.Message{withHeaders(b, "room.1", `"n":25,"colour":"red"`)}
			b.ReportAllocs()
			for b.Loop() {
				broker.Publish(batch, func(int, *message.Error) {})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/subscriber")
		})
	}
}

var _ selector.Headers = (*message.Message)(nil)
