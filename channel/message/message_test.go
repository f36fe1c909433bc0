package message

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var now = time.UnixMilli(1_700_000_000_000)

func made() string { return "made" }

func TestMessageLine(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{`{"type":"async","destination":"d"}`, `{"type":"async","timestamp":1700000000000,"messageId":"made","destination":"d"}`},
		{`{"type":"async","messageId":"m1","seq":2,"destination":"chat","headers":{"DSSubtopic":"room.1","colour":"red"},"body":{"text":"hello"}}`,
			`{"type":"async","timestamp":1700000000000,"messageId":"m1","destination":"chat","headers":{"DSSubtopic":"room.1","colour":"red"},"body":{"text":"hello"}}`},
		// What belongs to the connection goes, wherever it stands and however it is written; what is unknown stays, in its order.
		{`{"type":"async","clientId":"c","DSId":"i","a":1,"b":2,"secret":"s","streamId":"t","operation":"o","destination":"d","have":1,"got":2,"attach":3,"reliable":false,"c":3,"s\u0065q":4}`,
			`{"type":"async","timestamp":1700000000000,"messageId":"made","a":1,"b":2,"destination":"d","c":3}`},
		{`{"type":"async","destination":"d","correlationId":"k","timestamp":5,"messageId":"m"}`, `{"type":"async","timestamp":5,"destination":"d","correlationId":"k","messageId":"m"}`},
		{`{"type":"async","destination":"d","timestamp":-5,"messageId":""}`, `{"type":"async","timestamp":1700000000000,"messageId":"made","destination":"d"}`},
		{`{"type":"async","destination":"d","messageId":null,"clientId":null,"body":null}`, `{"type":"async","timestamp":1700000000000,"messageId":"made","destination":"d","body":null}`},
		// Headers.
		{`{"type":"async","messageId":"m","destination":"d","headers":{"DSId":"i"},"body":1}`, `{"type":"async","timestamp":1700000000000,"messageId":"m","destination":"d","body":1}`},
		{`{"type":"async","messageId":"m","headers":{"DSId":"i","a":1,"DSSecret":"s","b":2,"c":3,"DSEndpoint":"e","DSDstClientId":[]},"destination":"d"}`,
			`{"type":"async","timestamp":1700000000000,"messageId":"m","headers":{"a":1,"b":2,"c":3},"destination":"d"}`},
		{`{"type":"async","headers":{"a":1,"DSSecr\u0065t":"s"},"messageId":"m","destination":"d"}`, `{"type":"async","timestamp":1700000000000,"headers":{"a":1},"messageId":"m","destination":"d"}`},
		{`{"type":"async","messageId":"m","destination":"d","headers":{}}`, `{"type":"async","timestamp":1700000000000,"messageId":"m","destination":"d","headers":{}}`},
		// A body cannot end the line, nor forge a second one.
		{"{\"type\":\"async\",\"messageId\":\"m\",\"destination\":\"d\",\"body\":[1,\r\n2,\"\\n\"]}", `{"type":"async","timestamp":1700000000000,"messageId":"m","destination":"d","body":[1,  2,"\n"]}`},
		{`{"type":"async","messageId":"m","destination":"d","body":"\ud800"}`, `{"type":"async","timestamp":1700000000000,"messageId":"m","destination":"d","body":"\ud800"}`},
	} {
		r, err := Decode([]byte(test.in), Limits{})
		if err != nil {
			t.Errorf("%s: %v", test.in, err)
			continue
		}
		m := r.Message(now, made)
		if string(m.Line) != test.want+"\n" {
			t.Errorf("%s\ngot  %swant %s", test.in, m.Line, test.want)
		}
		if cap(m.Line) > len(m.Line)+64 {
			t.Errorf("%s: %d bytes kept for a line of %d", test.in, cap(m.Line), len(m.Line))
		}
		if !m.Published.Equal(now) || m.Destination != "d" && m.Destination != "chat" || m.ID == "" {
			t.Errorf("%s: %+v", test.in, m)
		}
	}
}

