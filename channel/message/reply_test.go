package message

import (
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestServerLines(t *testing.T) {
	yes := true
	for _, test := range []struct {
		got  []byte
		want string
	}{
		{AppendAcknowledge(nil, Acknowledge{}), `{"type":"acknowledge"}`},
		{AppendAcknowledge(nil, Acknowledge{CorrelationID: "s1", ClientID: "c", Destination: "chat"}),
			`{"type":"acknowledge","correlationId":"s1","clientId":"c","destination":"chat"}`},
		{AppendAcknowledge(nil, Acknowledge{CorrelationID: "c1", Headers: AcknowledgeHeaders{DSId: "i", DSSecret: "s"}, Body: []byte(`{"a":1}`)}),
			`{"type":"acknowledge","correlationId":"c1","headers":{"DSId":"i","DSSecret":"s","DSMessagingVersion":1},"body":{"a":1}}`},
		{AppendAcknowledge(nil, Acknowledge{CorrelationID: "p", Headers: AcknowledgeHeaders{HasPollWait: true}}),
			`{"type":"acknowledge","correlationId":"p","headers":{"DSPollWait":0}}`},
		{AppendAcknowledge(nil, Acknowledge{CorrelationID: "p", Headers: AcknowledgeHeaders{HasPollWait: true, PollWait: 3*time.Second - 1}, Code: CodeLimitPolls}),
			`{"type":"acknowledge","correlationId":"p","headers":{"DSPollWait":3000},"code":4530,"name":"limit-polls"}`},

		{AppendError(nil, Errorf(CodeUnknownDestination, "%q", "x").To("m1")),
			`{"type":"error","correlationId":"m1","code":4507,"name":"unknown-destination","faultCode":"Server.Processing","faultString":"There is no such destination.","faultDetail":"\"x\""}`},
		{AppendError(nil, &Error{Code: CodeUplinkGap, Expect: math.MaxUint64}),
			`{"type":"error","code":4523,"name":"uplink-gap","faultCode":"Server.Processing","faultString":"A message before this one is missing.","expect":18446744073709551615}`},
		{AppendError(nil, &Error{Code: CodeTooManyRequests, Value: 256, RetryAfter: time.Second + 1}),
			`{"type":"error","code":4524,"name":"too-many-requests","faultCode":"Server.ResourceUnavailable","faultString":"Too many requests of this client are open.","setting":"max-open-requests","value":256,"retryAfterMillis":1001}`},
		{AppendError(nil, &Error{Code: CodeServerShutdown}),
			`{"type":"error","code":4007,"name":"server-shutdown","faultCode":"Server.ResourceUnavailable","faultString":"The server is shutting down.","retryAfterMillis":1000}`},
		{AppendError(nil, &Error{Code: CodeBadField, Setting: "a", Value: (90 * time.Second).Minutes()}),
			`{"type":"error","code":4504,"name":"bad-field","faultCode":"Client.Message.Encoding","faultString":"A field is missing or of the wrong type.","setting":"a","value":1.5}`},
		{AppendError(nil, &Error{Code: CodeBadField, Setting: "a", Value: "text"}),
			`{"type":"error","code":4504,"name":"bad-field","faultCode":"Client.Message.Encoding","faultString":"A field is missing or of the wrong type.","setting":"a","value":"text"}`},
		{AppendError(nil, &Error{Code: CodeBadField, Setting: "a", Value: false}),
			`{"type":"error","code":4504,"name":"bad-field","faultCode":"Client.Message.Encoding","faultString":"A field is missing or of the wrong type.","setting":"a","value":false}`},
		{AppendError(nil, &Error{Code: CodeBadField, Setting: "a", Value: 1.5}),
			`{"type":"error","code":4504,"name":"bad-field","faultCode":"Client.Message.Encoding","faultString":"A field is missing or of the wrong type.","setting":"a","value":1.5}`},
		{AppendError(nil, &Error{Code: CodeBadField, Setting: "a", Value: math.Inf(1)}),
			`{"type":"error","code":4504,"name":"bad-field","faultCode":"Client.Message.Encoding","faultString":"A field is missing or of the wrong type.","setting":"a","value":"+Inf"}`},

		{AppendAttached(nil, Attached{Attach: 2, Have: 17, WindowMessages: 1024, WindowBytes: 1 << 20}),
			`{"type":"control","operation":"attached","attach":2,"have":17,"window":{"messages":1024,"bytes":1048576}}`},
		{AppendAttached(nil, Attached{Attach: 1, Cookie: &yes}),
			`{"type":"control","operation":"attached","attach":1,"have":0,"window":{"messages":0,"bytes":0},"cookie":true}`},
		{AppendDisplaced(nil, Displaced{Attach: 9}), `{"type":"control","operation":"displaced","attach":9}`},
		{AppendGone(nil, Gone{Reason: GoneExpired, End: End{Code: CodeClientDisconnect}}),
			`{"type":"control","operation":"gone","reason":"expired","code":4000,"name":"client-disconnect","message":"The client disconnected.","reconnect":"no"}`},
		{AppendGone(nil, Gone{Reason: GoneOtherNode, URL: "https://b.example"}),
			`{"type":"control","operation":"gone","reason":"other-node","url":"https://b.example"}`},
		{AppendGone(nil, Gone{Reason: GoneAhead, End: End{Detail: "Too far."}}), `{"type":"control","operation":"gone","reason":"ahead","message":"Too far."}`},
		{AppendSkip(nil, Skip{Count: 3}), `{"type":"control","operation":"skip","count":3}`},
		{AppendFor(nil, For{}), `{"type":"control","operation":"for","clientIds":[]}`},
		{AppendFor(nil, For{ClientIDs: []string{"a", "b"}}), `{"type":"control","operation":"for","clientIds":["a","b"]}`},
		{AppendOpen(nil, Open{StreamID: "s"}), `{"type":"control","operation":"open","streamId":"s"}`},
		{AppendDisconnect(nil, Disconnect{End{Code: CodeServerShutdown, RetryAfter: 5 * time.Second, Incident: "i"}}),
			`{"type":"control","operation":"disconnect","code":4007,"name":"server-shutdown","message":"The server is shutting down.","reconnect":"after","retryAfterMillis":5000,"incident":"i"}`},
		{AppendDisconnect(nil, Disconnect{End{Code: CodeSessionTimeout, Value: (15 * time.Minute).Minutes(), RetryAfter: time.Second}}),
			`{"type":"control","operation":"disconnect","code":4001,"name":"session-timeout","message":"The session saw no activity for the configured time.","reconnect":"yes","setting":"session-timeout-minutes","value":15}`},
		{AppendSubscriptionState(nil, SubscriptionState{Operation: "subscribe", Destination: "chat", ClientID: "c", CorrelationID: "s1"}),
			`{"type":"subscription-state","operation":"subscribe","destination":"chat","clientId":"c","correlationId":"s1"}`},
		{AppendSubscriptionState(nil, SubscriptionState{Operation: "subscribe", ClientID: "c", Standing: Standing{Position: "p-1", Asked: true}}),
			`{"type":"subscription-state","operation":"subscribe","clientId":"c","position":"p-1","recovered":false}`},
		{AppendSubscriptionState(nil, SubscriptionState{Operation: "live", ClientID: "c", Standing: Standing{Position: "p-1"}}),
			`{"type":"subscription-state","operation":"live","clientId":"c","position":"p-1"}`},
		{AppendLoss(nil, Loss{Destination: "d", ClientID: "c", Reason: LossHistory, From: "p-1", To: "p-9"}),
			`{"type":"loss","destination":"d","clientId":"c","reason":"history","from":"p-1","to":"p-9"}`},
		{AppendLoss(nil, Loss{Destination: "d", Reason: LossSlowConsumer, Count: 7}), `{"type":"loss","destination":"d","reason":"slow-consumer","count":7}`},
		{append((Standing{Position: "p-1", Asked: true, Recovered: true}).Body(), '\n'), `{"position":"p-1","recovered":true}`},
		{AppendSubscriptionState(nil, SubscriptionState{Operation: "unsubscribe", ClientID: "c", Code: CodeAccessDenied}),
			`{"type":"subscription-state","operation":"unsubscribe","clientId":"c","code":4519,"name":"access-denied","message":"The user may not do this."}`},
		{AppendSubscriptionInvalidate(nil, SubscriptionInvalidate{Destination: "chat", ClientID: "c", End: End{Code: CodeAdministrator}}),
			`{"type":"command","operation":"subscription_invalidate","destination":"chat","clientId":"c","code":4003,"name":"administrator","message":"An administrator ended this session or client."}`},
	} {
		if string(test.got) != test.want+"\n" {
			t.Errorf("got  %swant %s", test.got, test.want)
		}
		if !json.Valid(test.got) {
			t.Errorf("not JSON: %s", test.got)
		}
	}
}

func TestLinesAreAppended(t *testing.T) {
	b := AppendSkip([]byte("before\n"), Skip{Count: 1})
	if !strings.HasPrefix(string(b), "before\n{") {
		t.Errorf("%q", b)
	}
}

func TestErrorForPrograms(t *testing.T) {
	e := Errorf(CodeUnknownDestination, "%q", "x")
	if e.Error() != `message: unknown-destination: "x"` || (&Error{Code: CodeInternal}).Error() != "message: internal" {
		t.Error(e.Error())
	}
	if e.HTTPStatus() != http.StatusNotFound || (&Error{Code: CodeServerShutdown}).HTTPStatus() != http.StatusServiceUnavailable {
		t.Error("wrong status")
	}
	if answer := e.To("m"); answer.CorrelationID != "m" || e.CorrelationID != "" {
		t.Error("To must copy")
	}
}

// encoding/json reads back what AppendString wrote, whatever the text.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "ü€😀\u2028", "\xff\xfe", "a\xc3", "\ufffd", "<&>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := AppendString(nil, s)
		var got string
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if want := string([]rune(s)); got != want {
			t.Fatalf("%q became %q", s, got)
		}
		for _, c := range text {
			if c < ' ' {
				t.Fatalf("%q holds a control character", text)
			}
		}
	})
}

func BenchmarkAppendAcknowledge(b *testing.B) {
	b.ReportAllocs()
	buffer := make([]byte, 0, 256)
	for b.Loop() {
		buffer = AppendAcknowledge(buffer[:0], Acknowledge{CorrelationID: "6f1c2a90-77", ClientID: "c-17", Destination: "chat"})
	}
}

func TestReplyAllocatesNothing(t *testing.T) {
	buffer := make([]byte, 0, 1024)
	refusal := &Error{Code: CodeTooManyRequests, Value: 256}
	if n := testing.AllocsPerRun(100, func() {
		b := AppendAcknowledge(buffer, Acknowledge{CorrelationID: "m1", Destination: "chat"})
		b = AppendError(b, refusal)
		AppendSkip(b, Skip{Count: 1})
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
