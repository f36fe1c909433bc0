package message

import (
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

// timestamp reads a whole number of milliseconds.
func (d *decoder) timestamp(f field) bool {
	start := d.pos
	if !d.value() {
		return false
	}
	n, err := strconv.ParseInt(string(d.scanner.text[start:d.pos]), 10, 64)
	if err != nil || n > maxCount || n < -maxCount {
		d.refuse(CodeBadField, f, "expected whole milliseconds")
		return true
	}
	d.request.Timestamp = n
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

// unservedNumber reads the number that asks for something this server does not do; zero or less asks for nothing. A priority asks in any case.
func (d *decoder) unservedNumber(f field) bool {
	start := d.pos
	if c := d.peek(); c != '-' && (c < '0' || c > '9') {
		return d.wrong(f, "a number")
	}
	if !d.value() {
		return false
	}
	// A number out of range comes back as an infinity, with its sign.
	if n, _ := strconv.ParseFloat(string(d.scanner.text[start:d.pos]), 64); n > 0 || f == headerDSPriority {
		d.refuse(CodeNotServed, f, "not served")
	}
	return true
}

// selector reads a selector, which must be empty.
func (d *decoder) selector(f field) bool {
	if d.peek() != '"' {
		return d.wrong(f, "text")
	}
	t, ok := d.str()
	if ok && len(t.raw) > 0 {
		d.refuse(CodeNotServed, f, "not served")
	}
	return ok
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

// topics reads the list of a multi_subscribe and leaves the subtopics of it. A selector and a frequency are not served.
func (d *decoder) topics(f field, into *[]string) bool {
	if !d.list(f, into, MaxSubtopic+len(topicSeparator+topicSeparator+"0")) {
		return false
	}
	for i, entry := range *into {
		subtopic, rest, _ := strings.Cut(entry, topicSeparator)
		selector, frequency, _ := strings.Cut(rest, topicSeparator)
		if selector != "" || frequency != "" && frequency != "0" {
			d.refuse(CodeNotServed, f, "selectors and frequencies are not served")
		}
		if len(subtopic) > MaxSubtopic {
			d.refuse(CodeBadField, f, "expected subtopics of at most "+strconv.Itoa(MaxSubtopic)+" bytes")
		}
		(*into)[i] = subtopic
	}
	return true
}

// stringSet turns the many short texts of a line into strings with one allocation: they are gathered, and then cut from one string.
type stringSet struct {
	pending [12]pendingString // every field that is read as text comes at most once
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