// As many cuts as a line can have, with something to keep between any two of them.
func TestMessageCutToPieces(t *testing.T) {
	line, want := `{"type":"async","destination":"d","x":0`, `"destination":"d","x":0`
	for f := fieldOperation; f < headerDSId; f++ {
		if f != fieldDestination && f != fieldHeaders && f != fieldBody {
			line += `,"` + fieldNames[f] + `":null,"x":1`
			want += `,"x":1`
		}
	}
	line, want = line+`,"headers":{"x":2`, want+`,"headers":{"x":2`
	for f := headerDSId; f < fieldCount; f++ {
		line += `,"` + fieldNames[f] + `":null,"x":3`
		want += `,"x":3`
	}
	line, want = line+`},"body":4}`, want+`},"body":4}`
	r, err := Decode([]byte(line), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(r.Message(now, made).Line); got != `{"type":"async","timestamp":1700000000000,"messageId":"made",`+want+"\n" {
		t.Errorf("got  %swant %s", got, want)
	}
}

// The line buffer is used again while the message waits in outboxes.
func TestMessageKeepsNothingOfTheLine(t *testing.T) {
	line := []byte(`{"type":"async","messageId":"m","destination":"d","headers":{"DSSubtopic":["a","b"]},"body":1}`)
	r, _ := Decode(line, Limits{})
	m := r.Message(now, made)
	want := string(m.Line)
	clear(line)
	if string(m.Line) != want || m.ID != "m" || m.Destination != "d" || !slices.Equal(m.Subtopics, []string{"a", "b"}) {
		t.Errorf("%+v", m)
	}
}

func TestNew(t *testing.T) {
	headers := map[string]any{"colour": "<red>", "DSSubtopic": "old", "DSId": "i"}
	m, err := New("chat", []string{"room.1"}, json.RawMessage(" {\n\"a\": 1}\n"), headers, "m1", now)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"type":"async","timestamp":1700000000000,"messageId":"m1","destination":"chat","headers":{"DSSubtopic":"room.1","colour":"\u003cred\u003e"},"body":{ "a": 1}}` + "\n"
	if string(m.Line) != want || m.ID != "m1" || m.Destination != "chat" || !slices.Equal(m.Subtopics, []string{"room.1"}) || !m.Published.Equal(now) {
		t.Errorf("got  %swant %s%+v", m.Line, want, m)
	}
	if len(headers) != 3 || headers["DSSubtopic"] != "old" {
		t.Errorf("the caller's headers became %v", headers)
	}
	m, err = New("chat", []string{"a", "b"}, nil, nil, "", now)
	if err != nil || len(m.ID) < 20 || !slices.Equal(m.Subtopics, []string{"a", "b"}) || !strings.Contains(string(m.Line), `"DSSubtopic":["a","b"]`) {
		t.Errorf("%+v, %v", m, err)
	}
	if m, err = New("chat", nil, []byte("1"), map[string]any{"DSSubtopic": "hidden"}, "m", now); err != nil || m.Subtopics != nil || strings.Contains(string(m.Line), "hidden") {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestNewRefuses(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	for _, test := range []struct {
		destination, body, id string
		headers               map[string]any
		code                  Code
	}{
		{"d", `{`, "", nil, CodeBadMessage},
		{"d", `1}`, "", nil, CodeBadMessage},
		{"d", `1,"extra":2`, "", nil, CodeBadField},
		{"d", "\"\xff\"", "", nil, CodeBadText},
		{"d", deep, "", nil, CodeMessageTooDeep},
		{"", `1`, "", nil, CodeBadField},
		{"d", `1`, strings.Repeat("m", 257), nil, CodeBadField},
		{"d", `1`, "", map[string]any{"f": func() {}}, CodeBadField},
	} {
		if m, err := New(test.destination, nil, []byte(test.body), test.headers, test.id, now); err == nil || err.Code != test.code {
			t.Errorf("%+v: %v, %v", test, m, err)
		}
	}
	if _, err := New("d", []string{strings.Repeat("s", MaxSubtopic+1)}, nil, nil, "", now); err == nil || err.Code != CodeBadField {
		t.Error(err)
	}
}

// FuzzDecode holds Decode to encoding/json: they agree on what JSON is, and the published line says what the client's line said, but for what is cut.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"type":"async","messageId":"m1","seq":2,"destination":"chat","headers":{"DSSubtopic":"room.1","colour":"red","DSId":"i"},"body":{"text":"hello"}}`,
		`{"type":"async","destination":"d","headers":{"a":1,"DSSecret":null,"DSEndpoint":[],"b":{"DSId":1}},"timestamp":1,"x":[1,2.5e-3,true,null,"\ud83d\ude00\ud800"]}`,
		`{ "type" : "async" , "destination" : "d" , "messageId" : "" , "body" : [ [ ] , { } ] }`,
		`{"type":"command","operation":"multi_subscribe","headers":{"DSAddSub":["a_;_"],"DSRemSub":[]}}`,
		`{"t\u0079pe":"async","destination":"d","s\u0065cret":"x","seq":-0}`,
		"{\r\n\"type\":\"async\",\n\"destination\":\"d\"}", `{"type":"async","destination":"d","body":-0.0E+1}`, `[{}]`, `nul`, `"\u12`, "{\"\xff\":1}", `{"type":1`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := Decode(bytes.Clone(in), Limits{})
		if !utf8.Valid(in) || bytes.IndexByte(in, 0) >= 0 {
			if err == nil || err.Code != CodeBadText {
				t.Fatalf("bad text: %v", err)
			}
			return
		}
		if err != nil && err.Code == CodeMessageTooDeep {
			return
		}
		s := scanner{text: bytes.Clone(in), maxDepth: MaxDepth}
		s.space()
		valid := s.value() && s.end()
		if s.err != nil && s.err.Code == CodeMessageTooDeep {
			return // encoding/json goes deeper
		}
		if valid != json.Valid(in) {
			t.Fatalf("encoding/json finds it valid: %v, the scanner: %v (%v)", json.Valid(in), valid, s.err)
		}
		if !valid && (err == nil || err.Code != CodeBadMessage) {
			t.Fatalf("not JSON: %v", err)
		}
		if err != nil {
			if reply := AppendError(nil, err); !json.Valid(reply) {
				t.Fatalf("refused by %q", reply)
			}
			return
		}
		if r.Type == TypeAsync {
			checkLine(t, in, r.Message(now, made))
		}
	})
}

