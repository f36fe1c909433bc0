package message

import (
	"encoding/json"
	"strings"
	"testing"
)

const somePosition = "AbcdefghijklmnopQ-_9"

func TestPositionStandsBehindTheTimestamp(t *testing.T) {
	for _, in := range []string{
		`{"type":"async","messageId":"m","destination":"d","body":1}`,
		`{"type":"async","destination":"d","timestamp":5}`,
		`{"type":"async","destination":"d","position":"forged","headers":{"position":"kept"},"body":{"position":"kept"}}`,
	} {
		r, err := Decode([]byte(in), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		m := r.Message(now, made)
		before := string(m.Line)
		if got := m.Position(); got != "" {
			t.Errorf("%s: position %q before it was set", in, got)
		}
		timestamp, rest, _ := strings.Cut(before[len(asyncPrefix):], ",")
		for _, p := range []string{somePosition, strings.Repeat("0", PositionSize)} { // a second one takes the place of the first
			if !m.SetPosition(p) {
				t.Fatalf("%s: %q was not taken", in, p)
			}
			if want := asyncPrefix + timestamp + `,"position":"` + p + `",` + rest; string(m.Line) != want {
				t.Errorf("got  %swant %s", m.Line, want)
			}
			if m.Position() != p {
				t.Errorf("position %q, want %q", m.Position(), p)
			}
		}
		if !json.Valid(m.Line) {
			t.Errorf("%s", m.Line)
		}
	}
}

func TestPositionIsRefused(t *testing.T) {
	m, err := New("d", nil, json.RawMessage("1"), nil, "m", now)
	if err != nil {
		t.Fatal(err)
	}
	before := string(m.Line)
	for _, p := range []string{"", "short", somePosition + "x", somePosition[:PositionSize-1] + `"`, somePosition[:PositionSize-2] + "ä"} {
		if m.SetPosition(p) || string(m.Line) != before {
			t.Errorf("%q was taken: %s", p, m.Line)
		}
	}
	for _, line := range []string{"", "x", asyncPrefix, before} { // not made here, so without room
		hand := &Message{Line: []byte(line)}
		if hand.SetPosition(somePosition) || hand.Position() != "" || string(hand.Line) != line {
			t.Errorf("%q became %q", line, hand.Line)
		}
	}
}

// A line that came from another broker has its position in it.
func TestPositionOfALineFromElsewhere(t *testing.T) {
	m, _ := New("d", nil, json.RawMessage("1"), nil, "m", now)
	m.SetPosition(somePosition)
	if got := (&Message{Line: m.Line}).Position(); got != somePosition {
		t.Errorf("%q", got)
	}
}

func TestSetPositionAllocatesNothing(t *testing.T) {
	m, _ := New("d", nil, json.RawMessage("1"), nil, "m", now)
	position := [PositionSize]byte([]byte(somePosition))
	if n := testing.AllocsPerRun(100, func() { m.SetPosition(string(position[:])) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
