package message

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/channel/selector"
)

// published is the message that a line with these members besides type and destination becomes.
func published(t testing.TB, members string) *Message {
	t.Helper()
	r, err := Decode([]byte(`{"type":"async","destination":"d","messageId":"m1",`+members+`}`), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return r.Message(time.UnixMilli(1500), func() string { return "new" })
}

func TestHeader(t *testing.T) {
	m := published(t, `"timestamp":1234,"body":{"headers":{"a":"of the body"}},"correlationId":"c7","headers":{
		"text":"s\u00e4nt \ud83d\ude00 \"so\"","empty":"","whole":42,"minus":-7,"largest":9223372036854775807,"smallest":-9223372036854775808,"larger":9223372036854775808,
		"float":1.5,"exponent":1e3,"huge":1e999,"yes":true,"no":false,"null":null,"object":{"whole":1},"array":[1,"a"],"half":"\ud800",
		"twice":1,"twice":2,"gone":1,"gone":null,"n\u0061me":"escaped","with.dots":"dots","DSSubtopic":"a.b","DSId":"private","JMSMessageID":"forged","JMSPriority":9,"JMSCorrelationID":"forged"}`)
	for name, want := range map[string]selector.Value{
		"text": selector.OfText(`sänt 😀 "so"`), "empty": selector.OfText(""), "whole": selector.OfInt(42), "minus": selector.OfInt(-7),
		"largest": selector.OfInt(1<<63 - 1), "smallest": selector.OfInt(-1 << 63), "larger": selector.OfFloat(1 << 63),
		"float": selector.OfFloat(1.5), "exponent": selector.OfFloat(1000), "huge": {}, "yes": selector.OfBool(true), "no": selector.OfBool(false),
		"null": {}, "object": {}, "array": {}, "half": {}, "twice": selector.OfInt(2), "gone": {}, "name": selector.OfText("escaped"), "with.dots": selector.OfText("dots"),
		"DSSubtopic": selector.OfText("a.b"), "DSId": {}, "absent": {}, "": {}, "Text": {},
		"JMSMessageID": selector.OfText("m1"), "JMSTimestamp": selector.OfInt(1234), "JMSPriority": selector.OfInt(4), "JMSCorrelationID": selector.OfText("c7"),
	} {
		if got := m.Header(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if !m.SetPosition(strings.Repeat("p", PositionSize)) || m.Header("JMSTimestamp") != selector.OfInt(1234) {
		t.Error("the timestamp before a position")
	}
	if m := published(t, `"body":1,"headers":{"JMSCorrelationID":"forged","JMSTimestamp":1}`); m.Header("JMSCorrelationID") != (selector.Value{}) || m.Header("JMSTimestamp") != selector.OfInt(1500) {
		t.Error("what the publisher did not give")
	}
	for _, line := range []string{"", "{", "{\"headers\":{\"a\":", `{"headers":{"a`, "[]", `{"headers":7}` + "\n"} {
		if m := (&Message{Line: []byte(line)}); m.Header("a") != (selector.Value{}) || m.Header("JMSTimestamp") != (selector.Value{}) {
			t.Errorf("%q has a header", line)
		}
	}
}

// Headers are read lazily, by whoever comes first.
func TestHeaderConcurrently(t *testing.T) {
	m := published(t, `"headers":{"colour":"red","n":7}`)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if m.Header("colour") != selector.OfText("red") || m.Header("n") != selector.OfInt(7) {
				t.Error("another value")
			}
		})
	}
	wait.Wait()
}

// Whatever headers JSON may have, each has the value that other readers of JSON find.
func FuzzHeader(f *testing.F) {
	f.Add(`{"a":1,"b":"x","a":true}`)
	f.Add(`{"\u0061":"\ud83d\ude00","a":-0,"b":1e400,"c":{"a":[]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Decode([]byte(`{"type":"async","destination":"d","headers":`+text+`}`), Limits{})
		if err != nil || strings.Contains(text, `\u`) && strings.Contains(text, `\ud`) {
			return // encoding/json repairs halves of surrogate pairs
		}
		m := r.Message(time.UnixMilli(1), func() string { return "new" })
		var line struct{ Headers map[string]json.RawMessage }
		decoder := json.NewDecoder(strings.NewReader(string(m.Line)))
		if decoder.Decode(&line) != nil {
			return
		}
		for name, raw := range line.Headers {
			if strings.HasPrefix(name, "JMS") {
				continue
			}
			var want selector.Value
			var value any
			number := json.NewDecoder(strings.NewReader(string(raw)))
			number.UseNumber()
			if number.Decode(&value) != nil {
				continue
			}
			switch v := value.(type) {
			case string:
				want = selector.OfText(v)
			case bool:
				want = selector.OfBool(v)
			case json.Number:
				if i, err := v.Int64(); err == nil {
					want = selector.OfInt(i)
				} else if f, err := v.Float64(); err == nil {
					want = selector.OfFloat(f)
				}
			}
			if got := m.Header(name); got != want {
				t.Errorf("%s: %q is %v, want %v", m.Line, name, got, want)
			}
		}
	})
}

func TestHeaderAllocatesOnce(t *testing.T) {
	line := `"headers":{"colour":"red","n":7,"price":1.5,"DSSubtopic":"room.1"},"body":"hello"`
	m := published(t, line)
	m.Header("n")
	if n := testing.AllocsPerRun(100, func() {
		m.Header("colour")
		m.Header("price")
		m.Header("absent")
		m.Header("JMSTimestamp")
	}); n > 0 {
		t.Errorf("%v allocations to look", n)
	}
}

// What a publisher with very many headers costs is bounded by what it sends.
func TestHeadersAreSmall(t *testing.T) {
	var text strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&text, `,"%x":1`, i)
	}
	m := published(t, `"headers":{`+text.String()[1:]+`}`)
	m.Header("a")
	h := m.headers.Load()
	if kept := len(h.text) + 16*cap(h.at); kept > 4*text.Len() {
		t.Errorf("%d bytes of headers keep %d", text.Len(), kept)
	}
}

func BenchmarkHeader(b *testing.B) {
	const line = `"headers":{"colour":"red","n":7,"price":1.5,"DSSubtopic":"room.1"},"body":"hello"`
	b.Run("first", func(b *testing.B) {
		m := published(b, line)
		b.ReportAllocs()
		for b.Loop() {
			m.headers.Store(nil)
			m.Header("price")
		}
	})
	b.Run("later", func(b *testing.B) {
		m := published(b, line)
		b.ReportAllocs()
		for b.Loop() {
			m.Header("price")
		}
	})
}