// checkLine compares a published line with the client's.
func checkLine(t *testing.T, in []byte, m *Message) {
	t.Helper()
	if n := bytes.IndexByte(m.Line, '\n'); n != len(m.Line)-1 || bytes.ContainsAny(m.Line, "\x00\r") || !bytes.HasPrefix(m.Line, []byte(asyncPrefix)) {
		t.Fatalf("not a line: %q", m.Line)
	}
	want, got := object(t, in), object(t, m.Line)
	for f, name := range fieldNames[:headerDSId] {
		if field(f) == fieldType || field(f) == fieldTimestamp {
			continue
		}
		if privateFields&(1<<f) != 0 || want[name] == nil && field(f) != fieldBody {
			delete(want, name)
		}
	}
	if id, _ := want["messageId"].(string); id == "" {
		want["messageId"] = "made"
	}
	if ms, _ := want["timestamp"].(json.Number); ms == "" || ms == "0" || ms[0] == '-' {
		want["timestamp"] = json.Number("1700000000000")
	}
	for _, side := range []map[string]any{want, got} { // a null header may stay or go, as may headers without any
		headers, _ := side["headers"].(map[string]any)
		for f, name := range fieldNames {
			if field(f) >= headerDSId && headers[name] == nil {
				delete(headers, name)
			}
		}
	}
	headers, _ := want["headers"].(map[string]any)
	for _, name := range []string{"DSId", "DSSecret", "DSEndpoint", "DSDstClientId"} {
		delete(headers, name)
	}
	for _, side := range []map[string]any{want, got} {
		if headers, _ := side["headers"].(map[string]any); len(headers) == 0 {
			delete(side, "headers")
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("\ngot  %v\nwant %v\nfrom %q\nline %q", got, want, in, m.Line)
	}
}

func object(t *testing.T, line []byte) map[string]any {
	t.Helper()
	var o map[string]any
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if err := d.Decode(&o); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return o
}

func BenchmarkMessage(b *testing.B) {
	r, err := Decode([]byte(`{"type":"async","messageId":"6f1c2a90-77","seq":1042,"destination":"chat","headers":{"DSSubtopic":"room.1"},"body":{"text":"hello world"}}`), Limits{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		r.Message(now, made)
	}
}

func TestMessageAllocations(t *testing.T) {
	r, err := Decode([]byte(`{"type":"async","seq":7,"destination":"chat","headers":{"DSId":"x","DSSubtopic":"room.1"},"body":{"text":"hello"}}`), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { r.Message(now, made) }); n != 2 {
		t.Errorf("%v allocations; the message and its line make 2", n)
	}
}
