package message

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits bound what Decode takes.
type Limits struct {
	MaxSize  int // bytes of a line; zero: the caller has seen to it. XML: max-message-size-bytes.
	MaxDepth int // levels of nesting, the object of the line counted as one; zero, or more than MaxDepth: MaxDepth
}

func (l Limits) depth() int {
	if l.MaxDepth <= 0 || l.MaxDepth > MaxDepth {
		return MaxDepth
	}
	return l.MaxDepth
}

// Decode reads one line of a client, without its LF. It checks all of it, and overwrites line ends between tokens by spaces in place.
//
// What is wrong comes back as message-too-big, bad-text (not UTF-8, or NUL), message-too-deep, bad-message (not a JSON object that begins with type, or a
// known member is there twice), unknown-type, bad-field (Detail names the member and what was expected) or not-served (Detail names the member).
// The error carries messageId and seq wherever the line is JSON and has them.
func Decode(line []byte, limits Limits) (*Request, *Error) {
	if limits.MaxSize > 0 && len(line) > limits.MaxSize || len(line) > math.MaxInt32 {
		return nil, &Error{Code: CodeMessageTooBig, Value: limits.MaxSize}
	}
	if bytes.IndexByte(line, 0) >= 0 || !utf8.Valid(line) {
		return nil, &Error{Code: CodeBadText}
	}
	d := decoder{
		scanner: scanner{text: line, maxDepth: limits.depth()},
		request: &Request{line: line},
	}
	whole := d.line()
	d.strings.settle()
	if !whole {
		if d.err.Code == CodeMessageTooDeep { // else it is not JSON, and has no messageId
			d.err.CorrelationID = d.request.MessageID
		}
		return nil, d.err
	}
	d.check()
	if d.refused != nil {
		d.refused.CorrelationID, d.refused.Seq = d.request.MessageID, d.request.Seq
		return nil, d.refused
	}
	return d.request, nil
}

// decoder reads the known members of a line on the way of its scanner.
type decoder struct {
	scanner
	request *Request
	strings stringSet
	seen    uint64 // fields, as bits
	refused *Error // the first thing wrong with a line that is JSON; the rest is read for its messageId
}

// refuse remembers the first refusal.
func (d *decoder) refuse(code Code, f field, detail string) {
	if d.refused == nil {
		name := fieldNames[f]
		if f >= headerDSId {
			name = "header " + name
		}
		d.refused = Errorf(code, "%s: %s", name, detail)
	}
}

// line reads everything. It is false where the text is not one JSON object, as err says.
func (d *decoder) line() bool {
	if d.space(); d.peek() != '{' {
		return d.fail("an object")
	}
	if !d.enter() {
		return false
	}
	for first := true; d.next(first); first = false {
		start := d.pos
		name, ok := d.key()
		if !ok {
			return false
		}
		f := lineField(name.known())
		if first && f != fieldType {
			d.refuse(CodeBadMessage, fieldType, "expected as the first key")
		}
		if !d.member(f, start) {
			return false
		}
	}
	return d.err == nil && d.end()
}

// object reads the headers. They are handed on whole unless one of them is private.
func (d *decoder) object() bool {
	if d.peek() != '{' {
		return d.wrong(fieldHeaders, "an object")
	}
	if !d.enter() {
		return false
	}
	for first := true; d.next(first); first = false {
		start := d.pos
		name, ok := d.key()
		if !ok || !d.member(headerField(name.known()), start) {
			return false
		}
	}
	return d.err == nil
}

// member reads the value of one member, which began at start, and keeps it for subscribers or cuts it out.
func (d *decoder) member(f field, start int) bool {
	if f == fieldUnknown {
		return d.value() && d.keep(start)
	}
	if d.seen&(1<<f) != 0 {
		d.refuse(CodeBadMessage, f, "is there twice")
		return d.value()
	}
	d.seen |= 1 << f
	if d.peek() == 'n' && f != fieldBody { // null stands for an absent member
		if f == fieldType {
			d.refuse(CodeBadMessage, f, "expected text")
		}
		d.request.kept.cut()
		return d.value()
	}
	if f == fieldHeaders {
		return d.headers(start)
	}
	from := d.pos
	if !d.read(f) {
		return false
	}
	if privateFields&(1<<f) != 0 || f == fieldMessageID && d.pos == from+len(`""`) { // the server makes a messageId
		d.request.kept.cut()
		return true
	}
	return d.keep(start)
}

func (d *decoder) keep(start int) bool {
	if d.refused == nil {
		d.request.kept.keep(start, d.pos)
	}
	return true
}

