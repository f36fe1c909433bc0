package message

import (
	"slices"
	"strconv"
	"strings"

	"sluice/channel/selector"
)

// Header is the value of a header, for a selector: text, a number (an integer where it is written as one and fits 64 bits, else a float) or a boolean. One that is absent, null, an object or an array
// is the zero Value; of one that is there twice the last counts. JMSMessageID, JMSCorrelationID, JMSTimestamp (in milliseconds since 1970) and JMSPriority are the message's own, whatever its headers say.
//
// The line is read at the first call, and what was found is kept with the message, in at most four times as many bytes as the headers have; after that nothing is allocated. Any number of goroutines may call it.
func (m *Message) Header(name string) selector.Value {
	switch name {
	case "JMSMessageID":
		return selector.OfText(m.ID)
	case "JMSTimestamp":
		return m.timestamp()
	case "JMSPriority":
		return selector.OfInt(int64(m.Priority))
	}
	return m.read().value(name)
}

// read finds the headers, once.
func (m *Message) read() *headers {
	h := m.headers.Load()
	if h == nil {
		h = readHeaders(m.Line)
		m.headers.Store(h) // several may read at a time: they find the same
	}
	return h
}

// timestamp is the one in the line: the publisher's, or when the server took it.
func (m *Message) timestamp() selector.Value {
	end := m.head()
	if end == 0 {
		return selector.Value{}
	}
	millis, err := strconv.ParseInt(string(m.Line[len(asyncPrefix):end]), 10, 64) // short: it is not allocated
	if err != nil {
		return selector.Value{}
	}
	return selector.OfInt(millis)
}

// correlation is the name under which the correlationId of the line is found.
const correlation = "JMSCorrelationID"

// headers are what a line has of them, sorted by name. It never changes.
type headers struct {
	text string // names and values, one behind the other
	at   []header
}

// header is where a name and its value, which follows it, stand in the text. It is small because there may be many.
type header struct {
	name, value, end int32
	kind             headerKind
}

// headerKind is what a value is.
type headerKind uint8

const (
	headerOther headerKind = iota // null, an object, an array, or too large a number: nothing of it is kept
	headerText
	headerTrue
	headerFalse
	headerInt
	headerFloat
)

func (h *headers) name(at header) string { return h.text[at.name:at.value] }

// find returns where the header of that name is; none has the kind headerOther.
func (h *headers) find(name string) header {
	i, there := slices.BinarySearchFunc(h.at, name, func(at header, name string) int { return strings.Compare(h.name(at), name) })
	if !there {
		return header{}
	}
	return h.at[i]
}

func (h *headers) value(name string) selector.Value {
	at := h.find(name)
	switch text := h.text[at.value:at.end]; at.kind {
	case headerText:
		return selector.OfText(text)
	case headerTrue, headerFalse:
		return selector.OfBool(at.kind == headerTrue)
	case headerInt:
		i, _ := strconv.ParseInt(text, 10, 64)
		return selector.OfInt(i)
	case headerFloat:
		f, _ := strconv.ParseFloat(text, 64)
		return selector.OfFloat(f)
	}
	return selector.Value{}
}

// readHeaders finds the headers of a line that was checked before.
func readHeaders(line []byte) *headers {
	var room [16]header
	var text [512]byte
	r := headerReader{scanner: scanner{text: line, maxDepth: MaxDepth}, found: text[:0], at: room[:0]}
	r.line()
	h := &headers{text: string(r.found), at: slices.Clone(r.at)}
	slices.SortStableFunc(h.at, func(a, b header) int { return strings.Compare(h.name(a), h.name(b)) })
	n := 0
	for i, at := range h.at {
		if i+1 == len(h.at) || h.name(at) != h.name(h.at[i+1]) { // the last of its name
			h.at[n] = at
			n++
		}
	}
	h.at = h.at[:n]
	return h
}

// headerReader gathers the headers on the way of its scanner.
type headerReader struct {
	scanner
	found []byte
	at    []header
}

// line reads the members of the line.
func (r *headerReader) line() {
	if r.peek() != '{' || !r.enter() {
		return
	}
	for first := true; r.next(first); first = false {
		name, ok := r.key()
		if !ok {
			return
		}
		switch lineField(name.known()) {
		case fieldHeaders:
			r.headers()
		case fieldCorrelationID:
			r.keep([]byte(correlation))
		default:
			r.value()
		}
	}
}

func (r *headerReader) headers() {
	if r.peek() != '{' {
		r.value()
		return
	}
	if !r.enter() {
		return
	}
	for first := true; r.next(first); first = false {
		name, ok := r.key()
		if !ok {
			return
		}
		if known := name.known(); known == nil || string(known) == correlation {
			r.value()
		} else {
			r.keep(known)
		}
	}
}

// keep keeps the value at pos under a name.
func (r *headerReader) keep(name []byte) {
	at := header{name: int32(len(r.found))}
	r.found = append(r.found, name...)
	at.value = int32(len(r.found))
	if !r.read(&at.kind) {
		return
	}
	at.end = int32(len(r.found))
	r.at = append(r.at, at)
}

// read passes the value at pos, and appends what is to be kept of it. It is false where there is none.
func (r *headerReader) read(kind *headerKind) bool {
	start := r.pos
	switch r.peek() {
	case '"':
		t, ok := r.str()
		if value, readable := t.read(); ok && readable {
			*kind = headerText
			r.found = append(r.found, value...)
		}
		return ok
	case 't':
		*kind = headerTrue
	case 'f':
		*kind = headerFalse
	case '{', '[', 'n':
	default:
		if !r.value() {
			return false
		}
		number := r.text[start:r.pos]
		if *kind = numberKind(string(number)); *kind != headerOther {
			r.found = append(r.found, number...)
		}
		return true
	}
	return r.value()
}

func numberKind(text string) headerKind {
	if !strings.ContainsAny(text, ".eE") {
		if _, err := strconv.ParseInt(text, 10, 64); err == nil {
			return headerInt
		}
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return headerFloat
	}
	return headerOther
}
