package message

import (
	"testing"
	"time"
)

// What the publisher says of time and priority holds, unless the destination says otherwise.
func TestWorth(t *testing.T) {
	seven := 7
	for _, test := range []struct {
		members  string
		ttl      time.Duration
		priority *int
		expires  time.Duration
		want     int
	}{
		{``, 0, nil, 0, 4},
		{`,"timeToLive":1500`, 0, nil, 1500 * time.Millisecond, 4},
		{`,"timeToLive":0`, 0, nil, 0, 4},
		{`,"timeToLive":-1`, 0, nil, 0, 4},
		{`,"timeToLive":9007199254740991`, 0, nil, longestLife, 4},
		{`,"timeToLive":1500`, time.Second, nil, time.Second, 4},
		{``, time.Second, nil, time.Second, 4},
		{`,"timeToLive":1500`, -1, nil, 0, 4},
		{``, 0, &seven, 0, 7},
		{`,"headers":{"DSPriority":0}`, 0, &seven, 0, 0},
		{`,"headers":{"DSPriority":9}`, 0, nil, 0, 9},
	} {
		r, err := Decode([]byte(`{"type":"async","destination":"d"`+test.members+`}`), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		m := r.Message(now, made)
		m.Settle(test.ttl, test.priority)
		var expires time.Time
		if test.expires > 0 {
			expires = now.Add(test.expires)
		}
		if !m.Expires.Equal(expires) || m.Priority != test.want {
			t.Errorf("%s, %v: expires %v, priority %d, want %v and %d", test.members, test.ttl, m.Expires, m.Priority, expires, test.want)
		}
		if test.expires > 0 && (m.Expired(expires.Add(-1)) || !m.Expired(expires)) {
			t.Errorf("%s: it does not expire at %v", test.members, expires)
		}
	}
}

func TestKey(t *testing.T) {
	key := func(header, headers string, subtopics ...string) string {
		m, err := New("d", subtopics, []byte(`{"headers":{"k":9}}`), object(t, []byte(headers)), "", now)
		if err != nil {
			t.Fatal(err)
		}
		return m.Key(header)
	}
	same := [][2]string{
		{key("", `{"k":1}`, "a"), key("", `{"k":2}`, "a")},
		{key("k", `{"k":1}`, "a"), key("k", `{"x":5,"k":1}`, "a")},
		{key("k", `{}`), key("k", `{"x":1}`)},
	}
	for i, k := range same {
		if k[0] != k[1] {
			t.Errorf("%d: %q is not %q", i, k[0], k[1])
		}
	}
	other := [][2]string{
		{key("k", `{"k":1}`, "a"), key("k", `{"k":2}`, "a")},
		{key("k", `{"k":1}`, "a"), key("k", `{"k":"1"}`, "a")},
		{key("k", `{"k":1}`, "a"), key("k", `{"k":1}`, "b")},
		{key("k", `{"k":1}`, "a"), key("k", `{"k":1}`)},
		{key("k", `{"k":1}`, "a"), key("k", `{}`, "a")},
	}
	for i, k := range other {
		if k[0] == k[1] {
			t.Errorf("%d: both are %q", i, k[0])
		}
	}
}

func TestSlowLines(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{string(AppendMerged(nil, Merged{Count: 3})), `{"type":"control","operation":"merged","count":3}`},
		{string(AppendSlow(nil, Slow{Destination: "d", Waiting: 75, Limit: 100, Setting: "max-waiting-messages"})),
			`{"type":"control","operation":"slow","destination":"d","waiting":75,"limit":100,"setting":"max-waiting-messages"}`},
	} {
		if test.got != test.want+"\n" {
			t.Errorf("%s\nwant %s", test.got, test.want)
		}
	}
}