// read reads the value of a known member.
func (d *decoder) read(f field) bool {
	r := d.request
	switch f {
	case fieldType:
		return d.kind()
	case fieldOperation:
		return d.text(f, &r.Operation, maxName)
	case fieldMessageID:
		return d.text(f, &r.MessageID, maxMessageID)
	case fieldCorrelationID:
		return d.text(f, &r.CorrelationID, maxMessageID)
	case fieldClientID:
		return d.text(f, &r.ClientID, maxName)
	case fieldDestination:
		return d.text(f, &r.Destination, maxDestination)
	case fieldDSId:
		return d.text(f, &r.DSId, maxName)
	case fieldSecret:
		return d.text(f, &r.Secret, maxName)
	case fieldStreamID:
		return d.text(f, &r.StreamID, maxName)
	case fieldSeq:
		return d.count(f, &r.Seq, &r.HasSeq)
	case fieldAttach:
		return d.count(f, &r.Attach, &r.HasAttach)
	case fieldHave:
		return d.count(f, &r.Have, &r.HasHave)
	case fieldGot:
		return d.count(f, &r.Got, &r.HasGot)
	case fieldHeartbeat:
		return d.count(f, &r.Heartbeat, &r.HasHeartbeat)
	case fieldWait:
		return d.count(f, &r.Wait, &r.HasWait)
	case fieldReliable:
		reliable := true
		ok := d.boolean(f, &reliable)
		r.Unreliable = !reliable
		return ok
	case fieldPosition:
		return d.text(f, &r.Position, maxName)
	case fieldTimestamp:
		return d.millis(f, &r.Timestamp)
	case fieldTimeToLive:
		return d.millis(f, &r.TimeToLive)
	case fieldBody:
		start := d.pos
		ok := d.value()
		r.Body = d.scanner.text[start:d.pos]
		return ok
	case headerDSId:
		return d.text(f, &r.Headers.DSId, maxName)
	case headerDSSecret:
		return d.text(f, &r.Headers.DSSecret, maxName)
	case headerDSSubtopic:
		return d.subtopics(f)
	case headerDSNeedsConfig:
		return d.boolean(f, &r.Headers.NeedsConfig)
	case headerDSAddSub:
		return d.topics(f, &r.Headers.AddSub)
	case headerDSRemSub:
		return d.topics(f, &r.Headers.RemSub)
	case headerDSSelector:
		return d.text(f, &r.Headers.Selector, maxSelector)
	case headerDSMaxFrequency:
		return d.frequency(f)
	case headerDSPriority:
		return d.priority(f)
	case headerDSLast:
		return d.count(f, &r.Headers.Last, &r.Headers.HasLast)
	case headerDSSince:
		r.Headers.HasSince = true
		return d.millis(f, &r.Headers.Since)
	case headerDSPresence:
		return d.boolean(f, &r.Headers.Presence)
	case headerDSPresenceInfo:
		return d.raw(f, &r.Headers.PresenceInfo, MaxPresenceInfo)
	}
	return d.value() // headerDSEndpoint, headerDSDstClientID: cut out unread
}

// headers reads the headers, a member that began at start.
func (d *decoder) headers(start int) bool {
	kept := &d.request.kept
	n, open := kept.n, kept.open
	kept.begin()
	if !d.object() {
		return false
	}
	if d.seen&privateHeaders != 0 {
		kept.end()
		return true
	}
	kept.n, kept.open, kept.inside = n, open, span{}
	return d.keep(start)
}

// kind reads the type.
func (d *decoder) kind() bool {
	if d.peek() != '"' {
		d.refuse(CodeBadMessage, fieldType, "expected text")
		return d.value()
	}
	name, ok := d.str()
	if !ok {
		return false
	}
	raw, _ := name.read()
	switch string(raw) {
	case TypeAsync:
		d.request.Type = TypeAsync
	case TypeCommand:
		d.request.Type = TypeCommand
	case TypeControl:
		d.request.Type = TypeControl
	case "remoting":
		d.refuse(CodeNotServed, fieldType, "remoting")
	default:
		d.refuse(CodeUnknownType, fieldType, strconv.Quote(excerpt(raw)))
	}
	return true
}

// check looks at the members together.
func (d *decoder) check() {
	switch r := d.request; {
	case r.Type == "" && d.refused == nil: // the object is empty
		d.refuse(CodeBadMessage, fieldType, "expected as the first key")
	case r.Type == TypeAsync && r.Destination == "":
		d.refuse(CodeBadField, fieldDestination, "missing")
	case r.Type != TypeAsync && r.Operation == "":
		d.refuse(CodeBadField, fieldOperation, "missing")
	}
}

// excerpt shortens what a client sent, for an error.
func excerpt(b []byte) string {
	const enough = 64
	if len(b) > enough {
		b = b[:enough]
	}
	return strings.ToValidUTF8(string(b), "")
}
