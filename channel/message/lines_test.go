package message

import (
	"slices"
	"testing"
)

func TestLines(t *testing.T) {
	for _, test := range []struct {
		data string
		want []string
	}{
		{"", nil},
		{"\n\n", nil},
		{"\x00\x00", nil},
		{" \r\n\t\n", nil},
		{"a", []string{"a"}},
		{"a\n", []string{"a"}},
		{"a\nb", []string{"a", "b"}},
		{"\x00a\n\n\x00\x00\nb\r\n\x00", []string{"a", "b"}},
		{"{\n\"type\":1}\n", []string{"{", "\"type\":1}"}},
		{"a\x00b\n", []string{"a\x00b"}},
	} {
		var got []string
		for line := range Lines([]byte(test.data)) {
			got = append(got, string(line))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%q: got %q, want %q", test.data, got, test.want)
		}
	}
}

func TestLinesStops(t *testing.T) {
	for line := range Lines([]byte("a\nb\n")) {
		if string(line) != "a" {
			t.Fatalf("went on to %q", line)
		}
		break
	}
}
