package message

import (
	"math"
	"strconv"
	"strings"
)

// The readers of values. Each passes the value at pos, whatever it is, and refuses it if it is not what the field wants. They are false where the text
// is not JSON.

// wrong passes a value and refuses it.
func (d *decoder) wrong(f field, want string) bool {
	d.refuse(CodeBadField, f, "expected "+want)
	return d.value()
}

// text reads a string of at most limit bytes.
func (d *decoder) text(f field, into *string, limit int) bool {
	if d.peek() != '"' {
		return d.wrong(f, "text")
	}
	t, ok := d.str()
	if !ok {
		return false
	}
	if !d.strings.add(into, t, limit) {
		d.refuse(CodeBadField, f, "expected Unicode text of at most "+strconv.Itoa(limit)+" bytes")
	}
	return true
}

// maxCount is the largest whole number that JSON hands over unharmed everywhere (RFC 8259 section 6).
const maxCount = 1<<53 - 1

// count reads a whole number from 0 to maxCount.
func (d *decoder) count(f field, into *uint64, has *bool) bool {
	start := d.pos
	if !d.value() {
		return false
	}
	n := uint64(0)
	for _, c := range d.scanner.text[start:d.pos] {
		if c < '0' || c > '9' || n > maxCount {
			n = maxCount + 1
			break
		}
		n = n*10 + uint64(c-'0')
	}
	if n > maxCount {
		d.refuse(CodeBadField, f, "expected a whole number from 0 to "+strconv.Itoa(maxCount))
		return true
	}
	*into, *has = n, true
	return true
}

// millis reads a whole number of milliseconds.
func (d *decoder) millis(f field, into *int64) bool {
	start := d.pos
	if !d.value() {
		return false
	}
	n, err := strconv.ParseInt(string(d.scanner.text[start:d.pos]), 10, 64)
	if err != nil || n > maxCount || n < -maxCount {
		d.refuse(CodeBadField, f, "expected whole milliseconds")
		return true
	}
	*into = n
	return true
}

func (d *decoder) boolean(f field, into *bool) bool {
	switch d.peek() {
	case 't':
		*into = true
		return d.value()
	case 'f':
		*into = false
		return d.value()
	}
	return d.wrong(f, "true or false")
}

// raw reads any value of at most limit bytes, as it is written.
func (d *decoder) raw(f field, into *[]byte, limit int) bool {
	start := d.pos
	if !d.value() {
		return false
	}
	if *into = d.scanner.text[start:d.pos]; len(*into) > limit {
		d.refuse(CodeBadField, f, "expected at most "+strconv.Itoa(limit)+" bytes")
	}
	return true
}

// frequency reads a number of messages per second.
func (d *decoder) frequency(f field) bool {
	start := d.pos
	if !d.value() {
		return false
	}
	n, ok := parseFrequency(string(d.scanner.text[start:d.pos]))
	if !ok {
		d.refuse(CodeBadField, f, wantFrequency)
	}
	d.request.Headers.MaxFrequency = n
	return true
}

const wantFrequency = "expected messages per second, a number"

// parseFrequency reads a frequency. What is not finite is none.
func parseFrequency(s string) (n float64, ok bool) {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, false
	}
	return n, true
}

// priority reads a whole number from 0 to 9.
func (d *decoder) priority(f field) bool {
	start := d.pos
	if !d.value() {
		return false
	}
	digit := d.scanner.text[start:d.pos]
	if len(digit) != 1 || digit[0] < '0' || digit[0] > '9' {
		d.refuse(CodeBadField, f, "expected a whole number from 0 to 9")
		return true
	}
	d.request.Headers.Priority, d.request.Headers.HasPriority = int(digit[0]-'0'), true
	return true
}

// subtopics reads one subtopic or a list of them. An empty text is no subtopic.
func (d *decoder) subtopics(f field) bool {
	if d.peek() == '[' {
		return d.list(f, &d.request.Headers.Subtopics, MaxSubtopic)
	}
	if d.peek() != '"' {
		return d.wrong(f, "text or an array of text")
	}
	one := make([]string, 1)
	start := d.pos
	if !d.text(f, &one[0], MaxSubtopic) {
		return false
	}
	if d.pos > start+len(`""`) {
		d.request.Headers.Subtopics = one
	}
	return true
}

// list reads an array of at most maxList texts of at most limit bytes.
func (d *decoder) list(f field, into *[]string, limit int) bool {
	if d.peek() != '[' {
		return d.wrong(f, "an array of text")
	}
	if !d.enter() {
		return false
	}
	for first := true; d.next(first); first = false {
		if d.peek() != '"' {
			if !d.wrong(f, "an array of text") {
				return false
			}
			continue
		}
		t, ok := d.str()
		if !ok {
			return false
		}
		s, ok := t.read()
		switch {
		case !ok || len(s) > limit:
			d.refuse(CodeBadField, f, "expected Unicode text of at most "+strconv.Itoa(limit)+" bytes")
		case len(*into) == maxList:
			d.refuse(CodeBadField, f, "expected at most "+strconv.Itoa(maxList)+" of them")
		default:
			*into = append(*into, string(s))
		}
	}
	return d.err == nil
}

// topicSeparator stands between subtopic, selector and frequency in DSAddSub and DSRemSub, as in Flex.
const topicSeparator = "_;_"

// topics reads the list of a multi_subscribe.
func (d *decoder) topics(f field, into *[]Topic) bool {
	var entries []string
	if !d.list(f, &entries, MaxSubtopic+maxSelector+2*len(topicSeparator)+24) {
		return false
	}
	*into = make([]Topic, len(entries))
	for i, entry := range entries {
		var t Topic
		var frequency string
		t.Subtopic, t.Selector, _ = strings.Cut(entry, topicSeparator)
		if last := strings.LastIndex(t.Selector, topicSeparator); last >= 0 && !strings.Contains(t.Selector[last:], "'") { // else it stands in a text of the selector
			t.Selector, frequency = t.Selector[:last], t.Selector[last+len(topicSeparator):]
		}
		ok := frequency == ""
		if !ok {
			t.MaxFrequency, ok = parseFrequency(frequency)
		}
		switch {
		case !ok:
			d.refuse(CodeBadField, f, wantFrequency)
		case len(t.Subtopic) > MaxSubtopic:
			d.refuse(CodeBadField, f, "expected subtopics of at most "+strconv.Itoa(MaxSubtopic)+" bytes")
		case len(t.Selector) > maxSelector:
			d.refuse(CodeBadField, f, "expected selectors of at most "+strconv.Itoa(maxSelector)+" bytes")
		}
		(*into)[i] = t
	}
	return true
}

// stringSet turns the many short texts of a line into strings with one allocation: they are gathered, and then cut from one string.
type stringSet struct {
	pending [14]pendingString // every field that is read as text comes at most once
	n       int
	size    int // bytes of all
}

type pendingString struct {
	into *string
	raw  []byte
}

// add gathers a text of at most limit bytes; false: it is longer, or no Unicode text.
func (s *stringSet) add(into *string, t text, limit int) bool {
	raw, ok := t.read()
	if !ok || len(raw) > limit {
		return false
	}
	s.pending[s.n] = pendingString{into, raw}
	s.n++
	s.size += len(raw)
	return true
}

// settle sets the strings.
func (s *stringSet) settle() {
	var all strings.Builder
	all.Grow(s.size)
	for _, p := range s.pending[:s.n] {
		all.Write(p.raw)
	}
	rest := all.String()
	for _, p := range s.pending[:s.n] {
		*p.into, rest = rest[:len(p.raw)], rest[len(p.raw):]
	}
}
