package bench

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// A body is the text "B|publisher|number|nanoseconds|xxxx…", padded to the size asked for.
const (
	bodyStart = `"body":"B|`
	MinSize   = 64
)

// stamp is what a message says about itself.
type stamp struct {
	publisher int
	number    uint32 // from 1, dense per publisher and subtopic
	nanos     int64  // when it was due, in nanoseconds since 1970
}

// body encodes s as JSON of size bytes.
func (s stamp) body(size int) json.RawMessage {
	b := make([]byte, 0, size)
	b = append(b, `"B|`...)
	b = strconv.AppendInt(b, int64(s.publisher), 10)
	b = append(b, '|')
	b = strconv.AppendUint(b, uint64(s.number), 10)
	b = append(b, '|')
	b = strconv.AppendInt(b, s.nanos, 10)
	b = append(b, '|')
	for len(b) < size-1 {
		b = append(b, 'x')
	}
	return append(b, '"')
}

// readStamp finds the stamp in a line.
func readStamp(line []byte) (s stamp, ok bool) {
	at := bytes.Index(line, []byte(bodyStart))
	if at < 0 {
		return s, false
	}
	rest := line[at+len(bodyStart):]
	publisher, rest, ok1 := digits(rest)
	number, rest, ok2 := digits(rest)
	nanos, _, ok3 := digits(rest)
	return stamp{int(publisher), uint32(number), nanos}, ok1 && ok2 && ok3
}

// digits reads a number and the bar after it.
func digits(b []byte) (n int64, rest []byte, ok bool) {
	for i, c := range b {
		if c == '|' {
			return n, b[i+1:], i > 0
		}
		if c < '0' || c > '9' || i > 18 {
			break
		}
		n = n*10 + int64(c-'0')
	}
	return 0, nil, false
}
