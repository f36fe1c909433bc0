package message

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestDecode(t *testing.T) {
	for _, test := range []struct {
		line string
		want Request
	}{
		{`{"type":"command","operation":"client_ping"}`, Request{Type: "command", Operation: "client_ping"}},
		{`{"type":"command","operation":"client_ping","messageId":"c1","headers":{"DSId":"nil","DSNeedsConfig":true},"attach":1,"reliable":false}`,
			Request{Type: "command", Operation: "client_ping", MessageID: "c1", Headers: Headers{DSId: "nil", NeedsConfig: true}, Attach: 1, HasAttach: true, Unreliable: true}},
		{`{"type":"async","messageId":"m1","correlationId":"k","seq":2,"destination":"chat","clientId":"c","headers":{"DSSubtopic":"room.1","colour":"red"},"timestamp":17,"timeToLive":0,"body":{"text":"hello"},"have":3,"got":9007199254740991,"new":[]}`,
			Request{Type: "async", MessageID: "m1", CorrelationID: "k", Seq: 2, HasSeq: true, Destination: "chat", ClientID: "c", Headers: Headers{Subtopics: []string{"room.1"}},
				Timestamp: 17, Body: []byte(`{"text":"hello"}`), Have: 3, HasHave: true, Got: 1<<53 - 1, HasGot: true}},
		{`{"type":"control","operation":"attach","DSId":"d","secret":"s","streamId":"t","attach":0,"reliable":true}`,
			Request{Type: "control", Operation: "attach", DSId: "d", Secret: "s", StreamID: "t", HasAttach: true}},
		{`{"type":"command","operation":"subscribe","headers":{"DSSelector":"a = 'x_;_y'"}}`,
			Request{Type: "command", Operation: "subscribe", Headers: Headers{Selector: "a = 'x_;_y'"}}},
		{`{"type":"command","operation":"multi_subscribe","headers":{"DSAddSub":["a_;_b = 'x_;_y'","a_;_b = 'x_;_y'_;_0"],"DSRemSub":["c_;_d > 5_;_-1"]}}`,
			Request{Type: "command", Operation: "multi_subscribe", Headers: Headers{AddSub: []Topic{{Subtopic: "a", Selector: "b = 'x_;_y'"}, {Subtopic: "a", Selector: "b = 'x_;_y'"}},
				RemSub: []Topic{{Subtopic: "c", Selector: "d > 5", MaxFrequency: -1}}}}},
		{`{"type":"command","operation":"multi_subscribe","headers":{"DSAddSub":["a.b_;_","*","_;__;_0"],"DSRemSub":["c_;_"]}}`,
			Request{Type: "command", Operation: "multi_subscribe", Headers: Headers{AddSub: []Topic{{Subtopic: "a.b"}, {Subtopic: "*"}, {}}, RemSub: []Topic{{Subtopic: "c"}}}}},
		{`{"type":"async","destination":"d","headers":{"DSSubtopic":["a","b"],"DSSelector":"","DSMaxFrequency":0}}`,
			Request{Type: "async", Destination: "d", Headers: Headers{Subtopics: []string{"a", "b"}}}},
		{`{"type":"async","destination":"d","headers":{"DSSubtopic":""}}`, Request{Type: "async", Destination: "d"}},
		{`{"type":"async","destination":"d","headers":{"DSSubtopic":[]}}`, Request{Type: "async", Destination: "d"}},
		// null is absent, as Flex clients send it; the body may be null.
		{`{"type":"async","destination":"d","clientId":null,"messageId":null,"headers":null,"seq":null,"timestamp":null,"body":null}`,
			Request{Type: "async", Destination: "d", Body: []byte("null")}},
		{`{"type":"async","destination":"d","headers":{"DSPriority":null,"DSSubtopic":null,"DSId":null}}`, Request{Type: "async", Destination: "d"}},
		// Escapes are read, in names and in values.
		{`{"\u0074ype":"\u0061sync","destin\u0061tion":"\u00e4\ud83d\ude00\"\\\/\b\f\n\r\t","messageId":"ä😀"}`,
			Request{Type: "async", Destination: "ä😀\"\\/\b\f\n\r\t", MessageID: "ä😀"}},
		{" \t{ \"type\" : \"async\" ,\"destination\":\"d\" , \"body\" : [ 1 , { } ] } ", Request{Type: "async", Destination: "d", Body: []byte("[ 1 , { } ]")}},
		// A lone half of a surrogate pair passes in what the server does not read.
		{`{"type":"async","destination":"d","body":"\ud800","\ud800":"\udc00\ud800"}`, Request{Type: "async", Destination: "d", Body: []byte(`"\ud800"`)}},
	} {
		got, err := Decode([]byte(test.line), Limits{})
		if err != nil {
			t.Errorf("%s: %v", test.line, err)
			continue
		}
		got.line, got.kept = nil, runs{}
		if !reflect.DeepEqual(*got, test.want) {
			t.Errorf("%s\ngot  %+v\nwant %+v", test.line, *got, test.want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	async := func(members string) string {
		return `{"type":"async","messageId":"m1","destination":"d",` + members + `}`
	}
	for _, test := range []struct {
		line   string
		code   Code
		id     string // of the request, where it can be told
		detail string // a part of it
	}{
		{``, CodeBadMessage, "", "an object"},
		{`[]`, CodeBadMessage, "", "an object"},
		{`"type"`, CodeBadMessage, "", "an object"},
		{`{}`, CodeBadMessage, "", "first key"},
		{`{"type":"async"`, CodeBadMessage, "", "byte 15: expected ',' or '}'"},
		{`{"type":"async",}`, CodeBadMessage, "", "a string"},
		{`{"type":"async"}x`, CodeBadMessage, "", "nothing after"},
		{`{"type" "async"}`, CodeBadMessage, "", "':'"},
		{`{"messageId":"m1","type":"async","destination":"d"}`, CodeBadMessage, "m1", "first key"},
		{`{"messageId":"m1"}`, CodeBadMessage, "m1", "first key"},
		{`{"type":5,"messageId":"m1"}`, CodeBadMessage, "m1", "text"},
		{`{"type":null,"messageId":"m1"}`, CodeBadMessage, "m1", "text"},
		{`{"type":"async","type":"command","messageId":"m1","destination":"d"}`, CodeBadMessage, "m1", "type: is there twice"},
		{async(`"messageId":"m2"`), CodeBadMessage, "m1", "twice"},
		{async(`"s\u0065q":1,"seq":2`), CodeBadMessage, "m1", "seq: is there twice"},
		{async(`"headers":{"DSSubtopic":"a","DSSubtopic":"b"}`), CodeBadMessage, "m1", "header DSSubtopic: is there twice"},
		{async(`"body":`), CodeBadMessage, "", "a value"},
		{async(`"body":[1,]`), CodeBadMessage, "", "a value"},
		{async(`"body":[1 2]`), CodeBadMessage, "", "']'"},
		{async(`"body":"` + "\n" + `"`), CodeBadMessage, "", "control character"},
		{async(`"body":"\x"`), CodeBadMessage, "", "an escape"},
		{async(`"body":01`), CodeBadMessage, "", ""},
		{async(`"body":tru`), CodeBadMessage, "", "true"},
		{async(`"seq":-1`) + "}", CodeBadMessage, "", "nothing after"}, // the syntax counts more than the field

		{async(`"body":"` + "\xff" + `"`), CodeBadText, "", ""},
		{async(`"body":"` + "\xed\xa0\x80" + `"`), CodeBadText, "", ""},
		{async(`"body":"` + "\x00" + `"`), CodeBadText, "", ""},
		{async(`"body":` + strings.Repeat("[", 64) + strings.Repeat("]", 64)), CodeMessageTooDeep, "m1", "64"},
		{`{"type":"async","destination":"` + strings.Repeat("d", 1024) + `"}`, CodeMessageTooBig, "", ""},

		{`{"type":"hello","messageId":"m1"}`, CodeUnknownType, "m1", `"hello"`},
		{`{"type":"acknowledge","messageId":"m1"}`, CodeUnknownType, "m1", `"acknowledge"`},
		{`{"type":"Async","messageId":"m1"}`, CodeUnknownType, "m1", `"Async"`},
		{`{"type":"remoting","messageId":"m1","destination":"d"}`, CodeNotServed, "m1", "remoting"},
		{async(`"timeToLive":1e999`), CodeBadField, "m1", "timeToLive"},

		{`{"type":"command","messageId":"m1"}`, CodeBadField, "m1", "operation: missing"},
		{`{"type":"control","messageId":"m1"}`, CodeBadField, "m1", "operation: missing"},
		{`{"type":"async","messageId":"m1"}`, CodeBadField, "m1", "destination: missing"},
		{`{"type":"async","destination":"d","seq":1.0,"messageId":"m1"}`, CodeBadField, "m1", "seq"}, // the id may come later
		{`{"type":"async","destination":"d","messageId":7}`, CodeBadField, "", "messageId: expected text"},
		{`{"type":"async","destination":"d","messageId":"` + strings.Repeat("m", 257) + `"}`, CodeBadField, "", "256"},
		{`{"type":"async","destination":"d","messageId":"\ud800"}`, CodeBadField, "", "Unicode"},
		{`{"type":"async","destination":"d","messageId":"\ud800\ud800"}`, CodeBadField, "", "Unicode"},
		{`{"type":"async","messageId":"m1","destination":"` + strings.Repeat("d", 256) + `"}`, CodeBadField, "m1", "255"},
		{async(`"clientId":"` + strings.Repeat("c", 129) + `"`), CodeBadField, "m1", "128"},
		{async(`"clientId":{}`), CodeBadField, "m1", "clientId"},
		{async(`"seq":-1`), CodeBadField, "m1", "seq"},
		{async(`"seq":"1"`), CodeBadField, "m1", "seq"},
		{async(`"attach":9007199254740992`), CodeBadField, "m1", "attach"},
		{async(`"have":1e3`), CodeBadField, "m1", "have"},
		{async(`"got":99999999999999999999999`), CodeBadField, "m1", "got"},
		{async(`"reliable":0`), CodeBadField, "m1", "reliable"},
		{async(`"timestamp":1.5`), CodeBadField, "m1", "timestamp"},
		{async(`"timeToLive":"1"`), CodeBadField, "m1", "timeToLive"},
		{async(`"headers":[]`), CodeBadField, "m1", "headers: expected an object"},
		{async(`"headers":{"DSSubtopic":1}`), CodeBadField, "m1", "header DSSubtopic"},
		{async(`"headers":{"DSSubtopic":["a",1]}`), CodeBadField, "m1", "header DSSubtopic"},
		{async(`"headers":{"DSSubtopic":"` + strings.Repeat("s", 500) + strings.Repeat("s", 525) + `"}`), CodeMessageTooBig, "", ""},
		{async(`"headers":{"DSSubtopic":[` + strings.Repeat(`"",`, 100) + `""]}`), CodeBadField, "m1", "at most 100"},
		{async(`"headers":{"DSAddSub":"a"}`), CodeBadField, "m1", "header DSAddSub"},
		{async(`"headers":{"DSNeedsConfig":"true"}`), CodeBadField, "m1", "header DSNeedsConfig"},
		{async(`"headers":{"DSSelector":1}`), CodeBadField, "m1", "header DSSelector"},
		{async(`"headers":{"DSAddSub":["a_;__;_often"]}`), CodeBadField, "m1", "header DSAddSub: expected messages per second"},
		{async(`"headers":{"DSMaxFrequency":"5"}`), CodeBadField, "m1", "header DSMaxFrequency"},
		{async(`"headers":{"DSMaxFrequency":1e999}`), CodeBadField, "m1", "header DSMaxFrequency"},
		{async(`"headers":{"DSPriority":10}`), CodeBadField, "m1", "header DSPriority: expected a whole number from 0 to 9"},
		{async(`"headers":{"DSPriority":-1}`), CodeBadField, "m1", "header DSPriority"},
		{async(`"headers":{"DSLast":-1}`), CodeBadField, "m1", "header DSLast"},
		{async(`"headers":{"DSSince":"now"}`), CodeBadField, "m1", "header DSSince"},
		{async(`"position":7`), CodeBadField, "m1", "position"},
	} {
		_, err := Decode([]byte(test.line), Limits{MaxSize: 1024})
		if err == nil {
			t.Errorf("%s: taken", test.line)
			continue
		}
		if err.Code != test.code || err.CorrelationID != test.id || !strings.Contains(err.Detail, test.detail) {
			t.Errorf("%.200s\ngot  %v for %q\nwant %v for %q with %q", test.line, err, err.CorrelationID, test.code, test.id, test.detail)
		}
	}
}

func TestFieldNames(t *testing.T) {
	for f, name := range fieldNames {
		find := lineField
		if field(f) >= headerDSId {
			find = headerField
		}
		if got := find([]byte(name)); got != field(f) {
			t.Errorf("%s is read as field %d", name, got)
		}
	}
}

func TestDecodeSizes(t *testing.T) {
	fits := `{"type":"async","destination":"` + strings.Repeat("d", 255) + `","messageId":"` + strings.Repeat("m", 256) + `","headers":{"DSSubtopic":"` + strings.Repeat("s", MaxSubtopic) +
		`","DSAddSub":["` + strings.Repeat("a", MaxSubtopic) + `_;_"]}}`
	if _, err := Decode([]byte(fits), Limits{MaxSize: len(fits)}); err != nil {
		t.Error(err)
	}
	if _, err := Decode([]byte(fits), Limits{MaxSize: len(fits) - 1}); err == nil || err.Code != CodeMessageTooBig || err.Value != len(fits)-1 {
		t.Error(err)
	}
	for _, long := range []string{strings.Replace(fits, "sss", "ssss", 1), strings.Replace(fits, "aaa", "aaaa", 1)} {
		if _, err := Decode([]byte(long), Limits{}); err == nil || err.Code != CodeBadField {
			t.Error(err)
		}
	}
}

func TestDecodeDepth(t *testing.T) {
	nested := func(levels int) []byte { // the line is one of them
		return []byte(`{"type":"async","destination":"d","body":` + strings.Repeat(`{"a":[`, (levels-1)/2) + strings.Repeat(`]}`, (levels-1)/2) + `}`)
	}
	if _, err := Decode(nested(63), Limits{}); err != nil {
		t.Error(err)
	}
	if _, err := Decode(nested(65), Limits{MaxDepth: 1000}); err == nil || err.Code != CodeMessageTooDeep {
		t.Error(err)
	}
	if _, err := Decode(nested(5), Limits{MaxDepth: 5}); err != nil {
		t.Error(err)
	}
	if _, err := Decode(nested(5), Limits{MaxDepth: 4}); err == nil || err.Code != CodeMessageTooDeep {
		t.Error(err)
	}
}

func TestDecodeBlanksLineEnds(t *testing.T) {
	line := []byte("\r{\n\"type\":\r\"async\",\r\n\"destination\":\"d\",\"body\":[1,\r\n2]\n}\r")
	if _, err := Decode(line, Limits{}); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(string(line), "\r\n") {
		t.Errorf("%q", line)
	}
}

// The line buffer is used again for the next line: what a request holds as text must not change with it.
func TestRequestOwnsItsStrings(t *testing.T) {
	line := []byte(`{"type":"async","messageId":"m1","destination":"chat","headers":{"DSSubtopic":"a"}}`)
	r, err := Decode(line, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range line {
		line[i] = 'x'
	}
	if r.MessageID != "m1" || r.Destination != "chat" || !slices.Equal(r.Headers.Subtopics, []string{"a"}) {
		t.Errorf("%+v", r)
	}
}

// What is refused says so in an answer that is JSON, whatever the client sent.
func TestRefusalQuotesSafely(t *testing.T) {
	_, err := Decode([]byte(`{"type":"\"}\n\u0000`+strings.Repeat("ä", 100)+`"}`), Limits{})
	if err == nil || err.Code != CodeUnknownType {
		t.Fatal(err)
	}
	if line := AppendError(nil, err); !json.Valid(line) || len(err.Detail) > 200 {
		t.Errorf("%s", line)
	}
}

func BenchmarkDecode(b *testing.B) {
	for name, line := range map[string]string{
		"publish":   `{"type":"async","messageId":"6f1c2a90-77","seq":1042,"destination":"chat","headers":{"DSSubtopic":"room.1"},"body":{"text":"hello world"}}`,
		"subscribe": `{"type":"command","operation":"subscribe","messageId":"6f1c2a90-78","seq":1,"destination":"chat","headers":{"DSSubtopic":"room.1"}}`,
		"confirm":   `{"type":"control","operation":"confirm","have":256,"got":17}`,
		"body=4KiB": `{"type":"async","messageId":"6f1c2a90-77","seq":1042,"destination":"chat","body":"` + strings.Repeat("abcdefgh", 512) + `"}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(line)))
			text := []byte(line)
			for b.Loop() {
				if _, err := Decode(text, Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestDecodeAllocations(t *testing.T) {
	line := []byte(`{"type":"async","messageId":"m1","seq":7,"destination":"chat","headers":{"DSSubtopic":"room.1"},"body":{"text":"hello"}}`)
	if n := testing.AllocsPerRun(100, func() { Decode(line, Limits{}) }); n > 3 {
		t.Errorf("%v allocations; the request, its strings and its list of subtopics make 3", n)
	}
}
